"""Signal tables in gamma: cubic Hermite pieces, continuous in value and derivative.

For a source declination, T[j][e](gamma) = f_j(gamma) s_j(e | gamma), where f_j is the share of season j in
the expected events, so that sum_e T[j][e] = f_j. With W = w T / f_j the likelihood needs only T and f.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.engines.builtin.likelihood import hardness

F64 = NDArray[np.float64]

FREE = (0.0, 0.0)
"""Prior of a free gamma."""


class SignalTable(NamedTuple):
    """Signal of a declination for the fit, for all seasons.

    Attributes
    ----------
    gammas : ndarray (n_gamma,)
        Equidistant nodes.
    node : ndarray (n_rows, n_gamma)
        T at the nodes; row = season * n_bins + energy bin.
    coef : ndarray (n_gamma - 1, 4, n_rows)
        T in piece k = sum_p coef[k, p] t^p with t = (gamma - gammas[k]) / step in [0, 1].
    share : ndarray (n_gamma - 1, 4, n_seasons)
        f_j in the same form, times the share of the season's signal within the cut of S. Signal beyond it counts as
        distributed like background: so ns is the number of all signal events, and S has the right integral.
    total : ndarray (n_gamma,)
        Sum of the shares at the nodes.
    hard : ndarray (n_gamma,)
        m of `worker.engines.builtin.likelihood.hardness` at the nodes.
    prior : ndarray (2,)
        Of gamma in the fit: its mean, and 1 / width^2; 0 if gamma is free, inf if it is fixed.
    """

    gammas: F64
    node: F64
    coef: F64
    share: F64
    total: F64
    hard: F64
    prior: F64


def hermite(values: F64) -> F64:
    """Cubic Hermite coefficients of columns tabulated at equidistant nodes.

    Slopes are central differences of fourth order (second order and one-sided at the ends).

    Parameters
    ----------
    values : ndarray (n, m), n >= 5

    Returns
    -------
    ndarray (n - 1, 4, m)
    """
    v, slope = values, np.empty_like(values)
    slope[2:-2] = (8.0 * (v[3:-1] - v[1:-3]) - (v[4:] - v[:-4])) / 12.0
    slope[1] = 0.5 * (v[2] - v[0])
    slope[-2] = 0.5 * (v[-1] - v[-3])
    slope[0] = 2.0 * v[1] - 1.5 * v[0] - 0.5 * v[2]
    slope[-1] = 1.5 * v[-1] - 2.0 * v[-2] + 0.5 * v[-3]
    step, left, right = v[1:] - v[:-1], slope[:-1], slope[1:]
    return np.stack([v[:-1], left, 3.0 * step - 2.0 * left - right, left + right - 2.0 * step], axis=1)


def signal_table(
    gammas: F64,
    events: list[F64],
    expected: list[F64],
    inside: F64 | None = None,
    prior: tuple[float, float] = FREE,
) -> SignalTable:
    """Combine the seasons' expected events by energy bin, each (n_gamma, n_bins), and in all, each (n_gamma,).

    Where no season accepts anything the shares are equal, so that the table stays finite. `inside` (2, n_rows) is
    the share of the signal of each row within the cut of S, for a soft spectrum and a hard one; None: all of it.
    """
    rows, shares, total, hard = at_nodes(gammas, events, expected, inside)
    return SignalTable(
        gammas, np.ascontiguousarray(rows.T), hermite(rows), hermite(np.ascontiguousarray(shares)), total, hard,
        np.array(prior),
    )  # fmt: skip


def at_nodes(
    gammas: F64, events: list[F64], expected: list[F64], inside: F64 | None = None
) -> tuple[F64, F64, F64, F64]:
    """Values of a signal table at the nodes: rows (n_gamma, n_rows), shares (n_gamma, n_seasons), total, hard."""
    total = np.sum(expected, axis=0)
    divisor = np.where(total > 0, total, 1.0)
    shares = np.array([np.where(total > 0, e / divisor, 1.0 / len(expected)) for e in expected]).T
    rows = np.concatenate(events, axis=1) / divisor[:, None]
    total, hard = np.ones(len(gammas)), np.array([hardness(gamma)[0] for gamma in gammas])
    if inside is not None:
        outside = 1.0 - inside[0] - hard[:, None] * (inside[1] - inside[0])
        lost = np.cumsum((rows * outside).reshape(*shares.shape, -1), axis=2)[:, :, -1]
        shares = shares - lost
        total = np.cumsum(shares, axis=1)[:, -1]
    return rows, shares, total, hard
