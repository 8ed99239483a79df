"""P-value of a TS at a declination, interpolated between the declinations of the background grid."""

import math
from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worker.base.errors import InputError
from worker.spec import edges
from worker.stats.significance import How

F64 = NDArray[np.float64]
Interpolation = Literal["linear", "log", "ring"]

RING_TOLERANCE_DEG = 1e-5
"""Declinations of rings are written with six decimals of a degree."""


class Survival(Protocol):
    """Interface of a TS distribution: `TSD` counts and fits, `Chi2Tail` is parametric."""

    def logsf(self, ts: ArrayLike, how: How = ..., /) -> F64:
        """Logarithm of P(TS >= ts)."""


def log_p(
    tsds: Mapping[float, Survival],
    dec: ArrayLike,
    ts: ArrayLike,
    interpolation: Interpolation = "linear",
    how: How = "hybrid",
) -> F64:
    """Logarithm of the p-value of a TS at a declination; finite however large TS is.

    Between the two bracketing declinations of the grid p (`linear`, as csky) or ln p (`log`) is
    interpolated linearly in dec; nothing is extrapolated beyond the grid. `ring` does not interpolate: every
    declination must have a distribution of its own.

    Parameters
    ----------
    tsds : mapping of dec (deg) to TS distribution
    dec : array_like, rad, broadcast with `ts`
    ts : array_like
        NaN gives NaN.
    interpolation : 'linear', 'log' or 'ring'
    how : 'hybrid', 'fit' or 'empirical'
        See `TSD.sf`.

    Returns
    -------
    ndarray of the broadcast shape

    Raises
    ------
    InputError
        No declination in the grid, a dec that is not in [-pi/2, pi/2] or lies beyond the ends of the grid, or, with
        `ring`, one without a distribution.

    Examples
    --------
    >>> from worker.stats import Chi2Tail
    >>> round(float(log_p({0: Chi2Tail(0.5, 1)}, dec=0.0, ts=2000)), 1)  # p itself would be 0
    -1004.7
    """
    if not tsds:
        raise InputError("no background declination: p-values need the TS distribution of at least one")
    dec_rad, flat = np.broadcast_arrays(np.asarray(dec, dtype=np.float64), np.asarray(ts, dtype=np.float64))
    shape, flat = flat.shape, flat.ravel()
    grid_deg = np.array(sorted(tsds), dtype=np.float64)
    lower, weight = _bracket(grid_deg, dec_rad.ravel())
    if interpolation == "ring":
        own = _own(grid_deg, np.degrees(dec_rad.ravel()), lower, weight)
        return _by_declination(tsds, own, flat, np.ones(len(flat), bool), how).reshape(shape)
    _refuse_beyond(grid_deg, np.degrees(dec_rad.ravel()))
    upper = np.minimum(lower + 1, len(tsds) - 1)
    at_lower = _by_declination(tsds, lower, flat, weight < 1.0, how)
    at_upper = _by_declination(tsds, upper, flat, weight > 0.0, how)
    if interpolation == "log":
        mixed = (1.0 - weight) * at_lower + weight * at_upper
    else:
        with np.errstate(divide="ignore", invalid="ignore"):  # ln 0 of an unused neighbour; NaN stays NaN
            both = np.logaddexp(np.log1p(-weight) + at_lower, np.log(weight) + at_upper)
        mixed = np.where(at_lower == at_upper, at_lower, both)  # p = 1 stays 1, to the last bit
    return mixed.reshape(shape)


def _bracket(grid_deg: F64, dec: F64) -> tuple[NDArray[np.int64], F64]:
    """Index of the grid declination below each dec (rad), and the weight of the one above, in [0, 1]."""
    outside = ~(np.abs(dec) <= math.pi / 2 + 1e-9)
    if np.any(outside):
        worst = dec[int(np.argmax(outside))]
        raise InputError(f"dec = {worst}: declinations are in radians, within [-pi/2, pi/2]")
    dec_deg = np.degrees(dec)
    last = len(grid_deg) - 1
    lower = np.clip(np.searchsorted(grid_deg, dec_deg, side="right") - 1, 0, max(last - 1, 0))
    gap = grid_deg[np.minimum(lower + 1, last)] - grid_deg[lower]
    weight = np.clip((dec_deg - grid_deg[lower]) / np.where(gap > 0, gap, 1.0), 0.0, 1.0)
    return lower, weight


def _refuse_beyond(grid_deg: F64, dec_deg: F64) -> None:
    """Refuse declinations beyond the ends of the grid, where p would be wrong by an unknown factor."""
    off = (dec_deg < grid_deg[0] - edges.EDGE_DEG) | (dec_deg > grid_deg[-1] + edges.EDGE_DEG)
    if np.any(off):
        worst = dec_deg[int(np.argmax(off))]
        raise InputError(
            f"dec = {worst:.6f} deg lies beyond the background distributions, which reach from {grid_deg[0]:g} to "
            f"{grid_deg[-1]:g} deg: no p-value can be told there; make background trials there (background.dec_deg), "
            "or leave it out"
        )


