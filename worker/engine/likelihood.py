"""The likelihood ratio of one source position at fixed gamma, and its best ns.

Notation (METHOD): per event, y(gamma) = w T(gamma)[row] - q(gamma)[season], with w = S / (B b N_season) and
q = f_season / N_season; then

    TS / 2 = sum_i ln(1 + ns y_i) + sum_seasons R ln(1 - ns q),     R = N - N' events with S = 0.

At fixed gamma this is concave in ns: Newton's method, safeguarded. Sums run in eight lanes of fixed order: the
same bits for any vector width.
"""

import numpy as np
from numba import njit

from worker.engine import fmath

LANES = 8


@njit(cache=True, error_model="numpy")
def _lanes_sum(acc):  # type: ignore[no-untyped-def]
    return ((acc[0] + acc[1]) + (acc[2] + acc[3])) + ((acc[4] + acc[5]) + (acc[6] + acc[7]))


@njit(cache=True, error_model="numpy")
def slopes_at_zero(n, w, row, node, out):  # type: ignore[no-untyped-def]
    """Slope of TS / 2 in ns at ns = 0, at every gamma node: sum_i w_i T_i(gamma) - 1; into `out`."""
    m = node.shape[1]
    for g in range(m):
        out[g] = -1.0
    for i in range(n):
        values = node[row[i]]
        for g in range(m):
            out[g] += w[i] * values[g]


@njit(cache=True, error_model="numpy")
def _set_gamma(gamma, gammas, coef, share, n_events, table, dtable, q, dq):  # type: ignore[no-untyped-def]
    """T, q and their derivatives at `gamma`, for all rows and seasons; into table, dtable, q, dq."""
    step = gammas[1] - gammas[0]
    k = min(max(int((gamma - gammas[0]) / step), 0), gammas.size - 2)
    t = (gamma - gammas[k]) / step
    a, b, c, d = coef[k, 0], coef[k, 1], coef[k, 2], coef[k, 3]
    for r in range(table.size):
        table[r] = a[r] + t * (b[r] + t * (c[r] + t * d[r]))
        dtable[r] = (b[r] + t * (2.0 * c[r] + t * (3.0 * d[r]))) / step
    for j in range(q.size):
        e, f, g, h = share[k, 0, j], share[k, 1, j], share[k, 2, j], share[k, 3, j]
        q[j] = (e + t * (f + t * (g + t * h))) / n_events[j]
        dq[j] = (f + t * (2.0 * g + t * (3.0 * h))) / step / n_events[j]


@njit(cache=True, error_model="numpy")
def _terms(n, w, row, season, table, q, y):  # type: ignore[no-untyped-def]
    """Terms y of every event, padded with zeros to whole lanes; returns the padded length."""
    for i in range(n):
        y[i] = w[i] * table[row[i]] - q[season[i]]
    padded = (n + LANES - 1) // LANES * LANES
    for i in range(n, padded):
        y[i] = 0.0
    return padded


@njit(cache=True, error_model="numpy")
def _derivatives(ns, padded, y, rest, q, acc, acc2):  # type: ignore[no-untyped-def]
    """First and second derivative of TS / 2 in ns."""
    for lane in range(LANES):
        acc[lane] = 0.0
        acc2[lane] = 0.0
    for i in range(0, padded, LANES):
        for lane in range(LANES):
            d = y[i + lane] / (1.0 + ns * y[i + lane])
            acc[lane] += d
            acc2[lane] -= d * d
    first = _lanes_sum(acc)
    second = _lanes_sum(acc2)
    for j in range(q.size):
        d = q[j] / (1.0 - ns * q[j])
        first -= rest[j] * d
        second -= rest[j] * d * d
    return first, second


