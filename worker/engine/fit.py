"""The global maximum of the likelihood over (ns >= 0, gamma), for one source position.

Over gamma the profile is searched on coarse nodes where its slope at ns = 0 is positive, then every bracketed
maximum is refined with the envelope derivative. If the slope is negative at every gamma, TS = 0 exactly.
"""

import math

from worker.compiled import kernel, part
from worker.engine.likelihood import profile, slopes_at_zero
from worker.engine.work import SLOPES

COARSE = 0.25  # spacing in gamma at which the search starts
GAMMA_TOLERANCE = 1e-5
NS_TOLERANCE = 1e-4  # relative, while searching: the profile errs by its square
NS_TOLERANCE_FINAL = 1e-9


@kernel
def _node_slope(v, i):  # type: ignore[no-untyped-def]
    """Slope at node i, as in `worker.engine.tables.hermite`."""
    n = v.size
    if 2 <= i < n - 2:
        return (8.0 * (v[i + 1] - v[i - 1]) - (v[i + 2] - v[i - 2])) / 12.0
    if i == 0:
        return 2.0 * v[1] - 1.5 * v[0] - 0.5 * v[2]
    if i == n - 1:
        return 1.5 * v[n - 1] - 2.0 * v[n - 2] + 0.5 * v[n - 3]
    return 0.5 * (v[i + 1] - v[i - 1])


@part
def _rises_between(slopes):  # type: ignore[no-untyped-def]
    """Whether the interpolated slope at ns = 0 is positive somewhere between nodes where it is not.

    The slope is a sum of the tables' cubics, hence the cubic through its own node values.
    """
    for k in range(slopes.size - 1):
        a, b, right = slopes[k], _node_slope(slopes, k), _node_slope(slopes, k + 1)
        step = slopes[k + 1] - a
        c, d = 3.0 * step - 2.0 * b - right, b + right - 2.0 * step
        disc = c * c - 3.0 * b * d
        if disc < 0.0:
            continue
        root = math.sqrt(disc)
        for sign in (-1.0, 1.0):
            denominator = c + sign * root
            if denominator == 0.0:
                continue
            t = -b / denominator
            if 0.0 < t < 1.0 and a + t * (b + t * (c + t * d)) > 0.0:
                return True
    return False


@part
def _refine(a, da, b, db, ns, n, w, row, season, rest, n_events, model, work):  # type: ignore[no-untyped-def]
    """The maximum of the profile between gamma = a (rising) and b (falling): returns gamma, ns, TS / 2."""
    x = a + (b - a) * da / (da - db)
    gamma, value = x, 0.0
    last = b - a
    for _ in range(40):
        ns, value, slope = profile(x, ns, NS_TOLERANCE, n, w, row, season, rest, n_events, model, work)
        gamma = x
        if slope == 0.0 or b - a < GAMMA_TOLERANCE:
            break
        if slope > 0.0:
            new = x + (b - x) * slope / (slope - db)
            other = x + slope * (x - a) / (da - slope) if da > slope else new
            a, da = x, slope
        else:
            new = a + (x - a) * da / (da - slope)
            other = x + slope * (x - b) / (db - slope) if db < slope else new
            b, db = x, slope
        # Take the secant through the two points on the same side if it stays inside: it converges faster.
        if a < other < b:
            new = other
        if abs(new - x) > 0.5 * last or not a < new < b:
            new = 0.5 * (a + b)
        last = abs(new - x)
        if last < GAMMA_TOLERANCE:
            break
        x = new
    return gamma, ns, value


@kernel
def fit(n, w, row, season, rest, n_events, model, work, slopes):  # type: ignore[no-untyped-def]
    """The global maximum of TS over ns >= 0 and gamma.

    Parameters
    ----------
    n : int
        Events with S > 0.
    w : ndarray (>= n,)
        S / (B b N_season), without the signal energy density.
    row, season : ndarray (>= n,), int32
        Row of the signal table and season of each event.
    rest : ndarray (n_seasons,)
        Events with S = 0.
    n_events : ndarray (n_seasons,)
        All events.
    model : SignalTable
    work : tuple of scratch arrays
        From `workspace`.
    slopes : ndarray (n_gamma,)
        Scratch.

    Returns
    -------
    ts, ns, gamma : float
        Where TS = 0 exactly, gamma is the node with the largest slope at ns = 0.
    """
    gammas, node, _, _ = model
    work[-1][SLOPES] += slopes_at_zero(n, w, row, node, work[0], slopes) * slopes.size
    top = 0
    for g in range(slopes.size):
        if slopes[g] > slopes[top]:
            top = g
    if slopes[top] <= 0.0 and (slopes[top] < -0.05 or not _rises_between(slopes)):
        return 0.0, 0.0, gammas[top]

    best_gamma, best_ns, best = gammas[top], 0.0, 0.0
    last = slopes.size - 1
    coarse = max(int(COARSE / (gammas[1] - gammas[0]) + 0.5), 1)
    ns = 0.0
    before = -1.0
    before_slope = 0.0
    g = 0
    while True:
        # A coarse node counts as zero likelihood where it and its finer neighbours have no positive slope.
        near = False
        for k in range(max(g - coarse + 1, 0), min(g + coarse, last + 1)):
            near = near or slopes[k] > 0.0
        near = near or abs(g - top) < coarse
        if near:
            here = gammas[g]
            ns, value, slope = profile(here, ns, NS_TOLERANCE, n, w, row, season, rest, n_events, model, work)
            if value > best:
                best_gamma, best_ns, best = here, ns, value
            if before >= 0.0 and before_slope > 0.0 and slope < 0.0:
                x, nx, vx = _refine(
                    before, before_slope, here, slope, ns, n, w, row, season, rest, n_events, model, work
                )
                if vx > best:
                    best_gamma, best_ns, best = x, nx, vx
            before, before_slope = here, slope
        else:
            before = -1.0
        if g == last:
            break
        g = min(g + coarse, last)

    ns, value, _ = profile(best_gamma, best_ns, NS_TOLERANCE_FINAL, n, w, row, season, rest, n_events, model, work)
    if value <= 0.0 or ns <= 0.0:
        return 0.0, 0.0, gammas[top]
    return 2.0 * value, ns, best_gamma
