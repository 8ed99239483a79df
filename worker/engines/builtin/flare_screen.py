"""Quick look at places (t0, width) of a flare: where a local maximum is worth a search.

Weights at a few spectra are worked out once per sky, the profile once per place for all spectra, and good time from a
coarse rule. TS here decides only where to search, so it is right to a few tenths.
"""

import math

import numpy as np

from worker.base import fmath
from worker.base.compiled import kernel
from worker.engines.builtin.flare_terms import _NORM, bisect, cubic, live_share, live_until

SPECTRA = (1.75, 2.5, 3.5)
REACH = 4.5
"""Sigmas at which a Gaussian ends here."""
_NODES = 12
_NEWTON = 8
_LARGE = 1e200


@kernel
def prepare(events, seasons, limits):  # type: ignore[no-untyped-def]
    """Spectra (n,); W over the background's time density (n, n_events); rates (n, n_seasons); scratch arrays."""
    n_events, n_seasons = events.mjd.size, seasons.n_events.size
    gammas, n, last = np.empty(3), 0, -1.0
    for spectrum in SPECTRA:
        gamma = min(max(spectrum, limits.gamma_lo), limits.gamma_hi)
        if gamma != last:
            gammas[n] = gamma
            n += 1
            last = gamma
    weight, rate = np.empty((n, n_events)), np.empty((n, n_seasons))
    for k in range(n):
        x = (gammas[k] - seasons.gamma_lo) / seasons.gamma_step
        for i in range(n_events):
            weight[k, i] = fmath.exp(cubic(events.log_w[i], x)) / events.density[i]
        for j in range(n_seasons):
            rate[k, j] = fmath.exp(cubic(seasons.log_rate[j], x))
    scratch = np.empty(n_events + 1), np.empty(n_events + 1), np.empty(n_seasons), np.empty(n_seasons)
    return gammas[:n], weight, rate, scratch


@kernel
def coarse_live(seasons, j, t0, width, box):  # type: ignore[no-untyped-def]
    """As `live_share`, with 12 nodes for a Gaussian."""
    if box:
        return live_share(seasons, j, t0, width, True)
    reach = REACH * width
    if t0 + reach <= seasons.knot[seasons.first[j]] or t0 - reach >= seasons.knot[seasons.first[j + 1] - 1]:
        return 0.0
    total, h = 0.0, REACH / _NODES
    for k in range(1, _NODES + 1):
        z = k * h
        g = z * fmath.exp(-0.5 * z * z)
        total += g * (live_until(seasons, j, t0 + z * width) - live_until(seasons, j, t0 - z * width))
    return max(total * h * _NORM / width, 0.0)


@kernel
def quick_best(coefficient, n, off, n_off):  # type: ignore[no-untyped-def]
    """TS / 2 of the best ns; `n_off` other events have the coefficient `off` (< 0, small)."""
    slope = n_off * off
    for i in range(n):
        slope += coefficient[i]
    if slope <= 0.0:
        return -math.inf
    lo, hi, x = 0.0, -0.999 / off, 0.0
    for _ in range(_NEWTON):
        slope, curve = n_off * off / (1.0 + x * off), n_off * (off / (1.0 + x * off)) ** 2
        for i in range(n):
            r = coefficient[i] / (1.0 + x * coefficient[i])
            slope += r
            curve += r * r
        if slope > 0.0:
            lo = x
        else:
            hi = x
        new = x + slope / curve
        if not lo < new < hi:
            new = 0.5 * (lo + min(hi, 4.0 * lo + 1.0))
        done = abs(new - x) < 0.02 * (0.2 + new)
        x = new
        if done:
            break
    total, product = n_off * fmath.log(1.0 + x * off), 1.0
    for i in range(n):
        product *= 1.0 + x * coefficient[i]
        if product > _LARGE:
            total += fmath.log(product)
            product = 1.0
    return total + fmath.log(product)


@kernel
def quick_ts(events, seasons, limits, t0, width, box, prepared):  # type: ignore[no-untyped-def]
    """Largest TS of the spectra at one place, and its gamma; -inf if no spectrum has an excess."""
    gammas, weight, rate, scratch = prepared
    coefficient, time, live, share = scratch
    reach = 0.5 * width if box else REACH * width
    edge = 1e-9 * (1.0 + abs(t0))
    first = bisect(events.mjd, t0 - reach - edge)
    last = bisect(events.mjd, t0 + reach + edge)
    for j in range(live.size):
        live[j] = coarse_live(seasons, j, t0, width, box)
    for i in range(first, last):
        z = (events.mjd[i] - t0) / width
        time[i - first] = 1.0 / width if box else _NORM / width * fmath.exp(-0.5 * z * z)
    best, best_gamma = -math.inf, 0.0
    for k in range(gammas.size):
        total, off, rest = 0.0, 0.0, 0.0
        for j in range(live.size):
            share[j] = rate[k, j] * live[j] if live[j] > 1e-6 else 0.0
            total += share[j]
        if total <= 0.0:
            continue
        for j in range(live.size):
            share[j] /= total * seasons.n_events[j]
            off -= share[j] * seasons.n_events[j]
            rest += seasons.n_events[j] if share[j] > 0.0 else 0.0
        n = 0
        for i in range(first, last):
            j = events.season[i]
            if share[j] > 0.0:
                coefficient[n] = share[j] * (weight[k, i] * time[i - first] / live[j] - 1.0)
                n += 1
        half = quick_best(coefficient, n, off / rest, rest - n)
        if limits.inverse > 0.0:
            half -= 0.5 * limits.inverse * (gammas[k] - limits.mean) ** 2
        if half > best:
            best, best_gamma = half, gammas[k]
    if limits.penalty:
        best += fmath.log((width if box else 2.0 * width) / limits.t_max)
    return 2.0 * best, best_gamma
