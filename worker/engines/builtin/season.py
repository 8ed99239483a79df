"""Response of a season for the engine, from smearing cells or simulated events."""

import numpy as np
from numpy.typing import NDArray

from worker.data.dataset import Season, Simulation
from worker.engines.builtin import response, simulated
from worker.engines.builtin.background import EnergyGrid
from worker.engines.builtin.response import SECONDS_PER_DAY, Spectrum

F64 = NDArray[np.float64]


def bins(season: Season, dec: float) -> tuple[int, ...]:
    """Return the response bins of a declination (rad); equal bins have equal signals."""
    if isinstance(season.smearing, Simulation):
        return (simulated.band_at(season.smearing, dec),)
    return response.area_bin(season.area, dec), response.smearing_bin(season.smearing, dec)


def energy_range(season: Season) -> tuple[float, float]:
    """Smallest and largest reconstructed energy, log10(E / GeV), of events and signal."""
    log_e = season.events.log_e
    ends = [(float(log_e.min()), float(log_e.max()))] if log_e.size else []
    if isinstance(season.smearing, Simulation):
        lo = hi = season.smearing.events[:, 2]
    else:
        lo, hi = season.smearing.cells[:, 0], season.smearing.cells[:, 1]
    ends += [(float(lo.min()), float(hi.max()))] if lo.size else []
    return min(lo for lo, _ in ends), max(hi for _, hi in ends)


def energy_density(season: Season, dec: float, gammas: F64, grid: EnergyGrid) -> tuple[F64, F64]:
    """Signal in bins of reconstructed energy, at a declination (rad).

    Returns
    -------
    s : ndarray (n_gamma, n_bins)
        Probability of each bin; rows sum to 1 (0 where nothing is accepted).
    expected : ndarray (n_gamma,)
        Events for dN/dE = (E / 100 TeV)^-gamma per (GeV cm^2 s).
    """
    if not isinstance(season.smearing, Simulation):
        return response.energy_density(season, dec, gammas, grid)
    s, per_second = simulated.energy_density(season.smearing, dec, gammas, grid)
    return s, per_second * (season.livetime_days * SECONDS_PER_DAY)


def cells(season: Season, dec: float, spectrum: Spectrum) -> tuple[NDArray[np.float32], F64]:
    """Cells (n, 8) of `inject.Injector` and the expected events (n,) in each, at a declination (rad)."""
    if not isinstance(season.smearing, Simulation):
        return response.cells(season, dec, spectrum)
    cells_, per_second = simulated.cells(season.smearing, dec, spectrum)
    return cells_, per_second * (season.livetime_days * SECONDS_PER_DAY)


def acceptance(season: Season, dec: float, spectrum: Spectrum) -> float:
    """Expected events of a source with dN/dE = (E / 100 TeV)^-gamma exp(-E / cutoff) / (GeV cm^2 s)."""
    if not isinstance(season.smearing, Simulation):
        return response.acceptance(season, dec, spectrum)
    _, per_second = simulated.cells(season.smearing, dec, spectrum)
    return float(per_second.sum() * (season.livetime_days * SECONDS_PER_DAY))
