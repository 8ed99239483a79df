"""The extended likelihood of a window with a known background.

With n_b expected background events in the window (of each season) and W_i = S_i / B_i of the time-integrated
likelihood, ns_j = ns f_j,

    TS / 2 = -ns t(gamma) + sum_i ln(1 + ns w_i T_i(gamma)),      w_i T_i = f_j W_i / n_b,

t being the share of the signal within the cut of S (`worker.engines.builtin.tables.SignalTable`). Its derivatives are
those of `worker.engines.builtin.likelihood` without events that have S = 0, and gamma is searched by the same code.
"""

from types import FunctionType
from typing import Any

from worker.base.compiled import kernel, part
from worker.engines.builtin import fit as free
from worker.engines.builtin.likelihood import (
    _derivatives,
    _gamma_slope,
    _set_gamma,
    _terms,
    hardness,
    log_likelihood_ratio,
)
from worker.engines.builtin.work import PROFILES


@part
def _best_ns(ns, tolerance, top, total, padded, y, none, acc, acc2, count):  # type: ignore[no-untyped-def]
    """The ns in [0, top] that maximises TS / 2 at fixed gamma: Newton's method inside a bracket.

    The slope is convex and decreasing, so steps from the left never pass the maximum. Steps never start at 0, where an
    event with a very large W makes the first ones as small as 1 / W.
    """
    slope = -total
    for i in range(padded):
        slope += y[i]
    if slope <= 0.0:
        return 0.0
    lo, hi = 0.0, top
    ns = ns if 0.0 < ns < top else min(1.0, 0.5 * top)
    for _ in range(200):
        first, second = _derivatives(ns, padded, y, none, none, acc, acc2, count)
        first -= total
        if first > 0.0:
            lo = ns
        else:
            hi = ns
        new = ns - first / second if second < 0.0 else 0.5 * (lo + hi)
        if not lo < new < hi:
            new = 0.5 * (lo + hi)
        converged = abs(new - ns) <= tolerance * new
        ns = new
        if converged:
            break
    return ns


@kernel
def profile(gamma, ns, tolerance, n, w, row, season, none, ones, model, work):  # type: ignore[no-untyped-def]
    """As `worker.engines.builtin.likelihood.profile`; `none` and `ones` (n_seasons,) in place of numbers of events."""
    gammas, _, coef, share, _, _, _ = model
    table, dtable, y, dy, q, dq, acc, acc2, count = work
    count[PROFILES] += 1
    _set_gamma(gamma, gammas, coef, share, ones, table, dtable, q, dq)
    total, change = 0.0, 0.0
    for j in range(q.size):
        total += q[j]
        change += dq[j]
        q[j] = 0.0
        dq[j] = 0.0
    m, dm = hardness(gamma)
    padded = _terms(n, w, m, dm, row, season, table, q, dtable, dq, y, dy)
    best = 0.0
    if total > 0.0:
        best = _best_ns(ns, tolerance, n / total, total, padded, y, none, acc, acc2, count)
    value = log_likelihood_ratio(best, padded, y, none, none, acc, count) - best * total
    slope = _gamma_slope(best, padded, y, dy, none, none, none, acc, count) - max(best, 1e-3) * change
    return best, value, slope


def _rebound(function: Any, **names: Any) -> Any:
    """Compile a function of the fit once more, with other functions under some of the names that it calls."""
    source = function.py_func
    assert names.keys() <= set(source.__code__.co_names), "or the other likelihood would be fitted in silence"
    again = FunctionType(source.__code__, source.__globals__ | names, source.__name__)
    again.__qualname__ = f"extended_{source.__name__}"  # numba's cache has files by this name
    return part(again)


fit = _rebound(
    free.fit,
    maximise=_rebound(free.maximise, _search=_rebound(free._search, profile=profile), profile_at_best=profile),
)
"""As `worker.engines.builtin.fit.fit`, with the arguments of `profile`."""


@kernel
def fit_window(n, w, row, season, none, ones, model, work, slopes):  # type: ignore[no-untyped-def]
    """Ts, ns, gamma of the maximum: as `fit`, at once if no event is near."""
    if n == 0:
        prior = model[6]
        return 0.0, 0.0, prior[0] if prior[1] > 0.0 else model[0][0]
    return fit(n, w, row, season, none, ones, model, work, slopes)
