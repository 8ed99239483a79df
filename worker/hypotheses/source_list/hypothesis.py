"""Scan of a list of sources: implements `worker.hypotheses.protocol`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from worker.engines.protocol import Engine, Sources, SourceScanner
from worker.hypotheses import hottest_spots
from worker.hypotheses.protocol import F64, BackgroundSkies, Rows, Sky, Target, Tsds
from worker.hypotheses.source_list import checks, sources
from worker.hypotheses.source_list.sources import BINOMIAL_DTYPE, SOURCE_DTYPE
from worker.hypotheses.together import Together
from worker.rundir import layout, store
from worker.rundir.ledger import Expected, Run
from worker.spec.specfile import digest
from worker.stats.checks import Check
from worker.stats.posttrial import post_trial


class _Fits(NamedTuple):
    """Fits of all sources, in rows of `SOURCE_DTYPE`."""

    scanner: SourceScanner
    block: int

    def skies(self, key: tuple[int, int], first: int, count: int) -> Rows:
        return self.scanner.skies(key, first, count).view(SOURCE_DTYPE)[..., 0]

    def at(self, turns: F64) -> Rows:
        out = np.empty((len(turns), len(self.scanner.sources.dec), 3))
        self.scanner.at(turns, out)
        return out.view(SOURCE_DTYPE)[..., 0]


class SourceList(Together):
    """The scan of a list of sources."""

    @property
    def sky_dtype(self) -> np.dtype[np.void]:
        """TS, ns and gamma."""
        return SOURCE_DTYPE

    def scanner(self, engine: Engine) -> _Fits:
        """Fits of all sources."""
        scanner = engine.source_scanner(sources.positions(self.spec))
        return _Fits(scanner, scanner.block)

    def checks(self) -> Mapping[str, Callable[[Run], Check]]:
        """Whether hottest sources are distributed like the sources."""
        return checks.CHECKS

    def sky_area(self) -> Mapping[str, Any]:
        """Positions."""
        return {"sources": digest([[source.ra_deg, source.dec_deg] for source in sources.scan_of(self.spec).entries])}

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

    def targets(self, result: Mapping[str, Any]) -> Iterable[Target]:
        """Every source."""
        for source in result["sources"]:
            yield Target(source["name"], source["dec_deg"], source["ts"])

    def further_tests(self, path: Path, result: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
        """The binomial test over the list."""
        return {"binomial": {region: self._binomial(path, region, test) for region, test in result["binomial"].items()}}

    def further_statistics(self, path: Path, result: Mapping[str, Any]) -> Iterator[tuple[F64, float]]:
        """Those of the binomial test."""
        for region, test in result["binomial"].items():
            skies = store.load_array(path, layout.binomial_file(region), None, BINOMIAL_DTYPE)
            yield skies["mlog10p"], float(test["mlog10p"])

    def _binomial(self, path: Path, region: str, test: Mapping[str, Any]) -> dict[str, Any]:
        skies = store.load_array(path, layout.binomial_file(region), None, BINOMIAL_DTYPE)
        found = post_trial(test["mlog10p"], skies["mlog10p"])
        return {**{key: getattr(found, key) for key in ("p", "n", "lo", "hi", "level")}, "n_at_least": found.k, **test}

    def require_files(self, run: Run, result: Mapping[str, Any]) -> None:
        """The binomial tests of every region."""
        for region in result["regions"]:
            store.load_array(run.path, layout.binomial_file(region), result["n_skies"], BINOMIAL_DTYPE)
