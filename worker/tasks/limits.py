"""upper_limits: flux limits of every source of a list, or of the hottest spots of a map.

The limit in events is interpolated linearly between grid declinations (no limit beyond the ends of the grid), then
converted to a flux with the acceptance at the declination of the source: acceptance changes by factors between grid
declinations, the limit in events does not.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from worker.base.errors import InputError
from worker.base.task_rows import COLLECT_BG, COLLECT_SCAN, COLLECT_SIG
from worker.hypotheses import hottest_spots
from worker.hypotheses.protocol import Target
from worker.hypotheses.table import ensemble_of
from worker.rundir import input_digests, layout, store
from worker.rundir.ledger import Run, open_run
from worker.spec import edges
from worker.spec.point import Point
from worker.stats.distributions import TSD
from worker.tasks import context, flux_rows
from worker.tasks.timed import timed

_TrialsAt = Callable[[Point, float | None], flux_rows.PointTrials]
WAY = ("method", "method_reason")
"""Keys of a limit that say how it was found, the same at all declinations of a run."""


def _inputs(run: Run) -> dict[str, str]:
    trials = input_digests.collected(run, COLLECT_BG, COLLECT_SIG)
    return trials | input_digests.hashed(run, [layout.SCAN]) | input_digests.data(run)


@timed(_inputs)
def upper_limits(path: Path) -> None:
    """Upper limits of every target and spectrum, in events and as a flux."""
    run = open_run(path)
    store.save_json(path, layout.LIMITS, limits_of_sky(run, input_digests.result(path, COLLECT_SCAN)))
    print(f"-> {layout.LIMITS}")


def limits_of_sky(run: Run, scan: Mapping[str, Any]) -> dict[str, Any]:
    """Upper limits of all targets of the hypothesis in a sky."""
    targets = list(ensemble_of(run.spec).targets(scan))
    calculator = Limits(run)
    # Computed by declination, to hold trials of few grid declinations in memory; written in the order of the list.
    rows = {target.name: calculator.of(target) for target in sorted(targets, key=lambda target: target.dec or 0.0)}
    labels = [{"dec_deg": t.dec} if t.at is None else dict(t.at.labels) for t in targets]
    limit_rows = [
        {"name": t.name, **own, "ts": t.ts, "limits": rows[t.name]} for t, own in zip(targets, labels, strict=True)
    ]
    settings = run.spec.sensitivity
    head = {"sky": scan["sky"], "cl": settings.beta, "unit": flux_rows.unit(run), "e0_tev": settings.e0_tev}
    return {**head, "limits": limit_rows}


class Limits:
    """Limits of many targets of one run; caches trials and limits at grid declinations."""

    def __init__(self, run: Run) -> None:
        self.run = run
        # of functions, not of own methods: those would keep the trials until the garbage collector runs
        self._tsd = lru_cache(maxsize=4)(partial(hottest_spots.load_tsd, run))
        trials = lru_cache(maxsize=4 * len(run.spec.signal.levels))(partial(_load, run, self._tsd))
        self._limit = lru_cache(maxsize=10_000)(partial(_on_grid, run, trials))

    def of(self, target: Target) -> list[dict[str, Any]]:
        """One row for each spectrum."""
        return [self._row(target, level) for level in self.run.spec.signal.levels]

    def _row(self, target: Target, level: float | None) -> dict[str, Any]:
        gamma = context.gamma_of(self.run.spec.signal, level)
        parts, place = self._parts(target)
        grid_limits = [(weight, self._limited(at, level, target.ts)) for at, weight in parts]
        row: dict[str, Any] = {"gamma": gamma}
        reasons = [part["reason"] for _, part in grid_limits if part["n_sig"] is None]
        if reasons:
            print(f"upper limit of {target.name}, gamma = {gamma:g}: {reasons[0]}")
            return row | dict.fromkeys(("n_sig", "n_sig_error", "flux", "flux_error")) | {"reason": reasons[0]}
        n_sig = sum(weight * part["n_sig"] for weight, part in grid_limits)
        errors = [math.inf if part["n_sig_error"] is None else part["n_sig_error"] for _, part in grid_limits]
        error = math.sqrt(sum((weight * e) ** 2 for (weight, _), e in zip(grid_limits, errors, strict=True)))
        known = flux_rows.unit(self.run) is not None
        flux = flux_rows.flux_per_event(self.run, place, gamma) if known else math.nan
        values = {"n_sig": n_sig, "n_sig_error": error, "flux": n_sig * flux, "flux_error": error * flux}
        first = grid_limits[0][1]
        return row | flux_rows.finite_or_null(values) | {key: first[key] for key in WAY if key in first}

    def _parts(self, target: Target) -> tuple[list[tuple[Point, float]], Point]:
        """Points with signal trials and their weights, and the point whose acceptance counts."""
        spec = self.run.spec
        if target.at is not None:
            return [(target.at, 1.0)], target.at
        assert target.dec is not None
        return [(spec.at(dec), weight) for dec, weight in bracket(spec.signal_decs, target.dec)], spec.at(target.dec)

    def _limited(self, at: Point, level: float | None, ts: float) -> dict[str, Any]:
        """Limit at a point of trials; every TS below the median has the limit of the median (one cache entry)."""
        return dict(self._limit(at, level, max(ts, self._tsd(at).median())))


def _load(run: Run, tsd_at: Callable[[Point], TSD], at: Point, level: float | None) -> flux_rows.PointTrials:
    return flux_rows.load(run, at, level, tsd_at(at))


def _on_grid(run: Run, trials_at: _TrialsAt, at: Point, level: float | None, ts: float) -> dict[str, Any]:
    row = flux_rows.limit(run, trials_at(at, level), ts)
    return {key: row.get(key) for key in ("n_sig", "n_sig_error", "reason")} | {k: row[k] for k in WAY if k in row}


def bracket(decs: Sequence[float], dec: float) -> list[tuple[float, float]]:
    """Grid declinations around `dec` (deg) with their weights; one of them at a grid point.

    Raises
    ------
    InputError
        `dec` lies beyond the ends of the grid.
    """
    if edges.beyond(decs, [dec]):
        raise InputError(
            f"dec = {dec:g} deg lies beyond the signal trials, which reach from {decs[0]:g} to {decs[-1]:g} deg: "
            "no upper limit can be told there; widen signal.dec_deg"
        )
    i = int(np.searchsorted(decs, dec, side="right"))
    if i == 0:
        return [(decs[0], 1.0)]
    if i == len(decs) or decs[i - 1] == dec:
        return [(decs[i - 1], 1.0)]
    weight = (dec - decs[i - 1]) / (decs[i] - decs[i - 1])
    return [(decs[i - 1], 1.0 - weight), (decs[i], weight)]
