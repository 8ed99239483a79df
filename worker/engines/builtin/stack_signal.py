"""Signal of a catalogue: each event chooses its source, and then is an event of that source.

Event i of a trial comes from source k with probability w_k R_k(gamma) / sum_k w_k R_k(gamma), from a random stream of
its own; season, energy, angle and sigma are drawn as for a single source. A source is prepared once for all its events
of a block of trials, so the cost grows with the sources that have events.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath, rng
from worker.base.compiled import kernel
from worker.engines.builtin.analysis import Analysis, events_per_flux, signal_cells
from worker.engines.builtin.background import energy_bin, event_density
from worker.engines.builtin.inject import CountLaw, draw_event, search, signal_count
from worker.engines.builtin.psf import cell_of, shape_of, sigma_bin, sigma_probability
from worker.engines.builtin.response import Spectrum
from worker.engines.builtin.stacked import Signals, Stack
from worker.engines.builtin.trials import count_cdf

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

PI = 3.141592653589793
KEPT_BYTES = 200_000_000
"""Memory for prepared sources; the others are prepared for every block of trials."""


class Source(NamedTuple):
    """What `worker.engines.builtin.inject.draw_event` needs of a source; see `Injector` there."""

    cell_cdf: F64
    cells: NDArray[np.float32]
    season: I32
    sin_dec: float
    cos_dec: float
    extension: float


class Drawn(NamedTuple):
    """Injected events; arrays (n,).

    Attributes
    ----------
    trial : int64
        Index of the trial in its block.
    log_e, sigma, sin_dec, turn : float64
        sigma as drawn, rad; right ascension in turns, [0, 1).
    season : int32
    """

    trial: I64
    log_e: F64
    sigma: F64
    sin_dec: F64
    turn: F64
    season: I32


@kernel
def _choose(law, cdf, k0, k1, first, trial, source, number):  # type: ignore[no-untyped-def]
    """Trial, source and number of the events of some trials, trial by trial; returns how many events they have.

    Nothing is written beyond the size of the arrays.
    """
    m = 0
    for t in range(trial.shape[0]):
        n = signal_count(law, k0, k1, first + np.uint64(t))
        for i in range(n):
            if m < source.size:
                a, b, _, _ = rng.block(k0, k1, np.uint64(rng.SOURCE), first + np.uint64(t), np.uint64(i))
                source[m], number[m] = search(cdf, rng.unit52(a, b)), i
            m += 1
        trial[t] = n
    return m


@kernel
def _direction(x, y):  # type: ignore[no-untyped-def]
    """Angle of the vector (x, y), in turns, (-1/2, 1/2]."""
    r = math.sqrt(x * x + y * y)
    if r == 0.0:
        return 0.0
    angle = fmath.asin(abs(y) / r) if abs(y) <= abs(x) else 0.5 * PI - fmath.asin(abs(x) / r)
    if x < 0.0:
        angle = PI - angle
    return math.copysign(angle, y) / (2.0 * PI)


@kernel
def _draw(source, at, k0, k1, first, trial, number, rows, draws, turn):  # type: ignore[no-untyped-def]
    """Events of a source at right ascension `at` (turns), into `draws` (n, 5) and `turn` (n,).

    `rows` (> largest number, 5) is scratch.
    """
    for i in range(trial.size):
        east, north = draw_event(source, k0, k1, first + np.uint64(trial[i]), number[i], rows)
        for column in range(draws.shape[1]):
            draws[i, column] = rows[number[i], column]
        half = fmath.sin(0.5 * draws[i, 1])
        along = (1.0 - 2.0 * half * half) * source.cos_dec - north * source.sin_dec
        place = at + _direction(along, east)
        turn[i] = place - np.floor(place)


@kernel
def _describe(analysis, log_e, sigma, sin_dec, season, out):  # type: ignore[no-untyped-def]
    """Energy bin, shape, cell and weight of events, into the arrays of `out`; see `stacked.Events`."""
    grid_lo, bins, density, energy, of_sigma, n_data = analysis
    e, shape, cell, weight = out
    for i in range(log_e.size):
        j = season[i]
        e[i] = energy_bin(log_e[i], grid_lo, bins.n_bins)
        b = sigma_bin(bins, sigma[i])
        shape[i], cell[i] = shape_of(bins, 0, e[i], b), cell_of(bins, e[i], b)
        background = event_density(density[j], energy[j], sin_dec[i], e[i])
        weight[i] = 1.0 / (background * sigma_probability(of_sigma[j], sin_dec[i], e[i], b) * n_data[j])


@kernel
def _arc_sines(x, out):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        out[i] = math.copysign(fmath.asin(abs(x[i])), x[i])


class Injector:
    """Signal events of a catalogue.

    Parameters
    ----------
    n_sig : float
        The mean number of events of all sources together, or their exact number.

    Raises
    ------
    ValueError
        If the detector accepts nothing, or an exact number is not whole.
    """

    def __init__(self, stack: Stack, spectrum: Spectrum, n_sig: float, poisson: bool) -> None:
        self._stack, self._spectrum = stack, spectrum
        each = np.array(stack.model.weight) * per_flux(stack.analysis, stack.model.dec, spectrum)
        cdf = np.cumsum(each)
        if not cdf[-1] > 0:
            raise ValueError(f"no acceptance for gamma = {spectrum.gamma} at any source")
        self._cdf, self._law = cdf / cdf[-1], CountLaw(count_cdf(n_sig, poisson))
        self._sources: dict[int, Source] = {}
        self._bytes = 0

    def _source(self, k: int) -> Source:
        source = self._sources.get(k)
        if source is None:
            dec = self._stack.model.dec[k]
            cells, season, expected = signal_cells(self._stack.analysis, dec, self._spectrum)
            cdf = np.cumsum(expected)
            source = Source(
                cdf / cdf[-1], np.ascontiguousarray(cells), season, fmath.sin(dec), fmath.cos(dec),
                self._stack.model.extension[k],
            )  # fmt: skip
            size = source.cell_cdf.nbytes + source.cells.nbytes + source.season.nbytes
            if self._bytes + size <= KEPT_BYTES:
                self._sources[k] = source
                self._bytes += size
        return source

    def draw(self, key: tuple[int, int], first: int, n: int) -> Drawn:
        """Signal events of the trials [first, first + n) of the stream of `key`."""
        address = np.uint64(key[0]), np.uint64(key[1]), np.uint64(first)
        counts, size = np.empty(n, np.int64), 64 * n
        while True:
            source, number = np.empty((2, size), np.int64)
            m = _choose(self._law, self._cdf, *address, counts, source, number)
            if m <= size:
                break
            size = m
        source, number, trial = source[:m], number[:m], np.repeat(np.arange(n), counts)
        draws, turn = np.empty((m, 5)), np.empty(m)
        scratch = np.empty((int(number.max(initial=0)) + 1, 5))
        for k in np.unique(source):
            own = np.flatnonzero(source == k)
            rows, place = np.empty((own.size, 5)), np.empty(own.size)
            at = float(self._stack.members.turn[k])
            _draw(self._source(int(k)), at, *address, trial[own], number[own], scratch, rows, place)
            draws[own], turn[own] = rows, place
        return Drawn(trial, draws[:, 0], draws[:, 2], draws[:, 3], turn, draws[:, 4].astype(np.int32))

    def signals(self, key: tuple[int, int], first: int, n: int) -> list[Signals]:
        """The events of each trial for `Stack.make_rows`."""
        drawn, a = self.draw(key, first, n), self._stack.analysis
        sigma = np.maximum(drawn.sigma, a.cuts.sigma_floor)
        of = [np.empty(sigma.size, np.int32) for _ in range(3)]
        weight, dec = np.empty((2, sigma.size))
        _describe(
            (a.grid.lo, a.bins, a.density, a.energy, a.sigma, a.n_data), drawn.log_e, sigma, drawn.sin_dec,
            drawn.season, (*of, weight),
        )  # fmt: skip
        _arc_sines(drawn.sin_dec, dec)
        widths = self._stack.sigma_at(sigma)
        columns = (
            dec, drawn.sin_dec, a.cuts.cut * widths[-1], widths, weight / np.square(widths), of[0], drawn.season,
            of[1], of[2],
        )  # fmt: skip
        usable = sigma <= a.cuts.sigma_max
        out = []
        for t in range(n):
            own = drawn.trial == t
            count = np.bincount(drawn.season[own], minlength=a.n_seasons).astype(np.float64)
            seen = np.flatnonzero(own & usable)
            out.append(Signals(drawn.turn[seen], tuple(column[..., seen] for column in columns), count))
        return out


def per_flux(analysis: Analysis, decs: tuple[float, ...], spectrum: Spectrum) -> F64:
    """Expected events of all seasons at declinations (rad), per unit flux, (n,)."""
    of = {dec: events_per_flux(analysis, dec, spectrum) for dec in dict.fromkeys(decs)}
    return np.array([of[dec] for dec in decs])
