"""The two-sided Kolmogorov-Smirnov distance and its p-value.

To nine digits: scipy's exact law multiplies matrices, and the last digits of a BLAS depend on the processor.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

F64 = NDArray[np.float64]


def sf(distance: float, n: int) -> float:
    """Probability that n uniform numbers are at least that far from uniform."""
    return float(f"{stats.kstwo.sf(distance, n):.9g}")


def distance(uniform: F64) -> float:
    """Largest difference between the distribution of numbers (n,) and the uniform one over [0, 1]."""
    return float(stats.kstest(uniform, "uniform").statistic)


def uniform_p(uniform: F64) -> float:
    """KS p-value of numbers (n,) that should be uniform over [0, 1]."""
    return sf(distance(uniform), len(uniform))
