"""All-sky scans: every healpix ring is fitted from the events near it.

The right ascension of an event has its own address (seed, sky, event).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base import rng
from worker.base.compiled import kernel
from worker.base.healpix import Rings
from worker.engines.builtin import bounds, maximum, pairs
from worker.engines.builtin.analysis import Analysis, table_at
from worker.engines.builtin.bounds import Ranges, ts_bound
from worker.engines.builtin.fit import fit
from worker.engines.builtin.likelihood import count_rest, workspace
from worker.engines.builtin.pairs import RingEvents, ring_events
from worker.engines.builtin.work import EVENTS, counters

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

LEFT_OUT = -1.0
"""TS of a pixel that was not fitted."""
NO_FLOOR = np.full(1, np.inf)
"""Only the largest TS of a ring is asked for."""


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
def bounds_of_ring(start, fill, w, row, season, n_data, ranges, work, rest, out):  # type: ignore[no-untyped-def]
    """Upper bound of TS of every pixel of a ring, into `out`."""
    tallest, least, hard = ranges
    for p in range(out.size):
        a, b = start[p], fill[p]
        count_rest(n_data, season[a:b], rest)
        out[p] = ts_bound(b - a, w[:, a:b], row[a:b], season[a:b], rest, n_data, tallest[0], least[0], hard[0], work)


@kernel
def fit_ring(start, fill, w, row, season, n_data, model, work, rest, slopes, order, bound, ranges, floor, out):  # type: ignore[no-untyped-def]
    """TS, ns, gamma of pixels of a ring, into `out` (count, 3), from the one with the largest `bound` on.

    A pixel whose bound is below both the largest TS and its `floor` is not fitted; its TS is LEFT_OUT. One value of
    `floor` holds for all pixels.
    """
    tallest, least, hard = ranges
    best = 0.0
    for p in order:
        out[p, 0] = LEFT_OUT
    for p in order:
        needed = min(best, floor[p] if floor.size > 1 else floor[0])
        if bound[p] < needed:
            continue
        a, b = start[p], fill[p]
        count_rest(n_data, season[a:b], rest)
        if needed > 0.0 and bound[p] < np.inf:
            larger = False
            for k in range(1, tallest.shape[0]):
                larger = larger or needed <= ts_bound(
                    b - a, w[:, a:b], row[a:b], season[a:b], rest, n_data, tallest[k], least[k], hard[k], work
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
        self._no_ranges = bounds.no_ranges(analysis.n_rows, analysis.n_seasons)
        self._kept_ranges: dict[int, Ranges] = {}
        self._events: dict[int, RingEvents] = {}
        most = int(rings.n_pix.max()) if rings.n_pix.size else 0
        self.count = counters()
        self._start = np.zeros(most + 1, np.int64)
        self._end = np.zeros(most + 1, np.int64)
        self._batch = pairs.batch(most)
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
        return self._require(r, self._fit(r, np.arange(count), np.full(count, np.inf), self._no_ranges))

    def largest(self, r: int, turn: F64) -> tuple[int, F64]:
        """Pixel of ring r with the largest TS (ties: the lowest), and its TS, ns and gamma (3,).

        Pixels that cannot have it are not fitted: their upper bound is below the TS of another pixel.
        """
        out = self._above(r, turn, NO_FLOOR)
        pixel = int(np.argmax(out[:, 0]))
        return pixel, self._require(r, out[pixel])

    def above(self, r: int, turn: F64, floor: F64) -> F64:
        """TS, ns and gamma of the pixels of ring r that have the largest TS or reach their `floor`: `RingScanner`."""
        out = self._above(r, turn, floor)
        self._require(r, out[out[:, 0] != LEFT_OUT])
        return out

    def _above(self, r: int, turn: F64, floor: F64) -> F64:
        count = self._fill(r, turn)
        bound = np.empty(count)
        bounds_of_ring(*self._filled(count), self.analysis.n_data, self._ranges(r), self._work, self._rest, bound)
        bound[np.isnan(bound)] = np.inf  # the fit tells what is wrong
        return self._fit(r, np.argsort(-bound, kind="stable"), bound, self._ranges(r), floor)

    def _fill(self, r: int, turn: F64) -> int:
        """Assign the events to the pixels of a ring; returns the number of pixels."""
        return self._fill_with(self._ring_events(r), r, turn)

    def _fill_with(self, events: RingEvents, r: int, turn: F64) -> int:
        """Assign some of the events to the pixels of a ring, as `_fill`."""
        count, shift = int(self.rings.n_pix[r]), float(self.rings.shift[r])
        start, fill = self._start[: count + 1], self._end[:count]
        n = pairs.count_pairs(events, turn, shift, count, start)
        if n > self._pairs[1].size:
            self._pairs = self._space(n + n // 4)
        pairs.fill_pairs(events, self.analysis.sky, turn, shift, count, start, fill, self._batch, *self._pairs)
        return count

    def _ranges(self, r: int) -> Ranges:
        ranges = self._kept_ranges.get(r) or bounds.ranges_of(table_at(self.analysis, float(self.rings.dec[r])))
        if self._keep:
            self._kept_ranges[r] = ranges
        return ranges

    def _filled(self, count: int) -> tuple[NDArray[Any], ...]:
        return self._start[: count + 1], self._end[:count], *self._pairs

    def _require(self, r: int, fitted: F64) -> F64:
        return maximum.require(fitted, f"ring at dec {math.degrees(float(self.rings.dec[r])):.4g} deg")

    def _fit(self, r: int, order: I64, bound: F64, ranges: Ranges, floor: F64 = NO_FLOOR) -> F64:
        """Fit the pixels of a ring in an order of falling upper bounds, as `fit_ring`."""
        table, out = table_at(self.analysis, float(self.rings.dec[r])), np.empty((len(order), 3))
        fit_ring(
            *self._filled(len(order)), self.analysis.n_data, table, self._work, self._rest, self._slopes, order, bound,
            ranges, floor, out,
        )  # fmt: skip
        return out
