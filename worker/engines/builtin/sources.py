"""A list of sources in the same scrambled skies: every source is fitted from the events near it.

Sky k is that of an all-sky scan, and a source at the centre of a pixel has the same bits of TS as the pixel.
"""

import math
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel, part
from worker.engines.builtin import maximum
from worker.engines.builtin.analysis import Analysis, psf_at, table_at
from worker.engines.builtin.fit import fit
from worker.engines.builtin.likelihood import LANES, count_rest, workspace
from worker.engines.builtin.pairs import windows_at
from worker.engines.builtin.point import PI
from worker.engines.builtin.psf import Psf, height
from worker.engines.builtin.scan import right_ascensions
from worker.engines.builtin.trials import TRIAL_DTYPE, Drawn
from worker.engines.protocol import Sources

F64 = NDArray[np.float64]

CACHE_BYTES = 200_000_000
"""Memory for windows of sources; those of further sources are computed again for every block."""
BLOCK_BYTES = 64_000_000
"""Right ascensions of the skies of one block."""
TABLES = 256
"""Signal tables that are kept; those of further sources are computed again for every block."""


class Near(NamedTuple):
    """Events that can have S > 0 at a source; arrays (n,).

    Attributes
    ----------
    event : uint32, into `Sky`
    reach : float32, turns
        Half-width of the right-ascension window, rounded up.
    """

    event: NDArray[np.uint32]
    reach: NDArray[np.float32]


def near(analysis: Analysis, dec: float) -> Near:
    """Events with a right-ascension window at a declination (rad)."""
    half = windows_at(analysis, dec)[1]
    index = np.flatnonzero(half >= 0)
    return Near(index.astype(np.uint32), (half[index] / PI * (1.0 + 1e-5) + 1e-6).astype(np.float32))


@kernel
def select(near, at, turn, event, value):  # type: ignore[no-untyped-def]
    """Events of a sky whose right ascension is within their reach of `at`, and the differences, in turns; how many."""
    m = 0
    for i in range(near.event.size):
        delta = turn[near.event[i]] - at
        delta -= np.floor(delta + 0.5)
        if abs(delta) <= near.reach[i]:
            event[m], value[m] = near.event[i], delta
            m += 1
    return m


@part
def weigh(n, sky, dec, narrow, event, value, chord2, near):  # type: ignore[no-untyped-def]
    """Replace `value`, differences of right ascension in turns, by exp(-x narrow); x goes into `chord2`.

    Loops without branches: the compiler makes vector code of them.
    """
    cos_source = fmath.cos(dec)
    for j in range(n):
        value[j] = fmath.sin(PI * value[j])
    for j in range(n):
        near[j] = sky.dec[event[j]]
    for j in range(n):
        half_ddec = fmath.sin(0.5 * abs(near[j] - dec))
        chord2[j] = 4.0 * (half_ddec * half_ddec + cos_source * fmath.cos(near[j]) * value[j] * value[j])
    fmath.angles2(n, chord2, value)
    for j in range(n):
        sigma = sky.sigma[event[j]]
        chord2[j] = value[j] * (0.5 / (sigma * sigma))
    for j in range(n):
        value[j] = fmath.exp(-chord2[j] * narrow)


@kernel
def _skies(near, dec, at, turns, sky, psf, n_data, model, work, rest, slopes, batch, w, row, season, out):  # type: ignore[no-untyped-def]
    """TS, ns, gamma of one source in every sky of a block: out (n_skies, 3)."""
    event, value, chord2, scratch = batch
    for k in range(turns.shape[0]):
        m = select(near, at, turns[k], event, value)
        weigh(m, sky, dec, psf.narrow, event, value, chord2, scratch)
        n = 0
        for i in range(m):
            e = event[i]
            cut, factor = psf.cut[sky.shape[e]], psf.factor[sky.cell[e]]
            if chord2[i] < 0.5 * cut * cut:
                soft, hard = height(psf.mix, sky.shape[e], value[i])
                w[0, n] = sky.weight[e] * factor[0] * soft
                w[1, n] = sky.weight[e] * factor[1] * hard - w[0, n]
                row[n] = sky.row[e]
                season[n] = sky.season[e]
                n += 1
        count_rest(n_data, season[:n], rest)
        out[k, 0], out[k, 1], out[k, 2] = fit(n, w, row, season, rest, n_data, model, work, slopes)


