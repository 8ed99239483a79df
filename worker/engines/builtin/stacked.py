"""A catalogue of sources fitted together in one sky: the stacking likelihood of METHOD.

An event near several sources has the sum of their signal densities. Its signal at each node of gamma is

    sum_k a_k(gamma) [w_ik[0] + m(gamma) w_ik[1]] T_k[row_i](gamma),    a_k = v_k A_k(gamma) / sum_k v_k A_k(gamma),

with the weight v_k of source k, its expected events A_k(gamma) per unit flux in all seasons, and weights w and the
table T of a single source (`worker.engines.builtin.likelihood`). Every near event is then a row of a signal table of
its own, and the fit is that of a single source. The cost grows with the pairs of event and source within the cut.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath, rng
from worker.base.compiled import kernel
from worker.engines.builtin import maximum
from worker.engines.builtin.analysis import Analysis
from worker.engines.builtin.catalogue import Members, Tables, extended, members_of
from worker.engines.builtin.fit import maximise
from worker.engines.builtin.likelihood import LANES, count_rest, workspace
from worker.engines.builtin.nearby import band_of, bands_of, empty_cells, fill_cells, near_place
from worker.engines.builtin.psf import height
from worker.engines.builtin.sources import weigh
from worker.engines.builtin.tables import SignalTable, hermite
from worker.engines.builtin.trials import TRIAL_DTYPE
from worker.spec.point import SourceModel

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]


class Events(NamedTuple):
    """Events that can be near a source, and after them room for injected ones; n in all, X extensions.

    Attributes
    ----------
    dec, sin_dec, reach : ndarray (n,)
        Declination (rad); largest distance (rad) at which S > 0 for any source.
    band : ndarray (n,), int32
        See `worker.engines.builtin.nearby`.
    sigma, weight : ndarray (X, n)
        As of `worker.engines.builtin.analysis.Sky`, with each extension; the weight for the events of the data alone.
    bin, season, shape, cell : ndarray (n,), int32
        Energy bin, season, and rows of the tables of the point-spread function of a single season.
    """

    dec: F64
    sin_dec: F64
    reach: F64
    band: I32
    sigma: F64
    weight: F64
    bin: I32
    season: I32
    shape: I32
    cell: I32


class Seen(NamedTuple):
    """Events as a source of one extension sees them."""

    dec: F64
    sigma: F64


class Signals(NamedTuple):
    """Injected events of a trial with a usable sigma: what the columns of `Events` say of them, and where they are.

    Attributes
    ----------
    turn : ndarray (m,)
        Right ascension, [0, 1).
    columns : tuple
        Columns of `Events` in their order, without `band`.
    n : ndarray (n_seasons,)
        All injected events of each season, usable or not.
    """

    turn: F64
    columns: tuple[NDArray[np.generic], ...]
    n: F64


class Fit(NamedTuple):
    """The events of a sky as the fit sees them: a signal table with a row for each near event, and seasons of rows."""

    table: SignalTable
    season: I32
    n_events: F64
    rest: F64


@kernel
def turns_of(k0, k1, sky, address, out):  # type: ignore[no-untyped-def]
    """Right ascensions (turns) of some events of a sky, as `worker.engines.builtin.scan.right_ascensions`."""
    for i in range(address.size):
        a, b, _, _ = rng.block(k0, k1, np.uint64(rng.SKY), sky, np.uint64(address[i]))
        out[i] = rng.unit52(a, b)


@kernel
def _pairs(k, events, members, tables, bands, cells, turn, scale, batch):  # type: ignore[no-untyped-def]
    """Events within the cut of source k, into the batch with their w: soft, and more for a hard one; how many."""
    event, value, chord2, scratch, soft, more = batch
    dec, x = members.dec[k], members.extension[k]
    m = near_place(bands, cells, dec, members.turn[k], turn, event, value)
    weigh(m, Seen(events.dec, events.sigma[x]), dec, tables.narrow, event, value, chord2, scratch)
    n = 0
    for i in range(m):
        e = event[i]
        j, shape, cell = events.season[e], events.shape[e], events.cell[e]
        here, there, t = members.stratum[k, j, 0], members.stratum[k, j, 1], members.mixed[k, j]
        cut = tables.cut[here, shape] * (1.0 - t) + tables.cut[there, shape] * t
        if chord2[i] < 0.5 * cut * cut:
            low, high = height(tables.mix[here], shape, value[i])
            factor_low, factor_high = tables.factor[here, cell, 0], tables.factor[here, cell, 1]
            if t > 0.0:
                low2, high2 = height(tables.mix[there], shape, value[i])
                low, high = low * (1.0 - t) + low2 * t, high * (1.0 - t) + high2 * t
                factor_low = factor_low * (1.0 - t) + tables.factor[there, cell, 0] * t
                factor_high = factor_high * (1.0 - t) + tables.factor[there, cell, 1] * t
            weight = events.weight[x, e] * scale[j]
            event[n], soft[n] = e, weight * factor_low * low
            more[n] = weight * factor_high * high - soft[n]
            n += 1
    return n


@kernel
def _add(k, m, events, members, tables, batch, slot, season, node, n):  # type: ignore[no-untyped-def]
    """Add the signal of m pairs of source k to the rows of their events; `n` rows before, returns how many after."""
    event, _, _, _, soft, more = batch
    for i in range(m):
        e = event[i]
        if slot[e] < 0:
            slot[e], season[n] = n, events.season[e]
            for g in range(node.shape[1]):
                node[n, g] = 0.0
            n += 1
        j, b, low, high = events.season[e], events.bin[e], soft[i], more[i]
        first, last = members.coef[k, j, 0], members.coef[k, j, 1]
        here, there = tables.energy[members.table[k, j, 0], b], tables.energy[members.table[k, j, 1], b]
        of_soft, of_more = node[slot[e], : first.size], node[slot[e], first.size :]
        for g in range(first.size):
            density = first[g] * here[g] + last[g] * there[g]
            of_soft[g] += low * density
            of_more[g] += high * density
    return n


@kernel
def _rows(n_events, events, members, tables, bands, cells, turn, scale, batch, slot, season, node):  # type: ignore[no-untyped-def]
    """Make the rows of all near events; returns how many."""
    fill_cells(bands, n_events, events.band, events.sin_dec, events.reach, turn, cells)
    for i in range(n_events):
        slot[i] = -1
    n = 0
    for k in range(members.dec.size):
        m = _pairs(k, events, members, tables, bands, cells, turn, scale, batch)
        n = _add(k, m, events, members, tables, batch, slot, season, node, n)
    return n


@kernel
def _own(g, ns, q, events, members, tables, bands, cells, turn, scale, batch, slot, node, out):  # type: ignore[no-untyped-def]
    """Expected number of events of each source, given the fit at node g of gamma: sum of their parts of the signal."""
    for k in range(members.dec.size):
        m = _pairs(k, events, members, tables, bands, cells, turn, scale, batch)
        event, _, _, _, soft, more = batch
        out[k] = 0.0
        for i in range(m):
            e = event[i]
            j, b = events.season[e], events.bin[e]
            density = members.coef[k, j, 0, g] * tables.energy[members.table[k, j, 0], b, g]
            density += members.coef[k, j, 1, g] * tables.energy[members.table[k, j, 1], b, g]
            part = ns * (soft[i] + tables.hard[g] * more[i]) * density
            signal = node[slot[e], g] + tables.hard[g] * node[slot[e], tables.hard.size + g]
            out[k] += part / (1.0 + ns * (signal - q[j]))


@kernel
def _bands(bands, dec, reach, out):  # type: ignore[no-untyped-def]
    for i in range(dec.size):
        out[i] = band_of(bands, dec[i], reach[i])


@kernel
def _fit(n, w, row, season, n_events, rest, model, work, slopes):  # type: ignore[no-untyped-def]
    count_rest(n_events, season[:n], rest)
    _, node, _, _, total, hard = model
    for g in range(slopes.size):
        slopes[g] = -total[g]
    for i in range(n):
        for g in range(slopes.size):
            slopes[g] += node[i, g] + hard[g] * node[i, slopes.size + g]
    return maximise(n, w, row, season, rest, n_events, model, work, slopes)


class Stack:
    """Fits a catalogue in skies of one analysis, with one ns >= 0 and one gamma.

    Parameters
    ----------
    model : SourceModel
        With a right ascension for each source.
    """

    def __init__(self, analysis: Analysis, model: SourceModel) -> None:
        self.analysis, self.model = analysis, model
        self.by_extension = [extended(analysis, extension) for extension in sorted({*model.extension})]
        self.members, self.tables = members_of(analysis, self.by_extension, model)
        self._set_near()
        self._make_room(0)

    def _set_near(self) -> None:
        """Find the events that can be near a source in any sky."""
        skies, decs = [one.sky for one in self.by_extension], np.unique(self.members.dec)
        sky = self.analysis.sky
        reach = self.analysis.cuts.cut * skies[-1].sigma
        after = np.minimum(np.searchsorted(decs, sky.dec), decs.size - 1)
        apart = np.minimum(np.abs(decs[after] - sky.dec), np.abs(decs[np.maximum(after - 1, 0)] - sky.dec))
        self.touched = np.flatnonzero(apart < reach)
        bins, use = self.analysis.bins, self.touched
        season = sky.season[use]
        self._columns = (
            sky.dec[use], np.sin(sky.dec[use]), reach[use], np.stack([one.sigma[use] for one in skies]),
            np.stack([one.weight[use] for one in skies]), sky.row[use] - season * bins.n_bins, season,
            sky.shape[use] - season * (bins.n_classes * bins.n_sigma),
            sky.cell[use] - season * (bins.n_bins * bins.n_sigma),
        )  # fmt: skip
        self._address = sky.address[use]
        largest = float(reach[use].max()) if use.size else 0.0
        self.bands = bands_of(max(largest, self.analysis.cuts.cut * self.sigma_at(self.analysis.cuts.sigma_max)[-1]))

    def sigma_at(self, sigma: float) -> F64:
        """Return sigma with each extension, (X,) or (X, n), rad."""
        extensions = np.array([one.cuts.extension for one in self.by_extension])
        out: F64 = np.sqrt(np.square(sigma) + np.square(extensions)[:, None] if np.ndim(sigma) else sigma**2 + extensions**2)
        return out

    def _make_room(self, n_signal: int) -> None:
        """Make the arrays that a sky with up to so many injected events needs."""
        n, n_gamma = self.touched.size, self.analysis.cuts.gammas.size
        room = n + n_signal
        columns = [np.empty((*column.shape[:-1], room), column.dtype) for column in self._columns]
        for column, values in zip(columns, self._columns, strict=True):
            column[..., :n] = values
        band = np.empty(room, np.int32)
        _bands(self.bands, columns[0][:n], columns[2][:n], band)
        self.events = Events(*columns[:3], band, *columns[3:])
        self.room = n_signal
        self._cells = empty_cells(self.bands, room)
        self._turn, self._slot = np.empty(room), np.empty(room, np.int32)
        self._batch = (np.empty(room + LANES, np.int32), *np.empty((5, room + LANES)))
        self._season, self._node = np.empty(room, np.int32), np.empty((max(room, 1), 2 * n_gamma))
        self._w = np.stack([np.ones(room), np.zeros(room)])
        self._row = np.arange(room, dtype=np.int32)
        self._work = workspace(room, max(room, 1), self.analysis.n_seasons)

    def scrambled(self, key: tuple[int, int], sky: int) -> F64:
        """Right ascensions of the events that can be near a source, in turns: those of `scan.right_ascensions`."""
        out = np.empty(self.touched.size)
        turns_of(np.uint64(key[0]), np.uint64(key[1]), np.uint64(sky), self._address, out)
        return out

    def make_rows(self, turn: F64, signal: Signals | None = None) -> Fit:
        """The events of a sky for the fit: valid until the next call.

        Parameters
        ----------
        turn : ndarray (n_touched,)
            Right ascensions of the events `touched`.
        """
        n, n_events, members = self.touched.size, self.analysis.n_data, self.members
        self._turn[:n] = turn
        if signal is not None:
            m = signal.turn.size
            if m > self.room:
                self._make_room(2 * m)
                self._turn[:n] = turn
            columns = (*self.events[:3], *self.events[4:])
            for column, values in zip(columns, signal.columns, strict=True):
                column[..., n : n + m] = values
            end = slice(n, n + m)
            _bands(self.bands, self.events.dec[end], self.events.reach[end], self.events.band[end])
            self._turn[end] = signal.turn
            n, n_events = n + m, n_events + signal.n
        self._n, self._scale = n, self.analysis.n_data / n_events
        n_rows = _rows(
            n, self.events, members, self.tables, self.bands, self._cells, self._turn, self._scale, self._batch,
            self._slot, self._season, self._node,
        )  # fmt: skip
        node, season = self._node[: max(n_rows, 1)], self._season[:n_rows]
        shares = np.cumsum(members.share[:, :, None] * members.season, axis=0)[-1]
        total = np.cumsum(shares, axis=1)[:, -1]
        table = SignalTable(self.analysis.cuts.gammas, node, node, hermite(shares), total, self.tables.hard)
        return Fit(table, season, n_events, n_events - np.bincount(season, minlength=n_events.size))

    def fit(self, rows: Fit) -> tuple[float, float, float]:
        """TS, ns and gamma of what `make_rows` gave."""
        n, room = rows.season.size, rows.season.size + LANES
        table, dtable, y, dy, *rest = self._work
        work = (table[: max(n, 1)], dtable[: max(n, 1)], y[:room], dy[:room], *rest)
        ts, ns, gamma = _fit(
            n, self._w[:, :n], self._row[:n], rows.season, rows.n_events, np.empty(rows.n_events.size), rows.table, work,
            np.empty(self.analysis.cuts.gammas.size),
        )  # fmt: skip
        return ts, ns, gamma

    def at(self, turns: F64) -> NDArray[np.void]:
        """TS, ns and gamma in the skies `turns` (n_skies, n_events), in turns, as (n_skies,) of `TRIAL_DTYPE`."""
        return as_trials([self.fit(self.make_rows(sky[self.touched])) for sky in turns])

    def expected(self, rows: Fit, ns: float, gamma: float) -> F64:
        """Expected number of events of each source, (n_sources,), given the fit of what `make_rows` gave last."""
        g = int(np.argmin(np.abs(self.analysis.cuts.gammas - gamma)))
        out = np.empty(len(self.members.dec))
        q = (self.members.share[:, g, None] * self.members.season[:, g]).sum(axis=0) / rows.n_events
        _own(
            g, ns, q, self.events, self.members, self.tables, self.bands, self._cells, self._turn, self._scale,
            self._batch, self._slot, self._node, out,
        )  # fmt: skip
        return out

    def without(self, k: int) -> "Stack":
        """The same without source k; what is large is shared, so one of the two can be used at a time."""
        left = np.ones(len(self.members.dec))
        left[k] = 0.0
        share = self.members.share * left[:, None]
        total = np.cumsum(share, axis=0)[-1]
        if not (total > 0).all():
            raise ValueError("the other sources have no share in the signal")
        other: Stack = object.__new__(type(self))
        vars(other).update(vars(self))
        scale = left[:, None] / total
        other.members = self.members._replace(
            coef=self.members.coef * scale[:, None, None, :], share=self.members.share * scale
        )
        return other


def as_trials(fits: list[tuple[float, float, float]]) -> NDArray[np.void]:
    """Fits as rows of `TRIAL_DTYPE`, (n,); refused if one has no maximum."""
    out = np.array(fits, dtype=np.float64).reshape(len(fits), 3)
    return maximum.require(out, "stacked sources").view(TRIAL_DTYPE)[:, 0]
