"""Listed points in the same skies: implements `worker.hypotheses.protocol`.

Every point has background trials, hence p-values, of its own: nothing is interpolated. The p-value of the hottest point
is corrected with whole skies, which have the correlations between the points.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from worker.base.errors import InputError
from worker.base.task_rows import SCAN_TRIALS
from worker.engines.protocol import Engine, PointScanner
from worker.engines.table import engine_of
from worker.hypotheses import hottest_spots
from worker.hypotheses.protocol import F64, BackgroundSkies, Rows, Sky, Target, Tsds
from worker.hypotheses.together import Together
from worker.rundir import layout, store
from worker.rundir.ledger import Expected, Run, expected
from worker.spec.point import Point
from worker.spec.specfile import digest
from worker.stats import checks
from worker.stats.checks import Check
from worker.stats.distributions import TSD
from worker.stats.pvalues import mlog10p


@dataclass(frozen=True)
class PointSkies(Together):
    """The scan of the points of a hypothesis; `columns` are those of the engine's trials, if they are known."""

    columns: np.dtype[np.void] | None = None

    @property
    def sky_dtype(self) -> np.dtype[np.void]:
        """Columns of the engine's trials."""
        return engine_of(self.spec).columns if self.columns is None else self.columns

    @property
    def points(self) -> tuple[Point, ...]:
        """In the order of the spec."""
        return self.spec.all_points

    def scanner(self, engine: Engine) -> PointScanner:
        """Fits of all points."""
        return engine.point_scanner(self.points)

    def sky_area(self) -> Mapping[str, Any]:
        """Addresses of the points."""
        return {"points": digest([list(at.address) for at in self.points])}

    def checks(self) -> Mapping[str, Callable[[Run], Check]]:
        """Whether the p-values of every point are uniform in the background skies."""
        skip = {name: partial(_nothing, name) for name in ("ra_uniform", "smooth_map")}
        return {"n_eff_bands": self._uniform, **skip}

    def _uniform(self, run: Run) -> Check:
        files = [store.load_array(run.path, file.path, file.n) for file in expected(run, SCAN_TRIALS)]
        if not files:
            raise InputError("the plan has no background skies")
        ts, tsds = np.concatenate(files)["ts"], hottest_spots.load_tsds(run)
        how = "empirical" if self.spec.scan.survival == "counted" else self.spec.scan.survival
        parts = []
        for i, at in enumerate(self.points):
            tsd = tsds[at.folder.name]
            if tsd.eta > 0:
                parts.append(checks.p_uniform(tsd.sf(ts[:, i], how), tsd.eta, tsd.n, name=str(at)))
        return checks.combined("n_eff_bands", parts)

    def _heat(self, skies: Rows, tsds: Tsds) -> F64:
        """-log10 p of every point (n_skies, n_points), each from its own background trials."""
        how, columns = self.spec.scan.survival, enumerate(self.points)
        return np.stack([mlog10p(_own(tsds, at), 0.0, skies["ts"][:, i], "linear", how) for i, at in columns], axis=1)

    def spots(self, skies: Rows, tsds: Tsds, region: str = "all") -> Rows:
        """Hottest points in the columns of hottest spots, NaN where a point or the engine has none."""
        heat, index = self._heat(skies, tsds), np.arange(len(skies))
        best = np.argmax(heat, axis=1)
        out = np.full(len(skies), np.nan, hottest_spots.SPOT_DTYPE)
        out["mlog10p"] = heat[index, best]
        for name in {"ts", "ns", "gamma"} & {*(skies.dtype.names or ())}:
            out[name] = skies[name][index, best]
        for name, label in (("dec", "dec_deg"), ("ra", "ra_deg")):
            angles = [at.labels.get(label) for at in self.points]
            angle = np.array([np.nan if value is None or isinstance(value, str) else value for value in angles])
            out[name] = np.radians(angle)[best]
        return out

    def background(self, files: Sequence[Expected], load: Callable[[Expected], Rows], tsds: Tsds) -> BackgroundSkies:
        """Hottest points."""
        hottest = np.concatenate([self.spots(load(file), tsds) for file in files])
        rel = layout.scan_dir(self.spec.name, self.spec.scan.level()) / layout.trials_name(len(hottest), 0)
        return BackgroundSkies(len(hottest), {layout.skies_file("all"): hottest, rel: hottest}, ())

    def sky_result(self, sky: Sky, tsds: Tsds) -> dict[str, Any]:
        """Every point, and the hottest."""
        rows = sky.values(0)
        heat = self._heat(rows, tsds)[0]
        points = [self._row(at, rows[0, i], float(heat[i]), tsds) for i, at in enumerate(self.points)]
        spot = points[int(np.argmax(heat))]
        return {"sky": sky.name, "kind": "points", "n_points": len(points), "hottest": spot, "regions": {"all": spot},
                "points": points}  # fmt: skip

    def _row(self, at: Point, fit: Any, heat: float, tsds: Tsds) -> dict[str, Any]:
        values = {name: float(fit[name]) for name in fit.dtype.names}
        local = hottest_spots.local_p(self.spec, _own(tsds, at), 0.0, values["ts"])
        return {"name": self.name_of(at), **at.labels, **values, "mlog10p": heat, "p": float(10.0**-heat), **local}

    def name_of(self, at: Point) -> str:
        """Name of a point in results."""
        return at.folder.name

    def targets(self, result: Mapping[str, Any]) -> Iterable[Target]:
        """Every point."""
        for at, row in zip(self.points, result["points"], strict=True):
            yield Target(row["name"], at.dec_deg, row["ts"], at)

    def further_tests(self, path: Path, result: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
        """None."""
        return {}

    def require_files(self, run: Run, result: Mapping[str, Any]) -> None:
        """Nothing beside scan.json."""


def _nothing(name: str, run: Run) -> Check:
    """Passed check of maps."""
    return Check(name, float("nan"), float("nan"), True, "a list of points has no map: nothing to check.")


def _own(tsds: Tsds, at: Point) -> dict[float, TSD]:
    """The distribution of a point, as a grid of one declination."""
    return {0.0: tsds[at.folder.name]}
