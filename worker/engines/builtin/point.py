"""One source declination: the background events that can matter, and drawing and fitting trials there.

Only an event whose right ascension falls into its own window around the source has S > 0, with probability
window / 2 pi. Instead of scrambling all events, those inside are drawn directly: event i owns a stretch
h_i = -ln(1 - p_i) of a line, on which a Poisson process of unit rate is drawn, and is accepted where at least one
point falls into its stretch: independently of the others, with probability 1 - exp(-h_i) = p_i. This is the same
distribution, at a cost that does not depend on N; and no point waits for the look-up of the one before.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath, rng
from worker.base.compiled import kernel, part
from worker.engines.builtin.fit import fit
from worker.engines.builtin.inject import add_signal, draw_signal
from worker.engines.builtin.likelihood import count_rest
from worker.engines.builtin.psf import Psf, height
from worker.engines.builtin.work import EVENTS

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

PI = 3.141592653589793
BATCH = 32
"""Background draws made at once; which event a draw decides does not depend on it."""


EVENT = np.dtype(
    [
        ("half_window", "f8"),  # rad: half of the half-width of the right-ascension window
        ("sin2_ddec", "f8"),  # sin^2 of half the declination difference
        ("coscos", "f8"),  # product of the cosines of the declinations
        ("inv_2sigma2", "f8"),  # rad^-2
        ("weight", "f8"),  # factor / (sigma^2 p b), soft: W without h and without the signal energy density
        ("hard", "f8"),  # the same for a hard spectrum
        ("row", "i4"),
        ("season", "i4"),
        ("psf", "i4"),  # row of `Psf.mix`
    ],
    align=True,  # or a GPU reads it byte by byte
)


class Candidates(NamedTuple):
    """Background events that can have S > 0 at one declination; the first `n_always` always do.

    Attributes
    ----------
    hazard : ndarray (n,)
        Cumulative hazard of the events after the first `n_always` (0 for those).
    guide : ndarray (n_guide,), int32
        First event whose cumulative hazard exceeds i / n_guide of the total.
    event : ndarray (n,) of `EVENT`
        What the likelihood needs of each event, together: an event is one look-up in memory, not nine.
    psf : Psf
    """

    n_always: int
    hazard: F64
    guide: I32
    event: NDArray[np.void]
    psf: Psf


@kernel
def windows(dec, event_dec, reach, half, sin2, coscos):  # type: ignore[no-untyped-def]
    """Half of the half-width of each event's right-ascension window at a source declination.

    -1 where S = 0 for every right ascension, pi / 2 where S > 0 for every one. Also sin^2(ddec / 2) and the
    product of cosines. All arrays (n,), rad; S = 0 beyond `reach`.
    """
    cos_source = fmath.cos(dec)
    for i in range(event_dec.size):
        half[i] = -1.0
        ddec = abs(event_dec[i] - dec)
        radius = reach[i]
        if not ddec < radius:
            continue
        s = fmath.sin(0.5 * ddec)
        sin2[i] = s * s
        coscos[i] = cos_source * fmath.cos(event_dec[i])
        if radius >= PI:
            half[i] = 0.5 * PI
            continue
        r = fmath.sin(0.5 * radius)
        x = r * r - sin2[i]
        if x >= coscos[i]:
            half[i] = 0.5 * PI
        elif x > 0.0:
            half[i] = fmath.asin(math.sqrt(x / coscos[i]))


@kernel
def hazards(half, n_always, out):  # type: ignore[no-untyped-def]
    """Cumulative hazard of being inside a window of 4 `half` out of 2 pi."""
    total = 0.0
    for i in range(half.size):
        if i >= n_always:
            total -= fmath.log(1.0 - half[i] * (2.0 / PI))
        out[i] = total


@part
def _steps(k0, k1, trial, first, words, steps, places):  # type: ignore[no-untyped-def]
    """Exponential steps and uniform places of the draws from `first` on."""
    rng.blocks(k0, k1, np.uint64(rng.BACKGROUND), trial, first, words)
    a, b, d, e = words[0], words[1], words[2], words[3]
    for i in range(steps.size):
        steps[i] = -fmath.log(rng.unit52(np.uint64(a[i]), np.uint64(b[i])))
        places[i] = rng.unit52(np.uint64(d[i]), np.uint64(e[i]))


@part
def draw_background(c, k0, k1, trial, index, place, batch):  # type: ignore[no-untyped-def]
    """Accepted events of one trial and a uniform number for each one's place in its window; returns how many."""
    n = c.n_always
    for i in range(n):
        a, b, _, _ = rng.block(k0, k1, np.uint64(rng.BACKGROUND), trial, np.uint64(i))
        index[i] = i
        place[i] = rng.unit52(a, b)
    size = c.hazard.size
    if size == c.n_always:
        return n
    words, steps, places = batch
    draw = np.uint64(c.n_always)
    total = c.hazard[size - 1]
    scale = c.guide.size / total
    at = 0.0
    last = -1
    while at < total:
        _steps(k0, k1, trial, draw, words, steps, places)
        draw += np.uint64(BATCH)
        for j in range(BATCH):
            at += steps[j]
            steps[j] = at
        for j in range(BATCH):
            if steps[j] >= total:
                break
            i = c.guide[min(int(steps[j] * scale), c.guide.size - 1)]
            while c.hazard[i] <= steps[j]:
                i += 1
            if i != last:
                index[n] = i
                place[n] = places[j]
                n += 1
                last = i
    return n


