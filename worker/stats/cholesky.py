"""Small symmetric positive-definite systems, many at a time, from basic operations in a fixed order.

The last bits of a BLAS depend on the processor and on `OPENBLAS_CORETYPE`: sensitivities of two machines would differ
in the tenth digit, which a review reports.
"""

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def factor(matrix: F64) -> F64:
    """Lower triangle L with L L^T = matrix; only the lower triangle is read.

    Parameters
    ----------
    matrix : ndarray (..., n, n)

    Returns
    -------
    ndarray (..., n, n)
        NaN from the first row that is not positive definite.
    """
    n = matrix.shape[-1]
    root = np.zeros_like(matrix)
    for j in range(n):
        pivot = matrix[..., j, j].copy()
        for k in range(j):
            pivot -= root[..., j, k] ** 2
        root[..., j, j] = np.sqrt(np.where(pivot > 0, pivot, np.nan))
        for i in range(j + 1, n):
            rest = matrix[..., i, j].copy()
            for k in range(j):
                rest -= root[..., i, k] * root[..., j, k]
            root[..., i, j] = rest / root[..., j, j]
    return root


def solve(matrix: F64, right: F64) -> F64:
    """Solution x of matrix x = right.

    Parameters
    ----------
    matrix : ndarray (..., n, n)
    right : ndarray (..., n)

    Returns
    -------
    ndarray (..., n)
    """
    root = factor(matrix)
    n = matrix.shape[-1]
    x = np.array(right, dtype=np.float64)
    for i in range(n):
        for k in range(i):
            x[..., i] -= root[..., i, k] * x[..., k]
        x[..., i] /= root[..., i, i]
    for i in reversed(range(n)):
        for k in range(i + 1, n):
            x[..., i] -= root[..., k, i] * x[..., k]
        x[..., i] /= root[..., i, i]
    return x
