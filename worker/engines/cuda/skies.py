"""Whole skies: every pixel is a warp, which gathers its own events from cells of the sky.

Events are sorted by how far they reach (5 sigma), and within a class by declination band and right ascension, so that
what can matter to a pixel lies in one stretch of memory per class and band. The order is fixed: so are the sums.
"""

import math

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.errors import InputError
from worker.base.healpix import Rings
from worker.engines.builtin import maximum
from worker.engines.builtin.analysis import Analysis, psf_at, table_at
from worker.engines.builtin.pairs import ring_events
from worker.engines.builtin.psf import height
from worker.engines.cuda import warp
from worker.engines.cuda.cells import Psfs, cells_of, place_events, sort_events, wide_classes
from worker.engines.cuda.fit import count_rest, fit, model_at
from worker.engines.cuda.memory import Room, model_of, plain, shared, to_device
from worker.engines.cuda.warp import LANES, STEP, U64, cuda, device

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

BLOCKS = 1 << 17
"""Warps in flight; each takes every so many-th pixel."""
THREADS = 128
SIGMAS = 6.0
NO_ROOM = -1.0
MOST_EVENTS = 1 << 24


@device
def _chord2(j, at, sky):  # type: ignore[no-untyped-def]
    """Square of the chord between event j and a place."""
    x, y, z = sky[0], sky[1], sky[2]
    dx, dy, dz = x[j] - at[0], y[j] - at[1], z[j] - at[2]
    return dx * dx + dy * dy + dz * dz


@device
def _take(begin, end, at, sky, limit, ring, room, n, events):  # type: ignore[no-untyped-def]
    """List the events begin ... end - 1 that can have S > 0 at `at`; the new number of events, -1 without room."""
    inverse, shape = sky[3], sky[7]
    singles, _, _, y, _, _, _ = events
    start, stop = U64(begin), U64(end)
    while start < stop:
        j = start + U64(cuda.threadIdx.x)
        near = False
        if j < stop:
            near = _chord2(j, at, sky) * inverse[j] < limit[ring + shape[j]]  # the angle is larger than the chord
        k, more = warp.place(near)
        if n + more > room:
            return -1
        if near:
            singles[y + U64(n + k)] = j  # exact up to MOST_EVENTS
        n += more
        start += STEP
    return n


@device
def _weigh(n, at, sky, psfs, r, events):  # type: ignore[no-untyped-def]
    """Weights of the n listed events; 0 where S = 0, which is to the likelihood as if the event were not there."""
    _, _, _, inverse, weight, rows, seasons, shapes, cells = sky
    singles, w, v, y, shorts, row, season = events
    i = U64(cuda.threadIdx.x)
    while i < n:
        j = U64(singles[y + i])
        exponent = fmath.angle2_from_chord2(_chord2(j, at, sky)) * inverse[j]
        s = r * psfs.n_shapes + shapes[j]
        soft, hard = height(psfs.mix, s, warp.exp32(np.float32(-exponent * psfs.narrow)))
        cell = r * psfs.n_cells + cells[j]
        inside = weight[j] if exponent < psfs.limit[s] else 0.0
        soft, hard = inside * psfs.factor[cell, 0] * soft, inside * psfs.factor[cell, 1] * hard
        singles[w + i] = soft
        singles[v + i] = hard - soft
        shorts[row + i] = rows[j]
        shorts[season + i] = seasons[j]
        i += STEP


@device
def _gather(dec, turn, at, cells, wide, start, sky, limit, ring, room, events):  # type: ignore[no-untyped-def]
    """Events with S > 0 at a pixel, from all classes; how many, -1 without room. `ring`: where its `limit` begins.

    `wide` (n_classes,): half of the right ascensions, in turns, that a class reaches at this declination. What a band
    has within reach is one stretch of its cells, or two where it crosses right ascension 0.
    """
    n = 0
    for c in range(cells.reach.size):
        turns, reach, height = cells.turns[c], cells.reach[c], cells.height[c]
        low = max(int((dec - reach + 0.5 * math.pi) / height), 0)
        high = min(int((dec + reach + 0.5 * math.pi) / height), int(math.pi / height))
        left = int(math.floor((turn - wide[c]) * turns))  # noqa: RUF046  (a float on the device)
        right = int(math.floor((turn + wide[c]) * turns))  # noqa: RUF046
        if right - left >= turns:
            left, right = 0, turns - 1
        crosses = left < 0 or right >= turns
        for band in range(low, high + 1):
            first = cells.first[c] + band * turns
            for part in range(2 if crosses else 1):
                a, b = max(left, 0), min(right, turns - 1)
                if part == 1:
                    a, b = (left + turns, turns - 1) if left < 0 else (0, right - turns)
                n = _take(start[first + a], start[first + b + 1], at, sky, limit, ring, room, n, events)
                if n < 0:
                    return -1
    return n


