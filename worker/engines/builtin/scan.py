"""All-sky scans: every healpix ring is fitted from the events near it.

The right ascension of an event has its own address (seed, sky, event), and each event is assigned to the pixels inside
its right-ascension window in fixed order (counting sort): the bits of a pixel do not depend on how a sky is split.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

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
from worker.engines.builtin.tables import SignalTable
from worker.engines.builtin.work import EVENTS, TERMS, counters

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

NEARLY = 1e-6
"""Pixels by which a window is widened, for rounding."""
BATCH = 1024
"""Pairs of event and pixel that are weighed together, at least."""
RANGES = 4
"""Ranges of gamma with an upper bound of TS of their own, besides that for all gammas."""
LEFT_OUT = -1.0
"""TS of a pixel that was not fitted."""
SMALL = 0.01
"""Terms of the likelihood that count as linear in ns in an upper bound."""
DECREMENT = 0.1
"""Of Newton's method, at which an upper bound of TS is known: TS / 2 is then at most DECREMENT**2 larger."""
MARGIN = 1.0 + 1e-6
"""For rounding."""


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


class Ranges(NamedTuple):
    """Upper bounds of a signal table over ranges of gamma, the first of which has all gammas.

    Attributes
    ----------
    tallest : ndarray (1 + RANGES, n_rows)
        Of T.
    least : ndarray (1 + RANGES, n_seasons)
        Lower bounds of the shares, hence of q N.
    """

    tallest: F64
    least: F64


def ranges_of(table: SignalTable) -> Ranges:
    """Bounds of a signal table: a cubic piece lies between its four Bezier points."""
    high, low = _bezier(table.coef).max(1), _bezier(table.share).min(1)
    ends = np.linspace(0, len(high), RANGES + 1).round().astype(int)
    parts = [slice(None), *map(slice, ends[:-1], ends[1:])]
    return Ranges(np.array([high[part].max(0) for part in parts]), np.array([low[part].min(0) for part in parts]))


def _bezier(coef: F64) -> F64:
    a, b, c, d = coef[:, 0], coef[:, 1], coef[:, 2], coef[:, 3]
    return np.stack([a, a + b / 3.0, a + (2.0 * b + c) / 3.0, a + b + c + d], axis=1)


@part
def count_rest(n_data, season, rest):  # type: ignore[no-untyped-def]
    """Number of events of each season without those of `season`, into `rest`."""
    for j in range(n_data.size):
        rest[j] = n_data[j]
    for i in range(season.size):
        rest[season[i]] -= 1.0


@kernel
def _bound(n, w, row, season, rest, n_data, tallest, least, work):  # type: ignore[no-untyped-def]
    """Upper bound of TS over all ns and a range of gamma, of which `tallest` and `least` are bounds of T and q N.

    With the largest w and T and the smallest q every term y = w T - q is at least that of a fit. Small terms count as
    ns y instead of ln(1 + ns y), so that few are left. Newton's method for the rest ends where its decrement d is
    small: the maximum of such a sum (self-concordant) is at most -d - ln(1 - d) higher (Nesterov, Introductory
    lectures on convex optimization, 2004, theorem 4.1.11).
    """
    y, q, count = work[2], work[4], work[-1]
    slope = 0.0
    for j in range(n_data.size):
        q[j] = least[j] / n_data[j]
        slope -= rest[j] * q[j]
    large, first = 0, slope
    for i in range(n):
        r, s = np.uint32(row[i]), np.uint32(season[i])
        term = max(w[0, i], w[0, i] + w[1, i]) * tallest[r] - q[s]
        y[large] = term
        first += term
        if term > SMALL:
            large += 1
        else:
            slope += term
    count[TERMS] += n
    if first <= 0.0:
        return 0.0
    if slope >= 0.0:
        return np.inf
    lo, hi = 0.0, -large / slope  # sum of y / (1 + ns y) <= large / ns
    ns = min(0.5 * hi, 1.0)
    for _ in range(100):
        first, second = slope, 0.0
        for i in range(large):
            d = y[i] / (1.0 + ns * y[i])
            first += d
            second += d * d
        count[TERMS] += large
        if first * first < DECREMENT * DECREMENT * second:
            break
        if first > 0.0:
            lo = ns
        else:
            hi = ns
        new = ns + first / second
        ns = new if lo < new < hi else 0.5 * (lo + hi)
    total = slope * ns
    for i in range(large):
        total += fmath.log(1.0 + ns * y[i])
    return 2.0 * (total + DECREMENT * DECREMENT) * MARGIN


