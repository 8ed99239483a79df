"""Shares of the components of a mixture for importance sampling, from a pilot sample of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worker.stats.significance import nsigma_to_p

F64 = NDArray[np.float64]

LEVELS = (3.0, 4.0, 5.0, 5.5)
"""Significances whose p-values are to be precise together; plain trials count smaller ones."""
STEPS = 300
"""Of the iteration; shares that vanish fall as 1 / step."""


def best_shares(ts: F64, log_w: F64, log_l: F64, levels: Sequence[float] = LEVELS) -> F64:
    """Shares alpha that minimise sum_t ln E_P[1(TS >= t) / sum_k alpha_k L_k], t at `levels` sigma: a convex problem.

    The expectation is the second moment of the estimate of P(TS >= t) by trials from the mixture. It is estimated with
    the weights of the pilot. Each step multiplies alpha_k by the root of its slope, which sums to 1 at the minimum.

    Parameters
    ----------
    ts, log_w : ndarray (n,)
        Of trials of the pilot: TS and ln(dP / dQ).
    log_l : ndarray (n, K)
        ln(dQ_k / dP) of the components that are to be mixed.
    levels : sequence of float
        One-sided significances; those beyond the pilot use its largest TS.

    Returns
    -------
    ndarray (K,), sum 1
    """
    order = np.argsort(-ts, kind="stable")
    w = np.exp(log_w[order])
    tail = np.cumsum(w) / len(w)
    last = [int(np.searchsorted(tail, float(nsigma_to_p(level)))) + 1 for level in levels]
    order, w = order[: max(last)], w[: max(last)]
    ratio = np.exp(log_l[order] - log_l[order].max(axis=1, keepdims=True))
    scale = np.exp(-log_l[order].max(axis=1))
    alpha = np.full(ratio.shape[1], 1.0 / ratio.shape[1])
    for _ in range(STEPS):
        mixed = ratio @ alpha
        value, slope = w * scale / mixed, (w * scale / mixed**2)[:, None] * ratio
        slopes = [slope[:n].sum(axis=0) / value[:n].sum() for n in last]
        alpha = alpha * np.sqrt(np.mean(slopes, axis=0))
        alpha /= alpha.sum()
    return alpha


def whole_shares(shares: F64, least: F64, total: int) -> NDArray[np.int64]:
    """Round shares to whole numbers that sum to `total`, each at least `least`; components below 1 % are left out.

    Parameters
    ----------
    shares : ndarray (K,), sum 1
    least : ndarray (K,), int
        0 for components that may be left out.

    Returns
    -------
    ndarray (K,), int64
    """
    kept = np.where(shares > 0.01, shares, 0.0)
    free = total - int(least.sum())
    wanted = kept / kept.sum() * total
    more = np.maximum(wanted - least, 0.0)
    more *= free / more.sum() if more.sum() > 0 else 0.0
    counts: NDArray[np.int64] = np.floor(more).astype(np.int64) + np.asarray(least, dtype=np.int64)
    rest = np.argsort(-(more - np.floor(more)), kind="stable")[: total - int(counts.sum())]
    counts[rest] += 1
    return counts
