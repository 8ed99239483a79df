"""Monotone curve through measured fractions: weighted isotonic regression, then a PCHIP spline."""

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

F64 = NDArray[np.float64]


def isotonic(fraction: F64, weight: F64) -> F64:
    """Closest non-decreasing values in weighted least squares, of each row.

    By the max-min formula, max over j <= i of min over k >= i of the mean of points j..k: exact,
    and one array expression for all rows.

    Parameters
    ----------
    fraction : ndarray (B, P)
    weight : ndarray (P,), > 0

    Returns
    -------
    ndarray (B, P)
    """
    points = len(weight)
    total = np.cumsum(np.pad(weight, (1, 0)))
    moment = np.cumsum(np.pad(fraction * weight, ((0, 0), (1, 0))), axis=1)
    span = total[None, 1:] - total[:-1, None]
    j, k = np.triu_indices(points)
    mean = np.full((len(fraction), points, points), np.inf)
    mean[:, j, k] = (moment[:, k + 1] - moment[:, j]) / span[j, k]
    lowest = np.minimum.accumulate(mean[:, :, ::-1], axis=2)[:, :, ::-1]
    lowest[:, *np.tril_indices(points, -1)] = -np.inf
    return np.asarray(lowest.max(axis=1))


def pool_adjacent(value: F64, weight: F64) -> tuple[F64, F64]:
    """As `isotonic` for one row, by pooling adjacent violators: memory and time grow with P only.

    Parameters
    ----------
    value, weight : ndarray (P,); weight > 0

    Returns
    -------
    fitted, total : ndarray (P,)
        Non-decreasing values, and the weight of all that were pooled into each.
    """
    blocks: list[tuple[float, float, int]] = []  # sum, weight, length
    for v, w in zip(value.tolist(), weight.tolist(), strict=True):
        moment, total, length = v * w, w, 1
        while blocks and blocks[-1][0] * total > moment * blocks[-1][1]:
            last = blocks.pop()
            moment, total, length = moment + last[0], total + last[1], length + last[2]
        blocks.append((moment, total, length))
    lengths = [length for _, _, length in blocks]
    fitted, totals = ([m / t for m, t, _ in blocks], [t for _, t, _ in blocks])
    return np.repeat(fitted, lengths), np.repeat(totals, lengths)


def crossing(n_sig: F64, fraction: F64, beta: float) -> F64:
    """Return the n_sig at which a PCHIP spline through each row reaches `beta`; NaN where it does not.

    Parameters
    ----------
    n_sig : ndarray (P,), increasing
    fraction : ndarray (B, P), non-decreasing along P

    Returns
    -------
    ndarray (B,)
    """
    rows = np.arange(len(fraction))
    spline = PchipInterpolator(n_sig, fraction, axis=1)
    upper = np.argmax(fraction >= beta, axis=1)
    inside = (fraction[:, -1] >= beta) & (fraction[:, 0] < beta)
    interval = np.maximum(upper - 1, 0)
    coefficients = spline.c[:, interval, rows]
    low, high = np.zeros(len(rows)), n_sig[interval + 1] - n_sig[interval]
    for _ in range(52):
        middle = 0.5 * (low + high)
        below = _polynomial(coefficients, middle) < beta
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(inside, n_sig[interval] + 0.5 * (low + high), np.nan)


def spline_at(n_sig: F64, fraction: F64, at: F64) -> F64:
    """PCHIP spline through one row (P,), at `at`."""
    return np.asarray(PchipInterpolator(n_sig, fraction)(at), dtype=np.float64)


def _polynomial(c: F64, x: F64) -> F64:
    value = np.zeros_like(x)
    for term in c:
        value = value * x + term
    return value
