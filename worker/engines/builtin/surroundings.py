"""Events around a place of a sky and the likelihood there, for pictures of hot spots."""

import numpy as np
from numpy.typing import NDArray

from worker.engines.builtin import reference
from worker.engines.builtin.analysis import Analysis, signal_cells, table_at
from worker.engines.builtin.response import Spectrum
from worker.engines.builtin.sources import SourceScanner
from worker.engines.builtin.tables import SignalTable
from worker.engines.builtin.trials import Drawn
from worker.engines.protocol import Sources, Surroundings

F64 = NDArray[np.float64]

CONTAINED = (0.5, 0.9)
"""Fractions of the signal within the radii of the point-spread function."""
N_NS = 81
N_GAMMA = 49
DEEP = 12.0
"""The grid of ns goes on until TS has fallen by this: three sigma for two parameters."""


def around(analysis: Analysis, turn: F64, dec: float, ra: float, radius: float, spectrum: Spectrum) -> Surroundings:
    """Surroundings of a place (rad); see `worker.engines.protocol.Engine.surroundings`.

    Parameters
    ----------
    turn : ndarray (n_events,)
        Right ascensions of the events of `Analysis.sky`, in turns.
    spectrum : Spectrum
        That of the point-spread function.
    """
    scanner = SourceScanner(analysis, Sources(np.array([dec]), np.array([ra / (2 * np.pi)])))
    drawn, (ts, ns, gamma) = scanner.drawn(turn)
    table = table_at(analysis, dec)
    gammas = _gammas(table)
    grid = np.linspace(0.0, _largest_ns(drawn, table, gammas, ns), N_NS)
    values = np.array([reference.ts_at(drawn, table, grid, float(g)) for g in gammas])
    sky = analysis.sky
    psi = distance(dec, ra, sky.dec, 2 * np.pi * turn)
    near = np.flatnonzero(psi <= radius)
    near = near[np.argsort(psi[near], kind="stable")]
    seasons = analysis.dataset.seasons
    log_e, sigma = (np.concatenate([getattr(s.events, name) for s in seasons]) for name in ("log_e", "sigma"))
    own = sky.address[near]
    where = sky.dec[near], 2 * np.pi * turn[near], sigma[own].astype(np.float64)
    psf = psf_radii(analysis, dec, spectrum)
    return Surroundings(*where, log_e[own].astype(np.float64), (ts, ns, gamma), grid, gammas, values, psf)


def distance(dec: float, ra: float, other_dec: F64, other_ra: F64) -> F64:
    """Angular distances (rad) of positions (n,) from one, all in rad."""
    ddec, dra = np.sin(0.5 * (other_dec - dec)), np.sin(0.5 * (other_ra - ra))
    half = np.sqrt(ddec * ddec + np.cos(dec) * np.cos(other_dec) * dra * dra)
    return np.asarray(2.0 * np.arcsin(np.minimum(half, 1.0)))


def psf_radii(analysis: Analysis, dec: float, spectrum: Spectrum) -> F64:
    """Radii (rad) around a source at a declination that contain the fractions `CONTAINED` of its signal."""
    cells, _, expected = signal_cells(analysis, dec, spectrum)
    psi = 0.5 * (cells[:, 2].astype(np.float64) + cells[:, 3])
    order = np.argsort(psi, kind="stable")
    below = np.cumsum(expected[order])
    at = np.searchsorted(below, np.array(CONTAINED) * below[-1])
    return np.asarray(psi[order][np.minimum(at, len(order) - 1)])


def _gammas(table: SignalTable) -> F64:
    """Spectral indices of the grid: one if gamma is fixed."""
    mean, inverse = table.prior
    return np.array([mean]) if np.isinf(inverse) else np.linspace(table.gammas[0], table.gammas[-1], N_GAMMA)


def _largest_ns(drawn: Drawn, table: SignalTable, gammas: F64, ns: float) -> float:
    """Upper end of ns: beyond it TS is more than `DEEP` below its largest value at every gamma, or ns is all events."""
    most = 0.5 * float(drawn.n_events.min())
    upper = min(max(2.0 * ns, 4.0), most)
    while upper < most:
        ends = [reference.ts_at(drawn, table, np.array([ns, upper]), float(g)) for g in gammas]
        if max(e[1] for e in ends) < max(0.0, *(e[0] for e in ends)) - DEEP:
            break
        upper = min(1.4 * upper, most)
    return float(np.ceil(upper))
