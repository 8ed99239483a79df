"""Draws of skies for windows in time: events of the data within spans of time, a Poisson number of them."""

import numpy as np
from numpy.typing import NDArray

from worker.base import rng
from worker.base.compiled import kernel
from worker.data import local
from worker.data.dataset import GoodRuns
from worker.engines.builtin.analysis import Analysis
from worker.engines.builtin.inject import search
from worker.engines.builtin.live import pieces_in
from worker.engines.builtin.trials import poisson_cdf

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

EVEN = np.ones(local.BINS)
_sidereal_turns = kernel(local.sidereal_turns)


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


def union(spans: list[tuple[float, float]]) -> F64:
    """Disjoint spans of time that cover the same times, (n, 2), increasing."""
    out: list[list[float]] = []
    for start, stop in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1][1] = max(out[-1][1], stop)
        else:
            out.append([start, stop])
    return np.array(out)


def by_time(event: I64, turn: F64, mjd: F64) -> tuple[I64, F64, F64]:
    """Events, right ascensions (turns) and times (MJD) of a sky, sorted by time."""
    order = np.argsort(mjd, kind="stable")
    return event[order], turn[order], mjd[order]


class SkyDraws:
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
        return by_time(event, turn, mjd)


@kernel
def _number(cdf, k0, k1, sky):  # type: ignore[no-untyped-def]
    """Number of events of a sky."""
    a, b, _, _ = rng.block(k0, k1, np.uint64(rng.COUNT), sky, np.uint64(0))
    return search(cdf, rng.unit52(a, b))
