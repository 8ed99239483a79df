"""P-values and significances, and the trials that they need."""

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

F64 = NDArray[np.float64]
How = Literal["counted", "hybrid", "fit", "empirical"]


class PValue(NamedTuple):
    """A p-value with its method and its interval.

    Attributes
    ----------
    p : float
    how : 'counted', 'hybrid', 'fit' or 'empirical'
        The requested method.
    k, n : int
        Trials with TS >= ts, and all trials.
    lo, hi : float
        Interval of coverage `level`: Clopper-Pearson for counted trials, from the spread of the weights for tilted ones
        (lo = 0 beyond the last one), Fisher information (statistical error only) for the fit.
    way : 'tilted', 'fit' or 'empirical'
        The method used at this TS.
    level : float
    n_effective : float
        Number of plain trials at or above the TS that would give the same error; NaN for the fit.
    interpolation_error : float
        One-sigma error of ln p from interpolation between declinations (`worker.stats.interpolated`), not contained in
        the interval. 0: the declination has trials of its own; NaN: unknown.
    """

    p: float
    how: How
    k: int
    n: int
    lo: float
    hi: float
    way: Literal["tilted", "fit", "empirical"]
    level: float
    n_effective: float = math.nan
    interpolation_error: float = 0.0


def nsigma_to_p(n_sigma: ArrayLike) -> F64:
    """One-sided tail of the normal distribution.

    Parameters
    ----------
    n_sigma : array_like

    Returns
    -------
    ndarray of the same shape

    Examples
    --------
    >>> [f"{p:.3g}" for p in nsigma_to_p([0, 3, 5])]
    ['0.5', '0.00135', '2.87e-07']
    """
    return np.asarray(special.ndtr(-np.asarray(n_sigma, dtype=np.float64)))


def p_to_nsigma(p: ArrayLike) -> F64:
    """One-sided significance of a p-value; negative above 0.5, inf at 0.

    Parameters
    ----------
    p : array_like

    Returns
    -------
    ndarray of the same shape

    Examples
    --------
    >>> round(float(p_to_nsigma(2.87e-7)), 2)
    5.0
    """
    return np.asarray(-special.ndtri(np.asarray(p, dtype=np.float64)))


def trials_needed(p: float, relative_error: float = 0.1) -> int:
    """Trials after which a counted p-value has this relative error: (1 - p) / (p error^2).

    Parameters
    ----------
    p : float
    relative_error : float

    Returns
    -------
    int

    Examples
    --------
    A ten percent error in p at three sigma:

    >>> trials_needed(0.00135)
    73975
    """
    return math.ceil((1.0 - p) / (p * relative_error**2))