class SourceScanner:
    """Fits a list of sources in skies of one analysis; the geometry is worked out once."""

    def __init__(self, analysis: Analysis, sources: Sources) -> None:
        self.analysis = analysis
        self.sources = sources
        self.block = max(int(BLOCK_BYTES / (8 * max(analysis.sky.dec.size, 1))), 1)
        self._near: dict[int, Near] = {}
        self._bytes = 0
        self._psfs: dict[int, Psf] = {}
        self._table = lru_cache(TABLES)(partial(table_at, analysis))
        size = analysis.sky.dec.size + LANES
        self._work = workspace(size, analysis.n_rows, analysis.n_seasons)
        self._batch = (np.empty(size, np.uint32), *np.empty((3, size)))
        self._events = np.empty((2, size)), np.empty(size, np.int32), np.empty(size, np.int32)
        self._rest = np.empty(analysis.n_seasons)
        self._slopes = np.empty(analysis.cuts.gammas.size)

    def _near_of(self, i: int) -> Near:
        events = self._near.get(i)
        if events is None:
            events = near(self.analysis, float(self.sources.dec[i]))
            size = events.event.nbytes + events.reach.nbytes
            if self._bytes + size <= CACHE_BYTES:
                self._near[i] = events
                self._bytes += size
        return events

    def _psf(self, i: int) -> Psf:
        if i not in self._psfs:
            self._psfs[i] = psf_at(self.analysis, float(self.sources.dec[i]))
        return self._psfs[i]

    def skies(self, key: tuple[int, int], first: int, count: int) -> F64:
        """TS, ns and gamma of every source in skies [first, first + count).

        Parameters
        ----------
        key : tuple of 2 int
            Address of the stream of skies.

        Returns
        -------
        ndarray (count, n_sources, 3)
        """
        out = np.empty((count, len(self.sources.dec), 3))
        for begin in range(0, count, self.block):
            end = min(begin + self.block, count)
            turns = np.stack([right_ascensions(self.analysis, key, first + k) for k in range(begin, end)])
            self.at(turns, out[begin:end])
        return out

    def at(self, turns: F64, out: F64) -> None:
        """Fit every source in the skies whose right ascensions (n_skies, n_events), in turns, are given; into `out`."""
        sky = self.analysis.sky
        for i in range(len(self.sources.dec)):
            dec, rows = float(self.sources.dec[i]), np.empty((len(turns), 3))
            _skies(
                self._near_of(i), dec, float(self.sources.turn[i]), turns, sky, self._psf(i), self.analysis.n_data,
                self._table(dec), self._work, self._rest, self._slopes, self._batch, *self._events, rows,
            )  # fmt: skip
            out[:, i] = maximum.require(rows, f"source at dec {math.degrees(dec):.4g} deg")

    def drawn(self, turn: F64) -> tuple[Drawn, tuple[float, float, float]]:
        """Events with S > 0 at the last source in the sky `turn`, as they are fitted, and the fit: TS, ns and gamma."""
        out = np.empty((1, len(self.sources.dec), 3))
        self.at(turn[None], out)
        w, row, season = self._events
        n_events = self.analysis.n_data
        n = int(n_events.sum() - self._rest.sum())
        ts, ns, gamma = out[0, -1].tolist()
        return Drawn(w[:, :n].copy(), row[:n].copy(), season[:n].copy(), self._rest.copy(), n_events), (ts, ns, gamma)


class PointFits:
    """Fits of sources as rows of trials."""

    def __init__(self, scanner: SourceScanner) -> None:
        self._scanner, self.block = scanner, scanner.block

    def skies(self, key: tuple[int, int], first: int, count: int) -> NDArray[np.void]:
        """As `SourceScanner.skies`, (count, n_sources) of `TRIAL_DTYPE`."""
        return self._scanner.skies(key, first, count).view(TRIAL_DTYPE)[..., 0]

    def at(self, turns: F64) -> NDArray[np.void]:
        """As `SourceScanner.at`, (n_skies, n_sources) of `TRIAL_DTYPE`."""
        out = np.empty((len(turns), len(self._scanner.sources.dec), 3))
        self._scanner.at(turns, out)
        return out.view(TRIAL_DTYPE)[..., 0]
