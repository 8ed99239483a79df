"""Search for the best flare: a screening of (t0, width) at three spectra, then a local maximum from the best places."""

import math

import numpy as np

from worker.base import fmath
from worker.base.compiled import kernel
from worker.engines.builtin.flare_terms import bisect, flare_ts

N_PLACES, N_BOXES = 16, 12
"""Places from which a local maximum is looked for, Gaussian and box: TS of boxes is rougher."""
SPECTRA = (1.75, 2.5, 3.5)
"""At which places are tried if gamma is free."""
_WIDER = 1.4142135623730951
_MOST_STEPS = 150
_ENOUGH = 1e-4
_GOLDEN = 0.3819660112501051
_ONE_EDGE, _BOTH_EDGES = 40, 2


@kernel
def keep(places, ts, gamma, t0, width):  # type: ignore[no-untyped-def]
    """Keep a place if it is one of the best; of two near each other (half a width, a factor 1.7) the better."""
    worst = 0
    for k in range(places.shape[0]):
        if places[k, 0] > -math.inf:
            larger = max(places[k, 3], width)
            ratio = places[k, 3] / width
            if abs(places[k, 2] - t0) < 0.5 * larger and 0.6 < ratio < 1.7:
                if ts > places[k, 0]:
                    places[k, 0], places[k, 1], places[k, 2], places[k, 3] = ts, gamma, t0, width
                return
        if places[k, 0] < places[worst, 0]:
            worst = k
    if ts > places[worst, 0]:
        places[worst, 0], places[worst, 1], places[worst, 2], places[worst, 3] = ts, gamma, t0, width


@kernel
def new_scratch(events, seasons):  # type: ignore[no-untyped-def]
    """Arrays for `flare_ts`: share, good time and other events of each season; coefficients."""
    n = seasons.n_events.size
    return np.empty(n), np.empty(n), np.empty(n), np.empty(events.mjd.size + 1)


@kernel
def screen(events, seasons, limits, box, t0, width, places, scratch):  # type: ignore[no-untyped-def]
    """Try one (t0, width) with every spectrum: of a free gamma, or the mean and one sigma of a narrower prior."""
    best, best_gamma, last = -math.inf, 0.0, -1.0
    sigma = 1.0 / math.sqrt(limits.inverse) if limits.inverse > 0.0 else math.inf
    for k in range(3):
        gamma = SPECTRA[k] if sigma > 1.0 else limits.mean + (k - 1) * sigma
        gamma = min(max(gamma, limits.gamma_lo), limits.gamma_hi)
        if gamma == last:
            continue
        last = gamma
        ts, ns = flare_ts(events, seasons, limits, t0, width, box, gamma, scratch)
        if ns > 0.0 and ts > best:
            best, best_gamma = ts, gamma
    if best > -math.inf:
        keep(places, best, best_gamma, t0, width)


@kernel
def around(events, seasons, limits, best, place, scratch):  # type: ignore[no-untyped-def]
    """Best of more maxima near one: with half its width there, earlier and later, with twice its width, as it is."""
    _, _, gamma, t0, width = best
    for shift, factor in ((0.0, 1.0), (0.0, 0.5), (-0.5, 0.5), (0.5, 0.5), (0.0, 2.0)):
        place[1], place[2] = gamma, t0 + shift * width
        place[3] = min(max(factor * width, limits.least), limits.most)
        found = simplex(events, seasons, limits, place, scratch)
        if found[0] > best[0]:
            best = found
    return best


@kernel
def search_gaussian(events, seasons, limits):  # type: ignore[no-untyped-def]
    """ts, ns, gamma, t0, width (sigma) of the best Gaussian flare."""
    scratch = new_scratch(events, seasons)
    places = np.full((N_PLACES, 4), -math.inf)
    mjd = events.mjd
    width = limits.least
    while mjd.size > 0:
        last = -math.inf
        for i in range(mjd.size):
            if mjd[i] - last < 0.5 * width:
                continue
            last = mjd[i]
            screen(events, seasons, limits, False, last, width, places, scratch)
        if width >= limits.most:
            break
        width = min(width * _WIDER, limits.most)
    best = (0.0, 0.0, 0.0, 0.0, 0.0)
    for k in range(N_PLACES):
        if places[k, 0] > -math.inf:
            found = simplex(events, seasons, limits, places[k], scratch)
            if found[0] > best[0]:
                best = found
    return around(events, seasons, limits, best, places[0], scratch) if best[0] > 0.0 else best


