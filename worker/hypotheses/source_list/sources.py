"""What becomes of skies in which a list of sources was fitted.

A sky is scrambled once and seen by all sources, so p-values of one sky are correlated as those of the real sky are: the
hottest source and the binomial test get their trial correction from whole skies.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import SpecError
from worker.engines.protocol import Sources
from worker.hypotheses import hottest_spots
from worker.hypotheses.protocol import Kept, Rows, Tsds
from worker.rundir import layout
from worker.spec.sections import Spec
from worker.spec.source_scan import CatalogScan
from worker.stats.population import binomial_test

F64 = NDArray[np.float64]
SOURCE_DTYPE = np.dtype([("ts", "<f8"), ("ns", "<f8"), ("gamma", "<f8")])
BINOMIAL_DTYPE = np.dtype([("mlog10p", "<f8"), ("k", "<i8")])


def scan_of(spec: Spec) -> CatalogScan:
    """The scan of a list of sources.

    Raises
    ------
    SpecError
        It is another one.
    """
    if isinstance(spec.scan, CatalogScan):
        return spec.scan
    raise SpecError(f"this analysis has no list of sources; scan.kind is {spec.scan.kind}")


def positions(spec: Spec) -> Sources:
    """Positions of the sources, in the order of the list."""
    entries = scan_of(spec).entries
    dec = np.radians(np.array([source.dec_deg for source in entries]))
    return Sources(dec, np.array([source.ra_deg for source in entries]) / 360.0)


def regions(spec: Spec) -> dict[str, NDArray[np.int64]]:
    """Which sources belong to the whole list and, where both are there, to its north and south."""
    dec = positions(spec).dec
    found = {name: np.flatnonzero(hottest_spots.in_region(spec, name, dec)) for name in hottest_spots.REGIONS}
    split = all(len(found[name]) for name in ("north", "south"))
    return found if split else {"all": found["all"]}


def told(spec: Spec, row: Rows, tsds: Tsds, sky: str) -> dict[str, Any]:
    """What is said of a sky, from TS, ns and gamma of all sources: each of them, the hottest, the binomial test."""
    entries, dec = scan_of(spec).entries, positions(spec).dec
    heat = hottest_spots.p_map(spec, tsds, dec, row["ts"])
    sources = [
        {
            "name": source.name, "ra_deg": source.ra_deg, "dec_deg": source.dec_deg, "ts": float(row["ts"][i]),
            "ns": float(row["ns"][i]), "gamma": float(row["gamma"][i]), "mlog10p": float(heat[i]),
            "p": float(10.0 ** -heat[i]),
        }
        for i, source in enumerate(entries)
    ]  # fmt: skip
    hot = {name: _spot(sources[int(use[np.argmax(heat[use])])]) for name, use in regions(spec).items()}
    tests = {name: _binomial(sources, heat, use) for name, use in regions(spec).items()}
    return {"sky": sky, "kind": "catalog", "n_sources": len(sources), "hottest": hot["all"], "regions": hot,
            "binomial": tests, "sources": sources}  # fmt: skip


def _spot(source: Mapping[str, Any]) -> dict[str, Any]:
    """A source as a hottest spot: angles in radians too."""
    keep = {key: value for key, value in source.items() if key != "p"}
    return keep | {"ra": float(np.radians(source["ra_deg"])), "dec": float(np.radians(source["dec_deg"]))}


def _binomial(sources: Sequence[Mapping[str, Any]], heat: F64, use: NDArray[np.int64]) -> dict[str, Any]:
    found = binomial_test(heat[use])
    k = int(found.k[0])
    names = [sources[int(i)]["name"] for i in use[np.argsort(-heat[use], kind="stable")][:k]]
    return {"mlog10p": float(found.mlog10p[0]), "k": k, "n_sources": len(use), "names": names}


def background(spec: Spec, files: Iterable[Rows], tsds: Tsds) -> Kept:
    """Hottest sources and binomial tests of background skies, file by file: the skies themselves are let go."""
    where, use = positions(spec), regions(spec)
    kept: dict[PurePosixPath, list[Rows]] = {}
    for skies in files:
        heat = hottest_spots.p_map(spec, tsds, np.broadcast_to(where.dec, skies.shape), skies["ts"])
        for name, index in use.items():
            hottest = spots(where, skies[:, index], heat[:, index], index)
            kept.setdefault(layout.skies_file(name), []).append(hottest)
            kept.setdefault(layout.binomial_file(name), []).append(_tests(heat[:, index]))
    whole = {path: np.concatenate(parts) for path, parts in kept.items()}
    found = whole[layout.skies_file()]
    rel = layout.scan_dir(spec.name, spec.scan.level()) / layout.trials_name(len(found), 0)
    return Kept(len(found), whole | {rel: found})


def spots(where: Sources, skies: Rows, heat: F64, index: NDArray[np.int64]) -> Rows:
    """The hottest source of each sky, in the columns of a hottest spot (ties: the first of the list)."""
    best = np.argmax(heat, axis=1)
    rows = np.arange(len(skies))
    out = np.empty(len(skies), hottest_spots.SPOT_DTYPE)
    out["dec"], out["ra"] = where.dec[index[best]], where.turn[index[best]] * (2.0 * np.pi)
    out["mlog10p"] = heat[rows, best]
    for name in ("ts", "ns", "gamma"):
        out[name] = skies[name][rows, best]
    return out


def _tests(heat: F64) -> Rows:
    found = binomial_test(heat)
    out = np.empty(len(heat), BINOMIAL_DTYPE)
    out["mlog10p"], out["k"] = found.mlog10p, found.k
    return out
