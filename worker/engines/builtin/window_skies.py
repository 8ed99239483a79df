"""Windows in the same skies: what their trial correction needs.

A sky has the background events of all windows together: a Poisson number of them, drawn as in a trial, but at times
within the union of the windows and all over the sky. Each window is fitted from the events in it. So the fits of one
sky are correlated as in reality (a longer window has the events of a shorter one), and skies of short windows are
cheap.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from worker.base import rng
from worker.base.compiled import kernel
from worker.data import local
from worker.data.dataset import GoodRuns
from worker.engines.builtin import maximum
from worker.engines.builtin import psf as psfs
from worker.engines.builtin.analysis import Analysis, psf_at, table_at
from worker.engines.builtin.extended import fit_window
from worker.engines.builtin.inject import search
from worker.engines.builtin.likelihood import LANES, workspace
from worker.engines.builtin.live import Profile, height, pieces_in
from worker.engines.builtin.sources import CACHE_BYTES, near, weigh
from worker.engines.builtin.trials import TRIAL_DTYPE, poisson_cdf
from worker.engines.builtin.windows import during
from worker.spec.point import Point

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

EVEN = np.ones(local.BINS)
_sidereal_turns = kernel(local.sidereal_turns)
EVENTS = 4_000_000
"""Events of the skies of one block."""
MOST = 10_000
"""Skies of a block."""
FEW = 50
"""Declinations of sources up to which events near none of them are not drawn."""
SOURCES = 256
"""Windows whose tables are kept; those of further windows are computed again for every block."""


@kernel
def _draw(k0, k1, sky, cdf, start, length, season, first, n_events, use, angles, event, turn, mjd):  # type: ignore[no-untyped-def]
    """Event, right ascension (turns) and time of every event of a sky."""
    for i in range(event.size):
        a, b, d, e = rng.block(k0, k1, np.uint64(rng.SKY), sky, np.uint64(2 * i))
        f, g, h, k = rng.block(k0, k1, np.uint64(rng.SKY), sky, np.uint64(2 * i + 1))
        piece = search(cdf, rng.unit52(a, b))
        mjd[i] = start[piece] + length[piece] * rng.unit52(f, g)
        j = season[piece]
        event[i] = use[first[j] + min(int(rng.unit52(d, e) * n_events[j]), n_events[j] - 1)]
        u = rng.unit52(h, k)
        bin_ = search(angles[j], u)
        before = angles[j, bin_ - 1] if bin_ > 0 else 0.0
        angle = (bin_ + (u - before) / (angles[j, bin_] - before)) / angles.shape[1]
        turn[i] = _sidereal_turns(mjd[i]) - angle
        turn[i] -= np.floor(turn[i])


@kernel
def _first_at(mjd, lo, hi, time):  # type: ignore[no-untyped-def]
    """First index in [lo, hi) whose time is at least `time`; hi if there is none."""
    while lo < hi:
        middle = (lo + hi) // 2
        if mjd[middle] < time:
            lo = middle + 1
        else:
            hi = middle
    return lo


@kernel
def _near(lo, hi, at, reach, event, turn, index, value):  # type: ignore[no-untyped-def]
    """Events [lo, hi) within their reach (turns) of a source; their indices and differences of right ascension."""
    m = 0
    for i in range(lo, hi):
        delta = turn[i] - at
        delta -= np.floor(delta + 0.5)
        if abs(delta) <= reach[event[i]]:
            index[m], value[m] = i, delta
            m += 1
    return m


@kernel
def _fit_skies(window, place, sky, psf, reach, per_event, model, skies, work, slopes, batch, events, none, out):  # type: ignore[no-untyped-def]
    """TS, ns, gamma of one window in every sky of a block: out (n_skies, 3); `place` is right ascension and dec."""
    at, dec = place
    offset, event, turn, mjd = skies
    start, stop, middle, sigma, norm = window
    index, which, value, chord2, scratch = batch
    w, row, season = events
    ones = none + 1.0
    for k in range(offset.size - 1):
        lo = _first_at(mjd, offset[k], offset[k + 1], start)
        hi = _first_at(mjd, lo, offset[k + 1], stop)
        m = _near(lo, hi, at, reach, event, turn, index, value)
        for i in range(m):
            which[i] = event[index[i]]
        weigh(m, sky, dec, psf.narrow, which, value, chord2, scratch)
        n = 0
        for i in range(m):
            e = which[i]
            cut, factor = psf.cut[sky.shape[e]], psf.factor[sky.cell[e]]
            if chord2[i] < 0.5 * cut * cut:
                s = sky.season[e]
                soft, hard = psfs.height(psf.mix, sky.shape[e], value[i])
                time = height(middle, sigma, mjd[index[i]]) / norm[s] * per_event[s]
                w[0, n] = sky.weight[e] * factor[0] * soft * time
                w[1, n] = sky.weight[e] * factor[1] * hard * time - w[0, n]
                row[n] = sky.row[e]
                season[n] = s
                n += 1
        out[k, 0], out[k, 1], out[k, 2] = fit_window(n, w, row, season, none, ones, model, work, slopes)


class WindowFits:
    """Fits windows of sources in skies of one analysis.

    Parameters
    ----------
    runs : list of (GoodRuns, ndarray)
        Of each season, with their rates.
    hour_angles : list of ndarray or None
        Of each season, see `worker.data.local`.
    profile : callable
        ``profile(point)``: its `Profile`.
    points : sequence of Point
        Each with a ``ra_deg``.
    """

    def __init__(
        self, analysis: Analysis, runs: list[tuple[GoodRuns, F64]], hour_angles: list[F64 | None],
        profile: Callable[[Point], Profile], points: Sequence[Point],
    ) -> None:  # fmt: skip
        self._analysis, self._profile, self._points = analysis, profile, points
        spans = _union([at.model.window.span for at in points if at.model.window is not None])
        self._table = lru_cache(SOURCES)(partial(_source_at, analysis, profile))
        kept = max(int(CACHE_BYTES / (4 * max(analysis.sky.dec.size, 1))), 1)
        self._reach = lru_cache(kept)(partial(_reach_at, analysis))
        self._draws = _Draws(analysis, runs, hour_angles, spans, self._near_some())
        self.block = min(max(int(EVENTS / max(self._draws.mean, 1.0)), 1), MOST)

    def _near_some(self) -> I64:
        """Events that can be near a source at some right ascension; all of them if there are many declinations."""
        decs = {at.model.dec[0] for at in self._points}
        if len(decs) > FEW:
            return np.arange(self._analysis.sky.dec.size)
        return np.flatnonzero(np.any([self._reach(dec) >= 0 for dec in sorted(decs)], axis=0))

    def skies(self, key: tuple[int, int], first: int, count: int) -> NDArray[np.void]:
        """Fits of every window in skies [first, first + count), (count, n_points) of `TRIAL_DTYPE`."""
        return self._fits([self._draws.sky(key, sky) for sky in range(first, first + count)])

    def at(self, turns: F64) -> NDArray[np.void]:
        """The same for skies (n_skies, 2, n) of right ascensions (turns) and times (MJD), as `observed` gives them."""
        every = np.arange(self._analysis.sky.dec.size)
        return self._fits([_by_time(every, turn, mjd) for turn, mjd in turns])

    def _fits(self, skies: list[tuple[I64, F64, F64]]) -> NDArray[np.void]:
        a, sizes = self._analysis, [event.size for event, _, _ in skies]
        block = (np.cumsum([0, *sizes]), *(np.concatenate(column) for column in zip(*skies, strict=True)))
        size = max(sizes) + LANES
        work, slopes = workspace(size, a.n_rows, a.n_seasons), np.empty(a.cuts.gammas.size)
        batch = np.empty(size, np.int64), np.empty(size, np.uint32), *np.empty((3, size))
        events = np.empty((2, size)), np.empty(size, np.int32), np.empty(size, np.int32)
        out, fits = np.empty((len(skies), len(self._points), 3)), np.empty((len(skies), 3))
        for i, at in enumerate(self._points):
            window, per_event, psf, model = self._table(at)
            [dec] = at.model.dec
            _fit_skies(
                window, (float(at.labels["ra_deg"]) / 360.0, dec), a.sky, psf, self._reach(dec),
                per_event, model, block, work, slopes, batch, events, np.zeros(a.n_seasons), fits,
            )  # fmt: skip
            out[:, i] = maximum.require(fits, f"skies at {at}")
        return out.view(TRIAL_DTYPE)[..., 0]


def _source_at(analysis: Analysis, profile: Callable[[Point], Profile], at: Point) -> tuple[object, ...]:
    """What the kernel needs of a window: its times, N / n_b (`Sky.weight` has 1 / N), and tables."""
    assert at.model.window is not None
    of, [dec] = profile(at), at.model.dec
    (start, stop), some = at.model.window.span, of.expected > 0
    per_event = np.where(some, analysis.n_data / np.where(some, of.expected, 1.0), 0.0)
    times = start, stop, of.middle, of.sigma, of.norm
    return times, per_event, psf_at(analysis, dec), table_at(during(analysis, of), dec)


def _reach_at(analysis: Analysis, dec: float) -> NDArray[np.float32]:
    """Largest difference of right ascension (turns) at which each event can have S > 0; -1 if it never has."""
    of, out = near(analysis, dec), np.full(analysis.sky.dec.size, -1.0, np.float32)
    out[of.event] = of.reach
    return out


def _union(spans: list[tuple[float, float]]) -> F64:
    """Disjoint spans of time that cover the same times, (n, 2), increasing."""
    out: list[list[float]] = []
    for start, stop in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1][1] = max(out[-1][1], stop)
        else:
            out.append([start, stop])
    return np.array(out)


def _by_time(event: I64, turn: F64, mjd: F64) -> tuple[I64, F64, F64]:
    order = np.argsort(mjd, kind="stable")
    return event[order], turn[order], mjd[order]


class _Draws:
    """Draws skies: the events `use` of the data, chosen evenly within each season, within spans of time."""

    def __init__(
        self, analysis: Analysis, runs: list[tuple[GoodRuns, F64]], hour_angles: list[F64 | None], spans: F64, use: I64
    ) -> None:
        pieces = [pieces_in(own, rate, spans) for own, rate in runs]
        season = analysis.sky.season[use]
        n_events = np.bincount(season, minlength=analysis.n_seasons).astype(np.int64)
        share = n_events / analysis.n_data
        expected = np.concatenate([p.expected * share[j] for j, p in enumerate(pieces)])
        self.mean = float(expected.sum())
        self._count = poisson_cdf(self.mean) if self.mean > 0 else np.ones(1)
        total = np.cumsum(expected)
        self._of = (
            total / max(total[-1], 1e-300),
            np.concatenate([p.start for p in pieces]),
            np.concatenate([p.length for p in pieces]),
            np.repeat(np.arange(len(pieces)), [p.start.size for p in pieces]),
            np.cumsum(n_events) - n_events,
            n_events,
            use,
            np.array([np.cumsum(EVEN if density is None else density) / EVEN.size for density in hour_angles]),
        )

    def sky(self, key: tuple[int, int], sky: int) -> tuple[I64, F64, F64]:
        """Events, right ascensions (turns) and times (MJD) of a sky, by time."""
        k0, k1 = np.uint64(key[0]), np.uint64(key[1])
        n = int(_number(self._count, k0, k1, np.uint64(sky)))
        event, turn, mjd = np.empty(n, np.int64), np.empty(n), np.empty(n)
        _draw(k0, k1, np.uint64(sky), *self._of, event, turn, mjd)
        return _by_time(event, turn, mjd)


@kernel
def _number(cdf, k0, k1, sky):  # type: ignore[no-untyped-def]
    """Number of events of a sky."""
    a, b, _, _ = rng.block(k0, k1, np.uint64(rng.COUNT), sky, np.uint64(0))
    return search(cdf, rng.unit52(a, b))
