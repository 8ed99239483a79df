"""Counts and quantiles of n trials of which only the sorted positive TS values are stored."""

import math

import numpy as np
from numpy.typing import NDArray

from worker.stats.chi2 import TooFewTrialsError
from worker.stats.significance import p_to_nsigma

F64 = NDArray[np.float64]


def count(positive: F64, n: int, ts: F64) -> NDArray[np.int64]:
    """Trials with TS >= ts: all n for ts <= 0."""
    above = len(positive) - np.searchsorted(positive, ts, side="left")
    return np.where(ts <= 0, n, above)


def quantile(positive: F64, n: int, q: float) -> float:
    """Quantile of all n trials, zeros included, interpolated linearly as ``np.quantile`` does."""
    position = (n - 1) * q
    i = min(int(position), n - 1)
    t = position - i
    a, b = _ordered(positive, n, i), _ordered(positive, n, min(i + 1, n - 1))
    return a + (b - a) * t if t < 0.5 else b - (b - a) * (1.0 - t)


def isf(positive: F64, n: int, p: F64) -> F64:
    """Return the largest TS with (k + 1) / (n + 1) >= p, k trials at or above it; 0 in the atom at TS = 0.

    Raises
    ------
    TooFewTrialsError
        No trial is that far out: p <= 1 / (n + 1).
    """
    # The factor keeps p = (k + 1) / (n + 1) on its own step after rounding.
    k = np.ceil(p * (n + 1) * (1.0 - 1e-12)).astype(np.int64) - 1
    if np.any(k < 1):
        worst = float(np.min(p))
        raise TooFewTrialsError(
            f"p = {worst:.3g} ({float(p_to_nsigma(worst)):.2f} sigma) is beyond {n} trials by counting "
            f"(smallest {2 / (n + 1):.3g}): run at least {math.ceil(2 / worst)} trials, or use the fit"
        )
    stored = np.append(positive, 0.0)  # the last entry serves the atom
    return stored[np.where(k <= len(positive), len(positive) - k, len(positive))]


def _ordered(positive: F64, n: int, i: int) -> float:
    zeros = n - len(positive)
    return float(positive[i - zeros]) if i >= zeros else 0.0
