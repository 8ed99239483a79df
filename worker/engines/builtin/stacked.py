"""A catalogue of sources fitted together in one sky: the stacking likelihood of METHOD.

An event near several sources has the sum of their signal densities. Its signal at each node of gamma is

    sum_k a_k(gamma) [w_ik[0] + m(gamma) w_ik[1]] T_k[row_i](gamma),    a_k = v_k A_k(gamma) / sum_k v_k A_k(gamma),

with the weight v_k of source k, its expected events A_k(gamma) per unit flux in all seasons, and weights w and the
table T of a single source (`worker.engines.builtin.likelihood`). Every near event is then a row of a signal table of
its own, and the fit is that of a single source. The cost grows with the pairs of event and source within the cut.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.engines.builtin import maximum
from worker.engines.builtin.analysis import Analysis
from worker.engines.builtin.catalogue import Members, extended, members_of
from worker.engines.builtin.likelihood import LANES, workspace
from worker.engines.builtin.nearby import bands_of, empty_cells
from worker.engines.builtin.stack_kernels import Events, all_bands, fit_rows, own_events, rows_of, turns_of
from worker.engines.builtin.tables import SignalTable, hermite
from worker.engines.builtin.trials import TRIAL_DTYPE
from worker.spec.point import SourceModel

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]


BAND = float(np.radians(4.0))


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


class Stack:
    """Fits a catalogue in skies of one analysis, with one ns >= 0 and one gamma.

    Parameters
    ----------
    model : SourceModel
        With a right ascension for each source.

    Attributes
    ----------
    order : ndarray (n_sources,)
        The sources in the order of the fit, in which neighbours follow each other: their events are the same rows,
        which stay in the processor's cache (2.7 times as fast with 3,000 sources).
    model : SourceModel
        In this order.
    """

    def __init__(self, analysis: Analysis, model: SourceModel) -> None:
        self.order = along_the_sky(model)
        self.analysis, self.model = analysis, model.only(self.order)
        model = self.model
        self.by_extension = [extended(analysis, extension) for extension in sorted({*model.extension})]
        self.members, self.tables = members_of(analysis, self.by_extension, model)
        self._shares = _shares_of(self.members)
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
        of_signal = float(self.analysis.cuts.cut * self.sigma_at(np.array([self.analysis.cuts.sigma_max]))[-1, 0])
        self.bands = bands_of(max(largest, of_signal))

    def sigma_at(self, sigma: F64) -> F64:
        """Return sigma (n,) with each extension, (X, n), rad."""
        extensions = np.array([one.cuts.extension for one in self.by_extension])
        out: F64 = np.sqrt(np.square(sigma) + np.square(extensions)[:, None])
        return out

    def _make_room(self, n_signal: int) -> None:
        """Make the arrays that a sky with up to so many injected events needs."""
        n, n_gamma = self.touched.size, self.analysis.cuts.gammas.size
        room = n + n_signal
        columns: list[Any] = [np.empty((*column.shape[:-1], room), column.dtype) for column in self._columns]
        for column, values in zip(columns, self._columns, strict=True):
            column[..., :n] = values
        band = np.empty(room, np.int32)
        all_bands(self.bands, columns[0][:n], columns[2][:n], band)
        self.events = Events._make([*columns[:3], band, *columns[3:]])
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
        n, n_events = self.touched.size, self.analysis.n_data
        self._turn[:n] = turn
        if signal is not None:
            m = signal.turn.size
            if m > self.room:
                self._make_room(2 * m)
                self._turn[:n] = turn
            columns: tuple[Any, ...] = (*self.events[:3], *self.events[4:])
            for column, values in zip(columns, signal.columns, strict=True):
                column[..., n : n + m] = values
            end = slice(n, n + m)
            all_bands(self.bands, self.events.dec[end], self.events.reach[end], self.events.band[end])
            self._turn[end] = signal.turn
            n, n_events = n + m, n_events + signal.n
        self._n, self._scale = n, self.analysis.n_data / n_events
        n_rows = rows_of(
            n, self.events, self.members, self.tables, self.bands, self._cells, self._turn, self._scale, self._batch,
            self._slot, self._season, self._node,
        )  # fmt: skip
        node, season = self._node[: max(n_rows, 1)], self._season[:n_rows]
        total = np.cumsum(self._shares, axis=1)[:, -1]
        cuts = self.analysis.cuts
        table = SignalTable(
            cuts.gammas, node, node, hermite(self._shares), total, self.tables.hard, np.array(cuts.prior)
        )
        return Fit(table, season, n_events, n_events - np.bincount(season, minlength=n_events.size))

    def fit(self, rows: Fit) -> tuple[float, float, float]:
        """TS, ns and gamma of what `make_rows` gave."""
        n, room = rows.season.size, rows.season.size + LANES
        table, dtable, y, dy, *rest = self._work
        work = (table[: max(n, 1)], dtable[: max(n, 1)], y[:room], dy[:room], *rest)
        ts, ns, gamma = fit_rows(
            n, self._w[:, :n], self._row[:n], rows.season, rows.n_events, np.empty(rows.n_events.size), rows.table,
            work, np.empty(self.analysis.cuts.gammas.size),
        )  # fmt: skip
        return ts, ns, gamma

    def at(self, turns: F64) -> NDArray[np.void]:
        """TS, ns and gamma in the skies `turns` (n_skies, n_events), in turns, as (n_skies,) of `TRIAL_DTYPE`."""
        return as_trials([self.fit(self.make_rows(sky[self.touched])) for sky in turns])

    def expected(self, rows: Fit, ns: float, gamma: float) -> F64:
        """Expected number of events of each source, (n_sources,), given the fit of what `make_rows` gave last."""
        g = int(np.argmin(np.abs(self.analysis.cuts.gammas - gamma)))
        out = np.empty(len(self.members.dec))
        own_events(
            g, ns, self._shares[g] / rows.n_events, self.events, self.members, self.tables, self.bands, self._cells,
            self._turn, self._scale, self._batch, self._slot, self._node, out,
        )  # fmt: skip
        return out

    def as_listed(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the sources (n_sources,) in the order of the catalogue."""
        out = np.empty_like(values)
        out[self.order] = values
        return out

    def without(self, k: int) -> "Stack":
        """The same without source k, in the order of the fit; it shares memory: use one of the two at a time."""
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
        other._shares = _shares_of(other.members)
        return other


def along_the_sky(model: SourceModel) -> NDArray[np.int64]:
    """Order of sources by bands of declination, to and fro in right ascension."""
    dec, ra = np.array(model.dec), np.array(model.ra)
    band = np.floor(dec / BAND)
    return np.lexsort((np.where(band % 2 == 0, ra, -ra), band))


def _shares_of(members: Members) -> F64:
    """Share of each season in the expected events within the cut, (n_gamma, n_seasons)."""
    out: F64 = np.cumsum(members.share[:, :, None] * members.season, axis=0)[-1]
    return out


def as_trials(fits: list[tuple[float, float, float]]) -> NDArray[np.void]:
    """Fits as rows of `TRIAL_DTYPE`, (n,); refused if one has no maximum."""
    out = np.array(fits, dtype=np.float64).reshape(len(fits), 3)
    return maximum.require(out, "stacked sources").view(TRIAL_DTYPE)[:, 0]
