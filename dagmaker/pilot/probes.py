"""Probes: small processes of every kind that a pilot runs, and the costs computed from them."""

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from dagmaker.plan import rates
from dagmaker.plan.processes import number
from worker.base.task_rows import BG_TRIALS, SCAN_MAP, SCAN_TRIALS, SIG_TRIALS, TAIL_TRIALS
from worker.spec.goals import LADDER
from worker.spec.pilot import KindCost, Rate
from worker.spec.point import Point
from worker.spec.sections import Spec

T = TypeVar("T")

SEED = 999  # file seed of the probes: their own random stream
SHORT_S, LONG_S = 0.3, 3.0  # predicted work of the two probes of a point
NOISY = 0.1  # relative error of a unit's time above which a point is noisy
TIMER_S, TIMER_SHARE = 0.02, 0.02  # error of a CPU time: the larger of the two
MOST_POINTS, MOST_N_SIG = 5, 3


class Probe(NamedTuple):
    """A process to measure.

    Attributes
    ----------
    argv : tuple of str
        Task and flags, without ``--run``.
    point : tuple
        dec (deg), n_sig, nside; None if not applicable.
    at : Point or None
        For trials.
    pixels : int
        Pixels of its band; 0 for trials at one declination.
    units : int
        Trials, or pixels times skies.
    """

    argv: tuple[str, ...]
    point: tuple[float | None, float | None, int | None]
    pixels: int
    units: int
    at: Point | None = None

    @property
    def task(self) -> str:
        """Kind of task."""
        return self.argv[0]


class Measurement(NamedTuple):
    """CPU time and memory of a probe.

    Attributes
    ----------
    cpu_s : float, s
        Of the whole process; None if it did not end in time.
    """

    probe: Probe
    cpu_s: float | None
    memory_mb: float


Pair = tuple[Measurement, Measurement]
"""Short and long probe of a point."""


def subset(values: Sequence[T], most: int) -> tuple[T, ...]:
    """At most `most` values of a list, evenly spaced by index, with both ends."""
    if len(values) <= most:
        return tuple(values)
    return tuple(values[round(i * (len(values) - 1) / (most - 1))] for i in range(most))


def point_flags(at: Point) -> list[str]:
    """Flags of a task that name its point."""
    return [f"--{key}={number(value)}" for key, value in at.args.items()]


def pairs(spec: Spec) -> Iterator[tuple[Probe, Probe]]:
    """A short and a long probe of every point; their difference contains no start time."""
    for at in subset(spec.all_points, MOST_POINTS):
        yield _trials(spec, BG_TRIALS, at, None)
    if spec.background.tail == "tilted":
        for at in subset(spec.all_points, MOST_POINTS):
            yield _trials(spec, TAIL_TRIALS, at, None)
    for at in subset(spec.signal_points, MOST_POINTS):
        rungs = LADDER[:6] if spec.signal.n_sig == LADDER else spec.signal.n_sig
        for n_sig in subset(rungs, MOST_N_SIG):
            yield _trials(spec, SIG_TRIALS, at, n_sig)
    if spec.scan.has_skies:
        yield _skies(spec)
    for nside in filter(None, spec.scan.nsides):
        yield _maps(spec, nside)


def _trials(spec: Spec, task: str, at: Point, n_sig: float | None) -> tuple[Probe, Probe]:
    unit_s = rates.of(spec, task).unit_s(at.dec_deg, n_sig)
    flags = point_flags(at) + ([] if n_sig is None else [f"--n_sig={number(n_sig)}"])
    if n_sig is not None and spec.signal.levels[0] is not None:
        flags.append(f"--gamma={number(spec.signal.levels[0])}")

    def probe(work_s: float) -> Probe:
        n = max(10, math.ceil(work_s / unit_s))
        return Probe((task, *flags, f"--n={n}", f"--seed={SEED}"), (at.dec_deg, n_sig, None), 0, n, at)

    return probe(SHORT_S), probe(LONG_S)


