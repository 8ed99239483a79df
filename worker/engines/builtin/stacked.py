"""A catalogue of sources fitted together in one sky: the stacking likelihood of METHOD.

An event near several sources has the sum of their signal densities. Its signal at each node of gamma is

    sum_k a_k(gamma) [w_ik[0] + m(gamma) w_ik[1]] T_k[row_i](gamma),    a_k = v_k A_k(gamma) / sum_k v_k A_k(gamma),

with the weight v_k of source k, its expected events A_k(gamma) per unit flux in all seasons, and weights w and the
table T of a single source (`worker.engines.builtin.likelihood`). Every near event is then a row of a signal table of
its own, and the fit is that of a single source. The cost grows with the pairs of event and source within the cut.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.compiled import kernel
from worker.engines.builtin import maximum
from worker.engines.builtin.analysis import Analysis, psf_at, table_at
from worker.engines.builtin.fit import fit
from worker.engines.builtin.likelihood import LANES, count_rest, workspace
from worker.engines.builtin.psf import Psf, height
from worker.engines.builtin.sources import Near, near, select, weigh
from worker.engines.builtin.tables import SignalTable, hermite
from worker.engines.builtin.trials import TRIAL_DTYPE
from worker.engines.protocol import Sources

F64 = NDArray[np.float64]


class Member(NamedTuple):
    """One source of a catalogue; `node` (n_rows, n_gamma) is its signal table times a_k(gamma)."""

    dec: float
    turn: float
    near: Near
    psf: Psf
    node: F64


def shares(analysis: Analysis, decs: Sequence[float], weights: F64) -> F64:
    """Share a_k(gamma) of each source in the expected events, (n_sources, n_gamma).

    Parameters
    ----------
    decs : sequence of float (n_sources,), rad
    weights : ndarray (n_sources,)
        Of their fluxes, in any unit.

    Raises
    ------
    ValueError
        No source with a weight is accepted at some gamma.
    """
    seasons, tables = analysis.dataset.seasons, analysis.node_tables
    expected = np.array([np.sum([tables.at(season, dec)[1] for season in seasons], axis=0) for dec in decs])
    every = weights[:, None] * expected
    total = np.cumsum(every, axis=0)[-1]
    if not (total > 0).all():
        raise ValueError("the detector accepts nothing from these sources; choose others")
    out: F64 = every / total
    return out


def _at_nodes(coef: F64) -> F64:
    """Values at the nodes, (n_gamma, m), of cubic pieces (n_gamma - 1, 4, m)."""
    return np.concatenate([coef[:, 0], coef[-1:].sum(axis=1)])


@kernel
def _add(member, turns, sky, hard, batch, slot, node, season, n):  # type: ignore[no-untyped-def]
    """Add the signal of a source to the rows of its near events; `n` rows are used before, returns how many after."""
    dec, at, near, psf, table = member
    event, value, chord2, scratch = batch
    m = select(near, at, turns, event, value)
    weigh(m, sky, dec, psf.narrow, event, value, chord2, scratch)
    for i in range(m):
        e = event[i]
        cut, factor = psf.cut[sky.shape[e]], psf.factor[sky.cell[e]]
        if chord2[i] < 0.5 * cut * cut:
            low, high = height(psf.mix, sky.shape[e], value[i])
            soft = sky.weight[e] * factor[0] * low
            more = sky.weight[e] * factor[1] * high - soft
            if slot[e] < 0:
                slot[e], season[n] = n, sky.season[e]
                for g in range(hard.size):
                    node[n, g] = 0.0
                n += 1
            row = slot[e]
            for g in range(hard.size):
                node[row, g] += (soft + hard[g] * more) * table[sky.row[e], g]
    return n


@kernel
def _fit(n, w, row, season, n_data, rest, model, work, slopes):  # type: ignore[no-untyped-def]
    count_rest(n_data, season[:n], rest)
    return fit(n, w, row, season, rest, n_data, model, work, slopes)


class Stack:
    """Fits a catalogue in skies of one analysis, with one ns >= 0 and one gamma.

    Parameters
    ----------
    sources : Sources (n_sources,)
    weights : ndarray (n_sources,)
        Relative fluxes.
    """

    def __init__(self, analysis: Analysis, sources: Sources, weights: F64) -> None:
        self.analysis = analysis
        decs = [float(dec) for dec in sources.dec]
        tables = {dec: table_at(analysis, dec) for dec in dict.fromkeys(decs)}
        a = shares(analysis, decs, weights)
        self.members = [
            Member(dec, float(turn), near(analysis, dec), psf_at(analysis, dec), tables[dec].node * a[k])
            for k, (dec, turn) in enumerate(zip(decs, sources.turn, strict=True))
        ]
        self._gammas, self._hard = analysis.cuts.gammas, tables[decs[0]].hard
        self._shares, self._total = np.zeros((self._gammas.size, analysis.n_seasons)), np.zeros(self._gammas.size)
        for k, dec in enumerate(decs):
            self._shares += a[k][:, None] * _at_nodes(tables[dec].share)
            self._total += a[k] * tables[dec].total
        size = analysis.sky.dec.size
        self._batch = (np.empty(size + LANES, np.uint32), *np.empty((3, size + LANES)))
        self._slot, self._season = np.empty(size, np.int32), np.empty(size, np.int32)
        touched = np.unique(np.concatenate([member.near.event for member in self.members]))
        self._node = np.empty((max(touched.size, 1), self._gammas.size))

    def table(self, turns: F64) -> tuple[int, SignalTable]:
        """Number of near events of a sky, and the signal table in which each of them is a row."""
        self._slot.fill(-1)
        n, sky = 0, self.analysis.sky
        for member in self.members:
            n = _add(
                tuple(member), turns, sky, self._hard, self._batch, self._slot, self._node, self._season, n
            )  # fmt: skip
        node = self._node[:n].copy()
        return n, SignalTable(
            self._gammas, node, hermite(np.ascontiguousarray(node.T)), hermite(self._shares), self._total, self._hard,
            np.array(self.analysis.cuts.prior),
        )  # fmt: skip

    def at(self, turns: F64) -> NDArray[np.void]:
        """TS, ns and gamma in the skies `turns` (n_skies, n_events), in turns, as (n_skies,) of `TRIAL_DTYPE`."""
        out = np.empty((len(turns), 3))
        slopes, rest = np.empty(self._gammas.size), np.empty(self.analysis.n_seasons)
        for k, sky in enumerate(turns):
            n, model = self.table(sky)
            w = np.stack([np.ones(n + LANES), np.zeros(n + LANES)])
            work = workspace(n + LANES, max(n, 1), self.analysis.n_seasons)
            row = np.arange(n + LANES, dtype=np.int32)
            season = np.zeros(n + LANES, np.int32)
            season[:n] = self._season[:n]
            out[k] = _fit(n, w, row, season, self.analysis.n_data, rest, model, work, slopes)
        return maximum.require(out, "stacked sources").view(TRIAL_DTYPE)[..., 0]
