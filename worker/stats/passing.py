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
    """Trials of one n_sig: k of n pass; k is not whole if a share of the trials with TS = threshold passes."""

    n_sig: float
    k: float
    n: int
    fraction: float
    error: float


def passing_points(trials: Mapping[float, ArrayLike | TSD], threshold: float, share: float = 0.0) -> tuple[Point, ...]:
    """Count trials above a threshold.

    Parameters
    ----------
    trials : mapping of n_sig to ndarray (n_trials,)
        TS, or trials with a column ``ts``. The background at 0 may be a `TSD`.
    threshold : float
        A trial passes with TS > threshold.
    share : float
        In [0, 1]: so much of the trials with TS = threshold passes too (`worker.stats.thresholds.Threshold`).
    """
    points = []
    for n_sig in sorted(trials):
        values = trials[n_sig]
        if isinstance(values, TSD):
            points.append(background_point(values, threshold, share)._replace(n_sig=float(n_sig)))
            continue
        if isinstance(values, np.ndarray) and values.dtype.names:
            values = values["ts"]
        ts = np.asarray(values, dtype=np.float64)
        if not (math.isfinite(n_sig) and n_sig >= 0) or ts.size == 0 or not np.all(np.isfinite(ts)):
            raise InputError(
                f"trials at n_sig = {n_sig}: {ts.size} TS values, {np.count_nonzero(~np.isfinite(ts))} of them not "
                "finite; every n_sig >= 0 needs at least one trial and finite TS: make these trials again"
            )
        above, equal = int(np.count_nonzero(ts > threshold)), int(np.count_nonzero(ts == threshold))
        points.append(shared_point(n_sig, above, equal, ts.size, share))
    return tuple(points)


def counts_above(
    points: tuple[Point, ...], trials: Mapping[float, ArrayLike], thresholds: F64, shares: F64 | None = None
) -> F64:
    """Counts of `points` at other thresholds; a point without `trials` (the background) keeps its count.

    Parameters
    ----------
    points : tuple of Point, P of them
    trials : mapping of n_sig to ndarray (n_trials,) of TS
    thresholds : ndarray (B,)
    shares : ndarray (B,), optional
        Of the trials with TS equal to each threshold that pass; None: none of them.

    Returns
    -------
    ndarray (B, P)
    """
    columns = []
    for at in points:
        if at.n_sig in trials:
            ts = np.sort(np.asarray(trials[at.n_sig], dtype=np.float64))
            upper = np.searchsorted(ts, thresholds, side="right").astype(np.float64)
            equal = upper - np.searchsorted(ts, thresholds, side="left")
            columns.append(len(ts) - upper + (0.0 if shares is None else shares * equal))
        else:
            columns.append(np.full(len(thresholds), float(at.k)))
    return np.stack(columns, axis=1)


def weights(ts: ArrayLike, threshold: float, share: float = 0.0) -> F64:
    """Passing weight of each trial, (n_trials,): 1 with TS > threshold, `share` with TS = threshold, else 0."""
    values = np.asarray(ts, dtype=np.float64)
    return np.asarray((values > threshold) + share * (values == threshold), dtype=np.float64)


def background_point(tsd: TSD, threshold: float, share: float = 0.0) -> Point:
    """Count the background trials of a distribution, without expanding its zeros; `share` as of `passing_points`."""
    above = len(tsd.ts) - int(np.searchsorted(tsd.ts, threshold, side="right")) if threshold >= 0 else tsd.n
    equal = int(tsd.count(threshold)) - above if threshold >= 0 else 0
    return shared_point(0.0, above, equal, tsd.n, share)


def shared_point(n_sig: float, above: int, equal: int, n: int, share: float) -> Point:
    """Make a point from the counts of trials above the threshold and at it, of which a share passes.

    The variance of the weights 1, share, 0 is that of a binomial fraction less share (1 - share) equal / n.
    """
    if share == 0.0:
        return point(n_sig, above, n)
    whole = point(n_sig, above + share * equal, n)
    variance = whole.error**2 - share * (1.0 - share) * equal / n**2
    return whole._replace(error=math.sqrt(max(variance, float(fraction_error(0, n)) ** 2)))


def point(n_sig: float, k: float, n: int) -> Point:
    """Make a point from counts."""
    return Point(float(n_sig), k, n, k / n, float(fraction_error(k, n)))
