"""Pseudo-experiments in a window of known time at one declination.

The number of background events in the window is Poisson. Each is an event of the data, chosen with the expected number
of its season in the window, at an even right ascension; as in `worker.engines.builtin.point` only events near the
source are drawn: their number is Poisson too. So a trial without one costs a single random number.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import rng
from worker.base.compiled import kernel, part
from worker.data.dataset import Dataset
from worker.engines.builtin import maximum
from worker.engines.builtin.analysis import Analysis, table_at
from worker.engines.builtin.extended import fit_window
from worker.engines.builtin.inject import Injector, draw_signal, search, weigh_event
from worker.engines.builtin.likelihood import workspace
from worker.engines.builtin.live import Profile, height
from worker.engines.builtin.point import PI, Candidates, spatial
from worker.engines.builtin.tables import SignalTable
from worker.engines.builtin.trials import (
    TRIAL_DTYPE,
    Drawn,
    candidates_at,
    guide_of,
    no_signal,
    poisson_cdf,
    scratch,
)
from worker.engines.builtin.work import EVENTS

F64 = NDArray[np.float64]


class Near(NamedTuple):
    """Background events near a source in a window.

    Attributes
    ----------
    candidates : Candidates
        Their `hazard` is the cumulative expected number in the window.
    count_cdf : ndarray
        P(number of events near the source <= i).
    inv_n : ndarray (n_seasons,)
        1 / expected events of the season in the window, over the whole sky; 0 without good time.
    profile : Profile
    """

    candidates: Candidates
    count_cdf: F64
    inv_n: F64
    profile: Profile


class WindowPoint(NamedTuple):
    """A source declination (rad) and a window, ready for trials."""

    dec: float
    table: SignalTable
    near: Near


def during(analysis: Analysis, profile: Profile) -> Analysis:
    """Return the same data with the livetimes of a window: its signal table, injector and flux are those of it."""
    seasons = analysis.dataset.seasons
    own = tuple(replace(season, livetime_days=float(days)) for season, days in zip(seasons, profile.live, strict=True))
    out = replace(analysis, dataset=Dataset(analysis.dataset.label, own))
    vars(out)["node_tables"] = analysis.node_tables  # of all livetimes
    return out


def window_point(analysis: Analysis, dec: float, profile: Profile, candidates: Candidates | None = None) -> WindowPoint:
    """Return a declination (rad) and a window; `candidates` are those of `candidates_at`, if they are known."""
    of_dec = candidates_at(analysis, dec) if candidates is None else candidates
    event, season = of_dec.event, of_dec.event["season"]
    probability = np.minimum(event["half_window"] * (2.0 / PI), 1.0)
    expected = np.cumsum(profile.expected[season] / analysis.n_data[season] * probability)
    near = of_dec._replace(n_always=0, hazard=expected, guide=guide_of(expected, 0))
    total = float(expected[-1]) if expected.size else 0.0
    count_cdf = poisson_cdf(total) if total > 0.0 else np.ones(1)
    some = profile.expected > 0
    inv_n = np.where(some, 1.0 / np.where(some, profile.expected, 1.0), 0.0)
    return WindowPoint(dec, table_at(during(analysis, profile), dec), Near(near, count_cdf, inv_n, profile))


@part
def _time(first, start, length, cdf, u):  # type: ignore[no-untyped-def]
    """Time (MJD) from a uniform number, by the cumulative probability `cdf` of steps."""
    lo, hi = first, cdf.size - 1
    while lo < hi:
        middle = (lo + hi) // 2
        if cdf[middle] > u:
            hi = middle
        else:
            lo = middle + 1
    before = cdf[lo - 1] if lo > first else 0.0
    return start[lo] + length[lo] * (u - before) / (cdf[lo] - before)


@kernel
def time_factor(p, season, cdf, k0, k1, trial, draw):  # type: ignore[no-untyped-def]
    """Density of the signal over that of the background at a drawn time; 1 for a box, which draws none."""
    if p.sigma <= 0.0:
        return 1.0
    first, end = p.first[season], p.first[season + 1]
    a, b, _, _ = rng.block(k0, k1, np.uint64(rng.TIME), trial, np.uint64(draw))
    mjd = _time(first, p.start[:end], p.length[:end], cdf[:end], rng.unit52(a, b))
    return height(p.middle, p.sigma, mjd) / p.norm[season]


@kernel
def _draw_near(near, k0, k1, trial, index, place):  # type: ignore[no-untyped-def]
    """Background events near the source and a uniform number for the place of each; returns how many."""
    a, b, _, _ = rng.block(k0, k1, np.uint64(rng.BACKGROUND), trial, np.uint64(0))
    n = search(near.count_cdf, rng.unit52(a, b))
    c = near.candidates
    for i in range(n):
        a, b, d, e = rng.block(k0, k1, np.uint64(rng.BACKGROUND), trial, np.uint64(i + 1))
        at = rng.unit52(a, b)
        x = at * c.hazard[c.hazard.size - 1]
        k = c.guide[min(int(at * c.guide.size), c.guide.size - 1)]
        while c.hazard[k] <= x and k < c.hazard.size - 1:
            k += 1
        index[i], place[i] = k, rng.unit52(d, e)
    return n


@part
def _one(near, inject, injector, k0, k1, trial, scratch):  # type: ignore[no-untyped-def]
    """Draw one trial into the scratch arrays; returns the number of events with S > 0."""
    index, place, w, row, season, _, _, _, draws, geometry, _ = scratch
    p = near.profile
    n = _draw_near(near, k0, k1, trial, index, place)
    if n > 0:
        spatial(near.candidates, n, index, place, near.inv_n, w, row, season, geometry)
        if p.sigma > 0.0:
            for i in range(n):
                factor = time_factor(p, season[i], p.background, k0, k1, trial, 2 * i)
                w[0, i] *= factor
                w[1, i] *= factor
    if inject:
        for i in range(draw_signal(injector, k0, k1, trial, draws)):
            factor = time_factor(p, int(draws[i, 4]), p.signal, k0, k1, trial, 2 * i + 1)
            weight, more, r, s = weigh_event(injector, draws, i, near.inv_n)
            if weight >= 0.0:
                w[0, n] = weight * factor
                w[1, n] = 0.0 if more == weight else (more - weight) * factor
                row[n], season[n] = r, s
                n += 1
    return n


@kernel
def _run(near, inject, injector, model, k0, k1, first, scratch, none, ones, work, slopes, out):  # type: ignore[no-untyped-def]
    _, _, w, row, season, _, _, _, _, _, _ = scratch
    count = work[-1]
    for t in range(out.shape[0]):
        n = _one(near, inject, injector, k0, k1, first + np.uint64(t), scratch)
        count[EVENTS] += n
        out[t, 0], out[t, 1], out[t, 2] = fit_window(n, w, row, season, none, ones, model, work, slopes)


@kernel
def _draw(near, inject, injector, k0, k1, trial, scratch):  # type: ignore[no-untyped-def]
    return _one(near, inject, injector, k0, k1, trial, scratch)


def _arrays(analysis: Analysis, at: WindowPoint, injector: Injector | None) -> tuple[Injector, tuple[Any, ...]]:
    signal = no_signal(analysis, at.dec) if injector is None else injector
    return signal, scratch(analysis, at.near.count_cdf.size + signal.count_cdf.size + 8, signal)


def run(
    analysis: Analysis, at: WindowPoint, key: tuple[int, int], first: int, n: int, injector: Injector | None = None
) -> NDArray[np.void]:
    """Trials first ... first + n - 1 of the stream of `key`, (n,) of `worker.engines.builtin.trials.TRIAL_DTYPE`.

    The injector is one of the analysis `during` the window.
    """
    signal, arrays = _arrays(analysis, at, injector)
    work = workspace(arrays[0].size, analysis.n_rows, analysis.n_seasons)
    none, out = np.zeros(analysis.n_seasons), np.empty((n, 3))
    _run(
        at.near, injector is not None, signal, at.table, np.uint64(key[0]), np.uint64(key[1]),
        np.uint64(first), arrays, none, none + 1.0, work, np.empty(analysis.cuts.gammas.size), out,
    )  # fmt: skip
    where = f"trials of a window at dec {np.degrees(at.dec):.4g} deg"
    return maximum.require(out, where).view(TRIAL_DTYPE)[:, 0]


def draw(
    analysis: Analysis, at: WindowPoint, key: tuple[int, int], trial: int, injector: Injector | None = None
) -> Drawn:
    """Return the events of one trial as `run` fits them; `n_events` are the expected ones of each season."""
    signal, arrays = _arrays(analysis, at, injector)
    n = _draw(
        at.near, injector is not None, signal, np.uint64(key[0]), np.uint64(key[1]), np.uint64(trial), arrays
    )  # fmt: skip
    _, _, w, row, season, *_ = arrays
    none = np.zeros(analysis.n_seasons)
    return Drawn(w[:, :n].copy(), row[:n].copy(), season[:n].copy(), none, at.near.profile.expected.copy())
