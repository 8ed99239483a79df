"""Signal of a source from the simulated events of its declination band, weighted with the spectrum.

A band is a range of the sine of the true declination. Its events are rotated to the source, with distance and position
angle of the reconstructed direction, energy and angular error. All sources of a band share one signal table.
"""

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel
from worker.data.dataset import Simulation
from worker.engines.builtin.background import ENERGY_BANDWIDTH, LOG_E_STEP, EnergyGrid, energy_bin, smooth_energy
from worker.engines.builtin.response import LN10, PIVOT, Spectrum, bin_of

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


def band_at(simulation: Simulation, dec: float) -> int:
    """Number of the band of a source declination (rad)."""
    return bin_of(simulation.sin_dec, float(np.sin(dec)))


def band_events(simulation: Simulation, dec: float) -> F32:
    """Simulated events (n, 6) of the band of a source declination (rad)."""
    k = band_at(simulation, dec)
    return simulation.events[simulation.start[k] : simulation.start[k + 1]]


def cells(simulation: Simulation, dec: float, spectrum: Spectrum) -> tuple[F32, F64]:
    """Simulated events as cells without extent.

    Returns
    -------
    cells : ndarray (n, 8), float32
        See `worker.engines.builtin.inject.Injector`.
    expected : ndarray (n,), 1/s
        For dN/dE = (E / 100 TeV)^-gamma exp(-E / cutoff) per (GeV cm^2 s).
    """
    events = band_events(simulation, dec)
    expected = np.empty(len(events))
    _expected(events, spectrum.gamma, spectrum.log_cutoff, expected)
    return np.repeat(events[:, 2:6], 2, axis=1), expected


def energy_density(simulation: Simulation, dec: float, gammas: F64, grid: EnergyGrid) -> tuple[F64, F64]:
    """Signal in bins of reconstructed energy, smoothed with the kernel of the background's energy density.

    Parameters
    ----------
    dec : float, rad
    gammas : ndarray (n_gamma,)
        Equidistant.

    Returns
    -------
    s : ndarray (n_gamma, n_bins)
        Probability of each bin; rows sum to 1 (0 where nothing is accepted).
    expected : ndarray (n_gamma,), 1/s
        Per unit flux.
    """
    folded = np.zeros((len(gammas), grid.n))
    _fold(band_events(simulation, dec), gammas, grid.lo, grid.n, folded)
    expected: F64 = folded.sum(axis=1)
    if not expected.any():
        return folded, expected
    smooth = np.empty_like(folded)
    for row, out in zip(folded, smooth, strict=True):
        smooth_energy(row, ENERGY_BANDWIDTH, LOG_E_STEP, out)
    return smooth / np.where(expected > 0, expected, 1.0)[:, None], expected