@device
def _some_pixels(block, blocks, pixels, rings, cells, start, sky, psfs, n_data, tables, sizes, mine, out):  # type: ignore[no-untyped-def]
    events, by_season, _, work, slopes = mine
    rest, n_events, _ = by_season
    ring, place = pixels
    ring_dec, ring_wide, spacing, shift = rings
    for p in range(block, out.shape[0], blocks):
        r = ring[p]
        dec, turn = ring_dec[r], (place[p] + shift[r]) * spacing[r]
        sine, cosine = fmath.sincos_turns(turn)
        cos_dec = fmath.cos(dec)
        at = (cos_dec * cosine, cos_dec * sine, fmath.sin(dec))
        n = _gather(
            dec, turn, at, cells, ring_wide[r], start, sky, psfs.limit, r * psfs.n_shapes, sizes[0], events
        )  # fmt: skip
        ts, ns, gamma = NO_ROOM, 0.0, 0.0
        warp.sync()
        if n >= 0:
            for s in range(cuda.threadIdx.x, n_data.size, LANES):
                n_events[s] = n_data[s]
            _weigh(U64(n), at, sky, psfs, r, events)
            warp.sync()
            count_rest(U64(n), events, n_events, rest)
            model = model_at(r, tables, sizes)
            ts, ns, gamma = fit(U64(n), events, 0, 0, rest, n_events, model, work, slopes)
        if cuda.threadIdx.x == 0:
            out[p, 0] = ts
            out[p, 1] = ns
            out[p, 2] = gamma
        warp.sync()


_pixels = plain(_some_pixels)


@warp.jit
def _kernel(pixels, rings, cells, start, sky, psfs, n_data, tables, sizes, far, out):  # type: ignore[no-untyped-def]
    mine = shared(sizes, far, cuda.blockIdx.x, False)
    _pixels(
        cuda.blockIdx.x, cuda.gridDim.x, pixels, rings, cells, start, sky, psfs, n_data, tables, sizes, mine, out
    )  # fmt: skip


@warp.jit
def _far_kernel(pixels, rings, cells, start, sky, psfs, n_data, tables, sizes, far, out):  # type: ignore[no-untyped-def]
    mine = shared(sizes, far, cuda.blockIdx.x, True)
    _pixels(
        cuda.blockIdx.x, cuda.gridDim.x, pixels, rings, cells, start, sky, psfs, n_data, tables, sizes, mine, out
    )  # fmt: skip


