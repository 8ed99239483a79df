"""Background trials of one declination drawn from tilted distributions, with exact weights (importance sampling).

A tilt k is the alternative hypothesis: n_k events of index gamma_k are expected at the source. Energies and angular
errors of the events stay as they are, only right ascensions change. With y = w T(gamma_k)[row] - q(gamma_k)[season] of
`worker.engines.builtin.likelihood`, event i has the density q_i(ra) = (1 + n_k y_i(ra)) / Z_ik / 2 pi, so that

    L_k = dQ_k / dP = prod_i (1 + n_k y_i) / Z_ik = exp(TS(n_k, gamma_k) / 2 - ln Z_k)

q_i is a mixture: with probability s_ik = n_k m_i T_k / Z_ik (m_i: mean of w_i over right ascension) the event follows
w_i, else its right ascension is uniform. Trials come from the mixture sum_k alpha_k Q_k of all tilts and the background
itself; the weight of a trial is 1 / sum_k alpha_k L_k, whichever tilt it came from (balance heuristic: Veach and Guibas
1995). Source of the idea: Naiman and Priebe 2001 (J. Comput. Graph. Stat. 10, 296).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath, rng
from worker.base.compiled import kernel, part
from worker.engines.builtin.fit import fit
from worker.engines.builtin.likelihood import LANES, count_rest, log_likelihood_ratio
from worker.engines.builtin.point import draw_background, spatial
from worker.engines.builtin.psf import height
from worker.engines.builtin.work import EVENTS

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

MOST_ATTEMPTS = 1 << 16
"""At drawing one place: a quarter of the attempts succeed, so only corrupt data come to this end."""


class Mixture(NamedTuple):
    """The tilts at one declination, K of them, ready for trials.

    Attributes
    ----------
    pattern : ndarray (256,), int32
        Tilt of trial i at i modulo 256: 0 for a plain trial, k + 1 for tilt k.
    share : ndarray (K + 1,)
        Fractions of the pattern, plain trials first.
    n : ndarray (K,), events
    table : ndarray (K, n_rows)
        T at gamma_k.
    q : ndarray (K, n_seasons)
        Share of each season in the signal over its number of events, at gamma_k.
    hard : ndarray (K,)
        m of `worker.engines.builtin.likelihood.hardness` at gamma_k.
    log_z : ndarray (K,)
        ln Z_k, summed over all events.
    hazard : ndarray (K, n_candidates)
        Cumulative hazard -ln(1 - s_ik) of following the source.
    """

    pattern: I32
    share: F64
    n: F64
    table: F64
    q: F64
    hard: F64
    log_z: F64
    hazard: F64


@kernel
def following(c, mean, hard, n, table, q, n_data, hazard):  # type: ignore[no-untyped-def]
    """Cumulative hazards of following the source of `n` events, into `hazard` (n_candidates,); returns ln Z.

    Parameters
    ----------
    mean : ndarray (2, n_candidates)
        Means of w over uniform right ascension.
    hard, table, q : float, ndarray (n_rows,), ndarray (n_seasons,)
        At the spectral index of the tilt.
    """
    at, log_z = 0.0, 0.0
    for s in range(n_data.size):
        log_z += n_data[s] * fmath.log(1.0 - n * q[s])
    for i in range(hazard.size):
        event = c.event[i]
        uniform = 1.0 - n * q[event.season]
        change = fmath.log((uniform + n * (mean[0, i] + hard * mean[1, i]) * table[event.row]) / uniform)
        at += change
        log_z += change
        hazard[i] = at
    return log_z


@part
def chosen(hazard, k0, k1, trial, picked):  # type: ignore[no-untyped-def]
    """Candidates that follow the source, increasing, into `picked`; returns how many."""
    n, at, draw = 0, 0.0, np.uint64(0)
    total = hazard[hazard.size - 1] if hazard.size > 0 else 0.0
    while True:
        a, b, _, _ = rng.block(k0, k1, np.uint64(rng.TILT), trial, draw)
        draw += np.uint64(1)
        at -= fmath.log(rng.unit52(a, b))
        if not at < total:
            return n
        low, high = 0, hazard.size - 1  # the first candidate whose cumulative hazard exceeds `at`
        while low < high:
            middle = (low + high) // 2
            if hazard[middle] > at:
                high = middle
            else:
                low = middle + 1
        if n == 0 or picked[n - 1] != low:
            picked[n] = low
            n += 1


@part
def _accept(psf, event, hard, angle2, nearest):  # type: ignore[no-untyped-def]
    """Weight w at a squared distance over that at the nearest one, for a tilt of hardness `hard`."""
    if psf.mix.shape[1] == 1:
        return fmath.exp(-(angle2 - nearest) * event.inv_2sigma2)
    soft, other = height(psf.mix, event.psf, fmath.exp(-angle2 * event.inv_2sigma2 * psf.narrow))
    most_soft, most_other = height(psf.mix, event.psf, fmath.exp(-nearest * event.inv_2sigma2 * psf.narrow))
    largest = (1.0 - hard) * event.weight * most_soft + hard * event.hard * most_other
    return ((1.0 - hard) * event.weight * soft + hard * event.hard * other) / largest


@part
def place_in_window(psf, event, hard, k0, k1, trial, number):  # type: ignore[no-untyped-def]
    """Place in its window, in (0, 1), of the event that is number `number` among those that follow the source.

    By rejection: a uniform place is accepted with the probability w / (largest w in the window). NaN if none is.
    """
    nearest = fmath.angle2_from_chord2(4.0 * event.sin2_ddec)
    for attempt in range(MOST_ATTEMPTS):
        index = np.uint64(number * MOST_ATTEMPTS + attempt)
        a, b, d, e = rng.block(k0, k1, np.uint64(rng.PLACE), trial, index)
        place = rng.unit52(a, b)
        s = fmath.sin((2.0 * place - 1.0) * event.half_window)
        angle2 = fmath.angle2_from_chord2(4.0 * (event.sin2_ddec + event.coscos * s * s))
        if rng.unit52(d, e) < _accept(psf, event, hard, angle2, nearest):
            return place
    return np.nan


@part
def _follow(c, hazard, hard, k0, k1, trial, n, index, place, picked):  # type: ignore[no-untyped-def]
    """Move the events that follow the source of a tilt to their places; returns the number of accepted events."""
    n_picked = chosen(hazard, k0, k1, trial, picked)
    kept, p = 0, 0
    for i in range(n):  # both lists increase
        while p < n_picked and picked[p] < index[i]:
            p += 1
        if p < n_picked and picked[p] == index[i]:
            continue
        index[kept] = index[i]
        place[kept] = place[i]
        kept += 1
    for j in range(n_picked):
        index[kept] = picked[j]
        place[kept] = place_in_window(c.psf, c.event[picked[j]], hard, k0, k1, trial, j)
        kept += 1
    return kept


@part
def log_ratios(n, w, row, season, rest, mixture, work, out):  # type: ignore[no-untyped-def]
    """Ln L_k of a trial for every tilt, into `out` (K,)."""
    y, acc, count = work[2], work[6], work[8]
    padded = (n + LANES - 1) // LANES * LANES
    for k in range(mixture.n.size):
        table, q, hard = mixture.table[k], mixture.q[k], mixture.hard[k]
        for i in range(n):
            r, s = np.uint32(row[i]), np.uint32(season[i])
            y[i] = (w[0, i] + hard * w[1, i]) * table[r] - q[s]
        for i in range(n, padded):
            y[i] = 0.0
        out[k] = log_likelihood_ratio(mixture.n[k], padded, y, rest, q, acc, count) - mixture.log_z[k]


@part
def log_weight(share, log_l):  # type: ignore[no-untyped-def]
    """-ln sum_k alpha_k L_k; the background itself (L = 1) has share[0]."""
    top = 0.0
    for k in range(log_l.size):
        if share[k + 1] > 0.0:
            top = max(top, log_l[k])
    total = share[0] * fmath.exp(-top)
    for k in range(log_l.size):
        if share[k + 1] > 0.0:
            total += share[k + 1] * fmath.exp(log_l[k] - top)
    return -(top + fmath.log(total))


@kernel
def run_tilted(c, mixture, model, n_data, k0, k1, first, scratch, work, slopes, out, log_l):  # type: ignore[no-untyped-def]
    """Trials first, first + 1, ... of a stream: rows ts, ns, gamma, ln weight of `out` (n, 4), and `log_l` (n, K)."""
    index, place, w, row, season, rest, n_events, inv_n, _, near, batch, picked = scratch
    count = work[-1]
    for s in range(n_data.size):
        n_events[s] = n_data[s]
        inv_n[s] = 1.0 / n_data[s]
    for t in range(out.shape[0]):
        trial = first + np.uint64(t)
        n = draw_background(c, k0, k1, trial, index, place, batch)
        k = mixture.pattern[trial % np.uint64(mixture.pattern.size)]
        if k > 0:
            n = _follow(c, mixture.hazard[k - 1], mixture.hard[k - 1], k0, k1, trial, n, index, place, picked)
        spatial(c, n, index, place, inv_n, w, row, season, near)
        count_rest(n_data, season[:n], rest)
        count[EVENTS] += n
        out[t, 0], out[t, 1], out[t, 2] = fit(n, w, row, season, rest, n_events, model, work, slopes)
        log_ratios(n, w, row, season, rest, mixture, work, log_l[t])
        out[t, 3] = log_weight(mixture.share, log_l[t])