@kernel
def clamped(events, seasons, limits, point, scratch):  # type: ignore[no-untyped-def]
    """-TS and ns at (t0, ln width, gamma); the point is moved into the allowed ranges.

    t0 stays between the first and the last run: beyond, the tail of a wide Gaussian would be a short flare without its
    penalty.
    """
    point[0] = min(max(point[0], seasons.knot[0]), seasons.knot[-1])
    point[1] = min(max(point[1], fmath.log(limits.least)), fmath.log(limits.most))
    point[2] = min(max(point[2], limits.gamma_lo), limits.gamma_hi)
    ts, ns = flare_ts(events, seasons, limits, point[0], fmath.exp(point[1]), False, point[2], scratch)
    return -ts, ns


@kernel
def first_simplex(events, seasons, limits, place, x, f, scratch):  # type: ignore[no-untyped-def]
    """Fill four points x (4, 3) around a place, and -TS there."""
    wider = 0.3 if 1.35 * place[3] < limits.most else -0.3
    for k in range(4):
        x[k, 0], x[k, 1], x[k, 2] = place[2], fmath.log(place[3]), place[1]
    x[1, 0] += 0.5 * place[3]
    x[2, 1] += wider
    x[3, 2] += min(0.4, 1.0 / math.sqrt(limits.inverse)) if limits.inverse > 0.0 else 0.4
    for k in range(4):
        f[k], _ = clamped(events, seasons, limits, x[k], scratch)


@kernel
def shrink(events, seasons, limits, x, f, low, scratch):  # type: ignore[no-untyped-def]
    """Move all points halfway to the best one."""
    for k in range(4):
        if k != low:
            for d in range(3):
                x[k, d] = 0.5 * (x[k, d] + x[low, d])
            f[k], _ = clamped(events, seasons, limits, x[k], scratch)


@kernel
def second_point(x, high, centre, trial, value, lowest, highest, other):  # type: ignore[no-untyped-def]
    """Point beyond the reflected one if that is the best, else between the centre and the better of the two."""
    for d in range(3):
        if value < lowest:
            other[d] = 3.0 * centre[d] - 2.0 * x[high, d]
        else:
            other[d] = 0.5 * (centre[d] + (trial[d] if value < highest else x[high, d]))


@kernel
def simplex(events, seasons, limits, place, scratch):  # type: ignore[no-untyped-def]
    """Local maximum by the simplex of Nelder and Mead over (t0, ln width, gamma); ns is at its maximum everywhere."""
    x, f = np.empty((4, 3)), np.empty(4)
    trial, other, centre = np.empty(3), np.empty(3), np.empty(3)
    first_simplex(events, seasons, limits, place, x, f, scratch)
    for _ in range(_MOST_STEPS):
        order = np.argsort(f)
        low, high = order[0], order[3]
        if f[high] - f[low] < _ENOUGH:
            break
        for d in range(3):
            centre[d] = (x[order[0], d] + x[order[1], d] + x[order[2], d]) / 3.0
            trial[d] = 2.0 * centre[d] - x[high, d]
        value, _ = clamped(events, seasons, limits, trial, scratch)
        second = math.inf
        if value < f[low] or value >= f[order[2]]:
            second_point(x, high, centre, trial, value, f[low], f[high], other)
            second, _ = clamped(events, seasons, limits, other, scratch)
        if min(value, second) >= f[high]:
            shrink(events, seasons, limits, x, f, low, scratch)
            continue
        x[high, :] = other if second < value else trial
        f[high] = min(value, second)
    best = np.argmin(f)
    ts, ns = clamped(events, seasons, limits, x[best], scratch)
    return -ts, ns, x[best, 2], x[best, 0], fmath.exp(x[best, 1])


@kernel
def window_of(mjd, a, b, limits):  # type: ignore[no-untyped-def]
    """t0 and width of the shortest allowed box that starts at event a and holds all up to event b."""
    width = max(mjd[b] - mjd[a], limits.least)
    return mjd[a] + 0.5 * width, width


