"""Events of pseudo-experiments with their times, for flares: background, and an injected flare.

Background events are those of `worker.engines.builtin.point`, each at a time drawn from the good runs of its season. An
injected flare has its t0 uniform over the good time of all seasons; each of its events has a time from the profile,
drawn again until it lies in good time of a season and is accepted with the acceptance of that season.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath, rng
from worker.base.compiled import kernel
from worker.engines.builtin.flare_terms import CUT
from worker.engines.builtin.inject import draw_event, signal_count, weigh_event
from worker.engines.builtin.point import draw_background, spatial
from worker.engines.builtin.windows import _time

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
ATTEMPTS = 4096
"""Times that are tried for an event; then it is at t0."""


class Runs(NamedTuple):
    """Good runs of all seasons, one season after the other; arrays (n_runs,).

    Attributes
    ----------
    first : ndarray (n_seasons + 1,), int64
        Runs of season j are ``first[j] : first[j + 1]``.
    start, length : MJD, days
    cdf : ndarray
        Cumulative probability of a background event within its season.
    on : ndarray
        Livetime over length.
    density : ndarray, 1 / day
        Time density of the background of the season over livetime.
    until : ndarray, days
        Livetime of all seasons up to the end of the run.
    """

    first: I64
    start: F64
    length: F64
    cdf: F64
    on: F64
    density: F64
    until: F64


class FlareLaw(NamedTuple):
    """An injected flare: its width (days), whether it is a box, and events per day of each season, the largest is 1."""

    width: float
    box: bool
    rate: F64


@kernel
def run_at(runs, j, mjd):  # type: ignore[no-untyped-def]
    """Run of season j that holds a time; -1 if none does."""
    lo, hi = runs.first[j], runs.first[j + 1]
    end = lo
    while lo < hi:
        middle = (lo + hi) // 2
        if runs.start[middle] <= mjd:
            lo = middle + 1
        else:
            hi = middle
    run = lo - 1
    return run if run >= end and mjd <= runs.start[run] + runs.length[run] else -1


@kernel
def centre(runs, k0, k1, trial):  # type: ignore[no-untyped-def]
    """Time t0 (MJD) of the flare of a trial, uniform over good time."""
    a, b, _, _ = rng.block(k0, k1, np.uint64(rng.TIME), trial, np.uint64(1))
    return _time(0, runs.start, runs.length, runs.until / runs.until[runs.until.size - 1], rng.unit52(a, b))


@kernel
def signal_time(law, runs, t0, k0, k1, trial, i):  # type: ignore[no-untyped-def]
    """Season and time (MJD) of event i of a flare."""
    n_seasons = law.rate.size
    for attempt in range(ATTEMPTS):
        a, b, d, e = rng.block(k0, k1, np.uint64(rng.TIME), trial, np.uint64(2 * ((i + 1) * ATTEMPTS + attempt) + 1))
        if law.box:
            mjd = t0 + law.width * (rng.unit52(a, b) - 0.5)
        else:
            _, cosine = fmath.sincos_turns(rng.unit32(d))
            z = math.sqrt(-2.0 * fmath.log(rng.unit52(a, b))) * cosine
            if abs(z) > CUT:
                continue
            mjd = t0 + law.width * z
        for j in range(n_seasons):
            run = run_at(runs, j, mjd)
            if run >= 0 and rng.unit32(e) < law.rate[j] * runs.on[run]:
                return j, mjd
    for j in range(n_seasons):
        if run_at(runs, j, t0) >= 0:
            return j, t0
    return 0, t0


@kernel
def draw_flare(c, inject, injectors, law, runs, n_data, k0, k1, trial, scratch, times):  # type: ignore[no-untyped-def]
    """Events with S > 0 of one trial; returns how many, and the time t0 of the injected flare.

    Fills w (weights times N), row, season and n_events of `scratch`, and `times` (MJD).
    """
    index, place, w, row, season, _, n_events, inv_n, draws, near, batch = scratch
    n_signal, t0 = 0, 0.0
    for j in range(n_data.size):
        n_events[j] = n_data[j]
        inv_n[j] = 1.0
    n = draw_background(c, k0, k1, trial, index, place, batch)
    spatial(c, n, index, place, inv_n, w, row, season, near)
    for i in range(n):
        a, b, _, _ = rng.block(k0, k1, np.uint64(rng.TIME), trial, np.uint64(2 * i))
        end = runs.first[season[i] + 1]
        times[i] = _time(runs.first[season[i]], runs.start[:end], runs.length[:end], runs.cdf[:end], rng.unit52(a, b))
    if inject:
        t0 = centre(runs, k0, k1, trial)
        n_signal = signal_count(injectors[0], k0, k1, trial)
    for i in range(n_signal):
        j, mjd = signal_time(law, runs, t0, k0, k1, trial, i)
        n_events[j] += 1.0
        draw_event(injectors[j], k0, k1, trial, i, draws)
        weight, more, r, s = weigh_event(injectors[j], draws, i, inv_n)
        if weight >= 0.0:
            w[0, n] = weight
            w[1, n] = 0.0 if more == weight else more - weight
            row[n], season[n], times[n] = r, s, mjd
            n += 1
    return n, t0


@kernel
def log_weights(w, row, season, times, hard, log_node, runs, log_w, density):  # type: ignore[no-untyped-def]
    """Fill ln W on the grid of gamma, and the time density of the background, of events in good runs.

    ``density`` is 0 where an event is in no run, or no signal has its energy.
    """
    for i in range(times.size):
        run = run_at(runs, season[i], times[i])
        density[i] = runs.density[run] if run >= 0 and log_node[row[i], 0] > -600.0 else 0.0
        if w[1, i] == 0.0:
            value = fmath.log(w[0, i])
            for k in range(hard.size):
                log_w[i, k] = value + log_node[row[i], k]
        else:
            for k in range(hard.size):
                log_w[i, k] = fmath.log(max(w[0, i] + hard[k] * w[1, i], 1e-300)) + log_node[row[i], k]
