"""Skies with the events of one source added, anywhere on the sky: for hypotheses that look at many pixels.

The scrambled events stay as they are; each season has the injected events besides, so all weights fall by N / (N + k).
The response is that of the declination of a ring, as in a scan; the source may lie anywhere near it.
"""

import copy
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath, rng
from worker.base.compiled import kernel
from worker.base.healpix import Rings
from worker.engines.builtin.analysis import Analysis, Sky
from worker.engines.builtin.background import energy_bin, event_density
from worker.engines.builtin.inject import Injector, draw_signal
from worker.engines.builtin.pairs import RingEvents, ring_events
from worker.engines.builtin.psf import cell_of, shape_of, sigma_bin, sigma_probability
from worker.engines.builtin.response import Spectrum
from worker.engines.builtin.scan import Scanner
from worker.engines.builtin.trials import injector_at
from worker.engines.protocol import Place

F64 = NDArray[np.float64]


class Added(NamedTuple):
    """Injected events: those with a usable sigma, their right ascensions (turns), and how many each season has."""

    sky: Sky
    turn: F64
    n: F64


@kernel
def _draw(j, k0, k1, trial, draws):  # type: ignore[no-untyped-def]
    return draw_signal(j, k0, k1, trial, draws)


@kernel
def _describe(j, draws, ra, sides, n_events, values, index, turn):  # type: ignore[no-untyped-def]
    """Dec, sigma and weight into `values` (3, n), row, season, shape, cell into `index` (4, n); sigma < 0: unusable."""
    for i in range(draws.shape[0]):
        s, e = int(draws[i, 4]), energy_bin(draws[i, 0], j.grid_lo, j.bins.n_bins)
        sin_dec, sigma = draws[i, 3], max(draws[i, 2], j.sigma_floor)
        b = sigma_bin(j.bins, sigma)
        usable = sigma <= j.sigma_max
        if j.assumed_extension > 0.0:
            sigma = np.sqrt(sigma * sigma + j.assumed_extension * j.assumed_extension)
        density = event_density(j.density[s], j.energy[s], sin_dec, e) * sigma_probability(j.sigma[s], sin_dec, e, b)
        dec = fmath.asin(abs(sin_dec))
        dec = dec if sin_dec >= 0.0 else -dec
        half, side = fmath.sin(0.5 * draws[i, 1]), fmath.sin(0.5 * (dec - ra[0]))
        x = (half * half - side * side) / max(np.sqrt(1.0 - sin_dec * sin_dec) * j.cos_dec, 1e-300)
        apart = 2.0 * fmath.asin(np.sqrt(min(max(x, 0.0), 1.0))) / (2.0 * np.pi)
        at = ra[1] + (apart if sides[i] < 0.5 else -apart)
        row = e + s * j.bins.n_bins
        turn[i] = at - np.floor(at)
        values[0, i], values[1, i] = dec, sigma if usable else -1.0
        values[2, i] = 1.0 / (sigma * sigma * density * n_events[s])
        index[0, i], index[1, i], index[2, i] = row, s, shape_of(j.bins, s, e, b)
        index[3, i] = cell_of(j.bins, row, b)


def _injector(analysis: Analysis, spectrum: Spectrum, poisson: bool, ring_dec: float, n_sig: float) -> Injector:
    return injector_at(analysis, ring_dec, spectrum, n_sig, poisson)


class SignalSkies(Scanner):
    """Scans rings of skies with an added source; see `worker.engines.protocol.SignalSkies`."""

    def __init__(self, analysis: Analysis, rings: Rings, spectrum: Spectrum, poisson: bool) -> None:
        super().__init__(analysis, rings, keep=True)
        self._base = self._with = analysis
        _ = analysis.node_tables  # made once, and shared by the analyses with a source
        self._scale = np.ones(analysis.n_seasons)
        self._of_ring: dict[int, RingEvents] = {}
        self._injector = lru_cache(maxsize=256)(partial(_injector, analysis, spectrum, poisson))

    def add(self, turn: F64, key: tuple[int, int], trial: int, at: Place, n_sig: float) -> F64:
        """Add a source to the sky `turn`; returns the right ascensions of all its events, for `above`."""
        added = self.draw(key, trial, at, n_sig)
        n_data = self._base.n_data + added.n
        self._scale = self._base.n_data / n_data
        sky = self._base.sky
        own = added.sky._replace(weight=added.sky.weight * self._scale[added.sky.season])
        columns: Any = zip(sky, own, strict=True)
        whole = Sky(*(np.concatenate(pair) for pair in columns))
        self.analysis, self._with = _changed(self._base, whole, n_data), _changed(self._base, own, n_data)
        return np.concatenate([turn, added.turn])

    def draw(self, key: tuple[int, int], trial: int, at: Place, n_sig: float) -> Added:
        """The events of a source, with weights as if they were among the data."""
        injector = self._injector(at.ring_dec, float(n_sig))
        injector = injector._replace(sin_dec=fmath.sin(at.dec), cos_dec=fmath.cos(at.dec))
        draws = np.empty((injector.count_cdf.size, 5))
        n = _draw(injector, np.uint64(key[0]), np.uint64(key[1]), np.uint64(trial), draws)
        values, index, turn = np.empty((3, n)), np.empty((4, n), np.int32), np.empty(n)
        sides = rng.uniforms(key, rng.PLACE, trial, max(n, 1))
        place = np.array([at.dec, at.turn])
        _describe(injector, draws[:n], place, sides, self._base.n_data, values, index, turn)
        used = values[1] > 0.0
        dec, sigma, weight = (column[used] for column in values)
        row, season, shape, cell = (np.ascontiguousarray(column[used]) for column in index)
        sky = Sky(dec, sigma, weight, row, season, shape, cell, np.zeros(len(dec), np.int64))
        counts = np.bincount(index[1], minlength=self._base.n_seasons).astype(np.float64)
        return Added(sky, turn[used], counts)

    def _ring_events(self, r: int) -> RingEvents:
        """The scrambled events of a ring, whose geometry is kept, and those of the source."""
        dec, sky = float(self.rings.dec[r]), self._base.sky
        if r not in self._of_ring:
            self._of_ring[r] = ring_events(self._base, dec)
        kept, more = self._of_ring[r], ring_events(self._with, dec) if self._with is not self._base else None
        if more is None:
            return kept
        parts = [
            (kept.event, more.event + len(sky.dec)), (kept.half, more.half), (kept.sin2, more.sin2),
            (kept.coscos, more.coscos), (kept.inv_2sigma2, more.inv_2sigma2),
            (kept.weight * self._scale[sky.season[kept.event], None], more.weight), (kept.limit, more.limit),
        ]  # fmt: skip
        event, half, sin2, coscos, inverse, weight, limit = (np.concatenate(pair) for pair in parts)
        return RingEvents(event, half, sin2, coscos, inverse, weight, limit, kept.psf)


def _changed(analysis: Analysis, sky: Sky, n_data: F64) -> Analysis:
    """The analysis with other events; tables that it has made so far are shared."""
    changed = copy.copy(analysis)
    object.__setattr__(changed, "sky", sky)
    object.__setattr__(changed, "n_data", n_data)
    return changed
