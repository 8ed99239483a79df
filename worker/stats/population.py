"""The binomial test over a list of sources: an excess of small p-values, whatever their number."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from worker.base.errors import InputError

F64 = NDArray[np.float64]


class Population(NamedTuple):
    """The smallest binomial probability of each list; arrays (n_lists,).

    Attributes
    ----------
    mlog10p : ndarray
        -log10 of P(at least k of N p-values are <= the k-th smallest), at the k where it is smallest. Not corrected for
        the choice of k, nor for correlated p-values: background skies do that.
    k : ndarray, int64
        Number of these sources; the smallest of equal ones.
    """

    mlog10p: F64
    k: NDArray[np.int64]


def binomial_test(mlog10p: ArrayLike) -> Population:
    """Smallest binomial probability over the number of sources (IceCube, PRL 124, 051103).

    P(k) = sum_{i=k}^{N} C(N, i) p_k^i (1 - p_k)^(N - i) = I_{p_k}(k, N - k + 1), p_k the k-th smallest p.

    Parameters
    ----------
    mlog10p : array_like (n_lists, N)
        -log10 of the local p-values.

    Raises
    ------
    InputError
        An empty list, or a value that is not a number >= 0.

    Examples
    --------
    Five sources, two of which are hot together:

    >>> found = binomial_test([[1.0, 3.0, 2.5, 0.2, 0.4]])
    >>> print(f"{found.k[0]} sources, -log10 p {found.mlog10p[0]:.2f}")
    2 sources, -log10 p 4.01
    """
    values = np.atleast_2d(np.asarray(mlog10p, dtype=np.float64))
    if values.shape[1] == 0 or not np.all(np.isfinite(values) & (values >= 0)):
        raise InputError(
            f"binomial test of {values.shape[1]} p-values: it needs at least one, and -log10 p finite and >= 0"
        )
    n = values.shape[1]
    p = 10.0 ** -np.sort(values, axis=1)[:, ::-1]
    k = np.arange(1, n + 1, dtype=np.float64)
    tail = special.betainc(k, n - k + 1.0, p)
    best = np.argmin(tail, axis=1)
    smallest = np.maximum(tail[np.arange(len(tail)), best], 1e-300)
    return Population(-np.log(smallest) / math.log(10.0) + 0.0, best + 1)