def shares(decs_deg: Iterable[float], dec: F64, weight: F64, interpolation: Interpolation) -> dict[float, float]:
    """Return the share of each background distribution in a weighted mean of p-values.

    Parameters
    ----------
    decs_deg : iterable of float, deg
        Declinations of the distributions.
    dec, weight : ndarray (n,), dec in rad
        Declinations of the p-values, and the weight of each.

    Returns
    -------
    dict of dec (deg) to float
        Sums to 1; distributions without a share are left out.
    """
    grid_deg = np.array(sorted(decs_deg), dtype=np.float64)
    lower, part = _bracket(grid_deg, dec)
    upper = np.minimum(lower + 1, len(grid_deg) - 1)
    if interpolation == "ring":
        lower = upper = _own(grid_deg, np.degrees(dec), lower, part)
    total = np.zeros(len(grid_deg))
    np.add.at(total, lower, weight * (1.0 - part))
    np.add.at(total, upper, weight * part)
    return {float(d): float(t) for d, t in zip(grid_deg, total / total.sum(), strict=True) if t > 0}


def _own(grid_deg: F64, dec_deg: F64, lower: NDArray[np.int64], weight: F64) -> NDArray[np.int64]:
    """Return the index of the grid declination equal to each dec."""
    own = np.where(weight > 0.5, np.minimum(lower + 1, len(grid_deg) - 1), lower)
    off = np.abs(grid_deg[own] - dec_deg)
    if np.any(off > RING_TOLERANCE_DEG):
        worst = int(np.argmax(off))
        raise InputError(
            f"dec = {dec_deg[worst]:.6f} deg has no background trials of its own (the nearest are at "
            f"{grid_deg[own[worst]]:.6f} deg): interpolation 'ring' needs them at every ring; write "
            "background.dec_deg: rings, or use 'linear' or 'log'"
        )
    return own


def _by_declination(
    tsds: Mapping[float, Survival], index: NDArray[np.int64], ts: F64, used: NDArray[np.bool_], how: How
) -> F64:
    """Logarithm of the p-value of each TS from the distribution at ``sorted(tsds)[index]``; 0 where not `used`."""
    out = np.zeros(len(ts))
    (rows,) = np.nonzero(used)
    rows = rows[np.argsort(index[rows], kind="stable")]
    starts = np.searchsorted(index[rows], np.arange(len(tsds) + 1))
    for j, dec_deg in enumerate(sorted(tsds)):
        selected = rows[starts[j] : starts[j + 1]]
        if len(selected):
            out[selected] = tsds[dec_deg].logsf(ts[selected], how)
    return out


def ts_to_p(
    tsds: Mapping[float, Survival],
    dec: ArrayLike,
    ts: ArrayLike,
    interpolation: Interpolation = "linear",
    how: How = "hybrid",
) -> F64:
    """P-value of a TS at a declination.

    Parameters
    ----------
    tsds, dec, ts, interpolation, how
        As of `log_p`.

    Returns
    -------
    ndarray of the broadcast shape of dec and ts

    Examples
    --------
    Two distributions of csky's tutorial, with the scales that its printed p-values 0.00189439 and 0.47481927 come from:

    >>> from worker.stats import Chi2Tail
    >>> bg = {45: Chi2Tail(0.498, 1.037, 1.177), -45: Chi2Tail(0.513, 0.996, 1.171)}
    >>> [f"{p:.4f}" for p in ts_to_p(bg, np.radians([45, -45]), [10, 0.01])]
    ['0.0019', '0.4748']
    """
    return np.exp(log_p(tsds, dec, ts, interpolation, how))


def mlog10p(
    tsds: Mapping[float, Survival],
    dec: ArrayLike,
    ts: ArrayLike,
    interpolation: Interpolation = "linear",
    how: How = "hybrid",
) -> F64:
    """-log10 of the p-value; never -0.

    Parameters
    ----------
    tsds, dec, ts, interpolation, how
        As of `log_p`.

    Returns
    -------
    ndarray of the broadcast shape of dec and ts

    Examples
    --------
    >>> from worker.stats import Chi2Tail
    >>> [round(float(x), 2) for x in mlog10p({0: Chi2Tail(0.5, 1)}, 0.0, [0.0, 9.0, 25.0])]
    [0.0, 2.87, 6.54]
    """
    return -log_p(tsds, dec, ts, interpolation, how) / math.log(10.0) + 0.0
