"""A local p-value with its errors, that of the interpolation between declinations included."""

import math
from collections.abc import Mapping

import numpy as np

from worker.stats import pvalues
from worker.stats.distributions import TSD
from worker.stats.pvalues import Interpolation, Survival
from worker.stats.significance import How, PValue

LEAST_SHARE = 1e-3
"""A distribution with a smaller share is at another declination than the p-value, whose own is the other one."""


def pvalue(
    tsds: Mapping[float, TSD], dec: float, ts: float, interpolation: Interpolation = "linear", how: How = "hybrid"
) -> PValue:
    """P-value of one TS at a declination, as `worker.stats.pvalues.ts_to_p`, with its errors.

    k and n are those of the distribution with the largest share; the interval has the errors of both distributions.

    Parameters
    ----------
    tsds : mapping of dec (deg) to TSD
    dec : float, rad
    ts, interpolation, how
        As of `ts_to_p`.

    Returns
    -------
    PValue
    """
    shares = pvalues.shares(tsds, np.array([dec]), np.ones(1), interpolation)
    shares = {at: share for at, share in shares.items() if share > LEAST_SHARE}
    values = {at: tsds[at].pvalue(ts, how) for at in shares}
    nearest = values[max(shares, key=lambda at: shares[at])]
    if len(shares) == 1 or ts <= 0:
        return nearest
    p = float(pvalues.ts_to_p(tsds, dec, ts, interpolation, how))
    weights = {at: share * (values[at].p / p if interpolation == "linear" else 1.0) for at, share in shares.items()}
    width = math.exp(math.hypot(*(weight * math.log(values[at].hi / values[at].p) for at, weight in weights.items())))
    way = "fit" if any(value.way == "fit" for value in values.values()) else nearest.way
    error = interpolation_error(tsds, dec, ts, interpolation, how)
    return nearest._replace(p=p, lo=p / width, hi=min(p * width, 1.0), way=way, interpolation_error=error)


def interpolation_error(
    tsds: Mapping[float, Survival], dec: float, ts: float, interpolation: Interpolation, how: How = "hybrid"
) -> float:
    """Error of ln p from interpolation, estimated where p is known: at the declinations of the grid nearby.

    The p-value of each of the (up to four) nearest inner declinations of the grid is interpolated from its two
    neighbours and compared with its own; the root mean square of the differences in ln p is returned. These neighbours
    are twice as far apart as the grid: this is too large where p is smooth, and right where single events change it
    within less than the distance. It contains the errors of the finite numbers of trials.

    Parameters
    ----------
    tsds
        As of `pvalue`.
    dec : float, rad
    ts, interpolation, how
        As of `pvalue`.

    Returns
    -------
    float
        NaN with fewer than three declinations.
    """
    grid = sorted(tsds)
    place = int(np.searchsorted(grid, math.degrees(dec), side="right"))
    inner = [i for i in range(place - 2, place + 2) if 0 < i < len(grid) - 1]
    if not inner:
        return math.nan
    squares = []
    for i in inner:
        around = {grid[j]: tsds[grid[j]] for j in (i - 1, i + 1)}
        guess = float(pvalues.log_p(around, math.radians(grid[i]), ts, interpolation, how))
        squares.append((guess - float(tsds[grid[i]].logsf(ts, how))) ** 2)
    return math.sqrt(math.fsum(squares) / len(squares))
