"""The likelihood of METHOD in plain numpy, without code of the kernels: for tests and replayed trials."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from worker.engines.builtin.likelihood import HARD, SOFT
from worker.engines.builtin.tables import SignalTable
from worker.engines.builtin.trials import Drawn

F64 = NDArray[np.float64]


def table_and_share(table: SignalTable, gamma: float) -> tuple[F64, F64]:
    """T of all rows and f of all seasons at one gamma."""
    step = table.gammas[1] - table.gammas[0]
    k = int(np.clip((gamma - table.gammas[0]) // step, 0, len(table.gammas) - 2))
    powers = ((gamma - table.gammas[k]) / step) ** np.arange(4)
    return powers @ table.coef[k], powers @ table.share[k]


def weights_at(drawn: Drawn, gamma: float) -> F64:
    """Weights of the events at one gamma, (n,)."""
    t = float(np.clip((SOFT - gamma) / (SOFT - HARD), 0.0, 1.0))
    return np.asarray(drawn.w[0] + t * t * (3.0 - 2.0 * t) * drawn.w[1])


def ts_at(drawn: Drawn, table: SignalTable, ns: F64, gamma: float) -> F64:
    """TS at many ns and one gamma, with the prior of gamma.

    Parameters
    ----------
    ns : ndarray (n,)

    Returns
    -------
    ndarray (n,)
    """
    signal, share = table_and_share(table, gamma)
    y = weights_at(drawn, gamma) * signal[drawn.row] - (share / drawn.n_events)[drawn.season]
    inside = np.log1p(ns[:, None] * y[None, :]).sum(axis=1)
    outside = (drawn.rest * np.log1p(-ns[:, None] * (share / drawn.n_events)[None, :])).sum(axis=1)
    mean, inverse = table.prior
    off = 0.5 * (gamma - mean) ** 2 * inverse if np.isfinite(inverse) else 0.0
    return np.asarray(2.0 * (inside + outside - off), dtype=np.float64)


def extended_ts_at(drawn: Drawn, table: SignalTable, ns: F64, gamma: float) -> F64:
    """As `ts_at`, of the extended likelihood of a window (`worker.engines.builtin.extended`)."""
    signal, share = table_and_share(table, gamma)
    y = weights_at(drawn, gamma) * signal[drawn.row]
    return np.asarray(2.0 * (np.log1p(ns[:, None] * y[None, :]).sum(axis=1) - ns * share.sum()))


def brute_force(drawn: Drawn, table: SignalTable, gammas: F64) -> tuple[float, float, float]:
    """Largest TS over the given gammas and, at each, ns on a grid of 21 points that is refined eight times.

    Returns
    -------
    ts, ns, gamma : float
    """
    return largest(lambda ns, gamma: ts_at(drawn, table, ns, gamma), drawn.n_events, gammas)


def largest(of: Callable[[F64, float], F64], n_events: F64, gammas: F64) -> tuple[float, float, float]:
    """As `brute_force`, of the TS that ``of(ns, gamma)`` returns."""
    best = (0.0, 0.0, float(gammas[0]))
    for gamma in gammas:
        lo, hi = 0.0, min(300.0, 0.9 * float(n_events.min()))
        for _ in range(8):
            ns = np.linspace(lo, hi, 21)
            ts = of(ns, float(gamma))
            k = int(np.argmax(ts))
            lo, hi = ns[max(k - 1, 0)], ns[min(k + 1, 20)]
        if ts[k] > best[0]:
            best = (float(ts[k]), float(ns[k]), float(gamma))
    return best
