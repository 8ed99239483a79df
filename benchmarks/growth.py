"""How cost grows: with the events near the source, with all events at the same density there, with declination."""

import dataclasses
import time
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.cases import KEY
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import trials
from worker.engines.builtin.work import counters, named

DEC = float(np.radians(5.0))
SCALES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


class Cost(NamedTuple):
    """CPU seconds of a background trial, and what was done in it."""

    n_events: int
    near: float
    terms: float
    seconds: float


def cost(analysis: engine.Analysis, dec: float, n: int = 1500, rounds: int = 3) -> Cost:
    """A trial at a declination (rad): median of some rounds."""
    point, count, times = trials.point_at(analysis, dec), counters(), []
    trials.run(analysis, point, KEY, 0, n, None, count)
    for _ in range(rounds):
        begin = time.process_time()
        trials.run(analysis, point, KEY, 0, n)
        times.append(time.process_time() - begin)
    work = named(count)
    return Cost(int(analysis.n_data.sum()), work["events"] / n, work["terms"] / n, median(times) / n)


def scaled(analysis: engine.Analysis, scale: float) -> engine.Analysis:
    """As many events as `scale` seasons have, drawn from this one: the densities per event stay, N grows."""
    sky = analysis.sky
    n = round(scale * sky.dec.size)
    index = np.sort(np.random.Generator(np.random.Philox(3)).integers(0, sky.dec.size, n))
    events = type(sky)(*(column[index] for column in sky))
    # W holds 1 / N of the season
    return dataclasses.replace(
        analysis, sky=events._replace(weight=events.weight / scale), n_data=analysis.n_data * scale
    )


def diluted(analysis: engine.Analysis, scale: float) -> engine.Analysis:
    """N grows to `scale` times, but no event is added within 30 degrees of the source's declination."""
    sky = analysis.sky
    far = np.flatnonzero(np.abs(sky.dec - DEC) > np.radians(30))
    more = far[np.random.Generator(np.random.Philox(4)).integers(0, far.size, round((scale - 1) * sky.dec.size))]
    events = type(sky)(*(np.concatenate([column, column[more]]) for column in sky))
    return dataclasses.replace(analysis, sky=events, n_data=analysis.n_data * scale)


def by_events(analysis: engine.Analysis) -> list[Cost]:
    """Trials at dec +5 with more and more events everywhere."""
    return [cost(scaled(analysis, scale), DEC) for scale in SCALES]


def by_total(analysis: engine.Analysis) -> list[Cost]:
    """Trials at dec +5 with more and more events elsewhere."""
    return [cost(diluted(analysis, scale), DEC) for scale in SCALES if scale >= 1]


def by_dec(analysis: engine.Analysis) -> dict[float, Cost]:
    """Trials at declinations (deg) from pole to pole."""
    return {dec: cost(analysis, float(np.radians(dec)), 600) for dec in np.arange(-85.0, 86.0, 10.0)}
