"""Windows in the same skies, with tests over all sources: implements `worker.hypotheses.protocol`.

Sum of TS over the sources, for each length that several of them have; and the binomial test over the sources, each with
its hottest window. Both are corrected with the skies in which the windows were fitted.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.hypotheses.points.skies import PointSkies
from worker.hypotheses.protocol import F64, BackgroundSkies, Rows, Sky, Tsds
from worker.hypotheses.source_list.sources import BINOMIAL_DTYPE
from worker.rundir import layout, store
from worker.rundir.ledger import Expected, Run
from worker.stats.population import binomial_test
from worker.stats.posttrial import post_trial

SUM_DTYPE = np.dtype([("ts", "<f8")])
ALL = "all"


class WindowSkies(PointSkies):
    """The scan of the windows of a hypothesis."""

    @property
    def _by_source(self) -> dict[str, list[int]]:
        """Numbers of the windows of each source."""
        out: dict[str, list[int]] = {}
        for i, at in enumerate(self.points):
            out.setdefault(str(at.labels["source"]), []).append(i)
        return out

    @property
    def _by_length(self) -> dict[str, list[int]]:
        """Numbers of the windows of each length that several sources have; ``sigma_10d`` of Gaussians."""
        out: dict[str, list[int]] = {}
        for i, at in enumerate(self.points):
            out.setdefault(at.folder.name.partition("__")[2], []).append(i)
        sources = {length: {self.points[i].labels["source"] for i in own} for length, own in out.items()}
        return {length: own for length, own in out.items() if len(sources[length]) > 1}

    def _sums(self, skies: Rows) -> Rows:
        """Sum of TS over the sources for each length, (n_skies, n_lengths) of `SUM_DTYPE`."""
        columns = [np.cumsum(skies["ts"][:, own], axis=1)[:, -1] for own in self._by_length.values()]
        return np.ascontiguousarray(np.stack(columns, axis=1)).view(SUM_DTYPE)

    def _binomial(self, heat: F64) -> Rows:
        """Binomial tests of skies, from -log10 p of every window, (n_skies,) of `BINOMIAL_DTYPE`."""
        test = binomial_test(np.stack([heat[:, own].max(axis=1) for own in self._by_source.values()], axis=1))
        out = np.empty(len(heat), BINOMIAL_DTYPE)
        out["mlog10p"], out["k"] = test.mlog10p, test.k
        return out

    def background(self, files: Sequence[Expected], load: Callable[[Expected], Rows], tsds: Tsds) -> BackgroundSkies:
        """Hottest windows, binomial tests and sums."""
        found = super().background(files, load, tsds)
        tests, sums = [], []
        for file in files:
            skies = load(file)
            tests.append(self._binomial(self._heat(skies, tsds)))
            if self._by_length:
                sums.append(self._sums(skies))
        more: dict[Any, NDArray[np.void]] = {layout.binomial_file(ALL): np.concatenate(tests)}
        if sums:
            more[layout.sums_file()] = np.concatenate(sums)
        return found._replace(files={**found.files, **more})

    def sky_result(self, sky: Sky, tsds: Tsds) -> dict[str, Any]:
        """Every window, the hottest, and the tests over all sources."""
        result = super().sky_result(sky, tsds)
        heat = np.array([[row["mlog10p"] for row in result["points"]]])
        test, by_source = self._binomial(heat)[0], self._by_source
        best = {name: float(heat[0, own].max()) for name, own in by_source.items()}
        k = int(test["k"])
        names = sorted(best, key=lambda name: -best[name])[:k]
        row = {"mlog10p": float(test["mlog10p"]), "k": k, "n_sources": len(by_source), "names": names}
        ts = [point["ts"] for point in result["points"]]
        sums = {
            length: {"sum_ts": float(np.cumsum([ts[i] for i in own])[-1]), "n_sources": len(own)}
            for length, own in self._by_length.items()
        }
        return {**result, "binomial": {ALL: row}, "sums": sums}

    def further_tests(self, path: Path, result: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
        """The binomial test, and the sum of TS for each length."""
        tests = store.load_array(path, layout.binomial_file(ALL), None, BINOMIAL_DTYPE)["mlog10p"]
        row = result["binomial"][ALL]
        out = {"binomial": {ALL: _counted(row, row["mlog10p"], tests)}, "sums": {}}
        if result["sums"]:
            sums = store.load_array(path, layout.sums_file(), None, SUM_DTYPE)["ts"]
            for i, (length, own) in enumerate(result["sums"].items()):
                out["sums"][length] = _counted(own, own["sum_ts"], sums[:, i])
        return out

    def require_files(self, run: Run, result: Mapping[str, Any]) -> None:
        """The tests of background skies."""
        store.load_array(run.path, layout.binomial_file(ALL), result["n_skies"], BINOMIAL_DTYPE)
        if result["sums"]:
            store.load_array(run.path, layout.sums_file(), result["n_skies"], SUM_DTYPE)


def _counted(row: Mapping[str, Any], value: float, skies: F64) -> dict[str, Any]:
    """A test with the fraction of background skies in which it is as large."""
    found = post_trial(value, skies)
    return {**{key: getattr(found, key) for key in ("p", "n", "lo", "hi", "level")}, "n_at_least": found.k, **row}