@kernel
def search_box(events, seasons, limits):  # type: ignore[no-untyped-def]
    """ts, ns, gamma, t0 (centre), width (length) of the best box, whose edges are at events."""
    scratch = new_scratch(events, seasons)
    places = np.full((N_BOXES, 4), -math.inf)
    mjd = events.mjd
    length = limits.least
    while mjd.size > 0:
        last = -1
        for a in range(mjd.size):
            b = bisect(mjd, mjd[a] + length * (1.0 + 1e-12)) - 1
            if b == last and length > limits.least:
                continue  # the same events, and a longer box
            last = b
            t0, width = window_of(mjd, a, max(a, b), limits)
            screen(events, seasons, limits, True, t0, width, places, scratch)
        if length >= limits.most:
            break
        length = min(length * _WIDER, limits.most)
    best = (0.0, 0.0, 0.0, 0.0, 0.0)
    for k in range(N_BOXES):
        if places[k, 0] > -math.inf:
            found = move_edges(events, seasons, limits, places[k], scratch)
            if found[0] > best[0]:
                best = found
    return best


@kernel
def best_gamma(events, seasons, limits, t0, width, gamma, scratch):  # type: ignore[no-untyped-def]
    """gamma, TS and ns of the maximum over gamma within 1 of `gamma`: golden section."""
    lo, hi = max(gamma - 1.0, limits.gamma_lo), min(gamma + 1.0, limits.gamma_hi)
    a, b = lo + _GOLDEN * (hi - lo), hi - _GOLDEN * (hi - lo)
    fa, na = flare_ts(events, seasons, limits, t0, width, True, a, scratch)
    fb, nb = flare_ts(events, seasons, limits, t0, width, True, b, scratch)
    while hi - lo > 2e-3:
        if fa >= fb:
            hi, b, fb, nb = b, a, fa, na
            a = lo + _GOLDEN * (hi - lo)
            fa, na = flare_ts(events, seasons, limits, t0, width, True, a, scratch)
        else:
            lo, a, fa, na = a, b, fb, nb
            b = hi - _GOLDEN * (hi - lo)
            fb, nb = flare_ts(events, seasons, limits, t0, width, True, b, scratch)
    return (a, fa, na) if fa >= fb else (b, fb, nb)


@kernel
def best_move(events, seasons, limits, at, gamma, ts, scratch):  # type: ignore[no-untyped-def]
    """Best box with one edge up to 40 events away, or both up to 2: ts, ns and its first and last event."""
    mjd = events.mjd
    best = (ts, -1.0, at[0], at[1])
    for da in range(-_ONE_EDGE, _ONE_EDGE + 1):
        for db in range(-_ONE_EDGE, _ONE_EDGE + 1):
            i, k = at[0] + da, at[1] + db
            both = abs(da) <= _BOTH_EDGES and abs(db) <= _BOTH_EDGES
            if not (da == 0 or db == 0 or both) or i < 0 or k >= mjd.size or k < i:
                continue
            centre, length = window_of(mjd, i, k, limits)
            if length <= limits.most:
                value, ns = flare_ts(events, seasons, limits, centre, length, True, gamma, scratch)
                if value > best[0] + 1e-9:
                    best = (value, ns, i, k)
    return best


@kernel
def move_edges(events, seasons, limits, place, scratch):  # type: ignore[no-untyped-def]
    """Best box near a place: its edges move over events, in turns with gamma, while TS grows."""
    mjd = events.mjd
    a = min(bisect(mjd, place[2] - 0.5 * place[3] - 1e-6), mjd.size - 1)
    b = max(bisect(mjd, place[2] + 0.5 * place[3] + 1e-6) - 1, a)
    t0, width = window_of(mjd, a, b, limits)
    gamma, ts, ns = best_gamma(events, seasons, limits, t0, width, place[1], scratch)
    while True:
        value, n, i, k = best_move(events, seasons, limits, (a, b), gamma, ts, scratch)
        if n < 0.0:
            return ts, ns, gamma, t0, width
        a, b = i, k
        t0, width = window_of(mjd, a, b, limits)
        refined, again, m = best_gamma(events, seasons, limits, t0, width, gamma, scratch)
        ts, ns = value, n
        if again > value:
            gamma, ts, ns = refined, again, m
