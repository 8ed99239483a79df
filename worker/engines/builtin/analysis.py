"""A data set prepared for the engine, and the likelihood model of one declination."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel
from worker.data.dataset import Dataset
from worker.engines.builtin import psf, season, sigma_density
from worker.engines.builtin.background import (
    Background,
    EnergyGrid,
    energy_bin,
    estimate,
    event_density,
    places,
)
from worker.engines.builtin.psf import Bins, Psf
from worker.engines.builtin.psf_tables import PsfTables
from worker.engines.builtin.pulls import band_counts
from worker.engines.builtin.response import LN10, Spectrum
from worker.engines.builtin.tables import FREE, SignalTable, signal_table
from worker.engines.protocol import BandCounts

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

FLUX_PIVOT_TEV = 100.0
SIGMA = "sigma"
"""Name of the density of sigma among what is kept."""
NOTHING_KEPT: Mapping[str, F64] = MappingProxyType({})


class Cuts(NamedTuple):
    """Bounds and cuts of the likelihood (see `worker.spec.trial_sections.Likelihood`); angles in rad.

    `extension` is the Gaussian width of the source that the likelihood assumes: sigma is sqrt(sigma^2 + extension^2) in
    S. `psf` is "gaussian" or "response": see `worker.engines.builtin.psf_tables`. `prior` is that of gamma:
    see `SignalTable`.
    """

    gammas: F64
    cut: float
    sigma_floor: float
    sigma_max: float
    extension: float = 0.0
    psf: str = "gaussian"
    prior: tuple[float, float] = FREE


class Sky(NamedTuple):
    """All events of all seasons with a usable sigma; arrays (n,), seasons one after the other.

    Attributes
    ----------
    dec, sigma : ndarray, rad
        sigma as in S: raised to the floor, and widened by the assumed extension.
    weight : ndarray
        1 / (sigma^2 p b N_season), b with the density of sigma.
    row, season : ndarray, int32
    shape, cell : ndarray, int32
        Rows of `Psf.mix` and `Psf.factor`.
    address : ndarray, int64
        Index of the event among all events, usable or not: its address in the random stream of a sky.
    """

    dec: F64
    sigma: F64
    weight: F64
    row: I32
    season: I32
    shape: I32
    cell: I32
    address: NDArray[np.int64]


@dataclass(frozen=True)
class Analysis:
    """A data set with its background densities.

    Attributes
    ----------
    n_data : ndarray (n_seasons,)
        Events of each season, usable sigma or not.
    density : ndarray (n_seasons, n_nodes)
    energy : ndarray (n_seasons, n_nodes, n_bins)
        Background densities, see `worker.engines.builtin.background.Background`.
    bins : Bins
        Of sigma, and classes of energy.
    sigma : ndarray (n_seasons, n_nodes, n_bins, n_sigma)
        Background density of sigma, see `worker.engines.builtin.sigma_density`; 1 for ``psf: gaussian``.
    tables : PsfTables or None
        None for ``psf: gaussian``.
    """

    dataset: Dataset
    cuts: Cuts
    grid: EnergyGrid
    sky: Sky
    n_data: F64
    density: F64
    energy: F64
    bins: Bins
    sigma: F64
    tables: PsfTables | None

    @property
    def n_seasons(self) -> int:
        """Number of seasons."""
        return len(self.dataset.seasons)

    @property
    def n_rows(self) -> int:
        """Rows of a signal table."""
        return self.n_seasons * self.grid.n

    @cached_property
    def node_tables(self) -> season.NodeTables:
        """Signal at the nodes of the response, from which the table of every declination is interpolated."""
        return season.NodeTables(self.cuts.gammas, self.grid)


@kernel
def _describe(dec, log_e, lo, n, sin_dec, bins):  # type: ignore[no-untyped-def]
    for i in range(dec.size):
        sin_dec[i] = fmath.sin(np.float64(dec[i]))
        bins[i] = energy_bin(np.float64(log_e[i]), lo, n)


@kernel
def _event_weights(sin_dec, sigma, bins, density, energy, n_events, table, sigma_bins, out):  # type: ignore[no-untyped-def]
    for i in range(sigma.size):
        of_sigma = psf.sigma_probability(table, sin_dec[i], bins[i], sigma_bins[i])
        b = event_density(density, energy, sin_dec[i], bins[i]) * of_sigma
        out[i] = 1.0 / (sigma[i] * sigma[i] * b * n_events)


@kernel
def _sigma_bins(bins, sigma, out):  # type: ignore[no-untyped-def]
    for i in range(sigma.size):
        out[i] = psf.sigma_bin(bins, sigma[i])


def _grid(dataset: Dataset) -> EnergyGrid:
    ranges = [season.energy_range(s) for s in dataset.seasons]
    return EnergyGrid.covering(min(lo for lo, _ in ranges), max(hi for _, hi in ranges))


def _bins_of_places(log_e: NDArray[np.float32], grid: EnergyGrid) -> NDArray[np.int64]:
    """Energy bins in which each event is counted, (n, m)."""
    at = places(log_e.astype(np.float64))
    bins, unused = np.empty(at.size, np.int64), np.empty(at.size)
    _describe(np.zeros(at.size, np.float32), at.ravel().astype(np.float32), grid.lo, grid.n, unused, bins)
    return bins.reshape(at.shape)


class _Season(NamedTuple):
    """What the events of one season give."""

    sky: Sky
    background: Background
    sigma: F64


def _season(
    dataset: Dataset, j: int, cuts: Cuts, grid: EnergyGrid, groups: Bins, first: int, kept: F64 | None
) -> _Season:
    """Densities of season j and its events with their weights; `first`: how many events the seasons before have.

    `kept` is the density of sigma if it is known.
    """
    events = dataset.seasons[j].events
    n = events.dec.size
    sin_dec, bins = np.empty(n), np.empty(n, np.int64)
    _describe(events.dec, events.log_e, grid.lo, grid.n, sin_dec, bins)
    background = estimate(events.dec.astype(np.float64), _bins_of_places(events.log_e, grid), grid.n)
    measured = events.sigma.astype(np.float64)
    usable = (measured > 0) & (measured <= cuts.sigma_max * (1 + 1e-6))
    sigma, of_sigma = np.maximum(measured, cuts.sigma_floor), np.empty(n, np.int64)
    _sigma_bins(groups, sigma, of_sigma)
    table = np.ones((2, grid.n, 1))
    if kept is not None:
        table = kept
    elif cuts.psf == "response":
        table = sigma_density.estimate(sin_dec, bins, np.where(usable, of_sigma, groups.n_sigma), groups)
    sigma = sigma[usable]
    if cuts.extension > 0.0:
        sigma = np.sqrt(sigma * sigma + cuts.extension * cuts.extension)
    e, b, weight = bins[usable], of_sigma[usable], np.empty(sigma.size)
    _event_weights(
        sin_dec[usable], sigma, e, background.density, background.energy, float(n), table, b, weight
    )  # fmt: skip
    row = e + j * grid.n
    shape = (j * groups.n_classes + e // groups.per_class) * groups.n_sigma + b
    season_, cell = np.full(sigma.size, j, np.int32), (row * groups.n_sigma + b).astype(np.int32)
    sky = Sky(
        events.dec[usable].astype(np.float64), sigma, weight, row.astype(np.int32), season_, shape.astype(np.int32),
        cell, first + np.flatnonzero(usable),
    )  # fmt: skip
    return _Season(sky, background, table)


def build(dataset: Dataset, cuts: Cuts, kept: Mapping[str, F64] = NOTHING_KEPT) -> Analysis:
    """Estimate the background densities of every season and weigh its events.

    Parameters
    ----------
    dataset : Dataset
        Every season must have events.
    kept : mapping of str to ndarray
        From `kept_of` an analysis of the same data and cuts; what is missing is made.
    """
    grid, sizes = _grid(dataset), [s.events.dec.size for s in dataset.seasons]
    bins, tables = Bins.gaussian(grid.n), None
    if cuts.psf == "response":
        bins = Bins.of(grid.n, cuts.sigma_floor, cuts.sigma_max)
        tables = PsfTables(
            dataset.seasons, grid, bins, cuts.sigma_floor, cuts.sigma_max, cuts.cut, cuts.extension, kept
        )  # fmt: skip
    of_sigma = kept.get(SIGMA, [None] * len(sizes))
    made = [_season(dataset, j, cuts, grid, bins, sum(sizes[:j]), of_sigma[j]) for j in range(len(sizes))]
    return Analysis(
        dataset,
        cuts,
        grid,
        Sky(*(np.concatenate(column) for column in zip(*(one.sky for one in made), strict=True))),
        np.array([float(n) for n in sizes]),
        np.array([one.background.density for one in made]),
        np.array([one.background.energy for one in made]),
        bins,
        np.array([one.sigma for one in made]),
        tables,
    )


def kept_of(analysis: Analysis, decs: F64) -> dict[str, F64]:
    """What takes long to make for sources at declinations (rad), by name; nothing for ``psf: gaussian``."""
    if analysis.tables is None:
        return {}
    for dec in decs:
        analysis.tables.at(float(dec))
    return {SIGMA: analysis.sigma, **analysis.tables.kept()}


def counts_of(analysis: Analysis, j: int) -> BandCounts:
    """Events of season j against its background densities."""
    events = analysis.dataset.seasons[j].events
    sin_dec, bins = np.empty(events.dec.size), np.empty(events.dec.size, np.int64)
    _describe(events.dec, events.log_e, analysis.grid.lo, analysis.grid.n, sin_dec, bins)
    return band_counts(events.dec.astype(np.float64), bins, Background(analysis.density[j], analysis.energy[j]))


def psf_at(analysis: Analysis, dec: float) -> Psf:
    """The point-spread functions of a source declination (rad)."""
    if analysis.tables is None:
        return psf.gaussian(analysis.n_seasons, analysis.grid.n, analysis.cuts.cut)
    return analysis.tables.at(dec)


def table_at(analysis: Analysis, dec: float) -> SignalTable:
    """The signal table of a source declination (rad)."""
    pairs = [analysis.node_tables.at(s, dec) for s in analysis.dataset.seasons]
    inside = None if analysis.tables is None else analysis.tables.at(dec).inside
    events, expected = [events for events, _ in pairs], [expected for _, expected in pairs]
    return signal_table(analysis.cuts.gammas, events, expected, inside, analysis.cuts.prior)


def signal_cells(analysis: Analysis, dec: float, spectrum: Spectrum) -> tuple[NDArray[np.float32], I32, F64]:
    """Cells (or simulated events) of all seasons at a declination and the expected events in each per unit flux.

    Returns
    -------
    cells : ndarray (n, 8), float32
        See `worker.engines.builtin.inject.Injector`.
    season : ndarray (n,), int32
    expected : ndarray (n,)
        Per flux of 1 at 100 TeV (see `worker.engines.builtin.response.acceptance`).
    """
    parts = [season.cells(s, dec, spectrum) for s in analysis.dataset.seasons]
    numbers = [np.full(len(expected), j, np.int32) for j, (_, expected) in enumerate(parts)]
    return np.concatenate([c for c, _ in parts]), np.concatenate(numbers), np.concatenate([e for _, e in parts])


def events_per_flux(analysis: Analysis, dec: float, spectrum: Spectrum) -> float:
    """Expected events of all seasons for this spectrum per (GeV cm^2 s)."""
    return float(sum(season.acceptance(s, dec, spectrum) for s in analysis.dataset.seasons))


def to_e2dnde(analysis: Analysis, dec: float, spectrum: Spectrum, n_sig: float, e0_tev: float) -> float:
    """E^2 dN/dE at E0, in TeV / cm^2 / s, of a source that gives `n_sig` expected events.

    Parameters
    ----------
    dec : float, rad
    e0_tev : float
        Where the flux is quoted, in TeV.
    """
    return e2dnde(n_sig / events_per_flux(analysis, dec, spectrum), spectrum, e0_tev)


def e2dnde(pivot_flux: float, spectrum: Spectrum, e0_tev: float) -> float:
    """E^2 dN/dE at E0, in TeV / cm^2 / s, of a flux per (GeV cm^2 s) at 100 TeV, without cutoff and break."""
    ratio = e0_tev / FLUX_PIVOT_TEV
    log_e0 = fmath.log(e0_tev) / LN10 + 3.0
    [piece] = [piece for piece in spectrum.pieces() if piece.low <= log_e0 < piece.high]
    shape = piece.factor * fmath.exp(-piece.gamma * fmath.log(ratio))
    if np.isfinite(spectrum.log_cutoff):
        shape *= fmath.exp(-e0_tev * 1e3 * fmath.exp(-LN10 * spectrum.log_cutoff))
    e0_gev = e0_tev * 1e3
    return float(pivot_flux * shape * e0_gev * e0_gev * 1e-3)
