"""Signal of a source from the simulated events of its declination band, weighted with the spectrum.

A band is a range of the sine of the true declination. Its events are rotated to the source, with distance and position
angle of the reconstructed direction, energy and angular error. Near the edge of a band the events of both bands are
used (`worker.engines.builtin.declination`).
"""

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel
from worker.data.dataset import Simulation
from worker.engines.builtin import declination, smoothing
from worker.engines.builtin.background import BANDWIDTHS, LOG_E_STEP, EnergyGrid, energy_bin
from worker.engines.builtin.response import LN10, PIVOT, Spectrum

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]


@kernel
def _expected(events, gamma, log_cutoff, out):  # type: ignore[no-untyped-def]
    """Expected events per second and unit flux of each simulated event, into `out` (n,)."""
    for i in range(events.shape[0]):
        x = np.float64(events[i, 0])
        flux = fmath.exp(-gamma * LN10 * (x - PIVOT))
        if log_cutoff != np.inf:
            flux *= fmath.exp(-fmath.exp(LN10 * (x - log_cutoff)))
        out[i] = np.float64(events[i, 1]) * flux


@kernel
def _fold(events, gammas, lo, n, out):  # type: ignore[no-untyped-def]
    """Histograms of reconstructed energy for equidistant gammas: out (n_gamma, n)."""
    step = gammas[1] - gammas[0]
    for i in range(events.shape[0]):
        x = np.float64(events[i, 0]) - PIVOT
        e = energy_bin(np.float64(events[i, 2]), lo, n)
        weight = np.float64(events[i, 1]) * fmath.exp(-gammas[0] * LN10 * x)
        ratio = fmath.exp(-step * LN10 * x)
        for g in range(gammas.size):
            out[g, e] += weight
            weight *= ratio


@kernel
def _count(events, lo, n, out):  # type: ignore[no-untyped-def]
    """Histogram of reconstructed energy without weights, into `out` (n,)."""
    for i in range(events.shape[0]):
        out[energy_bin(np.float64(events[i, 2]), lo, n)] += 1.0


def expected(events: F32, gamma: float) -> F64:
    """Expected events per second and unit flux of each simulated event (n, 6), for a power law; (n,)."""
    out = np.empty(len(events))
    _expected(events, gamma, np.inf, out)
    return out


def band_events(simulation: Simulation, band: int) -> F32:
    """Simulated events (n, 6) of a band."""
    return simulation.events[simulation.start[band] : simulation.start[band + 1]]


def cells(simulation: Simulation, x: float, spectrum: Spectrum) -> tuple[F32, F64]:
    """Simulated events as cells without extent, at a node: sin(dec) = x.

    Returns
    -------
    cells : ndarray (n, 8), float32
        See `worker.engines.builtin.inject.Injector`.
    expected : ndarray (n,), 1/s
        For the spectrum per (GeV cm^2 s).
    """
    parts, rates = [], []
    for band, weight in declination.bin_weights(simulation.sin_dec, x):
        events = band_events(simulation, band)
        rate = np.zeros(len(events))
        for piece in spectrum.pieces():
            inside = np.flatnonzero((events[:, 0] >= piece.low) & (events[:, 0] < piece.high))
            expected = np.empty(inside.size)
            _expected(events[inside], piece.gamma, piece.log_cutoff, expected)
            rate[inside] = expected * piece.factor
        parts.append(np.repeat(events[:, 2:6], 2, axis=1))
        rates.append(rate * weight)
    return np.concatenate(parts), np.concatenate(rates)


def node_energies(simulation: Simulation, x: float, gammas: F64, grid: EnergyGrid) -> tuple[F64, F64]:
    """Signal in bins of reconstructed energy at sin(dec) = x, smoothed as `_smoothed` says.

    Parameters
    ----------
    gammas : ndarray (n_gamma,)
        Equidistant.

    Returns
    -------
    rate : ndarray (n_gamma, n_bins), 1/s
        Per unit flux.
    total : ndarray (n_gamma,), 1/s
    """
    rate = np.zeros((len(gammas), grid.n))
    for band, weight in declination.bin_weights(simulation.sin_dec, x):
        rate += _smoothed(band_events(simulation, band), gammas, grid) * weight
    return rate, rate.sum(axis=1)


def _smoothed(events: F32, gammas: F64, grid: EnergyGrid) -> F64:
    """Rate of the events of a band in bins of reconstructed energy, (n_gamma, n_bins), 1/s.

    Smoothed as the background is, with kernels that hold as many simulated events, whatever their weights.
    """
    folded = np.zeros((len(gammas), grid.n))
    _fold(events, gammas, grid.lo, grid.n, folded)
    counts, widths, scratch = np.zeros(grid.n), np.empty(grid.n), np.empty(grid.n)
    _count(events, grid.lo, grid.n, counts)
    smoothing.energy_widths(counts, BANDWIDTHS.energy_events, BANDWIDTHS.energy_width, LOG_E_STEP, scratch, widths)
    out = np.empty_like(folded)
    for row, smooth in zip(folded, out, strict=True):
        smoothing.spread(row, widths, LOG_E_STEP, smooth)
    return out
