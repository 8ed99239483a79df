"""Response of a season for the engine, from smearing cells or simulated events."""

import numpy as np
from numpy.typing import NDArray

from worker.data.dataset import Season, Simulation
from worker.engines.builtin import declination, response, simulated
from worker.engines.builtin.background import EnergyGrid
from worker.engines.builtin.response import SECONDS_PER_DAY, Spectrum

F64 = NDArray[np.float64]


class NodeTables:
    """Expected events in bins of reconstructed energy at the nodes of a response, each computed when first needed.

    Seasons that have the same response (the same arrays) share what is computed.

    Parameters
    ----------
    gammas : ndarray (n_gamma,)
        Equidistant.
    grid : EnergyGrid
    """

    def __init__(self, gammas: F64, grid: EnergyGrid) -> None:
        self._gammas = gammas
        self._grid = grid
        self._nodes: dict[tuple[int, int], F64] = {}
        self._rates: dict[tuple[int, int, int], tuple[F64, F64]] = {}
        self._marginals: dict[tuple[int, int], F64] = {}

    def at(self, season: Season, dec: float) -> tuple[F64, F64]:
        """Signal in bins of reconstructed energy, at a declination (rad).

        Returns
        -------
        events : ndarray (n_gamma, n_bins)
            Expected events for dN/dE = (E / 100 TeV)^-gamma per (GeV cm^2 s).
        expected : ndarray (n_gamma,)
            In all bins.
        """
        key = id(season.area), id(season.smearing)
        if key not in self._nodes:
            self._nodes[key] = declination.nodes(season)
        nodes = self._nodes[key]
        events, expected = np.zeros((len(self._gammas), self._grid.n)), np.zeros(len(self._gammas))
        for k, weight in declination.node_weights(nodes, dec):
            if (*key, k) not in self._rates:
                self._rates[*key, k] = self._at_node(season, float(nodes[k]))
            node, total = self._rates[*key, k]
            factor = weight * season.livetime_days * SECONDS_PER_DAY
            events += node * factor
            expected += total * factor
        return events, expected

    def _at_node(self, season: Season, x: float) -> tuple[F64, F64]:
        if isinstance(season.smearing, Simulation):
            return simulated.node_energies(season.smearing, x, self._gammas, self._grid)
        rates = response.node_rates(season, x, self._gammas)
        for j in rates:
            if (id(season.smearing), j) not in self._marginals:
                self._marginals[id(season.smearing), j] = response.energy_marginals(season.smearing, j, self._grid)
        return response.node_energies(rates, {j: self._marginals[id(season.smearing), j] for j in rates})


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
    events, expected = NodeTables(gammas, grid).at(season, dec)
    return events / np.where(expected > 0, expected, 1.0)[:, None], expected


def cells(season: Season, dec: float, spectrum: Spectrum) -> tuple[NDArray[np.float32], F64]:
    """Cells (n, 8) of `inject.Injector` and the expected events (n,) in each, at a declination (rad)."""
    if not isinstance(season.smearing, Simulation):
        return response.cells(season, dec, spectrum)
    cells_, per_second = simulated.cells(season.smearing, weights_of_bands(season, dec), spectrum)
    return cells_, per_second * (season.livetime_days * SECONDS_PER_DAY)


def acceptance(season: Season, dec: float, spectrum: Spectrum) -> float:
    """Expected events of a source with dN/dE = (E / 100 TeV)^-gamma exp(-E / cutoff) / (GeV cm^2 s)."""
    if not isinstance(season.smearing, Simulation):
        return response.acceptance(season, dec, spectrum)
    _, per_second = simulated.cells(season.smearing, weights_of_bands(season, dec), spectrum)
    return float(per_second.sum() * (season.livetime_days * SECONDS_PER_DAY))


def weights_of_bands(season: Season, dec: float) -> dict[int, float]:
    """Bands whose simulated events are mixed at a declination (rad), and their weights (their sum is 1)."""
    at, edges = declination.nodes(season), declination.smearing_edges(season)
    out: dict[int, float] = {}
    for k, weight in declination.node_weights(at, dec):
        for band, share in declination.bin_weights(edges, float(at[k])):
            out[band] = out.get(band, 0.0) + weight * share
    return out
