"""The list of sources: background skies and the observed one, and what becomes of them.

A sky is scrambled once and seen by all sources, so p-values of one sky are correlated as those of the real sky are: the
hottest source and the binomial test get their trial correction from whole skies.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import SpecError
from worker.base.task_rows import SCAN_MAP, SCAN_TRIALS
from worker.engines.builtin.sources import Sources, SourceScanner
from worker.rundir import address, layout, store
from worker.rundir.ledger import Run, expected
from worker.rundir.record import Record
from worker.spec.scan import CatalogScan
from worker.spec.specfile import digest as digest_of
from worker.stats.distributions import TSD
from worker.stats.population import binomial_test
from worker.tasks import context, hottest_spots
from worker.tasks.resume import Output, Work, produce

F64 = NDArray[np.float64]
SOURCE_DTYPE = np.dtype([("ts", "<f8"), ("ns", "<f8"), ("gamma", "<f8")])
BINOMIAL_DTYPE = np.dtype([("mlog10p", "<f8"), ("k", "<i8")])
SKY = "scrambled"


class Skies(NamedTuple):
    """What is kept of background skies, by region: hottest sources and binomial tests."""

    spots: dict[str, NDArray[np.void]]
    binomial: dict[str, NDArray[np.void]]


def is_catalog(run: Run) -> bool:
    """Whether the analysis scans a list of sources."""
    return isinstance(run.spec.scan, CatalogScan)


def scan_of(run: Run) -> CatalogScan:
    """The scan of a list of sources.

    Raises
    ------
    SpecError
        It is one of the whole sky.
    """
    if isinstance(run.spec.scan, CatalogScan):
        return run.spec.scan
    raise SpecError("this analysis scans the whole sky; scan.kind is healpix")


def positions(run: Run) -> Sources:
    """Positions of the sources, in the order of the list."""
    entries = scan_of(run).entries
    dec = np.radians(np.array([source.dec_deg for source in entries]))
    return Sources(dec, np.array([source.ra_deg for source in entries]) / 360.0)


def digest(run: Run, kind: str) -> str:
    """Digest of a file of skies (`scan_trials`) or of the observed sky (`scan_map`): data, likelihood, positions."""
    places = [[source.ra_deg, source.dec_deg] for source in scan_of(run).entries]
    return context.trial_digest(run, kind, area={"sources": digest_of(places)})


def scan_trials(run: Run, n: int, seed: int, first: int, part: int = 0) -> None:
    """Background skies [first, first + n): TS, ns and gamma of every source."""
    folder = layout.part_dir(layout.catalog_dir(run.spec.name, scan_of(run).tag), part)
    rel = folder / layout.sky_name(folder, n, seed, first)
    args = {"seed": seed, "first": first} | layout.part_address(part)
    _scan(run, rel, SCAN_TRIALS, args, (address.scan_trials(run.spec, seed), first, n))


def scan_map(run: Run) -> None:
    """The observed (scrambled) sky: TS, ns and gamma of every source, as one row."""
    rel = layout.catalog_map_dir(run.spec.name, scan_of(run).tag) / layout.band_name(0, 1)
    _scan(run, rel, SCAN_MAP, {}, (address.observed(run.spec), 0, 1))


def _scan(
    run: Run, rel: PurePosixPath, kind: str, args: dict[str, Any], skies: tuple[tuple[int, int], int, int]
) -> None:
    """Fit all sources in skies (key, first, n) and write them as (n, n_sources)."""
    key, first, n = skies

    def set_up() -> Work:
        scanner = SourceScanner(context.analysis(run), positions(run))

        def some(start: int, count: int) -> NDArray[np.void]:
            return scanner.skies(key, first + start, count).view(SOURCE_DTYPE)[..., 0]

        return Work(n, scanner.block, some)

    produce(run, Output(kind, rel, args, digest(run, kind), n, SOURCE_DTYPE), set_up)


def regions(run: Run) -> dict[str, NDArray[np.int64]]:
    """Which sources belong to the whole list and, where both are there, to its north and south."""
    dec = positions(run).dec
    found = {name: np.flatnonzero(hottest_spots.in_region(run, name, dec)) for name in hottest_spots.REGIONS}
    split = all(len(found[name]) for name in ("north", "south"))
    return found if split else {"all": found["all"]}


def observed(run: Run, tsds: Mapping[float, TSD]) -> dict[str, Any]:
    """What scan.json says of the observed sky: every source, the hottest, and the binomial test."""
    (file,) = expected(run, SCAN_MAP)
    return told(run, store.load_array(run.path, file.path, 1, SOURCE_DTYPE, digest(run, SCAN_MAP))[0], tsds, SKY)


def told(run: Run, row: NDArray[np.void], tsds: Mapping[float, TSD], sky: str) -> dict[str, Any]:
    """The same of any sky, from TS, ns and gamma of every source."""
    entries, dec = scan_of(run).entries, positions(run).dec
    heat = hottest_spots.p_map(run, tsds, dec, row["ts"])
    sources = [
        {
            "name": source.name, "ra_deg": source.ra_deg, "dec_deg": source.dec_deg, "ts": float(row["ts"][i]),
            "ns": float(row["ns"][i]), "gamma": float(row["gamma"][i]), "mlog10p": float(heat[i]),
            "p": float(10.0 ** -heat[i]),
        }
        for i, source in enumerate(entries)
    ]  # fmt: skip
    hot = {name: _spot(sources[int(use[np.argmax(heat[use])])]) for name, use in regions(run).items()}
    tests = {name: _binomial(sources, heat, use) for name, use in regions(run).items()}
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


def background(run: Run, files: Iterable[NDArray[np.void]], tsds: Mapping[float, TSD]) -> Skies:
    """Hottest sources and binomial tests of background skies, file by file: the skies themselves are let go."""
    where = positions(run)
    use = regions(run)
    spots: dict[str, list[NDArray[np.void]]] = {name: [] for name in use}
    tests: dict[str, list[NDArray[np.void]]] = {name: [] for name in use}
    for skies in files:
        heat = hottest_spots.p_map(run, tsds, np.broadcast_to(where.dec, skies.shape), skies["ts"])
        for name, index in use.items():
            spots[name].append(_spots(where, skies[:, index], heat[:, index], index))
            tests[name].append(_tests(heat[:, index]))
    return Skies(
        {name: np.concatenate(parts) for name, parts in spots.items()},
        {name: np.concatenate(parts) for name, parts in tests.items()},
    )


def _spots(where: Sources, skies: NDArray[np.void], heat: F64, index: NDArray[np.int64]) -> NDArray[np.void]:
    """The hottest source of each sky, in the columns of a hottest spot (ties: the first of the list)."""
    best = np.argmax(heat, axis=1)
    rows = np.arange(len(skies))
    out = np.empty(len(skies), hottest_spots.SPOT_DTYPE)
    out["dec"], out["ra"] = where.dec[index[best]], where.turn[index[best]] * (2.0 * np.pi)
    out["mlog10p"] = heat[rows, best]
    for name in ("ts", "ns", "gamma"):
        out[name] = skies[name][rows, best]
    return out


def _tests(heat: F64) -> NDArray[np.void]:
    found = binomial_test(heat)
    out = np.empty(len(heat), BINOMIAL_DTYPE)
    out["mlog10p"], out["k"] = found.mlog10p, found.k
    return out


def save(run: Run, skies: Skies, record: Record) -> int:
    """Write what is kept of the background skies; how many there are."""
    for name, spots in skies.spots.items():
        store.save_array(run.path, layout.skies_file(name), spots, record)
        store.save_array(run.path, layout.binomial_file(name), skies.binomial[name], record)
    folder, n = layout.catalog_dir(run.spec.name, scan_of(run).tag), len(skies.spots["all"])
    store.save_array(run.path, folder / layout.trials_name(n, 0), skies.spots["all"], record)
    return n