@part
def spatial(c, n, index, place, inv_n, w, row, season, near):  # type: ignore[no-untyped-def]
    """Weights, rows and seasons of accepted events: gathered first, so that the arithmetic vectorises."""
    chord2, coscos, inverse = near[0], near[1], near[2]
    mix, narrow = c.psf.mix, c.psf.narrow
    for i in range(n):
        event = c.event[index[i]]
        place[i] = (2.0 * place[i] - 1.0) * event.half_window
        chord2[i] = event.sin2_ddec
        coscos[i] = event.coscos
        inverse[i] = event.inv_2sigma2
        row[i] = event.row
        season[i] = event.season
        w[0, i] = event.weight * inv_n[season[i]]
        w[1, i] = event.hard * inv_n[season[i]]
    for i in range(n):
        s = fmath.sin(place[i])
        chord2[i] = 4.0 * (chord2[i] + coscos[i] * s * s)
    fmath.angles2(n, chord2, place)
    for i in range(n):
        place[i] = fmath.exp(-place[i] * inverse[i] * narrow)
    for i in range(n):
        soft, hard = height(mix, c.event[index[i]].psf, place[i])
        w[0, i] *= soft
        w[1, i] = w[1, i] * hard - w[0, i]


@part  # of two kernels, but a process needs one of them
def _one_trial(c, inject, injector, n_data, k0, k1, trial, scratch):  # type: ignore[no-untyped-def]
    """Draw one trial into the scratch arrays; returns the number of events with S > 0."""
    index, place, w, row, season, rest, n_events, inv_n, draws, near, batch = scratch
    n_signal = 0
    for s in range(n_data.size):
        n_events[s] = n_data[s]
    if inject:
        n_signal = draw_signal(injector, k0, k1, trial, draws)
        for i in range(n_signal):
            n_events[int(draws[i, 4])] += 1.0
    for s in range(n_data.size):
        inv_n[s] = 1.0 / n_events[s]
    n = draw_background(c, k0, k1, trial, index, place, batch)
    spatial(c, n, index, place, inv_n, w, row, season, near)
    if inject:
        n = add_signal(injector, draws, n_signal, n, inv_n, w, row, season)
    count_rest(n_events, season[:n], rest)
    return n


@kernel
def run_trials(c, inject, injector, model, n_data, k0, k1, first, scratch, work, slopes, out):  # type: ignore[no-untyped-def]
    """Trials first, first + 1, ... of a stream: rows ts, ns, gamma of `out` (n, 3)."""
    _, _, w, row, season, rest, n_events, _, _, _, _ = scratch
    count = work[-1]
    for t in range(out.shape[0]):
        trial = first + np.uint64(t)
        n = _one_trial(c, inject, injector, n_data, k0, k1, trial, scratch)
        count[EVENTS] += n
        out[t, 0], out[t, 1], out[t, 2] = fit(n, w, row, season, rest, n_events, model, work, slopes)


@kernel
def draw_trial(c, inject, injector, n_data, k0, k1, trial, scratch):  # type: ignore[no-untyped-def]
    """The events of one trial, for replay and tests; see `_one_trial`."""
    return _one_trial(c, inject, injector, n_data, k0, k1, trial, scratch)