@kernel
def bounds_of_ring(start, fill, w, row, season, n_data, tallest, least, work, rest, out):  # type: ignore[no-untyped-def]
    """Upper bound of TS of every pixel of a ring, into `out`."""
    for p in range(out.size):
        a, b = start[p], fill[p]
        count_rest(n_data, season[a:b], rest)
        out[p] = _bound(b - a, w[:, a:b], row[a:b], season[a:b], rest, n_data, tallest[0], least[0], work)


@kernel
def fit_ring(start, fill, w, row, season, n_data, model, work, rest, slopes, order, bound, ranges, out):  # type: ignore[no-untyped-def]
    """TS, ns, gamma of pixels of a ring, into `out` (count, 3), from the one with the largest `bound` on.

    Ends where no bound is as large as the largest TS; TS is LEFT_OUT of the others.
    """
    tallest, least = ranges
    best = 0.0
    for p in order:
        out[p, 0] = LEFT_OUT
    for p in order:
        if bound[p] < best:
            break
        a, b = start[p], fill[p]
        count_rest(n_data, season[a:b], rest)
        if best > 0.0 and bound[p] < np.inf:
            larger = False
            for k in range(1, tallest.shape[0]):
                larger = larger or best <= _bound(
                    b - a, w[:, a:b], row[a:b], season[a:b], rest, n_data, tallest[k], least[k], work
                )
            if not larger:
                continue
        work[-1][EVENTS] += b - a
        out[p, 0], out[p, 1], out[p, 2] = fit(
            b - a, w[:, a:b], row[a:b], season[a:b], rest, n_data, model, work, slopes
        )
        best = max(best, out[p, 0])


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
        self._ranges = lru_cache(maxsize=rings.dec.size if keep else 1)(self._ranges_of)
        self._events: dict[int, RingEvents] = {}
        most = int(rings.n_pix.max()) if rings.n_pix.size else 0
        self.count = counters()
        self._start = np.zeros(most + 1, np.int64)
        self._end = np.zeros(most + 1, np.int64)
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
        count = self._fill(r, turn)
        return self._fit(r, np.arange(count), np.full(count, np.inf))

    def largest(self, r: int, turn: F64) -> tuple[int, F64]:
        """Pixel of ring r with the largest TS (ties: the lowest), and its TS, ns and gamma (3,).

        Pixels that cannot have it are not fitted: their upper bound is below the TS of another pixel.
        """
        count = self._fill(r, turn)
        bound = np.empty(count)
        bounds_of_ring(*self._filled(count), self.analysis.n_data, *self._ranges(r), self._work, self._rest, bound)
        bound[np.isnan(bound)] = np.inf  # the fit tells what is wrong
        out = self._fit(r, np.argsort(-bound, kind="stable"), bound)
        pixel = int(np.argmax(out[:, 0]))
        return pixel, out[pixel]

    def _fill(self, r: int, turn: F64) -> int:
        """Assign the events to the pixels of a ring; returns the number of pixels."""
        events = self._ring_events(r)
        count, shift = int(self.rings.n_pix[r]), float(self.rings.shift[r])
        start, fill = self._start[: count + 1], self._end[:count]
        n = _count_pairs(events, turn, shift, count, start)
        if n > self._pairs[1].size:
            self._pairs = self._space(n + n // 4)
        _fill_pairs(events, self.analysis.sky, turn, shift, count, start, fill, self._batch, *self._pairs)
        return count

    def _ranges_of(self, r: int) -> Ranges:
        return ranges_of(table_at(self.analysis, float(self.rings.dec[r])))

    def _filled(self, count: int) -> tuple[NDArray[Any], ...]:
        return self._start[: count + 1], self._end[:count], *self._pairs

    def _fit(self, r: int, order: I64, bound: F64) -> F64:
        """Fit the pixels of a ring in an order of falling upper bounds, as `fit_ring`."""
        dec = float(self.rings.dec[r])
        table, out = table_at(self.analysis, dec), np.empty((len(order), 3))
        fit_ring(
            *self._filled(len(order)), self.analysis.n_data, table, self._work, self._rest, self._slopes, order, bound,
            self._ranges(r), out,
        )  # fmt: skip
        maximum.require(out[out[:, 0] != LEFT_OUT], f"ring at dec {math.degrees(dec):.4g} deg")
        return out
