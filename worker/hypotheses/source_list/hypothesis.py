"""Scan of a list of sources: implements `worker.hypotheses.protocol`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Self

import numpy as np

from worker.base.errors import SpecError
from worker.engines.protocol import Engine, Sources
from worker.hypotheses import hottest_spots
from worker.hypotheses.protocol import F64, BackgroundSkies, Rows, Sky, SkyFile, Steps, Target, Tsds
from worker.hypotheses.source_list import checks, sources
from worker.hypotheses.source_list.sources import BINOMIAL_DTYPE, SOURCE_DTYPE
from worker.rundir import address, layout, store
from worker.rundir.ledger import Expected, Run
from worker.spec.sections import Spec
from worker.spec.specfile import digest
from worker.stats.checks import Check
from worker.stats.posttrial import post_trial


class SourceList(NamedTuple):
    """The scan of a list of sources."""

    spec: Spec
    sky_dtype: np.dtype[np.void] = SOURCE_DTYPE
    map_dtype: np.dtype[np.void] = SOURCE_DTYPE
    rows_by_chance: int = 1

    def ensemble(self) -> Self:
        """All sources in a sky."""
        return self

    def checks(self) -> Mapping[str, Callable[[Run], Check]]:
        """Whether hottest sources are distributed like the sources."""
        return checks.CHECKS

    def skies(self, n: int, seed: int, first: int, band: str | None, part: int) -> SkyFile:
        """TS, ns and gamma of every source."""
        if band is not None:
            raise SpecError(f"--band={band}: a list of sources has no bands; leave it out")
        folder = layout.part_dir(layout.scan_dir(self.spec.name, self.spec.scan.level()), part)
        path = folder / layout.sky_name(folder, n, seed, first)
        args = {"seed": seed, "first": first} | layout.part_address(part)
        return self._work(path, args, (address.scan_trials(self.spec, seed), first, n))

    def observed(self, nside: int | None, band: int, bands: int) -> SkyFile:
        """TS, ns and gamma of every source, as one row."""
        if nside is not None or bands > 1:
            raise SpecError("--nside, --band and --bands belong to a map; a list of sources has none: leave them out")
        path = layout.map_dir(self.spec.name, self.spec.scan.level()) / layout.band_name(0, 1)
        return self._work(path, {}, (address.observed(self.spec), 0, 1))

    def _work(self, path: PurePosixPath, args: Mapping[str, Any], skies: tuple[tuple[int, int], int, int]) -> SkyFile:
        """All sources in skies (key, first, n), as (n, n_sources)."""
        key, first, n = skies
        return SkyFile(path, args, self.sky_area(), n, n, SOURCE_DTYPE, partial(self._begin, key, first))

    def _begin(self, key: tuple[int, int], first: int, engine: Engine) -> Steps:
        fits = engine.source_scanner(sources.positions(self.spec))

        def scan_skies(start: int, count: int) -> Rows:
            return fits.skies(key, first + start, count).view(SOURCE_DTYPE)[..., 0]

        return Steps(fits.block, scan_skies)

    def sky_area(self) -> Mapping[str, Any]:
        """Positions."""
        return {"sources": digest([[source.ra_deg, source.dec_deg] for source in sources.scan_of(self.spec).entries])}

    def map_area(self, nside: int, band: int, bands: int) -> Mapping[str, Any]:
        """Positions: there is no map."""
        return self.sky_area()

    def warm_up(self, engine: Engine) -> None:
        """Fit the first source."""
        first = Sources(*(values[:1] for values in sources.positions(self.spec)))
        engine.source_scanner(first).skies((0, 0), 0, 1)

    def spots(self, skies: Rows, tsds: Tsds, region: str = "all") -> Rows:
        """Hottest sources in the columns of hottest spots."""
        where, index = sources.positions(self.spec), sources.regions(self.spec)[region]
        heat = hottest_spots.p_map(self.spec, tsds, np.broadcast_to(where.dec, skies.shape), skies["ts"])
        return sources.spots(where, skies[:, index], heat[:, index], index)

    def background(self, files: Sequence[Expected], load: Callable[[Expected], Rows], tsds: Tsds) -> BackgroundSkies:
        """Hottest sources and binomial tests, by region."""
        return sources.background(self.spec, map(load, files), tsds)

    def sky_result(self, sky: Sky, tsds: Tsds) -> dict[str, Any]:
        """Every source, the hottest, and the binomial test."""
        return sources.sky_result(self.spec, sky.values(0)[0], tsds, sky.name)

    def maps(self, file: Callable[[int, str], PurePosixPath]) -> list[PurePosixPath]:
        """None."""
        return []

    def targets(self, result: Mapping[str, Any]) -> Iterable[Target]:
        """Every source."""
        for source in result["sources"]:
            yield Target(source["name"], source["dec_deg"], source["ts"])

    def further_tests(self, path: Path, result: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
        """The binomial test over the list."""
        return {"binomial": {region: self._binomial(path, region, test) for region, test in result["binomial"].items()}}

    def _binomial(self, path: Path, region: str, test: Mapping[str, Any]) -> dict[str, Any]:
        skies = store.load_array(path, layout.binomial_file(region), None, BINOMIAL_DTYPE)
        found = post_trial(test["mlog10p"], skies["mlog10p"])
        return {**{key: getattr(found, key) for key in ("p", "n", "lo", "hi", "level")}, "n_at_least": found.k, **test}

    def real_bands(self, nside: int, jobs: int) -> int:
        """1: all sources together."""
        return 1

    def scan_real(self, engine: Engine, turn: F64, nside: int, band: int, bands: int) -> Rows:
        """TS, ns and gamma of every source, as one row."""
        scanner = engine.source_scanner(sources.positions(self.spec))
        out = np.empty((1, len(scanner.sources.dec), 3))
        scanner.at(turn[None, :], out)
        return out.view(SOURCE_DTYPE)[..., 0]

    def recompute(self, engine: Engine, file: Expected, rows: Sequence[int]) -> Iterator[Rows]:
        """TS, ns and gamma of every source."""
        scanner, key = engine.source_scanner(sources.positions(self.spec)), address.scan_trials(self.spec, file.seed)
        return (scanner.skies(key, file.first + row, 1).view(SOURCE_DTYPE)[..., 0] for row in rows)

    def refitted(self, engine: Engine, file: Expected, skies: Rows) -> None:
        """None: each source has a fixed position."""

    def require_files(self, run: Run, result: Mapping[str, Any]) -> None:
        """The binomial tests of every region."""
        for region in result["regions"]:
            store.load_array(run.path, layout.binomial_file(region), result["n_skies"], BINOMIAL_DTYPE)
