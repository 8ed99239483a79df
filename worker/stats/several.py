"""Several tests of the same skies: the smallest p-value, corrected for having made all of them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]


def smallest_p(values: ArrayLike) -> F64:
    """P of the best of several tests of each sky, among all skies.

    A test's p is the fraction of skies with at least its value; the smallest of a sky is compared with those of all
    skies, so tests may depend on each other. With the observed sky among the rows, its p is at most a with a
    probability of at most a if it has no signal.

    Parameters
    ----------
    values : array_like (n_skies, n_tests)
        Larger is hotter.

    Returns
    -------
    ndarray (n_skies,)

    Examples
    --------
    >>> smallest_p([[1.0, 9.0], [2.0, 1.0], [3.0, 3.0], [4.0, 2.0]]).tolist()
    [0.5, 1.0, 0.75, 0.5]
    """
    table = np.asarray(values, dtype=np.float64)
    n = len(table)
    best = np.full(n, n)
    for column in table.T:
        best = np.minimum(best, n - np.searchsorted(np.sort(column), column, side="left"))
    smaller: F64 = np.searchsorted(np.sort(best), best, side="right") / n
    return smaller
