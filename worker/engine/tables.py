"""Signal tables in gamma: cubic Hermite pieces, continuous in value and derivative.

For a source declination, T[j][e](gamma) = f_j(gamma) s_j(e | gamma), where f_j is the share of season j in
the expected events, so that sum_e T[j][e] = f_j. With W = w T / f_j the likelihood needs only T and f.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]


class SignalTable(NamedTuple):
    """Everything the fit needs to know of a declination, for all seasons at once.

    Attributes
    ----------
    gammas : ndarray (n_gamma,)
        Equidistant nodes.
    node : ndarray (n_rows, n_gamma)
        T at the nodes; row = season * n_bins + energy bin.
    coef : ndarray (n_gamma - 1, 4, n_rows)
        T in piece k = sum_p coef[k, p] t^p with t = (gamma - gammas[k]) / step in [0, 1].
    share : ndarray (n_gamma - 1, 4, n_seasons)
        f_j in the same form.
    """

    gammas: F64
    node: F64
    coef: F64
    share: F64


@njit(cache=True, error_model="numpy")
def hermite(values):  # type: ignore[no-untyped-def]
    """Cubic Hermite coefficients of columns tabulated at equidistant nodes.

    Slopes are central differences of fourth order (second order and one-sided at the ends).

    Parameters
    ----------
    values : ndarray (n, m), n >= 5

    Returns
    -------
    ndarray (n - 1, 4, m)
    """
    n, m = values.shape
    slope = np.empty((n, m))
    for c in range(m):
        for i in range(2, n - 2):
            slope[i, c] = (8.0 * (values[i + 1, c] - values[i - 1, c]) - (values[i + 2, c] - values[i - 2, c])) / 12.0
        slope[1, c] = 0.5 * (values[2, c] - values[0, c])
        slope[n - 2, c] = 0.5 * (values[n - 1, c] - values[n - 3, c])
        slope[0, c] = 2.0 * values[1, c] - 1.5 * values[0, c] - 0.5 * values[2, c]
        slope[n - 1, c] = 1.5 * values[n - 1, c] - 2.0 * values[n - 2, c] + 0.5 * values[n - 3, c]
    out = np.empty((n - 1, 4, m))
    for k in range(n - 1):
        for c in range(m):
            step = values[k + 1, c] - values[k, c]
            out[k, 0, c] = values[k, c]
            out[k, 1, c] = slope[k, c]
            out[k, 2, c] = 3.0 * step - 2.0 * slope[k, c] - slope[k + 1, c]
            out[k, 3, c] = slope[k, c] + slope[k + 1, c] - 2.0 * step
    return out


def signal_table(gammas: F64, densities: list[F64], expected: list[F64]) -> SignalTable:
    """Combine the seasons' energy densities, each (n_gamma, n_bins), and expected events, each (n_gamma,).

    Where no season accepts anything the shares are equal, so that the table stays finite.
    """
    total = np.sum(expected, axis=0)
    equal = 1.0 / len(expected)
    shares = np.array([np.where(total > 0, e / np.where(total > 0, total, 1.0), equal) for e in expected]).T
    rows = np.concatenate([d * shares[:, j : j + 1] for j, d in enumerate(densities)], axis=1)
    return SignalTable(gammas, np.ascontiguousarray(rows.T), hermite(rows), hermite(np.ascontiguousarray(shares)))
