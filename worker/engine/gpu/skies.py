"""Whole skies: every pixel is a warp, which gathers its own events from cells of the sky.

Events are sorted by how far they reach (5 sigma), and within a class by declination band and right ascension, so that
what can matter to a pixel lies in one stretch of memory per class and band. The order is fixed: so are the sums.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.compiled import kernel
from worker.engine import fmath
from worker.engine.analysis import Analysis, response_bins, table_at
from worker.engine.gpu import warp
from worker.engine.gpu.fit import fit
from worker.engine.gpu.memory import Room, plain, shared, to_device
from worker.engine.gpu.warp import LANES, cuda, device
from worker.engine.scan import Rings, ring_events
from worker.engine.tables import SignalTable

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

BLOCKS = 1 << 17
"""Warps in flight; each takes every so many-th pixel."""
THREADS = 128
REACH_DEG = (1.5, 3.0, 6.0, 12.0)
"""Classes of reach; a last one takes what reaches farther."""
SIGMAS = 6.0
NO_ROOM = -1.0


class Cells(NamedTuple):
    """Declination bands and right-ascension cells of each class of reach; arrays (n_classes,).

    Attributes
    ----------
    reach, height : float64, rad
        Farthest reach, and height of a band.
    turns : int32
        Cells of a band.
    first : int32
        First cell, counted over all classes.
    """

    reach: F64
    height: F64
    turns: I32
    first: I32


class Events(NamedTuple):
    """All events in the order of their cells; arrays (n,)."""

    x: F64
    y: F64
    z: F64
    inv_2sigma2: F64
    weight: F64
    row: NDArray[np.int16]
    season: NDArray[np.int16]


def cells_of(reach: F64) -> Cells:
    """Cells for events of these reaches (n,), rad."""
    most = float(reach.max())
    limits = np.array([*(r for r in np.radians(REACH_DEG) if r < most), most])
    height = np.minimum(2.0 * limits, math.pi)
    turns = np.maximum((4.0 * math.pi / limits).astype(np.int32), 1)
    bands = np.ceil(math.pi / height).astype(np.int32) + 1
    first = np.concatenate([[0], np.cumsum(bands * turns)]).astype(np.int32)
    return Cells(limits, height, turns, first)


@kernel
def _sort(turn, band_start, turns, start, order):  # type: ignore[no-untyped-def]
    """Counting sort of the events by cell: event order[j] for start[cell] <= j < start[cell + 1]."""
    for i in range(start.size):
        start[i] = 0
    for i in range(turn.size):
        start[band_start[i] + int(turn[i] * turns[i]) + 1] += 1
    for i in range(1, start.size):
        start[i] += start[i - 1]
    at = start.copy()
    for i in range(turn.size):
        cell = band_start[i] + int(turn[i] * turns[i])
        order[at[cell]] = i
        at[cell] += 1


@cuda.jit
def _place(order, turn, dec, of_event, events):  # type: ignore[no-untyped-def]
    """Unit vectors and properties of the events in the order of their cells."""
    j = cuda.grid(1)
    inverse, weight, row, season = of_event
    x, y, z, to_inverse, to_weight, to_row, to_season = events
    if j < order.size:
        i = order[j]
        sine, cosine = fmath.sincos_turns(turn[i])
        cos_dec = fmath.cos(dec[i])
        x[j], y[j], z[j] = cos_dec * cosine, cos_dec * sine, fmath.sin(dec[i])
        to_inverse[j], to_weight[j], to_row[j], to_season[j] = inverse[i], weight[i], row[i], season[i]


@device
def _take(begin, end, at, events, limit, n, w, row, season):  # type: ignore[no-untyped-def]
    """Add the events begin ... end - 1 that have S > 0 at `at`; the new number of events, -1 without room."""
    x0, y0, z0 = at
    x, y, z, inverse, weight, rows, seasons = events
    for start in range(begin, end, LANES):
        j = start + cuda.threadIdx.x
        near = False
        exponent = 0.0
        if j < end:
            dx, dy, dz = x[j] - x0, y[j] - y0, z[j] - z0
            chord2 = dx * dx + dy * dy + dz * dz
            if chord2 * inverse[j] < limit:  # the angle is larger than the chord
                exponent = fmath.angle2_from_chord2(chord2) * inverse[j]
                near = exponent < limit
        k, more = warp.place(near)
        if n + more > w.size:
            return -1
        if near:
            w[n + k] = weight[j] * fmath.exp(-exponent)
            row[n + k] = rows[j]
            season[n + k] = seasons[j]
        n += more
    return n


@device
def _gather(dec, turn, at, cells, wide, start, events, limit, w, row, season):  # type: ignore[no-untyped-def]
    """Events with S > 0 at a pixel, from all classes; how many, -1 without room.

    `wide` (n_classes,): half of the right ascensions, in turns, that a class reaches at this declination.
    """
    n = 0
    for c in range(cells.reach.size):
        turns, reach, height = cells.turns[c], cells.reach[c], cells.height[c]
        low = max(int((dec - reach + 0.5 * math.pi) / height), 0)
        high = min(int((dec + reach + 0.5 * math.pi) / height), int(math.pi / height))
        left, right = math.floor((turn - wide[c]) * turns), math.floor((turn + wide[c]) * turns)
        if right - left >= turns:
            left, right = 0, turns - 1
        for band in range(low, high + 1):
            first = cells.first[c] + band * turns
            if left < 0:
                n = _take(start[first + left + turns], start[first + turns], at, events, limit, n, w, row, season)
            elif right >= turns:
                n = _take(start[first], start[first + right - turns + 1], at, events, limit, n, w, row, season)
            if n < 0:
                return -1
            begin, end = start[first + max(left, 0)], start[first + min(right, turns - 1) + 1]
            n = _take(begin, end, at, events, limit, n, w, row, season)
            if n < 0:
                return -1
    return n


@device
def _some_pixels(block, blocks, pixels, rings, cells, start, events, limit, n_data, tables, arrays, work, slopes, out):  # type: ignore[no-untyped-def]
    w, row, season, rest, n_events, _ = arrays
    gammas, node, coef, share = tables
    ring, place = pixels
    ring_dec, ring_wide, ring_table, spacing, shift = rings
    for p in range(block, out.shape[0], blocks):
        r = ring[p]
        dec, turn = ring_dec[r], (place[p] + shift[r]) * spacing[r]
        sine, cosine = fmath.sincos_turns(turn)
        cos_dec = fmath.cos(dec)
        at = (cos_dec * cosine, cos_dec * sine, fmath.sin(dec))
        n = _gather(dec, turn, at, cells, ring_wide[r], start, events, limit, w, row, season)
        ts, ns, gamma = NO_ROOM, 0.0, 0.0
        warp.sync()
        if n >= 0:
            for s in range(n_data.size):
                here = 0.0
                for i in range(cuda.threadIdx.x, n, LANES):
                    if season[i] == s:
                        here += 1.0
                rest[s] = n_data[s] - warp.total(here)
                n_events[s] = n_data[s]
            warp.sync()
            k = ring_table[r]
            model = (gammas, node[k], coef[k], share[k])
            ts, ns, gamma = fit(n, w, row, season, rest, n_events, model, work, slopes)
        if cuda.threadIdx.x == 0:
            out[p, 0] = ts
            out[p, 1] = ns
            out[p, 2] = gamma
        warp.sync()


_pixels = plain(_some_pixels)


@cuda.jit
def _kernel(pixels, rings, cells, start, events, limit, n_data, tables, room, far, out):  # type: ignore[no-untyped-def]
    arrays, _, work, slopes = shared(room, far, cuda.blockIdx.x)
    _pixels(
        cuda.blockIdx.x, cuda.gridDim.x, pixels, rings, cells, start, events, limit, n_data, tables, arrays, work,
        slopes, out,
    )  # fmt: skip


def _wide(cells: Cells, dec: F64) -> F64:
    """Half of the right ascensions (turns) within reach at declinations (n,), for each class: (n, n_classes)."""
    wide = np.full((dec.size, cells.reach.size), 0.5)
    for c, reach in enumerate(cells.reach):
        inside = np.abs(dec) + reach < 0.5 * math.pi - 1e-9
        wide[inside, c] = np.arcsin(math.sin(reach) / np.cos(dec[inside])) / (2.0 * math.pi) + 1e-9
    return wide


class Scanner:
    """As `worker.engine.scan.Scanner`, on the device: the first ring of a sky that is asked for brings all of them.

    Parameters
    ----------
    analysis : Analysis
    rings : Rings
    """

    def __init__(self, analysis: Analysis, rings: Rings) -> None:
        self.rings = rings
        self.analysis = analysis
        sky = analysis.sky
        reach = np.minimum(analysis.cuts.cut * sky.sigma, math.pi)
        self._cells = cells_of(reach)
        class_ = np.searchsorted(self._cells.reach, reach)
        band = ((sky.dec + 0.5 * math.pi) / self._cells.height[class_]).astype(np.int32)
        self._turns = self._cells.turns[class_]
        self._band_start = self._cells.first[class_] + band * self._turns
        self._start = np.zeros(int(self._cells.first[-1]) + 1, np.int32)
        self._order = np.empty(sky.dec.size, np.int32)
        self._fixed = to_device(
            (sky.dec, (0.5 / sky.sigma**2, sky.weight, sky.row.astype(np.int16), sky.season.astype(np.int16)))
        )  # fmt: skip
        n = sky.dec.size
        self._events = tuple(cuda.device_array(n, t) for t in (*(np.float64,) * 5, np.int16, np.int16))
        self._constant = to_device(
            (
                (np.repeat(np.arange(rings.dec.size, dtype=np.int32), rings.n_pix),
                 np.concatenate([np.arange(k, dtype=np.int32) for k in rings.n_pix])),
                (rings.dec, _wide(self._cells, rings.dec), self._tables(), 1.0 / rings.n_pix, rings.shift),
                self._cells,
            )
        )  # fmt: skip
        self._n_data = cuda.to_device(analysis.n_data)
        self._ends = np.concatenate([[0], np.cumsum(rings.n_pix)])
        self._room = self._room_for(self._most())
        self._turn: F64 | None = None
        self._sky = np.empty((0, 3))

    def _tables(self) -> I32:
        """Signal tables of all rings, on the device; which one each ring has."""
        known: dict[tuple[int, ...], int] = {}
        tables: list[SignalTable] = []
        index = []
        for dec in self.rings.dec:
            bins = response_bins(self.analysis, float(dec))
            if bins not in known:
                known[bins] = len(tables)
                tables.append(table_at(self.analysis, float(dec)))
            index.append(known[bins])
        columns = (np.stack([table[k] for table in tables]) for k in (1, 2, 3))
        self._model = to_device((tables[0].gammas, *columns))
        return np.array(index, np.int32)

    def _most(self) -> int:
        """About the largest number of events near a pixel."""
        decs = self.rings.dec[:: max(len(self.rings.dec) // 40, 1)]
        mean = max(float((ring_events(self.analysis, float(dec)).half * (2.0 / math.pi)).sum()) for dec in decs)
        return int(1.05 * mean + SIGMAS * math.sqrt(mean) + 32)

    def _room_for(self, most: int) -> Room:
        return Room.of(self.analysis, min(most, self._order.size), 1)

    def ring(self, r: int, turn: F64) -> F64:
        """TS, ns and gamma of every pixel of ring r, (count, 3), of the sky with right ascensions `turn` (turns)."""
        if self._turn is not turn:
            self._turn, self._sky = turn, self.sky(turn)
        return self._sky[self._ends[r] : self._ends[r + 1]]

    def sky(self, turn: F64) -> F64:
        """TS, ns and gamma of all pixels, (n_pix, 3)."""
        _sort(turn, self._band_start, self._turns, self._start, self._order)
        order = cuda.to_device(self._order)
        threads = -(-self._order.size // THREADS)
        _place[threads, THREADS](order, cuda.to_device(turn), *self._fixed, self._events)
        start = cuda.to_device(self._start)
        pixels, rings, cells = self._constant
        n = int(self._ends[-1])
        blocks = self._room.blocks(n, BLOCKS)
        limit = 0.5 * self.analysis.cuts.cut**2
        while True:
            out = cuda.device_array((n, 3), np.float64)
            _kernel[blocks, LANES, 0, self._room.shared_bytes](
                pixels, rings, cells, start, self._events, limit, self._n_data, self._model, self._room.sizes,
                self._room.far(blocks), out,
            )  # fmt: skip
            found: F64 = out.copy_to_host()
            if not (found[:, 0] == NO_ROOM).any():
                return found
            self._room = self._room_for(2 * self._room.sizes[0])
