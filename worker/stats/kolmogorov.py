"""The two-sided Kolmogorov-Smirnov distance and its p-value.

Rounded to nine digits: scipy's exact law uses a BLAS, whose last digits depend on the processor.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

F64 = NDArray[np.float64]


def sf(distance: float, n: int) -> float:
    """Probability that n uniform numbers have at least this KS distance."""
    return float(f"{stats.kstwo.sf(distance, n):.9g}")


def distance(uniform: F64) -> float:
    """Largest difference between the distribution of numbers (n,) and the uniform one over [0, 1]."""
    return float(stats.kstest(uniform, "uniform").statistic)


def censored_p(uniform: F64, n: int) -> float:
    """KS p-value of the smallest of n numbers that should be uniform over [0, 1]; the larger ones are unknown.

    From the largest distance up to the largest known number. The law of complete samples gives a p that is too large
    (Barr and Davidson 1973, Technometrics 15, 739).
    """
    known = np.sort(uniform)
    steps = np.arange(len(known) + 1) / n
    return sf(float(max(np.max(steps[1:] - known), np.max(known - steps[:-1]))), n)


def uniform_p(uniform: F64) -> float:
    """KS p-value of numbers (n,) that should be uniform over [0, 1]."""
    return sf(distance(uniform), len(uniform))