class Scanner:
    """As the builtin `scan.Scanner`, on the device: the first ring of a sky that is asked for brings all of them.

    Raises
    ------
    InputError
        If the events are more than a number in single precision can count.
    """

    def __init__(self, analysis: Analysis, rings: Rings) -> None:
        self.rings = rings
        self.analysis = analysis
        sky = analysis.sky
        if sky.dec.size > MOST_EVENTS:
            raise InputError(f"a GPU scans at most {MOST_EVENTS:,} events, not {sky.dec.size:,}: set gpu: false")
        reach = np.minimum(analysis.cuts.cut * sky.sigma, math.pi)
        self._cells = cells_of(reach)
        class_ = np.searchsorted(self._cells.reach, reach)
        band = ((sky.dec + 0.5 * math.pi) / self._cells.height[class_]).astype(np.int32)
        self._turns = self._cells.turns[class_]
        self._band_start = self._cells.first[class_] + band * self._turns
        self._start = np.zeros(int(self._cells.first[-1]) + 1, np.int32)
        self._order = np.empty(sky.dec.size, np.int32)
        self._fixed = to_device(
            (sky.dec, (0.5 / sky.sigma**2, sky.weight, sky.row.astype(np.uint16), sky.season.astype(np.uint16),
             sky.shape.astype(np.uint16), sky.cell))
        )  # fmt: skip
        n = sky.dec.size
        self._events = tuple(cuda.device_array(n, t) for t in (*(np.float64,) * 5, *(np.uint16,) * 3, np.int32))
        self._constant = to_device(
            (
                (np.repeat(np.arange(rings.dec.size, dtype=np.int32), rings.n_pix),
                 np.concatenate([np.arange(k, dtype=np.int32) for k in rings.n_pix])),
                (rings.dec, wide_classes(self._cells, rings.dec), 1.0 / rings.n_pix, rings.shift),
                self._cells,
            )
        )  # fmt: skip
        self._psf = self._psfs()
        self._n_data = cuda.to_device(analysis.n_data)
        self._model = model_of((table_at(analysis, float(dec)) for dec in rings.dec), rings.dec.size)
        self._ends = np.concatenate([[0], np.cumsum(rings.n_pix)])
        n = int(self._ends[-1])
        self._out = cuda.device_array((n, 3), np.float64)
        self._sky: F64 = cuda.pinned_array((n, 3), np.float64)  # twice as fast to copy to as other memory
        self._turn: F64 | None = None
        self._make_room(self._most())

    def _psfs(self) -> Psfs:
        """Point-spread functions of all rings, on the device."""
        made = [psf_at(self.analysis, float(dec)) for dec in self.rings.dec]
        mix, cut, factor = (np.concatenate(columns) for columns in list(zip(*made, strict=True))[1:4])
        n_shapes, n_cells = made[0].cut.size, len(made[0].factor)
        moved: Psfs = to_device(
            Psfs(made[0].narrow, n_shapes, n_cells, mix.astype(np.float32), 0.5 * cut * cut, factor.astype(np.float32))
        )
        return moved

    def _most(self) -> int:
        """About the largest number of events near a pixel."""
        decs = self.rings.dec[:: max(len(self.rings.dec) // 40, 1)]
        mean = max(float((ring_events(self.analysis, float(dec)).half * (2.0 / math.pi)).sum()) for dec in decs)
        return int(1.05 * mean + SIGMAS * math.sqrt(mean) + 32)

    def _make_room(self, most: int) -> None:
        self._room = Room.of(self.analysis, min(most, self._order.size), 1)
        self._blocks = self._room.blocks(len(self._sky), BLOCKS)
        self._far = self._room.far(self._blocks)

    def ring(self, r: int, turn: F64) -> F64:
        """TS, ns and gamma of every pixel of ring r, (count, 3), of the sky with right ascensions `turn` (turns)."""
        if self._turn is not turn:
            self._turn = turn
            self.sky(turn)
        found: F64 = self._sky[self._ends[r] : self._ends[r + 1]].copy()
        return found

    def largest(self, r: int, turn: F64) -> tuple[int, F64]:
        """Pixel of ring r with the largest TS (ties: the lowest), and its TS, ns and gamma (3,)."""
        found = self.ring(r, turn)
        pixel = int(np.argmax(found[:, 0]))
        return pixel, found[pixel]

    def above(self, r: int, turn: F64, floor: F64) -> F64:
        """TS, ns and gamma of every pixel of ring r, (count, 3): the device fits all, whatever the floor."""
        del floor
        return self.ring(r, turn)

    def sky(self, turn: F64) -> F64:
        """TS, ns and gamma of all pixels, (n_pix, 3); the next sky overwrites them."""
        sort_events(turn, self._band_start, self._turns, self._start, self._order)
        order = cuda.to_device(self._order)
        threads = -(-self._order.size // THREADS)
        place_events[threads, THREADS](order, cuda.to_device(turn), *self._fixed, self._events)
        start = cuda.to_device(self._start)
        pixels, rings, cells = self._constant
        while True:
            kernel = _far_kernel if self._room.is_far else _kernel
            kernel[self._blocks, LANES, 0, self._room.shared_bytes](
                pixels, rings, cells, start, self._events, self._psf, self._n_data, self._model, self._room.sizes,
                self._far, self._out,
            )  # fmt: skip
            self._out.copy_to_host(self._sky)
            if not (self._sky[:, 0] == NO_ROOM).any():
                return maximum.require(self._sky, "a sky, on a device")
            self._make_room(2 * self._room.sizes[0])
