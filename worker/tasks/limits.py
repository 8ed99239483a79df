"""upper_limits: for each source of a list, or for the hottest spots of a map, the flux that its TS excludes.

Between two declinations of the grid, the limit in events is interpolated linearly in declination (beyond its ends there
is none, as for p-values), and becomes a flux with the acceptance of the source's own declination: acceptance changes by
factors between grid declinations, the number of events that a TS excludes does not.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
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
from worker.stats.distributions import TSD
from worker.tasks import context, flux_rows
from worker.tasks.timed import timed


def _inputs(run: Run) -> dict[str, str]:
    trials = input_digests.collected(run, COLLECT_BG, COLLECT_SIG)
    return trials | input_digests.hashed(run, [layout.SCAN]) | input_digests.data(run)


@timed(_inputs)
def upper_limits(path: Path) -> None:
    """Upper limits of every target and spectrum, in events and as a flux."""
    run = open_run(path)
    store.save_json(path, layout.LIMITS, told(run, input_digests.result(path, COLLECT_SCAN)))
    print(f"-> {layout.LIMITS}")


def told(run: Run, scan: Mapping[str, Any]) -> dict[str, Any]:
    """Upper limits of what the hypothesis names, of any sky."""
    targets = list(ensemble_of(run.spec).targets(scan))
    found = Limits(run)
    # By declination, so that trials of few grid declinations are in memory at a time; told in the order of the list.
    rows = {target.name: found.of(target) for target in sorted(targets, key=lambda target: target.dec)}
    out = [{"name": t.name, "dec_deg": t.dec, "ts": t.ts, "limits": rows[t.name]} for t in targets]
    wanted = run.spec.sensitivity
    head = {"sky": scan["sky"], "cl": wanted.beta, "unit": flux_rows.unit(run), "e0_tev": wanted.e0_tev}
    return {**head, "limits": out}


class Limits:
    """Limits of many targets of one run: trials, and limits at grid declinations, are used again."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._at = lru_cache(maxsize=4 * len(run.spec.signal.levels))(self._load)
        self._tsd = lru_cache(maxsize=4)(lambda dec: hottest_spots.load_tsd(run, dec))
        self._limit = lru_cache(maxsize=10_000)(self._on_grid)

    def of(self, target: Target) -> list[dict[str, Any]]:
        """One row for each spectrum."""
        return [self._row(target, level) for level in self.run.spec.signal.levels]

    def _row(self, target: Target, level: float | None) -> dict[str, Any]:
        gamma = context.gamma_of(self.run.spec.signal, level)
        parts = bracket(self.run.spec.background.decs, target.dec)
        found = [(weight, self._limited(dec, level, target.ts)) for dec, weight in parts]
        row: dict[str, Any] = {"gamma": gamma}
        lost = [part["reason"] for _, part in found if part["n_sig"] is None]
        if lost:
            print(f"upper limit of {target.name}, gamma = {gamma:g}: {lost[0]}")
            return row | dict.fromkeys(("n_sig", "n_sig_error", "flux", "flux_error")) | {"reason": lost[0]}
        n_sig = sum(weight * part["n_sig"] for weight, part in found)
        error = math.sqrt(sum((weight * (part["n_sig_error"] or 0.0)) ** 2 for weight, part in found))
        flux = flux_rows.per_event(self.run, target.dec, gamma)
        return row | {"n_sig": n_sig, "n_sig_error": error, "flux": n_sig * flux, "flux_error": error * flux}

    def _limited(self, dec: float, level: float | None, ts: float) -> dict[str, Any]:
        """A TS below the median gives the limit of the median: looked up once for all such targets."""
        return dict(self._limit(dec, level, max(ts, self._tsd(dec).median())))

    def _on_grid(self, dec: float, level: float | None, ts: float) -> dict[str, Any]:
        row = flux_rows.limit(self.run, self._at(dec, level), ts)
        return {key: row.get(key) for key in ("n_sig", "n_sig_error", "reason")}

    def _load(self, dec: float, level: float | None) -> flux_rows.At:
        tsd: TSD = self._tsd(dec)
        return flux_rows.load(self.run, dec, level, tsd)


def bracket(decs: Sequence[float], dec: float) -> list[tuple[float, float]]:
    """Grid declinations around `dec` (deg) with their weights; one of them at a grid point.

    Raises
    ------
    InputError
        `dec` lies beyond the ends of the grid.
    """
    if edges.beyond(decs, [dec]):
        raise InputError(
            f"dec = {dec:g} deg lies beyond the background grid, which reaches from {decs[0]:g} to {decs[-1]:g} deg: "
            "no upper limit can be told there; widen background.dec_deg"
        )
    i = int(np.searchsorted(decs, dec, side="right"))
    if i == 0:
        return [(decs[0], 1.0)]
    if i == len(decs) or decs[i - 1] == dec:
        return [(decs[i - 1], 1.0)]
    weight = (dec - decs[i - 1]) / (decs[i] - decs[i - 1])
    return [(decs[i - 1], 1.0 - weight), (decs[i], weight)]
