"""Fractions of trials of each n_sig that pass a TS threshold."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worker.base.errors import InputError
from worker.stats.binomial import fraction_error
from worker.stats.distributions import TSD

F64 = NDArray[np.float64]


class Point(NamedTuple):
    """Trials of one n_sig: k of n exceed the threshold."""

    n_sig: float
    k: int
    n: int
    fraction: float
    error: float


def passing_points(trials: Mapping[float, ArrayLike | TSD], threshold: float) -> tuple[Point, ...]:
    """Count trials above a threshold.

    Parameters
    ----------
    trials : mapping of n_sig to ndarray (n_trials,)
        TS, or trials with a column ``ts``. The background at 0 may be a `TSD`.
    threshold : float
        A trial passes with TS > threshold.
    """
    points = []
    for n_sig in sorted(trials):
        values = trials[n_sig]
        if isinstance(values, TSD):
            points.append(background_point(values, threshold)._replace(n_sig=float(n_sig)))
            continue
        if isinstance(values, np.ndarray) and values.dtype.names:
            values = values["ts"]
        ts = np.asarray(values, dtype=np.float64)
        if not (math.isfinite(n_sig) and n_sig >= 0) or ts.size == 0 or not np.all(np.isfinite(ts)):
            raise InputError(
                f"trials at n_sig = {n_sig}: {ts.size} TS values, {np.count_nonzero(~np.isfinite(ts))} of them not "
                "finite; every n_sig >= 0 needs at least one trial and finite TS: make these trials again"
            )
        points.append(point(n_sig, int(np.count_nonzero(ts > threshold)), ts.size))
    return tuple(points)


def counts_above(points: tuple[Point, ...], trials: Mapping[float, ArrayLike], thresholds: F64) -> F64:
    """Counts of `points` at other thresholds; a point without `trials` (the background) keeps its count.

    Parameters
    ----------
    points : tuple of Point, P of them
    trials : mapping of n_sig to ndarray (n_trials,) of TS
    thresholds : ndarray (B,)

    Returns
    -------
    ndarray (B, P)
    """
    columns = []
    for at in points:
        if at.n_sig in trials:
            ts = np.sort(np.asarray(trials[at.n_sig], dtype=np.float64))
            columns.append(len(ts) - np.searchsorted(ts, thresholds, side="right").astype(np.float64))
        else:
            columns.append(np.full(len(thresholds), float(at.k)))
    return np.stack(columns, axis=1)


def background_point(tsd: TSD, threshold: float) -> Point:
    """Count the background trials of a distribution, without expanding its zeros."""
    k = len(tsd.ts) - int(np.searchsorted(tsd.ts, threshold, side="right")) if threshold >= 0 else tsd.n
    return point(0.0, k, tsd.n)


def point(n_sig: float, k: int, n: int) -> Point:
    """Make a point from counts."""
    return Point(float(n_sig), k, n, k / n, float(fraction_error(k, n)))
