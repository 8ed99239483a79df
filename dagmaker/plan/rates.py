"""CPU time and memory of trials and maps: from the spec's pilot, else from the built-in model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from worker.base.task_rows import ROWS, SCAN_TRIALS
from worker.spec.pilot import KindCost, Rate
from worker.spec.sections import Spec

# Measured like the rates in `worker.base.task_rows`.
START_S = 0.45  # of a process, before and after its work
REFERENCE_EVENTS = 138322
PLUGIN_TRIAL_S = 0.03  # of a plug-in that no pilot measured: SkyLLH's on one season
RING_MB = 8.6  # per nside of a sky scan: an event is in the windows of several rings
EVENTS_PER_SEASON = 110000  # larger seasons of the published track releases


@dataclass(frozen=True)
class Kind:
    """Cost of one kind of task.

    CPU time of a process: ``start_s + start_unit_s * pixels + n * unit_s``, with the pixels of its band.
    """

    start_s: float
    start_unit_s: float
    memory_mb: int
    rates: tuple[Rate, ...]
    measured: bool

    def unit_s(self, dec_deg: float | None = None, n_sig: float | None = None, nside: float | None = None) -> float:
        """CPU seconds of a trial or pixel: nearest nside, linear interpolation in n_sig and dec."""
        rates = self.rates
        if nside is not None and any(rate.nside for rate in rates):
            best = min((abs(math.log((rate.nside or 1) / nside)), rate.nside or 1) for rate in rates)[1]
            rates = tuple(rate for rate in rates if rate.nside == best)
        if dec_deg is None:
            return sum(rate.unit_s for rate in rates) / len(rates)
        decs = sorted({rate.dec_deg for rate in rates if rate.dec_deg is not None})
        if not decs:
            return rates[0].unit_s
        at = [(dec, _at_n_sig([rate for rate in rates if rate.dec_deg == dec], n_sig)) for dec in decs]
        return _between(at, dec_deg)


def _at_n_sig(rates: Sequence[Rate], n_sig: float | None) -> float:
    points = sorted((rate.n_sig or 0.0, rate.unit_s) for rate in rates)
    return points[0][1] if n_sig is None else _between(points, n_sig)


def _between(points: Sequence[tuple[float, float]], x: float) -> float:
    """Linear interpolation, constant beyond the outermost points."""
    if x <= points[0][0]:
        return points[0][1]
    for (low, before), (high, after) in pairwise(points):
        if x <= high:
            return before + (after - before) * (x - low) / (high - low)
    return points[-1][1]


def of(spec: Spec, task: str) -> Kind:
    """Cost of a task that makes trials or maps."""
    measured: KindCost | None = getattr(spec.resources.pilot, task, None)
    if measured is not None:
        return Kind(measured.start_s, measured.start_unit_s, math.ceil(measured.memory_mb), measured.rates, True)
    row = ROWS[task]
    if spec.engine.kind == "plugin":
        return Kind(START_S, 0.0, row.memory_mb, (Rate(unit_s=PLUGIN_TRIAL_S, unit_s_error=0.0),), False)
    own = spec.hypothesis.trial_cost(events(spec))
    if own is not None:
        return Kind(START_S, 0.0, row.memory_mb, (Rate(unit_s=own[0], unit_s_error=0.0),), False)
    unit_s = events(spec) / REFERENCE_EVENTS / min(spec.scan.fits_per_s if row.scans_skies else math.inf, row.per_s)
    if task == SCAN_TRIALS:
        unit_s *= spec.scan.scans_per_sky
    return Kind(START_S, 0.0, row.memory_mb, (Rate(unit_s=unit_s, unit_s_error=0.0),), False)


def slowness(spec: Spec) -> float:
    """CPU time relative to the built-in model, from the start time that a pilot measured; 1 without a pilot."""
    measured = None if spec.resources.pilot is None else spec.resources.pilot.bg_trials
    return 1.0 if measured is None or not measured.start_s else measured.start_s / START_S


def events(spec: Spec) -> int:
    """Approximate number of events: exact for synthetic data, else estimated from the seasons."""
    if spec.data.format == "synthetic":
        return spec.data.n_events
    return EVENTS_PER_SEASON * len(getattr(spec.data, "seasons", ())) or REFERENCE_EVENTS


def memory_mb(spec: Spec, task: str) -> int:
    """Peak memory of a process, from the pilot, else from the built-in model."""
    measured: KindCost | None = getattr(spec.resources.pilot, task, None)
    if measured is not None:
        return math.ceil(measured.memory_mb)
    more = max(0.0, (events(spec) - REFERENCE_EVENTS) / 1e6) * _per_million_mb(spec, task)
    own = spec.hypothesis.trial_cost(events(spec))
    if own is not None and (ROWS[task].is_stream or ROWS[task].scans_skies):
        more += own[1]
    return ROWS[task].memory_mb + math.ceil(more)


def _per_million_mb(spec: Spec, task: str) -> float:
    """Memory for a million events; scans of skies also keep the events of every ring."""
    per_million = ROWS[task].million_mb
    return per_million + RING_MB * spec.scan.nsides_in_memory if task == SCAN_TRIALS else per_million
