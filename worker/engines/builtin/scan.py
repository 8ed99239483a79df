"""All-sky scans: every healpix ring is fitted from the events near it.

The right ascension of an event has its own address (seed, sky, event), and each event is assigned to the pixels inside
its right-ascension window in fixed order (counting sort): the bits of a pixel do not depend on how a sky is split.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath, rng
from worker.base.compiled import kernel, part
from worker.base.healpix import Rings
from worker.engines.builtin import maximum
from worker.engines.builtin.analysis import Analysis, psf_at, table_at
from worker.engines.builtin.fit import fit
from worker.engines.builtin.likelihood import workspace
from worker.engines.builtin.point import PI, windows
from worker.engines.builtin.psf import Psf, height
from worker.engines.builtin.work import EVENTS, counters

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

NEARLY = 1e-6
"""Pixels by which a window is widened, for rounding."""
BATCH = 1024
"""Pairs of event and pixel that are weighed together, at least."""


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


def ring_events(analysis: Analysis, dec: float) -> RingEvents:
    """Events with a right-ascension window at a declination (rad)."""
    sky, psf = analysis.sky, psf_at(analysis, dec)
    half, sin2, coscos = (np.zeros(sky.dec.size) for _ in range(3))
    windows(dec, sky.dec, psf.cut[sky.shape] * sky.sigma, half, sin2, coscos)
    index = np.flatnonzero(half >= 0)
    sigma, cut = sky.sigma[index], psf.cut[sky.shape[index]]
    weight = sky.weight[index, None] * psf.factor[sky.cell[index]]
    return RingEvents(
        index, half[index], sin2[index], coscos[index], 0.5 / (sigma * sigma), weight, 0.5 * cut * cut, psf
    )


@kernel
def _right_ascensions(k0, k1, sky, address, out):  # type: ignore[no-untyped-def]
    for i in range(address.size):
        a, b, _, _ = rng.block(k0, k1, np.uint64(rng.SKY), sky, np.uint64(address[i]))
        out[i] = rng.unit52(a, b)


def right_ascensions(analysis: Analysis, key: tuple[int, int], sky: int) -> F64:
    """Scrambled right ascensions of all events with a usable sigma, in turns [0, 1)."""
    out = np.empty(analysis.sky.dec.size)
    _right_ascensions(np.uint64(key[0]), np.uint64(key[1]), np.uint64(sky), analysis.sky.address, out)
    return out


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
def _count_pairs(events, turn, shift, count, start):  # type: ignore[no-untyped-def]
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
def _weigh(n, events, sky, narrow, index, value, chord2):  # type: ignore[no-untyped-def]
    """Replace `value`, differences of right ascension in turns, by exp(-x narrow); x goes into `chord2`.

    `index` says which of `events` each is of. Loops without branches, over all pairs: the compiler makes vectors of them.
    """
    for j in range(n):
        i = index[j]
        delta = value[j] - np.floor(value[j] + 0.5)
        s = fmath.sin(PI * delta)
        chord2[j] = 4.0 * (events.sin2[i] + events.coscos[i] * s * s)
    for j in range(n):
        value[j] = fmath.angle2_near(chord2[j])
    for j in range(n):
        if chord2[j] > fmath.ANGLE_SERIES:
            value[j] = fmath.angle2_far(chord2[j])
    for j in range(n):
        chord2[j] = value[j] * events.inv_2sigma2[index[j]]
    for j in range(n):
        value[j] = fmath.exp(-chord2[j] * narrow)


@kernel
def _fill_pairs(events, sky, turn, shift, count, start, fill, batch, w, row, season):  # type: ignore[no-untyped-def]
    """Weights of every (pixel, event) pair with S > 0; pixel p owns start[p] : fill[p].

    Pairs are made in batches, in the order of events.
    """
    index, pixel, value, chord2 = batch
    for p in range(count):
        fill[p] = start[p]
    spacing = 1.0 / count
    mix, narrow = events.psf.mix, events.psf.narrow
    n_events, n = events.event.size, 0
    for i in range(n_events):
        lo, m = _pixel_range(turn[events.event[i]], events.half[i], shift, count)
        first = lo - count * int(np.floor(lo / count))
        for p in range(lo, lo + m):
            index[n] = i
            pixel[n] = first
            value[n] = turn[events.event[i]] - (p + shift) * spacing
            n += 1
            first += 1
            if first == count:
                first = 0
        if n + count <= index.size and i + 1 < n_events:
            continue
        _weigh(n, events, sky, narrow, index, value, chord2)
        for j in range(n):
            e = index[j]
            if chord2[j] < events.limit[e]:
                k, q = events.event[e], pixel[j]
                at = fill[q]
                soft, hard = height(mix, sky.shape[k], value[j])
                w[0, at] = events.weight[e, 0] * soft
                w[1, at] = events.weight[e, 1] * hard - w[0, at]
                row[at] = sky.row[k]
                season[at] = sky.season[k]
                fill[q] = at + 1
        n = 0


@kernel
def fit_ring(start, fill, w, row, season, n_data, model, work, rest, slopes, out):  # type: ignore[no-untyped-def]
    """TS, ns, gamma of every pixel of a ring, into `out` (count, 3)."""
    for p in range(out.shape[0]):
        a, b = start[p], fill[p]
        for j in range(n_data.size):
            rest[j] = n_data[j]
        for i in range(a, b):
            rest[season[i]] -= 1.0
        work[-1][EVENTS] += b - a
        out[p, 0], out[p, 1], out[p, 2] = fit(
            b - a, w[:, a:b], row[a:b], season[a:b], rest, n_data, model, work, slopes
        )


class Scanner:
    """Scans skies of one analysis over a set of rings; the geometry is computed once.

    Parameters
    ----------
    keep : bool
        Keep the events of every ring in memory (for many skies; about 64 bytes per event and ring).

    Attributes
    ----------
    count : ndarray (4,), int64
        Work done so far, see `worker.engines.builtin.work`.
    """

    def __init__(self, analysis: Analysis, rings: Rings, keep: bool = True) -> None:
        self.analysis = analysis
        self.rings = rings
        self._keep = keep
        self._events: dict[int, RingEvents] = {}
        most = int(rings.n_pix.max()) if rings.n_pix.size else 0
        self.count = counters()
        self._start = np.zeros(most + 1, np.int64)
        self._fill = np.zeros(most + 1, np.int64)
        self._batch = tuple(np.empty(most + BATCH, kind) for kind in (np.uint32, np.uint32, np.float64, np.float64))
        self._pairs = self._space(1)
        self._rest = np.empty(analysis.n_seasons)
        self._slopes = np.empty(analysis.cuts.gammas.size)

    def _space(self, size: int) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]:
        self._work = workspace(size, self.analysis.n_rows, self.analysis.n_seasons, self.count)
        return np.empty((2, size)), np.empty(size, np.int32), np.empty(size, np.int32)

    def _ring_events(self, r: int) -> RingEvents:
        events = self._events.get(r) or ring_events(self.analysis, float(self.rings.dec[r]))
        if self._keep:
            self._events[r] = events
        return events

    def ring(self, r: int, turn: F64) -> F64:
        """TS, ns and gamma of every pixel of ring r.

        Parameters
        ----------
        turn : ndarray (n_events,)
            Right ascensions in turns, from `right_ascensions`.

        Returns
        -------
        ndarray (count, 3)
        """
        events, table = self._ring_events(r), table_at(self.analysis, float(self.rings.dec[r]))
        count, shift = int(self.rings.n_pix[r]), float(self.rings.shift[r])
        start, fill = self._start[: count + 1], self._fill[:count]
        n = _count_pairs(events, turn, shift, count, start)
        if n > self._pairs[1].size:
            self._pairs = self._space(n + n // 4)
        w, row, season = self._pairs
        _fill_pairs(events, self.analysis.sky, turn, shift, count, start, fill, self._batch, w, row, season)
        out = np.empty((count, 3))
        fit_ring(start, fill, w, row, season, self.analysis.n_data, table, self._work, self._rest, self._slopes, out)
        return maximum.require(out, f"ring at dec {math.degrees(float(self.rings.dec[r])):.4g} deg")
