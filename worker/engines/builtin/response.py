"""Signal of a source from the instrument response: acceptance and energy density s(log_e | dec, gamma).

The response is continuous in declination (`worker.engines.builtin.declination`). Energies are integrated exactly:
effective area and smearing have different energy bins, so the flux is integrated over their intersections.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel, part
from worker.data.dataset import Season, Smearing
from worker.engines.builtin import declination
from worker.engines.builtin.background import LOG_E_STEP, EnergyGrid

F64 = NDArray[np.float64]

LN10 = 2.302585092994046
PIVOT = 5.0  # log10(E / GeV) at which the spectra of all indices meet: 100 TeV
SECONDS_PER_DAY = 86400.0


class Spectrum(NamedTuple):
    """dN/dE = (E / 100 TeV)^-gamma exp(-E / cutoff), with `log_cutoff` = log10(cutoff / GeV) or inf.

    Above 10^`log_break` GeV the index is `gamma_above`, and dN/dE is continuous.
    """

    gamma: float
    log_cutoff: float = float("inf")
    log_break: float = float("inf")
    gamma_above: float = 0.0

    def pieces(self) -> "tuple[Piece, ...]":
        """The power laws of which it consists; see `Piece`."""
        if self.log_break == float("inf"):
            return (Piece(self.gamma, self.log_cutoff),)
        factor = fmath.exp(LN10 * (self.gamma_above - self.gamma) * (self.log_break - PIVOT))
        return (
            Piece(self.gamma, self.log_cutoff, high=self.log_break),
            Piece(self.gamma_above, self.log_cutoff, low=self.log_break, factor=factor),
        )


class Piece(NamedTuple):
    """A power law with a cutoff from 10^low to 10^high GeV: `factor` (E / 100 TeV)^-gamma exp(-E / cutoff)."""

    gamma: float
    log_cutoff: float = float("inf")
    low: float = -float("inf")
    high: float = float("inf")
    factor: float = 1.0


@kernel
def _flux_integral(lo, hi, gamma):  # type: ignore[no-untyped-def]
    """Integral of (E / E0)^-gamma dE from 10^lo to 10^hi, in GeV, with E0 = 10^PIVOT GeV."""
    a = LN10 * (lo - PIVOT)
    b = LN10 * (hi - PIVOT)
    k = 1.0 - gamma
    value = b - a if abs(k) < 1e-12 else (fmath.exp(k * b) - fmath.exp(k * a)) / k
    return value * 1e5  # 10^PIVOT


@part
def _piece(lo, hi, gamma, log_cutoff):  # type: ignore[no-untyped-def]
    """The same with the cutoff, which is taken as constant within 1/50 of a decade."""
    if log_cutoff == np.inf:
        return _flux_integral(lo, hi, gamma)
    n = max(int(np.ceil((hi - lo) * 50.0)), 1)
    step = (hi - lo) / n
    total = 0.0
    for i in range(n):
        a = lo + i * step
        middle = a + 0.5 * step
        total += _flux_integral(a, a + step, gamma) * fmath.exp(-fmath.exp(LN10 * (middle - log_cutoff)))
    return total


@kernel
def _weights(area_edges, area, bin_edges, gammas, log_cutoff, out):  # type: ignore[no-untyped-def]
    """Integral of area x flux over each (smearing energy bin, gamma): out (n_bins, n_gamma), cm^2 GeV."""
    for j in range(bin_edges.size - 1):
        for i in range(area_edges.size - 1):
            lo = max(bin_edges[j], area_edges[i])
            hi = min(bin_edges[j + 1], area_edges[i + 1])
            if hi - lo > 1e-9 and area[i] > 0.0:
                for g in range(gammas.size):
                    out[j, g] += area[i] * _piece(lo, hi, gammas[g], log_cutoff)


@kernel
def _marginal(cells, lo, n, out):  # type: ignore[no-untyped-def]
    """Add the log_e distribution of the cells of one energy bin to `out` (n,), cells being flat in log_e."""
    for c in range(cells.shape[0]):
        a = (cells[c, 0] - lo) / LOG_E_STEP
        b = (cells[c, 1] - lo) / LOG_E_STEP
        first = min(max(int(a), 0), n - 1)
        last = min(max(int(b), 0), n - 1)
        if b - a < 1e-6 or first == last:
            out[first] += cells[c, 6]
            continue
        for e in range(first, last + 1):
            overlap = min(b, e + 1.0) - max(a, float(e))
            if overlap > 0.0:
                out[e] += cells[c, 6] * overlap / (b - a)


def _mix(weights: F64, marginals: F64, out: F64) -> None:
    """out[g, e] = sum_j weights[j, g] marginals[j, e], in a fixed order (no BLAS)."""
    for weight, marginal in zip(weights, marginals, strict=True):
        out += weight[:, None] * marginal


def bin_cells(smearing: Smearing, energy: int, dec: int) -> NDArray[np.float32]:
    """Cells of one (E_nu, dec) bin, (n, 7); empty where the release has none."""
    k = energy * (len(smearing.dec) - 1) + dec
    return smearing.cells[smearing.start[k] : smearing.start[k + 1]]


def _smearing(season: Season) -> Smearing:
    if isinstance(season.smearing, Smearing):
        return season.smearing
    raise TypeError(f"{season.name} has simulated events: use worker.engines.builtin.season")


def node_rates(season: Season, x: float, spectra: Sequence[Spectrum]) -> dict[int, F64]:
    """Expected rate in each neutrino-energy bin of the smearing at a node, by declination bin of the smearing.

    Parameters
    ----------
    x : float
        sin(dec) of the node.
    spectra : sequence of Spectrum
        Power laws without a break if there are several; dN/dE per GeV cm^2 s.

    Returns
    -------
    dict of ndarray (n_e, n_spectra), 1/s
        0 in bins without smearing, whose events are neither injected nor counted in a flux.
    """
    smearing = _smearing(season)
    rate = np.zeros((len(smearing.log_e_nu) - 1, len(spectra)))
    area = declination.area_at(season.area, x)
    for pieces in zip(*(spectrum.pieces() for spectrum in spectra), strict=True):
        edges, part_ = np.clip(season.area.log_e_nu, pieces[0].low, pieces[0].high), np.zeros_like(rate)
        gammas = np.array([piece.gamma for piece in pieces])
        _weights(edges, area, smearing.log_e_nu, gammas, pieces[0].log_cutoff, part_)
        rate += part_ * pieces[0].factor
    out = {}
    for j, weight in declination.bin_weights(declination.smearing_edges(season), x):
        filled = np.array([len(bin_cells(smearing, i, j)) > 0 for i in range(len(rate))])
        out[j] = np.where(filled[:, None], rate * weight, 0.0)
    return out


def expected_events(season: Season, dec: float, spectra: Sequence[Spectrum]) -> dict[int, F64]:
    """Expected events at a declination (rad), (n_e, n_spectra) by declination bin of the smearing; see `node_rates`."""
    at = declination.nodes(season)
    weights = declination.node_weights(at, dec)
    nodes = [node_rates(season, float(at[part.number]), spectra) for part in weights]
    _, factors = declination.mixed(weights, [total_rate(rates) for rates in nodes])
    out: dict[int, F64] = {}
    for rates, factor in zip(nodes, factors, strict=True):
        for j, rate in rates.items():
            out[j] = out.get(j, 0.0) + rate * (factor * season.livetime_days * SECONDS_PER_DAY)
    return out


def total_rate(rates: dict[int, F64]) -> F64:
    """Expected rate of all bins, (n_gamma,), 1/s."""
    total: F64 = np.sum([rate.sum(axis=0) for rate in rates.values()], axis=0)
    return total


def energy_weights(season: Season, dec: float, spectra: Sequence[Spectrum]) -> F64:
    """Expected events in each neutrino-energy bin of the smearing, (n_e, n_spectra), at a declination (rad)."""
    total: F64 = np.sum(list(expected_events(season, dec, spectra).values()), axis=0)
    return total


def acceptance(season: Season, dec: float, spectrum: Spectrum) -> float:
    """Expected events of a source with this spectrum per (GeV cm^2 s)."""
    return float(energy_weights(season, dec, [spectrum]).sum())


def cells(season: Season, dec: float, spectrum: Spectrum) -> tuple[NDArray[np.float32], F64]:
    """Smearing cells at a declination (rad) and the expected events in each per unit flux.

    Returns
    -------
    cells : ndarray (n, 8), float32
        See `worker.engines.builtin.inject.Injector`.
    expected : ndarray (n,)
    """
    smearing = _smearing(season)
    events = expected_events(season, dec, [spectrum])
    parts = [
        (bin_cells(smearing, int(i), j), float(weights[i, 0]))
        for j, weights in sorted(events.items())
        for i in np.flatnonzero(weights[:, 0] > 0)
    ]
    if not parts:
        return np.empty((0, 8), np.float32), np.empty(0)
    edges = np.concatenate([part[:, :6] for part, _ in parts])
    turns = np.broadcast_to(np.array([0, 1], np.float32), (len(edges), 2))
    expected = np.concatenate([part[:, 6].astype(np.float64) * weight for part, weight in parts])
    return np.column_stack([edges, turns]), expected


def energy_marginals(smearing: Smearing, dec_bin: int, grid: EnergyGrid) -> F64:
    """Probability of each bin of reconstructed energy, (n_e, n_bins), in one declination bin of the smearing."""
    out = np.zeros((len(smearing.log_e_nu) - 1, grid.n))
    for i in range(len(out)):
        _marginal(bin_cells(smearing, i, dec_bin), grid.lo, grid.n, out[i])
    return out


def node_energies(rates: dict[int, F64], marginals: dict[int, F64]) -> tuple[F64, F64]:
    """Expected rate in bins of reconstructed energy, (n_gamma, n_bins), and in all, (n_gamma,), both in 1/s.

    Parameters
    ----------
    rates : dict of ndarray (n_e, n_gamma), 1/s
        From `node_rates`.
    marginals : dict of ndarray (n_e, n_bins)
        From `energy_marginals`, for the same declination bins.
    """
    _, n_gamma = next(iter(rates.values())).shape
    mixed = np.zeros((n_gamma, next(iter(marginals.values())).shape[1]))
    for j, rate in rates.items():
        _mix(rate, marginals[j], mixed)
    return mixed, total_rate(rates)
