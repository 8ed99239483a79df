"""Upper bounds of the TS of a pixel, which cost less than its fit.

Most pixels of a sky cannot be the hottest of their ring: their bound is below the TS of another.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel
from worker.engines.builtin.tables import SignalTable
from worker.engines.builtin.work import TERMS

F64 = NDArray[np.float64]

RANGES = 4
"""Ranges of gamma with an upper bound of TS of their own, besides that for all gammas."""
SMALL = 0.01
"""Terms of the likelihood that count as linear in ns in an upper bound."""
DECREMENT = 0.1
"""Of Newton's method, at which an upper bound of TS is known: TS / 2 is then at most DECREMENT**2 larger."""
MARGIN = 1.0 + 1e-6
"""For rounding."""


class Ranges(NamedTuple):
    """Upper bounds of a signal table over ranges of gamma, the first of which has all gammas.

    Attributes
    ----------
    tallest : ndarray (1 + RANGES, n_rows)
        Of T.
    least : ndarray (1 + RANGES, n_seasons)
        Lower bounds of the shares, hence of q N.
    hard : ndarray (1 + RANGES, 2)
        Largest and smallest m of `worker.engines.builtin.likelihood.hardness`.
    """

    tallest: F64
    least: F64
    hard: F64


def ranges_of(table: SignalTable) -> Ranges:
    """Bounds of a signal table: a cubic piece lies between its four Bezier points."""
    high, low = _bezier(table.coef).max(1), _bezier(table.share).min(1)
    ends = np.linspace(0, len(high), RANGES + 1).round().astype(int)
    parts = [slice(None), *map(slice, ends[:-1], ends[1:])]
    hard = [(table.hard[part.start or 0], table.hard[-1 if part.stop is None else part.stop]) for part in parts]
    return Ranges(
        np.array([high[part].max(0) for part in parts]), np.array([low[part].min(0) for part in parts]), np.array(hard)
    )


def no_ranges(n_rows: int, n_seasons: int) -> Ranges:
    """In place of `ranges_of` where every pixel is fitted: not looked at."""
    n = 1 + RANGES
    return Ranges(np.zeros((n, n_rows)), np.zeros((n, n_seasons)), np.zeros((n, 2)))


def _bezier(coef: F64) -> F64:
    a, b, c, d = coef[:, 0], coef[:, 1], coef[:, 2], coef[:, 3]
    return np.stack([a, a + b / 3.0, a + (2.0 * b + c) / 3.0, a + b + c + d], axis=1)


@kernel
def ts_bound(n, w, row, season, rest, n_data, tallest, least, hard, work):  # type: ignore[no-untyped-def]
    """Upper bound of TS over all ns and a range of gamma, of which `tallest`, `least`, `hard` are bounds of T, q N, m.

    With the largest w and T and the smallest q every term y = w T - q is at least that of a fit. Small terms count as
    ns y instead of ln(1 + ns y), so that few are left. Newton's method for the rest ends where its decrement d is
    small: the maximum of such a sum (self-concordant) is at most -d - ln(1 - d) higher (Nesterov, Introductory
    lectures on convex optimization, 2004, theorem 4.1.11).
    """
    y, terms, q, count = work[2], work[3], work[4], work[-1]
    slope = 0.0
    for j in range(n_data.size):
        q[j] = least[j] / n_data[j]
        slope -= rest[j] * q[j]
    for i in range(n):
        r, s = np.uint32(row[i]), np.uint32(season[i])
        terms[i] = max(w[0, i] + hard[0] * w[1, i], w[0, i] + hard[1] * w[1, i]) * tallest[r] - q[s]
    large, first = 0, slope
    for i in range(n):  # without branches
        term, is_large = terms[i], terms[i] > SMALL
        y[large] = term
        large += 1 if is_large else 0
        first += term
        slope += 0.0 if is_large else term
    count[TERMS] += n
    if first <= 0.0:
        return 0.0
    if slope >= 0.0:
        return np.inf
    lo, hi = 0.0, -large / slope  # sum of y / (1 + ns y) <= large / ns
    ns = min(0.5 * hi, 1.0)
    for _ in range(100):
        first, second = slope, 0.0
        for i in range(large):
            d = y[i] / (1.0 + ns * y[i])
            first += d
            second += d * d
        count[TERMS] += large
        if first * first < DECREMENT * DECREMENT * second:
            break
        if first > 0.0:
            lo = ns
        else:
            hi = ns
        new = ns + first / second
        ns = new if lo < new < hi else 0.5 * (lo + hi)
    total = slope * ns
    for i in range(large):
        total += fmath.log(1.0 + ns * y[i])
    return 2.0 * (total + DECREMENT * DECREMENT) * MARGIN
