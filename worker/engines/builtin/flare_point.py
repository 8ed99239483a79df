"""A source declination ready for fits of flares, and trials there."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.data.dataset import GoodRuns
from worker.engines.builtin import trials
from worker.engines.builtin.analysis import Analysis, table_at
from worker.engines.builtin.flare import FlareEvents, FlareSeasons, Limits, fit_flare, seasons_of
from worker.engines.builtin.flare_draw import FlareLaw, Runs, draw_flare, log_weights
from worker.engines.builtin.inject import Injector
from worker.engines.builtin.live import profile_of
from worker.engines.builtin.point import Candidates
from worker.engines.builtin.response import Spectrum
from worker.spec.point import Window

F64 = NDArray[np.float64]

FLARE_DTYPE = np.dtype([("ts", "<f8"), ("ns", "<f8"), ("gamma", "<f8"), ("t0", "<f8"), ("width", "<f8")])
"""TS, events of the flare, spectrum, time (MJD), and sigma or length (days); without a flare t0 and width are 0."""


class Source(NamedTuple):
    """Likelihood of a flare at a declination.

    Attributes
    ----------
    hard : ndarray (n_gamma,)
        m of `worker.engines.builtin.likelihood.hardness`.
    log_node : ndarray (n_rows, n_gamma)
        ln of the signal's energy density over the share of its season within the cut of S: W is normalised there.
    seasons : FlareSeasons
    """

    hard: F64
    log_node: F64
    seasons: FlareSeasons


class Injection(NamedTuple):
    """An injected flare, and the injector of each season."""

    law: FlareLaw
    injectors: tuple[Injector, ...]


@dataclass(frozen=True)
class Fit:
    """What is fitted: profile, limits, and gamma where there is no flare."""

    profile: str
    limits: Limits
    gamma: float

    def of(self, events: FlareEvents, seasons: FlareSeasons) -> tuple[float, ...]:
        """Values of `FLARE_DTYPE`."""
        found = fit_flare(events, seasons, self.limits, self.profile)
        return tuple(found) if found.ts > 0 else (0.0, 0.0, self.gamma, 0.0, 0.0)


def runs_of(seasons: list[tuple[GoodRuns, F64]]) -> Runs:
    """Good runs of all seasons, each with its rates (events per day of livetime)."""
    first = min(float(runs.start[0]) for runs, _ in seasons)
    last = max(float(runs.stop.max()) for runs, _ in seasons)
    whole = profile_of(seasons, Window("box", 0.5 * (first + last), last - first + 2.0))
    on, density, until, before = [], [], [], 0.0
    for (runs, rate), expected in zip(seasons, whole.expected, strict=True):
        used = runs.stop > runs.start
        share = (runs.livetime / np.where(used, runs.stop - runs.start, 1.0))[used]
        on.append(share)
        density.append(rate[used] / expected)
        until.append(before + np.cumsum(runs.livetime[used]))
        before = float(until[-1][-1])
    return Runs(
        whole.first, whole.start, whole.length, whole.background, np.concatenate(on), np.concatenate(density),
        np.concatenate(until),
    )  # fmt: skip


def source_at(analysis: Analysis, runs: Runs, dec: float) -> Source:
    """Likelihood of a flare at a declination (rad)."""
    table, n_rows = table_at(analysis, dec), analysis.grid.n
    share = np.concatenate([table.share[:, 0], table.share[-1:].sum(axis=1)]).T
    with np.errstate(divide="ignore", invalid="ignore"):
        log_share = np.log(share)
        log_node = np.log(table.node) - np.repeat(log_share, n_rows, axis=0)
    livetime = np.diff(np.append(0.0, runs.until[runs.first[1:] - 1]))
    gamma, step = float(table.gammas[0]), float(table.gammas[1] - table.gammas[0])
    pieces = [slice(a, b) for a, b in zip(runs.first[:-1], runs.first[1:], strict=True)]
    seasons = seasons_of(
        analysis.n_data,
        np.maximum(log_share, -600.0) - np.log(livetime)[:, None],
        [(runs.start[own], runs.start[own] + runs.length[own]) for own in pieces],
        gamma,
        step,
        [runs.on[own] for own in pieces],
    )
    return Source(table.hard, np.ascontiguousarray(np.nan_to_num(log_node, nan=-700.0, neginf=-700.0)), seasons)


def events_of(
    source: Source, runs: Runs, w: F64, row: NDArray[np.int32], season: NDArray[np.int32], times: F64
) -> FlareEvents:
    """Events of the likelihood, by time, from weights (2, n), rows, seasons and times (MJD)."""
    log_w, density = np.empty((times.size, source.hard.size)), np.empty(times.size)
    log_weights(w, row, season, times, source.hard, source.log_node, runs, log_w, density)
    order = np.argsort(times, kind="stable")
    order = order[density[order] > 0]
    return FlareEvents(times[order], season[order].astype(np.int64), log_w[order], density[order])


def injection_at(
    analysis: Analysis, runs: Runs, dec: float, spectrum: Spectrum, law: tuple[float, bool], n_sig: float,
    poisson: bool, extension: float,
) -> Injection:  # fmt: skip
    """Return a flare of `law` (width, box) with `n_sig` events; arguments as of `trials.injector_at`."""
    every = trials.injector_at(analysis, dec, spectrum, n_sig, poisson, extension)
    probability = np.diff(every.cell_cdf, prepend=0.0)
    share = np.bincount(every.season, probability, analysis.n_seasons)
    livetime = np.diff(np.append(0.0, runs.until[runs.first[1:] - 1]))
    rate, injectors = share / livetime, []
    for j in range(analysis.n_seasons):
        own = every.season == j
        cdf = np.cumsum(probability[own])
        injectors.append(
            every._replace(
                cell_cdf=cdf / cdf[-1] if share[j] > 0 else np.ones(1),
                cells=np.ascontiguousarray(every.cells[own]) if share[j] > 0 else every.cells[:1].copy(),
                season=every.season[own] if share[j] > 0 else np.full(1, j, np.int32),
            )
        )
    return Injection(FlareLaw(float(law[0]), bool(law[1]), rate / rate.max()), tuple(injectors))


class Trials:
    """Trials at one declination.

    Parameters
    ----------
    injection : Injection, optional
        Background alone if None.
    """

    def __init__(
        self, analysis: Analysis, runs: Runs, source: Source, candidates: Candidates, dec: float,
        injection: Injection | None,
    ) -> None:  # fmt: skip
        self._inject = injection is not None
        none = trials.no_signal(analysis, dec)
        law, injectors = injection or (FlareLaw(1.0, True, np.ones(analysis.n_seasons)), (none,) * analysis.n_seasons)
        size = candidates.hazard.size + injectors[0].count_cdf.size + 8
        self._arrays = trials.scratch(analysis, size, injectors[0])
        self._source, self._runs, self._times = source, runs, np.empty(size)
        self._drawn: tuple[Any, ...] = (candidates, self._inject, injectors, law, runs, analysis.n_data)

    def events(self, key: tuple[int, int], trial: int) -> tuple[FlareEvents, FlareSeasons, float]:
        """Events of a trial, its seasons (with their numbers of events), and t0 of the injected flare."""
        n, t0 = draw_flare(
            *self._drawn, np.uint64(key[0]), np.uint64(key[1]), np.uint64(trial), self._arrays, self._times
        )
        _, _, w, row, season, _, n_events, *_ = self._arrays
        events = events_of(self._source, self._runs, w[:, :n], row[:n], season[:n], self._times[:n])
        return events, self._source.seasons._replace(n_events=n_events.copy()), t0

    def run(self, fit: Fit, key: tuple[int, int], first: int, n: int) -> NDArray[np.void]:
        """Fits of trials first ... first + n - 1 of the stream of `key`, (n,) of `FLARE_DTYPE`."""
        out = np.empty(n, FLARE_DTYPE)
        for i in range(n):
            events, seasons, _ = self.events(key, first + i)
            out[i] = fit.of(events, seasons)
        return out
