"""The tilts of a declination, chosen by a small pilot: their shares follow the background that has a large TS there."""

from collections.abc import Sequence

import numpy as np

from worker.base.key import Key
from worker.engines.builtin import mixture
from worker.engines.builtin.analysis import Analysis
from worker.engines.builtin.mixture import PATTERN
from worker.engines.builtin.trials import Point
from worker.engines.protocol import Tilt
from worker.stats.shares import best_shares, whole_shares

N_TRIALS = 2048
"""Of the pilot; more choose tilts that are no better (docs/statistics.md)."""
GRID_N = (2.0, 5.0, 10.0, 20.0, 35.0, 60.0, 100.0)
"""Up to many more events than fits find: near a pole TS of the background hardly varies, and weaker tilts do not reach
5 sigma."""
GRID_GAMMA = (1.3, 2.0, 2.6, 3.2, 3.9)
SAFE = ((5.0, 1.3), (10.0, 1.3), (10.0, 2.6), (18.0, 2.6), (18.0, 3.9))
"""Always kept: few energetic events, and many soft ones, which a pilot of this size may miss."""
SAFE_SHARE, PLAIN_SHARE = 4, 16
"""Their least shares, and that of plain trials, in 1 / PATTERN."""
CHECKS = ((3.0, 1.5), (7.0, 1.8), (14.0, 2.9), (22.0, 3.6))
"""Tilts that are evaluated in every trial and sampled in none: a mixture that misses a background shows there."""


def inside(analysis: Analysis, point: Point, tilts: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The tilts that the data allow: gamma within the likelihood's, n small beside the number of events."""
    low, high = float(analysis.cuts.gammas[0]), float(analysis.cuts.gammas[-1])
    allowed = [(n, min(max(gamma, low), high)) for n, gamma in tilts]
    return [(min(n, mixture.most_events(analysis, point, g)), g) for n, g in allowed]


def _inside(analysis: Analysis, point: Point, tilts: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """As `inside`, each once."""
    return list(dict.fromkeys(inside(analysis, point, tilts)))


def tilts(analysis: Analysis, point: Point, key: Key) -> tuple[Tilt, ...]:
    """Choose the tilts of a declination from `N_TRIALS` trials of the stream of `key`, with equal shares on a grid.

    Shares are rounded to 1 / PATTERN, so that they do not depend on the last bits of the optimisation.
    """
    grid = _inside(analysis, point, [(n, gamma) for n in GRID_N for gamma in GRID_GAMMA])
    safe = _inside(analysis, point, SAFE)
    grid += [tilt for tilt in safe if tilt not in grid]
    equal = (PATTERN - PLAIN_SHARE) // len(grid) / PATTERN
    pilot = mixture.run(
        analysis, point, mixture.mixture_at(analysis, point, [Tilt(*tilt, equal) for tilt in grid]), key, 0, N_TRIALS
    )
    log_l = np.concatenate([np.zeros((N_TRIALS, 1)), pilot.log_l], axis=1)  # the background itself comes first
    shares = best_shares(pilot.rows[:, 0], pilot.rows[:, 3], log_l)
    least = np.array([PLAIN_SHARE, *(SAFE_SHARE if tilt in safe else 0 for tilt in grid)])
    _, *counts = whole_shares(shares, least, PATTERN)
    chosen = [Tilt(*tilt, int(count) / PATTERN) for tilt, count in zip(grid, counts, strict=True) if count]
    return (*chosen, *checks(analysis, point))


def checks(analysis: Analysis, point: Point) -> list[Tilt]:
    """The tilts with a share of 0."""
    return [Tilt(*_inside(analysis, point, [tilt])[0], 0.0) for tilt in CHECKS]
