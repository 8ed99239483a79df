"""Whether a sensitivity or discovery potential is precise enough, and the trials that would make it so.

With the slope s = d(fraction) / d(ln n_sig) where the curve crosses beta, N trials there give an error of ln n_sig of
sqrt(v / N) / s; v is beta (1 - beta) for a curve, and the mean variance at known number of events for strata. New
trials are placed around the crossing, at `AROUND`, so that the shape of the curve is measured. All rules are functions
of counts.
"""

import math
from collections.abc import Iterable, Mapping
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.spec.goals import two_digits
from worker.stats.passing import Point
from worker.stats.sensitivity import NSig
from worker.stats.strata import StrataNSig

RULE = 2
"""Version of the decisions; those of another version are kept, and not compared."""
AROUND = (0.7, 0.85, 1.0, 1.2, 1.45)
"""Where trials are added, in units of the crossing."""
SPREAD = 1.0
"""Factor of trials for not being at the crossing: 1 by `benchmarks/adaptive.py` (docs/planning.md)."""
AIM = 0.9
"""Error to aim at, in units of the goal: aiming at the goal itself misses it half the time."""
CLOSER = 4.0
"""Largest reduction of the error in a round: trials far from a crossing that is badly known are wasted."""
THRESHOLD_SHARE = 0.5
"""Largest share of the threshold in the error aimed at; beyond it, background trials are added."""
MORE_BACKGROUND = 10.0
"""Largest factor of background trials in a round."""
LEAST = 100
"""Smallest number of trials that a round adds to a point."""
LEAST_OF_STRATUM = 10
"""The same for an exact number of events."""
EXPLORE = 200
"""Trials of a point in the search for a crossing."""
STEPS = (1.4, 2.0, 2.8, 4.0)
"""Points of the search beyond the largest n_sig, in units of it."""
NARROW = (0.5, 2.0)
"""Range around the crossing, in units of it, that must have trials on both sides."""
SAME = 0.07
"""An existing n_sig is used for one whose logarithm differs by less than this."""
SLOPES = (0.3, 2.0)
"""Range of accepted slopes, in units of `counting_slope`: a fit to a few trials can be a step, whose bootstrap error
is 0."""


class Quantity(NamedTuple):
    """State of a sensitivity or discovery potential.

    Attributes
    ----------
    goal : float
        Required relative error.
    n_sig, error : float or None
        The crossing and its error; None if the trials do not bracket it.
    error_signal : float or None
        The error without the part of the threshold.
    slope : float
        d(fraction) / d(ln n_sig) at the crossing.
    reason : str
        Why there is no crossing.
    variance : float or None
        Of the passing weight of one trial near the crossing; None: beta (1 - beta). With strata it is smaller, since
        the number of injected events is known.
    weights : ndarray (k_max,) or None
        `StrataNSig.weights` if trials are made with exactly 1, 2, ... k_max events.
    """

    goal: float
    beta: float
    n_sig: float | None
    error: float | None
    error_signal: float | None
    slope: float
    points: tuple[Point, ...]
    reason: str = ""
    variance: float | None = None
    weights: NDArray[np.float64] | None = None


