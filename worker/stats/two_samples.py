"""Two samples of trials compared: Kolmogorov-Smirnov, and the difference that it would find.

Atoms (all trials with TS = 0) make the test conservative.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.stats import kolmogorov

F64 = NDArray[np.float64]
POWER = 0.9
_Z_POWER = 1.2815515655446004
"""Quantile of the normal distribution at `POWER`."""


class Comparison(NamedTuple):
    """Largest difference of the cumulative distributions of two samples, and its p-value."""

    distance: float
    p: float


def compare(one: F64, other: F64) -> Comparison:
    """Two-sample Kolmogorov-Smirnov test, with the law of one sample of n m / (n + m) numbers, as scipy's.

    Parameters
    ----------
    one, other : ndarray (n,), (m,)
    """
    one, other = np.sort(one), np.sort(other)
    every = np.concatenate([one, other])
    below = [np.searchsorted(sample, every, side="right") / len(sample) for sample in (one, other)]
    distance = float(np.max(np.abs(below[0] - below[1])))
    return Comparison(distance, kolmogorov.sf(distance, max(round(_size(len(one), len(other))), 1)))


def detectable(n: int, m: int, alpha: float) -> float:
    """Difference of two cumulative distributions that is found with a probability of at least `POWER`.

    The test rejects beyond d with 2 exp(-2 d^2 n m / (n + m)) = alpha (Kolmogorov's distribution, to better than a per
    cent below alpha = 0.1). Where the distributions differ by D, the difference of the samples has the mean D and a
    standard deviation of at most sqrt((1/n + 1/m) / 4).

    Parameters
    ----------
    n, m : int
        Sizes of the samples.
    alpha : float
        Largest p-value that counts as a difference.
    """
    critical = math.sqrt(-0.5 * math.log(alpha / 2) / _size(n, m))
    return min(critical + _Z_POWER * math.sqrt((1 / n + 1 / m) / 4), 1.0)


def _size(n: int, m: int) -> float:
    return n * m / (n + m)
