"""Results of skies in which a list of sources was fitted.

A sky is scrambled once and all sources are fitted in it, so the p-values of one sky have the same correlations as in
the real sky. Whole skies therefore give the trial correction of the hottest source and of the binomial test.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import SpecError
from worker.engines.protocol import Sources
from worker.hypotheses import hottest_spots
from worker.hypotheses.protocol import BackgroundSkies, Rows, Tsds
from worker.rundir import layout
from worker.spec.sections import Spec
from worker.spec.source_scan import CatalogScan
from worker.stats import bands
from worker.stats.population import binomial_test

F64 = NDArray[np.float64]
SOURCE_DTYPE = np.dtype([("ts", "<f8"), ("ns", "<f8"), ("gamma", "<f8")])
BINOMIAL_DTYPE = np.dtype([("mlog10p", "<f8"), ("k", "<i8")])


def scan_of(spec: Spec) -> CatalogScan:
    """The scan of a list of sources.

    Raises
    ------
    SpecError
        The analysis has another kind of scan.
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
    """Indices of the sources in the whole list and, if both have sources, in its north and south."""
    dec = positions(spec).dec
    index_of = {name: np.flatnonzero(hottest_spots.in_region(spec, name, dec)) for name in hottest_spots.REGIONS}
    split = all(len(index_of[name]) for name in ("north", "south"))
    return index_of if split else {"all": index_of["all"]}


def sky_result(spec: Spec, row: Rows, tsds: Tsds, sky: str) -> dict[str, Any]:
    """Results of a sky from TS, ns and gamma of all sources: every source, the hottest, the binomial test."""
    entries, dec = scan_of(spec).entries, positions(spec).dec
    heat = hottest_spots.p_map(spec, tsds, dec, row["ts"])
    sources = [
        {
            "name": source.name, "ra_deg": source.ra_deg, "dec_deg": source.dec_deg, "ts": float(row["ts"][i]),
            "ns": float(row["ns"][i]), "gamma": float(row["gamma"][i]), "mlog10p": float(heat[i]),
            "p": float(10.0 ** -heat[i]), **hottest_spots.local_p(spec, tsds, float(dec[i]), float(row["ts"][i])),
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
    test = binomial_test(heat[use])
    k = int(test.k[0])
    names = [sources[int(i)]["name"] for i in use[np.argsort(-heat[use], kind="stable")][:k]]
    return {"mlog10p": float(test.mlog10p[0]), "k": k, "n_sources": len(use), "names": names}


def background(spec: Spec, sky_files: Iterable[Rows], tsds: Tsds) -> BackgroundSkies:
    """Hottest sources and binomial tests of background skies; only one file of skies is in memory at a time."""
    where, use = positions(spec), regions(spec)
    parts_of: dict[PurePosixPath, list[Rows]] = {}
    hottest_of_bands: list[F64] = []
    for skies in sky_files:
        heat = hottest_spots.p_map(spec, tsds, np.broadcast_to(where.dec, skies.shape), skies["ts"])
        hottest_of_bands.append(bands.hottest(where.dec, heat))
        for name, index in use.items():
            spot_rows = spots(where, skies[:, index], heat[:, index], index)
            parts_of.setdefault(layout.skies_file(name), []).append(spot_rows)
            parts_of.setdefault(layout.binomial_file(name), []).append(_tests(heat[:, index]))
    files = {path: np.concatenate(parts) for path, parts in parts_of.items()}
    hottest = files[layout.skies_file()]
    rel = layout.scan_dir(spec.name, spec.scan.level()) / layout.trials_name(len(hottest), 0)
    one = np.ones(len(where.dec), np.int64)
    n_eff = hottest_spots.n_eff_bands(spec, tsds, where.dec, one, np.concatenate(hottest_of_bands))
    return BackgroundSkies(len(hottest), files | {rel: hottest}, n_eff)


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
    test = binomial_test(heat)
    out = np.empty(len(heat), BINOMIAL_DTYPE)
    out["mlog10p"], out["k"] = test.mlog10p, test.k
    return out
