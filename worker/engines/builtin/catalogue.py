"""The sources of a catalogue for the kernels: what S of each needs, with tables that all sources share.

The signal of a declination is a mixture of two nodes of the response, and its point-spread function one of two bins
(`worker.engines.builtin.season.NodeTables`, `worker.engines.builtin.psf_tables.PsfTables`). A source has their numbers
and weights, a few kilobytes, and the tables are kept once.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.engines.builtin import psf
from worker.engines.builtin.analysis import Analysis
from worker.engines.builtin.psf_mixture import WIDEST
from worker.engines.builtin.psf_tables import PsfTables, Stratum
from worker.engines.builtin.tables import at_nodes
from worker.spec.point import SourceModel

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]


class Members(NamedTuple):
    """Sources of a catalogue; K sources, J seasons, G nodes of gamma.

    Attributes
    ----------
    dec : ndarray (K,), rad
    turn : ndarray (K,)
        Right ascension, [0, 1).
    extension : ndarray (K,), int32
        Row of `Events.sigma` and `Events.weight`.
    table : ndarray (K, J, 2), int32
        Nodes of the response, into `Tables.energy`.
    coef : ndarray (K, J, 2, G)
        Their factors, times the share of the source in the expected events.
    stratum : ndarray (K, J, 2), int32
        Bins of the point-spread function, into `Tables.mix`, `cut` and `factor`.
    mixed : ndarray (K, J)
        Weight of the second of them.
    share : ndarray (K, G)
        a_k(gamma) of each source: w_k R_k / sum_k w_k R_k.
    season : ndarray (K, G, J)
        Share of each season in the expected events of the source within the cut.
    """

    dec: F64
    turn: F64
    extension: I32
    table: I32
    coef: F64
    stratum: I32
    mixed: F64
    share: F64
    season: F64


class Tables(NamedTuple):
    """Tables of all sources.

    Attributes
    ----------
    energy : ndarray (n_nodes, n_bins, G)
    narrow : float
    mix : ndarray (n_strata, n_shapes, n_scales, 2)
    cut : ndarray (n_strata, n_shapes)
    factor : ndarray (n_strata, n_cells, 2)
        As in `worker.engines.builtin.psf.Psf`, of a single season.
    hard : ndarray (G,)
        m at the nodes of gamma.
    """

    energy: F64
    narrow: float
    mix: F64
    cut: F64
    factor: F64
    hard: F64


def extended(analysis: Analysis, extension: float) -> Analysis:
    """The same data, for sources of a Gaussian width (rad) that the likelihood knows."""
    if extension == 0.0:
        return analysis
    cuts, sky, tables = analysis.cuts._replace(extension=extension), analysis.sky, analysis.tables
    sigma = np.sqrt(sky.sigma * sky.sigma + extension * extension)
    if tables is not None:
        limits = cuts.sigma_floor, cuts.sigma_max, cuts.cut, extension
        tables = PsfTables(analysis.dataset.seasons, analysis.grid, analysis.bins, *limits, {})
    sky = sky._replace(sigma=sigma, weight=sky.weight * (sky.sigma * sky.sigma) / (sigma * sigma))
    out = replace(analysis, cuts=cuts, sky=sky, tables=tables)
    vars(out)["node_tables"] = analysis.node_tables
    return out


def expected_events(analysis: Analysis, decs: Sequence[float]) -> F64:
    """Expected events R_k(gamma) per unit flux in all seasons, (n_sources, n_gamma)."""
    seasons, tables = analysis.dataset.seasons, analysis.node_tables
    of = {dec: np.sum([tables.parts(season, dec)[0] for season in seasons], axis=0) for dec in dict.fromkeys(decs)}
    return np.array([of[dec] for dec in decs])


def shares(analysis: Analysis, model: SourceModel) -> F64:
    """Share a_k(gamma) of each source in the expected events, (n_sources, n_gamma).

    Raises
    ------
    ValueError
        No source with a weight is accepted at some gamma.
    """
    every = np.array(model.weight)[:, None] * expected_events(analysis, model.dec)
    total = np.cumsum(every, axis=0)[-1]
    if not (total > 0).all():
        raise ValueError("the detector accepts nothing from these sources; choose others")
    out: F64 = every / total
    return out


class _Numbered:
    """Arrays with a number for each, in the order in which they are first asked for."""

    def __init__(self) -> None:
        self.items: list[tuple[F64, ...]] = []
        self._at: dict[int, int] = {}

    def number(self, item: tuple[F64, ...]) -> int:
        key = id(item[0])
        if key not in self._at:
            self._at[key] = len(self.items)
            self.items.append(item)
        return self._at[key]


def _gaussian(analysis: Analysis) -> Stratum:
    one = psf.gaussian(1, analysis.grid.n, analysis.cuts.cut)
    return Stratum(one.mix, one.cut, one.factor, one.inside)


def members_of(analysis: Analysis, by_extension: Sequence[Analysis], model: SourceModel) -> tuple[Members, Tables]:
    """Return the sources of a catalogue and their tables.

    Parameters
    ----------
    by_extension : sequence of Analysis
        For each extension that a source has (`extended`), increasing.
    """
    seasons, gammas = analysis.dataset.seasons, analysis.cuts.gammas
    n, j_all, a = len(model.dec), len(seasons), shares(analysis, model)
    energy, strata = _Numbered(), _Numbered()
    gaussian = _gaussian(analysis)
    table, stratum = np.zeros((2, n, j_all, 2), np.int32)
    coef, mixed, season = (
        np.zeros((n, j_all, 2, gammas.size)), np.zeros((n, j_all)), np.empty((n, gammas.size, j_all))
    )  # fmt: skip
    row_of = {one.cuts.extension: row for row, one in enumerate(by_extension)}
    rows = np.array([row_of[extension] for extension in model.extension], np.int32)
    for k, dec in enumerate(model.dec):
        tables, events, expected, inside = by_extension[rows[k]].tables, [], [], []
        for j, one in enumerate(seasons):
            total, parts = analysis.node_tables.parts(one, dec)
            expected.append(total)
            events.append(np.sum([node * factor[:, None] for node, factor in parts], axis=0))
            here, there, t = (gaussian, gaussian, 0.0) if tables is None else tables.parts(j, dec)
            stratum[k, j] = strata.number(tuple(here)), strata.number(tuple(there))
            mixed[k, j] = t
            inside.append(here.inside * (1.0 - t) + there.inside * t)
            for i, (node, factor) in enumerate(parts):
                table[k, j, i], coef[k, j, i] = energy.number((node,)), factor
        every = np.sum(expected, axis=0)
        coef[k] *= a[k] / np.where(every > 0, every, 1.0)
        season[k] = at_nodes(gammas, events, expected, None if tables is None else np.concatenate(inside, axis=1))[1]
    turns = np.array(model.ra) / (2.0 * np.pi)
    mix, cut, factors = (np.stack([item[i] for item in strata.items]) for i in range(3))
    narrow = 1.0 if by_extension[0].tables is None else 1.0 / WIDEST
    hard = at_nodes(gammas, events, expected)[3]
    members = Members(np.array(model.dec), turns - np.floor(turns), rows, table, coef, stratum, mixed, a, season)
    energies = np.stack([np.ascontiguousarray(item[0].T) for item in energy.items])
    return members, Tables(energies, narrow, mix, cut, factors, hard)
