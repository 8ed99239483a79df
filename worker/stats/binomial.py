"""Interval of a counted fraction, and its error for fits."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

F64 = NDArray[np.float64]

LEVEL = math.erf(math.sqrt(0.5))
"""Coverage of every quoted interval and error unless said otherwise: one sigma, 0.6827."""


def clopper_pearson(k: ArrayLike, n: ArrayLike, level: float = LEVEL) -> tuple[F64, F64]:
    """Central Clopper-Pearson interval of a probability: covers at least `level`, whatever the truth.

    Parameters
    ----------
    k, n : array_like of int, broadcast together
        Successes and tries, 0 <= k <= n.
    level : float
        Coverage, split evenly between the two sides.

    Returns
    -------
    lo, hi : ndarray
        0 where k = 0, 1 where k = n.

    Examples
    --------
    >>> lo, hi = clopper_pearson(3, 10)
    >>> print(f"{lo:.3f} to {hi:.3f}")
    0.142 to 0.508
    """
    k, n = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64))
    tail = 0.5 * (1.0 - level)
    # btdtri is undefined for a zero parameter; the limit is the end of [0, 1].
    lo = np.where(k > 0, special.betaincinv(np.maximum(k, 1.0), n - k + 1.0, tail), 0.0)
    hi = np.where(k < n, special.betaincinv(k + 1.0, np.maximum(n - k, 1.0), 1.0 - tail), 1.0)
    return lo, hi


def fraction_error(k: ArrayLike, n: ArrayLike) -> F64:
    """One-sigma error of k / n that stays positive at 0 and 1, for weights in a fit.

    The binomial error at p = (k + 1) / (n + 2), the mean of the posterior for a flat prior: no
    point with k = 0 gets infinite weight.
    """
    k, n = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    p = (k + 1.0) / (n + 2.0)
    return np.asarray(np.sqrt(p * (1.0 - p) / n))
