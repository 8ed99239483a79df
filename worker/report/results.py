"""Available results of a run, for figures and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError
from worker.hypotheses.hottest_spots import REGIONS, SPOT_DTYPE, tsd_of
from worker.report.points import PointAxis
from worker.report.shape import Shape, shape_of
from worker.rundir import layout, store
from worker.rundir.ledger import Run
from worker.spec.point import Point
from worker.stats.patches import Spots
from worker.tasks import plugin_files, post_trial

Row = Mapping[str, Any]
OF_SKY = {
    "scan": "", "post_trial": "post_trial", "post_trial_regions": "post_trial_regions", "binomial": "binomial",
    "sums": "sums", "population": "population", "prior_tests": "prior_tests",
    "better_hemisphere": "better_hemisphere", "upper_limits": "upper_limits",
}  # fmt: skip
"""Parts of the summary about one sky, and their keys in the results of unblinding."""


@dataclass(frozen=True)
class Results:
    """A run and its summary (RUN/results/summary.json, empty if unreadable); other files are read when needed.

    `place` is the path of the run that pages show, if it differs from ``run.path``.
    """

    run: Run
    summary: Mapping[str, Any]
    place: Path | None = None

    @property
    def label(self) -> str:
        """Synthetic, semi-real or real; 'unprepared' before there are data."""
        return str((self.summary.get("data") or {}).get("label") or "unprepared")

    @property
    def sky(self) -> str:
        """Name of the shown sky: 'scrambled', after unblinding 'unblinded' with the label; 'no' if none is scanned."""
        if not self.run.spec.scan.has_skies:
            return "no"
        return str((self.of_sky.get("scan") or {}).get("sky") or "scrambled")

    @property
    def shown_sky(self) -> str:
        """The shown sky in words, to begin a sentence."""
        return "The real sky" if self.is_unblinded else "A scrambled sky that stands in for the real one"

    @property
    def is_unblinded(self) -> bool:
        """Whether the shown sky is the real one."""
        return bool(self.summary.get("unblinded"))

    @cached_property
    def blind(self) -> "Results":
        """The same run with the scrambled sky as the shown one, as it was before unblinding."""
        return replace(self, summary={**self.summary, "unblinded": None}) if self.is_unblinded else self

    @cached_property
    def of_sky(self) -> Row:
        """Results of the shown sky (`OF_SKY`): of the real sky once it is open, else of the scrambled one."""
        real = self.summary.get("unblinded")
        if not real:
            return {key: self.summary.get(key) for key in OF_SKY}
        return {"scan": real} | {key: real.get(of_real) for key, of_real in OF_SKY.items() if of_real}

    @property
    def mark(self) -> str:
        """Text on every figure that names its data."""
        own = self.run.spec.engine.kind == "plugin"
        return f"{self.run.spec.name}: {self.label} data{'' if own else f', {self.sky} sky'}"

    @property
    def reads_gamma(self) -> bool:
        """Whether trials depend on the spectral index of the spec: a plug-in says what it reads."""
        if self.run.spec.engine.kind == "builtin":
            return True
        try:
            return "gamma" in plugin_files.facts(self.run).reads
        except InputError:  # not prepared yet
            return False

    def rows(self, key: str) -> list[Row]:
        """Rows of the summary for each point, in their order.

        Raises
        ------
        InputError
            There are none.
        """
        rows = self.summary.get(key)
        if not rows:
            raise InputError(f"there is no {key} in {layout.SUMMARY}")
        return self.points.sort(rows)

    @cached_property
    def points(self) -> PointAxis:
        """The points of the analysis."""
        return PointAxis(self.run.spec.all_points)

    @property
    def has_flux(self) -> bool:
        """Whether results are fluxes; else they are in the strength of the engine, n_sig."""
        rows = self.summary.get("sensitivity") or [{"unit": ""}]
        return rows[0].get("unit") is not None

    @property
    def spectra(self) -> list[Row]:
        """Parts of the summary per spectrum, the first spectrum first."""
        return [self.summary, *(self.summary.get("more_spectra") or [])]

    def require(self, key: str) -> Row:
        """A part of the summary.

        Raises
        ------
        InputError
            It is missing.
        """
        part = self.of_sky[key] if key in OF_SKY else self.summary.get(key)
        if not part:
            raise InputError(f"there is no {key} in {layout.SUMMARY}")
        return dict(part)

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """Background distributions of the collected points, in their order."""
        shapes, spec = [], self.run.spec
        for at in spec.all_points:
            arrays = self._collected(layout.bg_collected(at))
            if arrays is not None and int(arrays["n"].sum()) > 0:
                shapes.append(shape_of(at, tsd_of(arrays, spec), spec.scan.survival))
        return tuple(shapes)

    def require_shapes(self) -> tuple[Shape, ...]:
        """As `shapes`.

        Raises
        ------
        InputError
            If no point is collected.
        """
        if not self.shapes:
            raise InputError("no background trials are collected")
        return self.shapes

    def signal(self, at: Point) -> dict[float, NDArray[np.void]] | None:
        """Signal trials of a point and the first spectrum by n_sig; None if not collected."""
        arrays = self._collected(layout.sig_collected(at, self.run.spec.signal.levels[0]))
        if arrays is None:
            return None
        return {float(n_sig): arrays[f"trials_{i}"] for i, n_sig in enumerate(arrays["n_sig"])}

    def skies(self, region: str) -> NDArray[np.void] | None:
        """Hottest spots of the background skies in a region; None if there are none."""
        if not (self.run.path / layout.skies_file(region)).exists():
            return None
        return store.load_array(self.run.path, layout.skies_file(region), None, SPOT_DTYPE)

    def patches(self, region: str) -> Spots | None:
        """Hot spots of patches in a region; None if there are none."""
        rel = layout.patches_file(region)
        return post_trial.spots(self.run, region) if (self.run.path / rel).exists() else None

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """Regions with an observed hottest spot and background skies."""
        observed = (self.of_sky["scan"] or {}).get("regions") or {}
        return tuple(r for r in REGIONS if r in observed and (self.run.path / layout.skies_file(r)).exists())

    @property
    def map_nside(self) -> int:
        """Resolution of the finest map."""
        scan = self.run.spec.healpix
        return max(scan.nside, scan.map_nside or 0)

    @cached_property
    def finest_map(self) -> NDArray[np.float64]:
        """The shown sky with the finest pixels, see `map_of`."""
        return self.map_of(self.map_nside)

    def map_of(self, nside: int) -> NDArray[np.float64]:
        """-log10 p, TS, ns, gamma of the shown sky, (4, npix), NaN outside the range.

        Raises
        ------
        InputError
            It is missing or invalid.
        """
        rel = (layout.unblinded_map if self.is_unblinded else layout.map_file)(nside)
        values = store.load_array(self.run.path, rel, 4)
        if values.shape != (4, 12 * nside**2):
            raise InputError(f"{self.run.path / rel}: its shape is {values.shape}; {self._map_again}")
        return values.astype(np.float64)

    @property
    def _map_again(self) -> str:
        return "restore it from a copy of the run" if self.is_unblinded else "run `worker collect_scan` again"

    def _collected(self, rel: PurePosixPath) -> dict[str, NDArray[Any]] | None:
        return store.load_arrays(self.run.path, rel) if (self.run.path / rel).exists() else None


def load(run: Run, place: Path | None = None) -> Results:
    """Results of a run; a missing or unreadable summary counts as empty."""
    try:
        summary = store.load_json(run.path, layout.SUMMARY)
    except InputError:
        summary = {}
    return Results(run, summary if isinstance(summary, dict) else {}, place)


def three(rows: Sequence[Any]) -> list[Any]:
    """Three rows (south, middle, north) of rows in the order of points; all rows if there are at most three."""
    picks = sorted({round(fraction * (len(rows) - 1)) for fraction in (1 / 6, 1 / 2, 5 / 6)}) if rows else []
    return [rows[i] for i in picks]


def number(value: Any) -> float:
    """A number of the summary; NaN for null."""
    return float("nan") if value is None else float(value)
