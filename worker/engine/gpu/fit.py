"""The fit of `worker.engine.fit` by a warp: its control flow, with sums over events shared among the lanes.

`y` of the functions of `worker.engine.likelihood` is here what it is made of: (w, row, season, T at gamma), since a
table in shared memory is read faster than another array of terms.
"""

import numpy as np

from worker.engine import fit as on_cpu
from worker.engine import fmath, likelihood
from worker.engine.gpu import warp
from worker.engine.gpu.warp import LANES, cuda, device


@device
def _slopes_at_zero(n, w, row, node, by_row, out):  # type: ignore[no-untyped-def]
    """As `worker.engine.likelihood.slopes_at_zero`: a lane owns every 32nd row, then every 32nd gamma."""
    lane = cuda.threadIdx.x
    for r in range(lane, by_row.size, LANES):
        by_row[r] = 0.0
    for i in range(n):
        r = int(row[i])
        if r & (LANES - 1) == lane:
            by_row[r] += w[i]
    warp.sync()
    for g in range(lane, out.size, LANES):
        slope = -1.0
        for r in range(by_row.size):
            if by_row[r] != 0.0:
                slope += by_row[r] * node[r, g]
        out[g] = slope
    warp.sync()
    return 0


@device
def _set_gamma(gamma, gammas, coef, share, n_events, table, dtable, q, dq):  # type: ignore[no-untyped-def]
    lane = cuda.threadIdx.x
    step = gammas[1] - gammas[0]
    k = min(max(int((gamma - gammas[0]) / step), 0), gammas.size - 2)
    t = (gamma - gammas[k]) / step
    warp.sync()
    for r in range(lane, table.size, LANES):
        a, b, c, d = coef[k, 0, r], coef[k, 1, r], coef[k, 2, r], coef[k, 3, r]
        table[r] = a + t * (b + t * (c + t * d))
        dtable[r] = (b + t * (2.0 * c + t * (3.0 * d))) / step
    for j in range(lane, q.size, LANES):
        e, f, g, h = share[k, 0, j], share[k, 1, j], share[k, 2, j], share[k, 3, j]
        q[j] = (e + t * (f + t * (g + t * h))) / n_events[j]
        dq[j] = (f + t * (2.0 * g + t * (3.0 * h))) / step / n_events[j]
    warp.sync()


@device
def _derivatives(ns, n, y, rest, q, acc, acc2, count):  # type: ignore[no-untyped-def]  # noqa: ARG001
    w, row, season, table = y
    first, second = 0.0, 0.0
    for i in range(cuda.threadIdx.x, n, LANES):
        term = w[i] * table[np.uint32(row[i])] - q[np.uint32(season[i])]
        d = term / (1.0 + ns * term)
        first += d
        second -= d * d
    first, second = warp.total(first), warp.total(second)
    for j in range(q.size):
        d = q[j] / (1.0 - ns * q[j])
        first -= rest[j] * d
        second -= rest[j] * d * d
    return first, second


@device
def _log_likelihood_ratio(ns, n, y, rest, q):  # type: ignore[no-untyped-def]
    w, row, season, table = y
    sums = 0.0
    for start in range(0, n, 8 * LANES):
        product = 1.0
        for i in range(start + cuda.threadIdx.x, min(start + 8 * LANES, n), LANES):
            product *= 1.0 + ns * (w[i] * table[np.uint32(row[i])] - q[np.uint32(season[i])])
        sums += warp.total(fmath.log(product))
    for j in range(q.size):
        sums += rest[j] * fmath.log(1.0 - ns * q[j])
    return sums


@device
def _gamma_slope(ns, n, y, dtable, rest, q, dq):  # type: ignore[no-untyped-def]
    w, row, season, table = y
    change = 0.0
    for i in range(cuda.threadIdx.x, n, LANES):
        r, s = np.uint32(row[i]), np.uint32(season[i])
        change += (w[i] * dtable[r] - dq[s]) / (1.0 + ns * (w[i] * table[r] - q[s]))
    change = warp.total(change)
    for j in range(q.size):
        change -= rest[j] * dq[j] / (1.0 - ns * q[j])
    return max(ns, 1e-3) * change


_maximise_ns = warp.rebound(likelihood._maximise_ns, _derivatives=_derivatives)


@device
def _profile(gamma, ns, tolerance, n, w, row, season, rest, n_events, model, work):  # type: ignore[no-untyped-def]
    gammas, _, coef, share = model
    table, dtable, q, dq, count = work
    _set_gamma(gamma, gammas, coef, share, n_events, table, dtable, q, dq)
    y = (w, row, season, table)
    ns = _maximise_ns(ns, tolerance, n, y, rest, q, count, count, count)
    return ns, _log_likelihood_ratio(ns, n, y, rest, q), _gamma_slope(ns, n, y, dtable, rest, q, dq)


_node_slope = warp.rebound(on_cpu._node_slope)
_rises_between = warp.rebound(on_cpu._rises_between, _node_slope=_node_slope)
_refine = warp.rebound(on_cpu._refine, profile=_profile)
fit = warp.rebound(
    on_cpu.fit, slopes_at_zero=_slopes_at_zero, _rises_between=_rises_between, profile=_profile, _refine=_refine
)
"""As `worker.engine.fit.fit`, called by all lanes, on arrays in shared memory."""
