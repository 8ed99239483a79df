"""Flares of several sources in the same skies: what their trial correction needs.

A sky has every event of the data at an even right ascension and at a time within the good runs of its season.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from worker.base import rng
from worker.base.compiled import kernel
from worker.engines.builtin import psf as psfs
from worker.engines.builtin.analysis import Analysis, psf_at
from worker.engines.builtin.flare import FlareEvents
from worker.engines.builtin.flare_draw import Runs
from worker.engines.builtin.flare_point import FLARE_DTYPE, Fit, Source, events_of
from worker.engines.builtin.sources import near, select, weigh
from worker.engines.builtin.windows import _time
from worker.spec.point import Point

F64 = NDArray[np.float64]


@kernel
def _draw(k0, k1, sky, address, season, runs, turn, mjd):  # type: ignore[no-untyped-def]
    """Right ascension (turns) and time (MJD) of every event of a sky."""
    for i in range(address.size):
        a, b, d, e = rng.block(k0, k1, np.uint64(rng.SKY), sky, np.uint64(address[i]))
        turn[i] = rng.unit52(a, b)
        end = runs.first[season[i] + 1]
        mjd[i] = _time(runs.first[season[i]], runs.start[:end], runs.length[:end], runs.cdf[:end], rng.unit52(d, e))


@kernel
def _weights(n, sky, dec, psf, n_data, event, value, chord2, scratch, mjd, w, row, season, times):  # type: ignore[no-untyped-def]
    """Weights times N, rows, seasons and times of the events with S > 0 among n selected ones; returns how many."""
    weigh(n, sky, dec, psf.narrow, event, value, chord2, scratch)
    found = 0
    for i in range(n):
        e = event[i]
        cut, factor = psf.cut[sky.shape[e]], psf.factor[sky.cell[e]]
        if chord2[i] < 0.5 * cut * cut:
            s = sky.season[e]
            soft, hard = psfs.height(psf.mix, sky.shape[e], value[i])
            w[0, found] = sky.weight[e] * factor[0] * soft * n_data[s]
            w[1, found] = sky.weight[e] * factor[1] * hard * n_data[s] - w[0, found]
            row[found], season[found], times[found] = sky.row[e], s, mjd[e]
            found += 1
    return found


class FlareFits:
    """Fits flares of sources in skies of one analysis.

    Parameters
    ----------
    source : callable
        ``source(dec)``: its `Source`.
    points : sequence of Point
        Each with a ``ra_deg``.
    """

    block = 20

    def __init__(
        self, analysis: Analysis, runs: Runs, source: Callable[[float], Source], fit: Fit, points: Sequence[Point]
    ) -> None:
        self._analysis, self._runs, self._source, self._fit, self._points = analysis, runs, source, fit, points
        self._near = lru_cache(maxsize=64)(partial(near, analysis))
        self._psf = lru_cache(maxsize=64)(partial(psf_at, analysis))
        size = analysis.sky.dec.size + 8
        self._batch = (np.empty(size, np.uint32), *np.empty((3, size)))
        self._events = np.empty((2, size)), np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size)

    def skies(self, key: tuple[int, int], first: int, count: int) -> NDArray[np.void]:
        """Fits of every source in skies [first, first + count), (count, n_points) of `FLARE_DTYPE`."""
        sky = self._analysis.sky
        turns = np.empty((count, 2, sky.dec.size))
        k0, k1 = np.uint64(key[0]), np.uint64(key[1])
        for k in range(count):
            _draw(k0, k1, np.uint64(first + k), sky.address, sky.season, self._runs, *turns[k])
        return self.at(turns)

    def at(self, turns: F64) -> NDArray[np.void]:
        """The same for skies (n_skies, 2, n) of right ascensions (turns) and times (MJD), as `observed` gives them."""
        out = np.empty((len(turns), len(self._points)), FLARE_DTYPE)
        for i, at in enumerate(self._points):
            seasons = self._source(at.model.dec[0]).seasons
            for k, (turn, mjd) in enumerate(turns):
                out[k, i] = self._fit.of(self.events(at, turn, mjd), seasons)
        return out

    def events(self, at: Point, turn: F64, mjd: F64) -> FlareEvents:
        """Events near a source in one sky."""
        a, [dec] = self._analysis, at.model.dec
        event, value, chord2, scratch = self._batch
        n = select(self._near(dec), float(at.labels["ra_deg"]) / 360.0, turn, event, value)
        w, row, season, times = self._events
        n = _weights(n, a.sky, dec, self._psf(dec), a.n_data, event, value, chord2, scratch, mjd, w, row, season, times)
        return events_of(self._source(dec), self._runs, w[:, :n], row[:n], season[:n], times[:n])
