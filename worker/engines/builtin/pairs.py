"""Pairs of an event and a pixel of a ring with S > 0.

Each event is assigned to the pixels inside its right-ascension window in fixed order (counting sort): the bits of a
pixel do not depend on how a sky is split.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel, part
from worker.engines.builtin.analysis import Analysis, psf_at
from worker.engines.builtin.point import PI, windows
from worker.engines.builtin.psf import Psf, height

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

NEARLY = 1e-6
"""Pixels by which a window is widened, for rounding."""
BATCH = 1024
"""Pairs that are weighed together, at least, and most events of them."""


class RingEvents(NamedTuple):
    """Events that can have S > 0 somewhere on a ring; arrays (n,).

    Attributes
    ----------
    event : int64, into `Sky`
    half : float64, rad, half of the half-width of the right-ascension window
    weight : (n, 2) float64
        As `Sky.weight`, times the factor of the point-spread function, for a soft spectrum and a hard one.
    limit : float64
        S = 0 where x = psi^2 / (2 sigma^2) is not smaller.
    psf : Psf
    """

    event: I64
    half: F64
    sin2: F64
    coscos: F64
    inv_2sigma2: F64
    weight: F64
    limit: F64
    psf: Psf


def windows_at(analysis: Analysis, dec: float) -> tuple[Psf, F64, F64, F64]:
    """Point-spread function at a declination (rad), and what `windows` gives for all events, (n,) each."""
    sky, psf = analysis.sky, psf_at(analysis, dec)
    half, sin2, coscos = (np.zeros(sky.dec.size) for _ in range(3))
    windows(dec, sky.dec, psf.cut[sky.shape] * sky.sigma, half, sin2, coscos)
    return psf, half, sin2, coscos


def ring_events(analysis: Analysis, dec: float) -> RingEvents:
    """Events with a right-ascension window at a declination (rad)."""
    sky = analysis.sky
    psf, half, sin2, coscos = windows_at(analysis, dec)
    index = np.flatnonzero(half >= 0)
    sigma, cut = sky.sigma[index], psf.cut[sky.shape[index]]
    weight = sky.weight[index, None] * psf.factor[sky.cell[index]]
    return RingEvents(
        index, half[index], sin2[index], coscos[index], 0.5 / (sigma * sigma), weight, 0.5 * cut * cut, psf
    )


@kernel
def _pixel_range(turn, half, shift, count):  # type: ignore[no-untyped-def]
    """First pixel and number of pixels of a ring within a window, with those that are off by rounding."""
    width = half * (1.0 / PI)  # half-width in turns is 2 half / (2 pi)
    if width >= 0.5:
        return 0, count
    lo = int(np.ceil((turn - width) * count - shift - NEARLY))
    hi = int(np.floor((turn + width) * count - shift + NEARLY))
    return lo, min(hi - lo + 1, count)


@kernel
def count_pairs(events, turn, shift, count, start):  # type: ignore[no-untyped-def]
    """Give pixel p of a ring the places start[p] : start[p + 1]; returns the number of pairs (event, pixel)."""
    for p in range(count + 1):
        start[p] = 0
    always = 0
    for i in range(events.event.size):  # the number of pairs rises by 1 at the first pixel, and falls after the last
        lo, n = _pixel_range(turn[events.event[i]], events.half[i], shift, count)
        if n >= count:
            always += 1
        elif n > 0:
            lo -= count * int(np.floor(lo / count))
            start[lo] += 1
            if lo + n <= count:
                start[lo + n] -= 1
            else:
                start[0] += 1
                start[lo + n - count] -= 1
    here, total = always, 0
    for p in range(count):
        here += start[p]
        start[p] = total
        total += here
    start[count] = total
    return total


@part
def _weigh(n, events, narrow, index, value, chord2):  # type: ignore[no-untyped-def]
    """Replace `value`, differences of right ascension in turns, by exp(-x narrow); x goes into `chord2`.

    `index` says to which of `events` each belongs. Loops without branches: the compiler makes vector code of them.
    """
    for j in range(n):
        value[j] = fmath.sin(PI * value[j])
    for j in range(n):
        i = index[j]
        chord2[j] = 4.0 * (events.sin2[i] + events.coscos[i] * value[j] * value[j])
    fmath.angles2(n, chord2, value)
    for j in range(n):
        chord2[j] = value[j] * events.inv_2sigma2[index[j]]
    for j in range(n):
        value[j] = fmath.exp(-chord2[j] * narrow)


@kernel
def fill_pairs(events, sky, turn, shift, count, start, fill, batch, w, row, season):  # type: ignore[no-untyped-def]
    """Weights of every (pixel, event) pair with S > 0; pixel p owns start[p] : fill[p].

    Pairs are made in batches, in the order of events.
    """
    index, value, chord2, begin, where = batch
    for p in range(count):
        fill[p] = start[p]
    spacing = 1.0 / count
    mix, narrow = events.psf.mix, events.psf.narrow
    n_events, done, n = events.event.size, 0, 0
    for i in range(n_events):
        here = turn[events.event[i]]
        lo, m = _pixel_range(here, events.half[i], shift, count)
        where[i - done] = lo - count * int(np.floor(lo / count))
        begin[i - done] = n
        for p in range(lo, lo + m):
            delta = here - (p + shift) * spacing
            value[n] = delta if m < count else delta - np.floor(delta + 0.5)
            index[n] = i
            n += 1
        if n + count <= index.size and i + 1 - done < BATCH and i + 1 < n_events:
            continue
        _weigh(n, events, narrow, index, value, chord2)
        begin[i + 1 - done] = n
        for e in range(done, i + 1):
            k, q, limit = events.event[e], where[e - done], events.limit[e]
            for j in range(begin[e - done], begin[e + 1 - done]):
                if chord2[j] < limit:
                    at = fill[q]
                    soft, hard = height(mix, sky.shape[k], value[j])
                    w[0, at] = events.weight[e, 0] * soft
                    w[1, at] = events.weight[e, 1] * hard - w[0, at]
                    row[at] = sky.row[k]
                    season[at] = sky.season[k]
                    fill[q] = at + 1
                q += 1
                if q == count:
                    q = 0
        done, n = i + 1, 0


def batch(most: int) -> tuple[NDArray[np.uint32], F64, F64, I64, I64]:
    """Scratch arrays of `fill_pairs` for rings of up to `most` pixels."""
    n = most + BATCH
    begin, first = np.empty((2, BATCH + 1), np.int64)
    return np.empty(n, np.uint32), np.empty(n), np.empty(n), begin, first