def _skies(spec: Spec) -> tuple[Probe, Probe]:
    """One sky and several: whole skies if they are small, else a band at the middle."""
    nside = spec.scan.main_nside
    sky_s = spec.scan.positions(nside) * rates.of(spec, SCAN_TRIALS).unit_s(nside=nside or None)
    bands = max(1, min(math.ceil(sky_s / LONG_S), nside))
    part = spec.scan.positions(nside) // bands
    more = max(3, math.ceil(LONG_S / (sky_s / bands)))
    band = [] if bands == 1 else [f"--band={bands // 2}of{bands}"]

    def probe(n: int) -> Probe:
        return Probe((SCAN_TRIALS, f"--n={n}", f"--seed={SEED}", *band), (None, None, nside or None), part, n * part)

    return probe(1), probe(more)


def _maps(spec: Spec, nside: int) -> tuple[Probe, Probe]:
    """A narrow and a wide band of the sky."""
    sky_s = spec.scan.positions(nside) * rates.of(spec, SCAN_MAP).unit_s(nside=nside)
    wide = max(2, min(math.ceil(sky_s / LONG_S), nside))

    def probe(bands: int) -> Probe:
        n = spec.scan.positions(nside) // bands
        flags = (f"--nside={nside}", f"--band={bands // 2}", f"--bands={bands}")
        return Probe((SCAN_MAP, *flags), (None, None, nside), n, n)

    return probe(min(8 * wide, 2 * nside)), probe(wide)


def _timing_error_s(cpu_s: float) -> float:
    return max(TIMER_S, TIMER_SHARE * cpu_s)


class _Point(NamedTuple):
    rate: Rate
    start_s: float
    start_error: float
    pixels: int


def _fit(short: Measurement, long: Measurement) -> _Point | None:
    """Time per unit and set-up time of a point: the line through two measurements, with errors."""
    if short.cpu_s is None or long.cpu_s is None or long.probe.units <= short.probe.units:
        return None
    more = long.probe.units - short.probe.units
    error = math.hypot(_timing_error_s(short.cpu_s), _timing_error_s(long.cpu_s)) / more
    unit_s = max((long.cpu_s - short.cpu_s) / more, error / 10)
    dec, n_sig, nside = short.probe.point
    rate = Rate(dec_deg=dec, n_sig=n_sig, nside=nside, unit_s=unit_s, unit_s_error=error)
    start = max(short.cpu_s - unit_s * short.probe.units, 0.0)
    return _Point(rate, start, math.hypot(_timing_error_s(short.cpu_s), error * short.probe.units), short.probe.pixels)


def kind_cost(pairs: Iterable[Pair]) -> KindCost | None:
    """Cost of one kind of task from all its points; None if none ended in time."""
    rows = list(pairs)
    points = [point for row in rows if (point := _fit(*row)) is not None]
    if not points:
        return None
    start = statistics.median(point.start_s for point in points)
    error = math.hypot(*(point.start_error for point in points)) / len(points)
    return KindCost(
        start_s=round(start, 4),
        start_s_error=round(error, 4),
        memory_mb=max(measurement.memory_mb for row in rows for measurement in row),
        rates=tuple(point.rate for point in points),
        warning=_warning(len(rows) - len(points), points),
    )


def with_band_set_up(scan: KindCost, process_s: float, part: int) -> KindCost:
    """Split the set-up time of a scan of `part` pixels into a constant and a part proportional to the pixels."""
    more = max(scan.start_s - process_s, 0.0)
    return scan.model_copy(update={"start_s": scan.start_s - more, "start_unit_s": more / part})


def _warning(lost: int, points: Sequence[_Point]) -> str | None:
    noisy = [point for point in points if point.rate.unit_s_error > NOISY * point.rate.unit_s]
    messages = []
    if lost:
        messages.append(f"{lost} of {lost + len(points)} points did not end in time")
    if noisy:
        worst = max(point.rate.unit_s_error / point.rate.unit_s for point in noisy)
        messages.append(f"{len(noisy)} of {len(points)} points are noisy, up to {100 * worst:.0f} %")
    return "; ".join(messages) or None
