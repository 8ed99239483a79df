"""Whether a sensitivity or discovery potential is known well enough, and which trials would make it so.

A trial tells most where the curve crosses beta: with slope s = d(fraction) / d(ln n_sig) there, N trials give
ln n_sig to sqrt(beta (1 - beta) / N) / s. New trials go around the crossing, spread over `AROUND` so that the shape of
the curve is measured and not assumed. All rules are functions of counts: no clock, no random number.
"""

import math
from collections.abc import Iterable, Mapping
from statistics import NormalDist
from typing import NamedTuple

from worker.spec.goals import two_digits
from worker.stats.passing import Point
from worker.stats.sensitivity import NSig

RULE = 1
"""Raised by every change of what is decided: decisions of another rule are kept, and not compared."""
AROUND = (0.7, 0.85, 1.0, 1.2, 1.45)
"""Where trials are added, in units of the crossing."""
SPREAD = 1.0
"""How many times as many trials it takes because they do not all lie at the crossing: none, by what came out of
`benchmarks/adaptive.py` (docs/planning.md); the curve through them makes up for it."""
AIM = 0.9
"""Of the goal: a round that aims at the goal itself misses it half the time."""
CLOSER = 4.0
"""A round aims at most at a so much smaller error: where the crossing is not known, many trials would be misplaced."""
THRESHOLD_SHARE = 0.5
"""The most that the threshold's error may be of the error aimed at; beyond it, background trials are added."""
MORE_BACKGROUND = 10.0
"""The most that a round multiplies background trials by."""
LEAST = 100
"""Trials of a point that a round adds at least."""
EXPLORE = 200
"""Trials of a point where a crossing is looked for."""
STEPS = (1.4, 2.0, 2.8, 4.0)
"""Where a crossing beyond the largest n_sig is looked for, in units of it."""
NARROW = (0.5, 2.0)
"""Trials must lie on both sides of the crossing within this range of it, or the curve between them is a guess."""
SAME = 0.07
"""An n_sig that is there already serves for one that differs by less than this."""
SLOPES = (0.3, 2.0)
"""Slopes that are believed, in units of that of counting Poisson events (`counting_slope`): a fit to a few trials can
be a step, whose bootstrap then gives no error at all."""


class Quantity(NamedTuple):
    """What is known of a sensitivity or discovery potential.

    Attributes
    ----------
    goal : float
        Relative error that is wanted.
    n_sig, error : float or None
        The crossing and its error; None where the trials do not bracket it.
    error_signal : float or None
        The part of the error that is not the threshold's.
    slope : float
        d(fraction) / d(ln n_sig) at the crossing.
    reason : str
        Why there is no crossing.
    """

    goal: float
    beta: float
    n_sig: float | None
    error: float | None
    error_signal: float | None
    slope: float
    points: tuple[Point, ...]
    reason: str = ""


class Verdict(NamedTuple):
    """What the judge says of a quantity.

    Attributes
    ----------
    state : str
        ``reached``, ``short`` (the error is too large), ``wide`` (the same, for want of trials near the crossing),
        ``not bracketed`` or ``hopeless`` (no signal trials can help).
    add : mapping of n_sig to trials
    background : float
        Factor by which background trials should grow; 1: enough.
    """

    state: str
    add: Mapping[float, int]
    background: float


def quantity(goal: float, beta: float, found: NSig, found_signal: NSig) -> Quantity:
    """A quantity with a crossing; `found_signal` has its bootstrap at the threshold itself."""
    low, high = 0.9 * found.n_sig, min(1.1 * found.n_sig, found.points[-1].n_sig)
    below, above = (float(value) for value in found.passing([low, high]))
    slope = (above - below) / math.log(high / low)
    return Quantity(goal, beta, found.n_sig, found.error, found_signal.error, slope, found.points)


