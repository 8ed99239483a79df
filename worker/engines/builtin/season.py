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
        expected, parts = self.parts(season, dec)
        events = np.zeros((len(self._gammas), self._grid.n))
        for node, factor in parts:
            events += node * factor[:, None]
        return events, expected

    def parts(self, season: Season, dec: float) -> tuple[F64, list[tuple[F64, F64]]]:
        """Expected events as of `at`, and the nodes that are mixed, one or two: their tables and their factors.

        Returns
        -------
        expected : ndarray (n_gamma,)
        parts : list of (ndarray (n_gamma, n_bins), ndarray (n_gamma,))
            The same array for every declination that has a part of this node.
        """
        key = id(season.area), id(season.smearing)
        if key not in self._nodes:
            self._nodes[key] = declination.nodes(season)
        nodes = self._nodes[key]
        weights = declination.node_weights(nodes, dec)
        for k, _ in weights:
            if (*key, k) not in self._rates:
                self._rates[*key, k] = self._at_node(season, float(nodes[k]))
        tables = [self._rates[*key, k] for k, _ in weights]
        seconds = season.livetime_days * SECONDS_PER_DAY
        expected, factors = declination.mixed(weights, [total for _, total in tables])
        return expected * seconds, [(node, factor * seconds) for (node, _), factor in zip(tables, factors, strict=True)]

    def _at_node(self, season: Season, x: float) -> tuple[F64, F64]:
        if isinstance(season.smearing, Simulation):
            return simulated.node_energies(season.smearing, x, self._gammas, self._grid)
        rates = response.node_rates(season, x, [Spectrum(gamma) for gamma in self._gammas])
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
    at, weights = _nodes_around(season, dec)
    nodes = [simulated.cells(season.smearing, x, spectrum) for x in at]
    _, factors = declination.mixed(weights, [rate.sum(keepdims=True) for _, rate in nodes])
    seconds = season.livetime_days * SECONDS_PER_DAY
    expected = [rate * (factor * seconds) for (_, rate), factor in zip(nodes, factors, strict=True)]
    return np.concatenate([cells_ for cells_, _ in nodes]), np.concatenate(expected)


def acceptance(season: Season, dec: float, spectrum: Spectrum) -> float:
    """Expected events of a source with this spectrum per (GeV cm^2 s)."""
    if not isinstance(season.smearing, Simulation):
        return response.acceptance(season, dec, spectrum)
    _, expected = cells(season, dec, spectrum)
    return float(expected.sum())


def _nodes_around(season: Season, dec: float) -> tuple[list[float], tuple[declination.Weighted, ...]]:
    """Nodes around a declination (rad), in sin(dec), and their weights."""
    at = declination.nodes(season)
    weights = declination.node_weights(at, dec)
    return [float(at[part.number]) for part in weights], weights