class Verdict(NamedTuple):
    """Decision about a quantity.

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


def quantity(
    goal: float, beta: float, result: NSig | StrataNSig, result_signal: NSig | StrataNSig, exact: bool = False
) -> Quantity:
    """Return a quantity with a crossing.

    Parameters
    ----------
    result_signal : NSig or StrataNSig
        Its error is that with a fixed threshold.
    exact : bool
        Trials are made with an exact number of events, and mixed.
    """
    low, high = 0.9 * result.n_sig, 1.1 * result.n_sig
    if isinstance(result, NSig):
        high = min(high, result.points[-1].n_sig)
    below, above = (float(value) for value in result.passing([low, high]))
    slope = (above - below) / math.log(high / low)
    variance = result.variance if isinstance(result, StrataNSig) else None
    weights = result.weights if exact and isinstance(result, StrataNSig) else None
    return Quantity(
        goal, beta, result.n_sig, result.error, result_signal.error, slope, result.points, variance=variance,
        weights=weights,
    )  # fmt: skip


def verdict(quantity: Quantity, decimals: int) -> Verdict:
    """Decide about one quantity; n_sig are rounded to so many `decimals`."""
    if quantity.n_sig is None or quantity.error is None or quantity.error_signal is None:
        return _search(quantity, decimals)
    known_n_sig = [point.n_sig for point in quantity.points]
    low, high = (factor * counting_slope(quantity.beta, quantity.n_sig) for factor in SLOPES)
    slope, n_near = min(max(quantity.slope, low), high), _near(quantity)
    variance = quantity.beta * (1.0 - quantity.beta) if quantity.variance is None else quantity.variance
    least = math.sqrt(variance / max(n_near, 1)) / high
    error = max(quantity.error / quantity.n_sig, least) if math.isfinite(quantity.error) else 1.0
    if error <= quantity.goal:
        return Verdict("reached", {}, 1.0)
    aim = max(AIM * quantity.goal, error / CLOSER)
    signal = min(max(quantity.error_signal / quantity.n_sig, least), error)
    threshold = math.sqrt(error**2 - signal**2)
    factor = min(max((threshold / (THRESHOLD_SHARE * aim)) ** 2, 1.0), MORE_BACKGROUND)
    remaining = max(aim**2 - threshold**2 / factor, (THRESHOLD_SHARE * aim) ** 2)
    n = SPREAD * variance / slope**2 * max(1.0 / remaining - 1.0 / max(signal, 1e-9) ** 2, 0.0)
    if n == 0.0:
        return Verdict("short", {}, factor)  # the threshold alone
    if quantity.weights is not None:
        return Verdict("short" if n_near else "wide", _best_shares(quantity, math.sqrt(remaining) * slope), factor)
    width = min(max(1.0, error / 0.1), 2.5)
    n_sig_values = [quantity.n_sig * step**width for step in AROUND]
    each = max(LEAST, math.ceil(n / len(n_sig_values)))
    add = _placed(n_sig_values, known_n_sig, decimals, two_digits(each))
    return Verdict("short" if n_near else "wide", add, factor)


def counting_slope(beta: float, n_sig: float) -> float:
    """d(fraction) / d(ln n_sig) where the number of events alone decides: a Gaussian of width sqrt(n_sig) at `beta`."""
    return NormalDist().pdf(NormalDist().inv_cdf(beta)) * math.sqrt(n_sig)


def _best_shares(quantity: Quantity, error: float) -> dict[float, int]:
    """Return trials of exact numbers of events for an `error` of the passing fraction.

    The sum of (w_k^2 / m_k) is smallest, for a fixed number of trials, if m_k is in proportion to w_k. Trials that are
    there count.
    """
    assert quantity.weights is not None
    total = float(quantity.weights.sum())
    present = {point.n_sig: point.n for point in quantity.points}
    add = {}
    for k, weight in enumerate(quantity.weights.tolist(), 1):
        n = math.ceil(weight * total / error**2) - present.get(float(k), 0)
        if n >= LEAST_OF_STRATUM:
            add[float(k)] = two_digits(n)
    return add


def _near(quantity: Quantity) -> int:
    """Return the trials near the crossing; 0 if there are none just below or just above it."""
    assert quantity.n_sig is not None
    low, high = (quantity.n_sig * factor for factor in NARROW)
    below = sum(point.n for point in quantity.points if low <= point.n_sig <= quantity.n_sig)
    above = sum(point.n for point in quantity.points if quantity.n_sig < point.n_sig <= high)
    return below + above if below and above else 0


def _search(quantity: Quantity, decimals: int) -> Verdict:
    """Search beyond the largest n_sig, unless the background itself passes or there is no threshold."""
    if not quantity.points:
        return Verdict("hopeless", {}, MORE_BACKGROUND)
    last = quantity.points[-1]
    if last.fraction >= quantity.beta:
        return Verdict("hopeless", {}, 1.0)
    start = last.n_sig or 1.0
    known_n_sig = [point.n_sig for point in quantity.points]
    return Verdict("not bracketed", _placed([start * step for step in STEPS], known_n_sig, decimals, EXPLORE), 1.0)


def _placed(n_sig_values: Iterable[float], known_n_sig: Iterable[float], decimals: int, n: int) -> dict[float, int]:
    """Return `n` trials for each n_sig, or for an existing neighbour."""
    known = [value for value in known_n_sig if value > 0]
    add: dict[float, int] = {}
    for value in n_sig_values:
        near = min(known, key=lambda other: abs(math.log(other / value)), default=None)
        if near is not None and abs(math.log(near / value)) <= SAME:
            chosen = near
        else:
            chosen = max(round(value, decimals), 10.0**-decimals)
            known.append(chosen)
        add[chosen] = add.get(chosen, 0) + n
    return dict(sorted(add.items()))


def merged_requests(verdicts: Iterable[Verdict]) -> tuple[dict[float, int], float]:
    """Return the trials that serve all quantities of a point, and the largest factor of background trials."""
    add: dict[float, int] = {}
    background = 1.0
    for verdict_ in verdicts:
        background = max(background, verdict_.background)
        for n_sig, n in verdict_.add.items():
            add[n_sig] = max(add.get(n_sig, 0), n)
    return dict(sorted(add.items())), background


def bounded(add: Mapping[float, int], most: int) -> dict[float, int]:
    """Reduce trials in proportion to at most `most`; none if a point would get too few."""
    total = sum(add.values())
    if total <= most:
        return dict(add)
    scaled = {n_sig: n * most // total for n_sig, n in add.items()}
    least = LEAST // 2 if min(add.values()) >= LEAST else LEAST_OF_STRATUM // 2
    return scaled if min(scaled.values(), default=0) >= least else {}