def verdict(at: Quantity, places: int) -> Verdict:
    """Judge one quantity.

    Parameters
    ----------
    places : int
        Decimals that an n_sig may have.
    """
    if at.n_sig is None or at.error is None or at.error_signal is None:
        return _search(at, places)
    there = [point.n_sig for point in at.points]
    low, high = (factor * counting_slope(at.beta, at.n_sig) for factor in SLOPES)
    slope, n_near = min(max(at.slope, low), high), _near(at)
    one = at.beta * (1.0 - at.beta)
    least = math.sqrt(one / max(n_near, 1)) / high
    error = max(at.error / at.n_sig, least) if math.isfinite(at.error) else 1.0
    if error <= at.goal:
        return Verdict("reached", {}, 1.0)
    aim = max(AIM * at.goal, error / CLOSER)
    signal = min(max(at.error_signal / at.n_sig, least), error)
    threshold = math.sqrt(error**2 - signal**2)
    factor = min(max((threshold / (THRESHOLD_SHARE * aim)) ** 2, 1.0), MORE_BACKGROUND)
    left = max(aim**2 - threshold**2 / factor, (THRESHOLD_SHARE * aim) ** 2)
    n = SPREAD * one / slope**2 * max(1.0 / left - 1.0 / max(signal, 1e-9) ** 2, 0.0)
    if n == 0.0:
        return Verdict("short", {}, factor)  # the threshold alone
    width = min(max(1.0, error / 0.1), 2.5)
    wanted = [at.n_sig * step**width for step in AROUND]
    each = max(LEAST, math.ceil(n / len(wanted)))
    add = _placed(wanted, there, places, two_digits(each))
    return Verdict("short" if n_near else "wide", add, factor)


def counting_slope(beta: float, n_sig: float) -> float:
    """d(fraction) / d(ln n_sig) where the number of events alone decides: a Gaussian of width sqrt(n_sig) at `beta`."""
    return NormalDist().pdf(NormalDist().inv_cdf(beta)) * math.sqrt(n_sig)


def _near(at: Quantity) -> int:
    """Trials near the crossing; 0 where there are none just below or just above it."""
    assert at.n_sig is not None
    low, high = (at.n_sig * factor for factor in NARROW)
    below = sum(point.n for point in at.points if low <= point.n_sig <= at.n_sig)
    above = sum(point.n for point in at.points if at.n_sig < point.n_sig <= high)
    return below + above if below and above else 0


def _search(at: Quantity, places: int) -> Verdict:
    """Look beyond the largest n_sig, unless the background itself passes or there is no threshold."""
    if not at.points:
        return Verdict("hopeless", {}, MORE_BACKGROUND)
    last = at.points[-1]
    if last.fraction >= at.beta:
        return Verdict("hopeless", {}, 1.0)
    start = last.n_sig or 1.0
    there = [point.n_sig for point in at.points]
    return Verdict("not bracketed", _placed([start * step for step in STEPS], there, places, EXPLORE), 1.0)


def _placed(wanted: Iterable[float], there: Iterable[float], places: int, n: int) -> dict[float, int]:
    """`n` trials for each n_sig, or for a neighbour that is there already."""
    known = [value for value in there if value > 0]
    add: dict[float, int] = {}
    for value in wanted:
        near = min(known, key=lambda other: abs(math.log(other / value)), default=None)
        if near is not None and abs(math.log(near / value)) <= SAME:
            chosen = near
        else:
            chosen = max(round(value, places), 10.0**-places)
            known.append(chosen)
        add[chosen] = add.get(chosen, 0) + n
    return dict(sorted(add.items()))


def merged_requests(verdicts: Iterable[Verdict]) -> tuple[dict[float, int], float]:
    """What several quantities of a point want: trials that serve one serve the others."""
    add: dict[float, int] = {}
    background = 1.0
    for found in verdicts:
        background = max(background, found.background)
        for n_sig, n in found.add.items():
            add[n_sig] = max(add.get(n_sig, 0), n)
    return dict(sorted(add.items())), background


def bounded(add: Mapping[float, int], room: int) -> dict[float, int]:
    """At most `room` trials: all points get less in proportion; none where that would be too few to matter."""
    total = sum(add.values())
    if total <= room:
        return dict(add)
    scaled = {n_sig: n * room // total for n_sig, n in add.items()}
    return scaled if min(scaled.values(), default=0) >= LEAST // 2 else {}