@njit(cache=True, error_model="numpy")
def _maximise_ns(ns, tolerance, padded, y, rest, q, acc, acc2):  # type: ignore[no-untyped-def]
    """The ns >= 0 that maximises TS / 2 at fixed gamma; `ns` is where to start (0: not known).

    Newton's method inside a bracket. It never starts at ns = 0, where an event with a very large W makes its
    first steps as small as 1 / W; the tolerance is relative for the same reason.
    """
    top = 1e300
    for j in range(q.size):
        if q[j] > 0.0:
            top = min(top, 1.0 / q[j])
    lo, hi = 0.0, top * (1.0 - 1e-9)
    rises_at_zero = False
    if ns <= 0.0:
        first, _ = _derivatives(0.0, padded, y, rest, q, acc, acc2)
        if first <= 0.0:
            return 0.0
        rises_at_zero = True
        ns = 1.0
    ns = min(ns, 0.5 * hi)
    for _ in range(100):
        first, second = _derivatives(ns, padded, y, rest, q, acc, acc2)
        if first > 0.0:
            lo = ns
        else:
            hi = ns
        new = ns - first / second if second < 0.0 else -1.0
        if not lo < new < hi:
            if lo == 0.0 and not rises_at_zero:
                at_zero, _ = _derivatives(0.0, padded, y, rest, q, acc, acc2)
                if at_zero <= 0.0:
                    return 0.0
                rises_at_zero = True
            new = 0.5 * (lo + hi) if hi < 0.9 * top else 2.0 * ns
            if not new < hi:
                new = 0.5 * (ns + hi)
        converged = abs(new - ns) <= tolerance * new
        ns = new
        if converged:
            break
    return ns


@njit(cache=True, error_model="numpy")
def log_likelihood_ratio(ns, padded, y, rest, q, acc):  # type: ignore[no-untyped-def]
    """TS / 2: products of eight factors in every lane before each logarithm."""
    total = 0.0
    i = 0
    while i < padded:
        stop = min(i + 8 * LANES, padded)
        for lane in range(LANES):
            acc[lane] = 1.0
        while i < stop:
            for lane in range(LANES):
                acc[lane] *= 1.0 + ns * y[i + lane]
            i += LANES
        for lane in range(LANES):
            total += fmath.log(acc[lane])
    for j in range(q.size):
        total += rest[j] * fmath.log(1.0 - ns * q[j])
    return total


@njit(cache=True, error_model="numpy")
def _gamma_slope(ns, n, w, row, season, dtable, dq, y, rest, q, acc):  # type: ignore[no-untyped-def]
    """Derivative of the profile in gamma (the envelope theorem: ns is held).

    Where ns = 0 the profile is flat; the sign then tells to which side the slope at ns = 0 grows.
    """
    for lane in range(LANES):
        acc[lane] = 0.0
    whole = n // LANES * LANES
    for i in range(0, whole, LANES):
        for lane in range(LANES):
            k = i + lane
            acc[lane] += (w[k] * dtable[row[k]] - dq[season[k]]) / (1.0 + ns * y[k])
    for k in range(whole, n):
        acc[k - whole] += (w[k] * dtable[row[k]] - dq[season[k]]) / (1.0 + ns * y[k])
    total = _lanes_sum(acc)
    for j in range(q.size):
        total -= rest[j] * dq[j] / (1.0 - ns * q[j])
    return max(ns, 1e-3) * total


@njit(cache=True, error_model="numpy")
def profile(gamma, ns, tolerance, n, w, row, season, rest, n_events, model, work):  # type: ignore[no-untyped-def]
    """Best ns at `gamma`, TS / 2 there and its derivative in gamma."""
    gammas, _, coef, share = model
    table, dtable, y, q, dq, acc, acc2 = work
    _set_gamma(gamma, gammas, coef, share, n_events, table, dtable, q, dq)
    padded = _terms(n, w, row, season, table, q, y)
    ns = _maximise_ns(ns, tolerance, padded, y, rest, q, acc, acc2)
    value = log_likelihood_ratio(ns, padded, y, rest, q, acc)
    return ns, value, _gamma_slope(ns, n, w, row, season, dtable, dq, y, rest, q, acc)


def workspace(max_events: int, n_rows: int, n_seasons: int) -> tuple[np.ndarray, ...]:
    """Scratch arrays for `fit` with up to `max_events` events."""
    return (
        np.empty(n_rows),
        np.empty(n_rows),
        np.empty(max_events + LANES),
        np.empty(n_seasons),
        np.empty(n_seasons),
        np.empty(LANES),
        np.empty(LANES),
    )
