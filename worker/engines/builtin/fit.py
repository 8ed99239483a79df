"""The global maximum of the likelihood over (ns >= 0, gamma), for one source position.

Over gamma the profile is searched on coarse nodes where its slope at ns = 0 is positive, then every bracketed
maximum is refined with the envelope derivative. If the slope is negative at every gamma, TS = 0 exactly.
"""

import math

import numpy as np

from worker.base.compiled import kernel, part
from worker.engines.builtin.likelihood import profile, slopes_at_zero
from worker.engines.builtin.work import SLOPES

profile_at_best = profile
"""Separate name: a GPU searches in single precision, and ends in double."""

COARSE = 0.25  # spacing in gamma at which the search starts
GAMMA_TOLERANCE = 1e-5
NS_TOLERANCE = 1e-4  # relative, while searching: the profile errs by its square
NS_TOLERANCE_FINAL = 1e-9


@kernel
def _node_slope(v, i):  # type: ignore[no-untyped-def]
    """Slope at node i, as in `worker.engines.builtin.tables.hermite`."""
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

    The slope is a sum of the tables' cubics, hence the cubic through its own node values (nearly, where S depends on
    gamma).
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


@kernel
def penalty(gamma, prior):  # type: ignore[no-untyped-def]
    """How much less TS / 2 is because of the prior, and its derivative in gamma; `prior` as in `SignalTable`."""
    off = (gamma - prior[0]) * prior[1]
    return 0.5 * (gamma - prior[0]) * off, off


@part
def _narrow(x, slope, a, da, b, db, last):  # type: ignore[no-untyped-def]
    """Where between a (rising) and b (falling) to look after x: (x, a, da, b, db, step), in the narrower bracket.

    The step is 0 where x is near enough; `last` is the step to x.
    """
    if slope == 0.0 or b - a < GAMMA_TOLERANCE:
        return x, a, da, b, db, 0.0
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
    step = abs(new - x)
    return new, a, da, b, db, step if step >= GAMMA_TOLERANCE else 0.0


@part
def _counts(slopes, g, top, coarse):  # type: ignore[no-untyped-def]
    """Whether to look at coarse node g: its likelihood counts as zero where it and its finer neighbours do not rise."""
    near = abs(g - top) < coarse
    for k in range(max(g - coarse + 1, 0), min(g + coarse, slopes.size)):
        near = near or slopes[k] > 0.0
    return near


@part
def _search(top, slopes, n, w, row, season, rest, n_events, model, work):  # type: ignore[no-untyped-def]
    """Where the profile is largest, to the tolerances of a search: gamma, ns."""
    gammas, _, _, _, _, _, prior = model
    best_gamma, best_ns, best = gammas[top], 0.0, 0.0
    last = slopes.size - 1
    coarse = max(int(COARSE / (gammas[1] - gammas[0]) + 0.5), 1)
    before = -1.0
    before_slope = here = here_ns = here_slope = a = da = b = db = step = x = ns = 0.0
    inside = False  # between two coarse nodes, `before` and `here`
    g = 0
    while g <= last:  # one call of `profile` for both: a GPU inlines it
        after = min(g + coarse, last) if g < last else last + 1
        if not inside:
            if not _counts(slopes, g, top, coarse):
                before, g = -1.0, after
                continue
            x = gammas[g]
        ns, value, slope = profile(x, ns, NS_TOLERANCE, n, w, row, season, rest, n_events, model, work)
        less, change = penalty(x, prior)
        value -= less
        slope -= change
        looked_at = x
        if inside:
            x, a, da, b, db, step = _narrow(x, slope, a, da, b, db, step)
            inside = step > 0.0
            done = not inside
        else:
            here, here_ns, here_slope = x, ns, slope
            done = True
            inside = before >= 0.0 and before_slope > 0.0 and slope < 0.0
            if inside:
                a, b, step = before, x, x - before
                da, db = before_slope, slope
                x = a + (b - a) * da / (da - db)
        if done and value > best:
            best_gamma, best_ns, best = looked_at, ns, value
        if not inside:
            before, before_slope = here, here_slope
            ns, g = here_ns, after
    return best_gamma, best_ns


@part
def maximise(n, w, row, season, rest, n_events, model, work, slopes):  # type: ignore[no-untyped-def]
    """As `fit`, from the slopes at ns = 0, `slopes`."""
    gammas, prior, top = model[0], model[6], 0
    for g in range(slopes.size):
        if slopes[g] > slopes[top]:
            top = g
    if slopes[top] <= 0.0 and (slopes[top] < -0.05 or not _rises_between(slopes)):
        return 0.0, 0.0, prior[0] if prior[1] > 0.0 else gammas[top]

    if prior[1] < np.inf:
        best_gamma, best_ns = _search(top, slopes, n, w, row, season, rest, n_events, model, work)
    else:
        best_gamma, best_ns = prior[0], 0.0
    ns, value, _ = profile_at_best(
        best_gamma, best_ns, NS_TOLERANCE_FINAL, n, w, row, season, rest, n_events, model, work
    )
    if prior[1] < np.inf:
        value -= penalty(best_gamma, prior)[0]
    if value <= 0.0 or ns <= 0.0:
        return 0.0, 0.0, prior[0] if prior[1] > 0.0 else gammas[top]
    return 2.0 * value, ns, best_gamma


@part  # of three kernels, but a process needs one of them
def fit(n, w, row, season, rest, n_events, model, work, slopes):  # type: ignore[no-untyped-def]
    """The global maximum of TS over ns >= 0 and gamma.

    Parameters
    ----------
    n : int
        Events with S > 0.
    w : ndarray (2, >= n)
        S / (B b N_season), without the signal energy density: for a soft spectrum, and the change to a hard one.
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
        Where TS = 0 exactly, gamma is the node with the largest slope at ns = 0, or the mean of the prior.
    """
    _, node, _, _, total, hard, _ = model
    work[-1][SLOPES] += slopes_at_zero(n, w, row, node, total, hard, work[0], work[1], slopes) * slopes.size
    return maximise(n, w, row, season, rest, n_events, model, work, slopes)
