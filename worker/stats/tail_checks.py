"""Checks of tilted background trials: weights, agreement with plain trials, and backgrounds that no tilt covers."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from worker.stats.checks import MIN_KS_P, Check
from worker.stats.distributions import TSD
from worker.stats.tail import Tilted

F64 = NDArray[np.float64]

MAX_SHARE = 0.05
"""Largest share of one trial in a p-value: a larger one says that such trials are rarer in the mixture than they
should be, and that more of them are missing."""
MIN_EFFECTIVE = 100.0
"""Smallest effective number of trials behind a p-value: 10 % error."""
LEAST_IN_BIN = 10
"""Plain trials, and effective number of tilted ones, in a bin that is compared."""
MAX_ERROR = 0.5
"""Largest error of a mean weight; 4,096 trials with tilts of a pilot have 0.02 to 0.15."""
MORE_TILTS = (
    "a kind of background is missing among the tilts: let background.tilts: pilot choose them, or add tilts beside "
    "{tilt}; more trials (background.n_tail_trials) help only if the excess is small"
)


def weights(tilted: Tilted, ts: float, name: str) -> Check:
    """No trial dominates the p-value at a TS: largest share at most `MAX_SHARE`, and `MIN_EFFECTIVE` effective trials.

    Parameters
    ----------
    ts : float
        A threshold.
    name : str
        Place and threshold, in words.
    """
    share, effective = tilted.largest_share(ts), tilted.n_effective(ts)
    beyond = ts > tilted.ts[-1]
    passed = share <= MAX_SHARE and effective >= MIN_EFFECTIVE and not beyond
    sentence = f"at {name} one of {tilted.n:,} tilted trials makes {share:.1%} of p, and their effective number is "
    sentence += f"{effective:,.0f} (wanted: at most {MAX_SHARE:.0%}, at least {MIN_EFFECTIVE:g})"
    cure = ": raise background.n_tail_trials, or let background.tilts: pilot choose the tilts" if not passed else ""
    return Check("tail_weights", share, MAX_SHARE, passed, f"{sentence}{cure}.")


def agreement(tsd: TSD, name: str) -> Check:
    """Chi2 of plain against tilted trials in bins of TS; the p-value must be at least `MIN_KS_P`.

    Half of the plain trials above the lower edge of a bin lie in it. The last bin has at least `LEAST_IN_BIN`.
    """
    tilted = tsd.counted.tilted
    w = np.exp(tilted.log_w)
    chi2, n_bins = 0.0, 0
    for low, high, k in _bins(tsd):
        inside = w * ((tilted.ts >= low) & (tilted.ts < high))
        p, square = float(inside.mean()), float((inside * inside).mean())
        if p * p * tilted.n < LEAST_IN_BIN * square:
            continue
        variance = (square - p * p) / tilted.n + p * (1.0 - p) / tsd.n
        chi2 += (p - k / (tsd.n + 1)) ** 2 / variance
        n_bins += 1
    if not n_bins:
        return Check(name, 1.0, MIN_KS_P, True, f"{name}: too few trials have TS > 0 to be compared.")
    value = float(stats.chi2.sf(chi2, n_bins))
    sentence = f"plain and tilted trials agree in {n_bins} bins of TS with chi2 = {chi2:.1f}, p = {value:.3g}"
    passed = value >= MIN_KS_P
    more = "" if passed else f": {MORE_TILTS.format(tilt='those of the pilot')}"
    return Check(name, value, MIN_KS_P, passed, f"{sentence}{more}.")


def _bins(tsd: TSD) -> Iterator[tuple[float, float, int]]:
    """Edges and number of plain trials of each bin; edges are plain trials themselves."""
    above = len(tsd.ts) // 2
    while above >= 2 * LEAST_IN_BIN:
        half = above // 2
        yield float(tsd.ts[-above]), float(tsd.ts[-half]), above - half
        above = half
    if above >= LEAST_IN_BIN:
        yield float(tsd.ts[-above]), math.inf, above


class MeanWeight(NamedTuple):
    """Mean of w L over tilted trials, with its standard error; 1 for every tilt (and for L = 1) if nothing is missing.

    Attributes
    ----------
    place, tilt : str
        In words.
    """

    place: str
    tilt: str
    mean: float
    error: float


def mean_weight(log_w: F64, log_l: F64, place: str, tilt: str) -> MeanWeight:
    """Mean of w L, from ln w and ln L of each trial, (n,)."""
    x = np.exp(log_w + log_l)
    return MeanWeight(place, tilt, float(x.mean()), float(x.std() / math.sqrt(len(x))))


def pooled(found: Sequence[MeanWeight]) -> MeanWeight:
    """Average of the mean weights of one tilt at many declinations: a common factor of all weights shows here."""
    error = math.sqrt(sum(one.error**2 for one in found)) / len(found)
    place = f"{len(found)} places together"
    return MeanWeight(place, found[0].tilt, sum(one.mean for one in found) / len(found), error)


def coverage(found: MeanWeight) -> Check:
    """E[w L] = 1 for a tilt that was evaluated and not sampled: p-value of the difference.

    0 if the mean is not known to `MAX_ERROR`: weights that are wrong, or miss a background, can spread without limit.
    """
    off = abs(found.mean - 1.0)
    known = found.error <= MAX_ERROR
    value = 0.0 if not known else float(2.0 * stats.norm.sf(off / found.error)) if found.error else float(off == 0.0)
    passed = value >= MIN_KS_P
    sentence = f"the mean weight of {found.tilt} is {found.mean:.4g} ± {found.error:.2g} where 1 is right"
    sentence += "" if known else f", and an error of at most {MAX_ERROR:g}"
    more = "" if passed else f": {MORE_TILTS.format(tilt=found.tilt)}"
    return Check(found.place, value, MIN_KS_P, passed, f"{sentence}{more}.")
