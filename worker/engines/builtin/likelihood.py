"""The likelihood ratio of one source position at fixed gamma, and its best ns.

Notation (METHOD): per event, y(gamma) = w(gamma) T(gamma)[row] - q(gamma)[season], with w = S / (B b N_season) and
q = f_season / N_season. S depends on gamma a little: w = w[0] + m(gamma) w[1], with the weight for a soft spectrum in
w[0] and in w[1] how much more it is for a hard one (0 for ``psf: gaussian``), see `hardness`. Then

    TS / 2 = sum_i ln(1 + ns y_i) + sum_seasons R ln(1 - ns q),     R = N - N' events with S = 0.

At fixed gamma this is concave in ns: Newton's method, safeguarded. Sums run in 32 lanes, then as a
tree: the same bits for any vector width.
"""

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel, part
from worker.engines.builtin.work import PROFILES, TERMS, counters

I64 = NDArray[np.int64]

LANES = 32
HARD, SOFT = 2.0, 3.2
"""Spectra of which S of an energy and sigma is tabulated (`worker.engines.builtin.psf_tables`)."""


@kernel
def hardness(gamma):  # type: ignore[no-untyped-def]
    """m(gamma) and its derivative: 1 for HARD and below, 0 for SOFT and above, and a smooth step between."""
    t = min(max((SOFT - gamma) / (SOFT - HARD), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t), -6.0 * t * (1.0 - t) / (SOFT - HARD)


@kernel
def fill(array, value):  # type: ignore[no-untyped-def]
    """Set all of an array: a loop compiles in a tenth of the time of a slice."""
    for i in range(array.size):
        array[i] = value


@part
def count_rest(n_events, season, rest):  # type: ignore[no-untyped-def]
    """Number of events of each season without those of `season`, into `rest`."""
    for j in range(n_events.size):
        n = np.int32(0)
        for i in range(season.size):
            n += np.int32(1) if season[i] == j else np.int32(0)
        rest[j] = n_events[j] - n


@kernel
def _lanes_sum(acc):  # type: ignore[no-untyped-def]
    """The sum of all lanes, as a tree; destroys `acc`."""
    half = acc.size // 2
    while half > 0:
        for lane in range(half):
            acc[lane] += acc[lane + half]
        half //= 2
    return acc[0]


@part
def slopes_at_zero(n, w, row, node, total, hard, by_row, more, out):  # type: ignore[no-untyped-def]
    """Slope of TS / 2 in ns at ns = 0, at every gamma node: sum_i w_i T_i(gamma) - `total`; into `out`.

    Weights are summed by row first, into the scratch `by_row` and `more` (n_rows,); returns the rows that were not
    empty. `hard` (n_gamma,) is m at the nodes.
    """
    fill(by_row, 0.0)
    fill(more, 0.0)
    for i in range(n):
        by_row[row[i]] += w[0, i]
        more[row[i]] += w[1, i]
    for g in range(out.size):
        out[g] = -total[g]
    used = 0
    for r in range(by_row.size):
        if by_row[r] != 0.0:
            used += 1
            values = node[r]
            for g in range(out.size):
                out[g] += (by_row[r] + hard[g] * more[r]) * values[g]
    return used


@kernel
def _add_slope(k, factor, w):  # type: ignore[no-untyped-def]
    """Add `factor` times the slope at node k, as in `tables.hermite`, to weights w of the nodes."""
    last = w.size - 1
    if 2 <= k <= last - 2:
        w[k - 2] += factor / 12.0
        w[k - 1] -= factor * (8.0 / 12.0)
        w[k + 1] += factor * (8.0 / 12.0)
        w[k + 2] -= factor / 12.0
    elif k == 1 or k == last - 1:
        w[k - 1] -= factor * 0.5
        w[k + 1] += factor * 0.5
    else:
        inner = 1 if k == 0 else -1
        w[k] -= factor * inner * 1.5
        w[k + inner] += factor * inner * 2.0
        w[k + 2 * inner] -= factor * inner * 0.5


@kernel
def _rows(coef, k, t, step, gamma, table, dtable):  # type: ignore[no-untyped-def]
    """T of all rows and its derivative in piece k, from its coefficients.

    Or from its values at the nodes, of which each row needs six: a table that is made for a single fit has no
    coefficients, which would take longer than the fit. It is (n_rows, 2 n_gamma), for a soft spectrum and the change to
    a hard one, since the events near several sources have no weights of their own.
    """
    if coef.ndim == 3:
        a, b, c, d = coef[k, 0], coef[k, 1], coef[k, 2], coef[k, 3]
        for r in range(table.size):
            table[r] = a[r] + t * (b[r] + t * (c[r] + t * d[r]))
            dtable[r] = (b[r] + t * (2.0 * c[r] + t * (3.0 * d[r]))) / step
    else:
        n, (m, dm) = coef.shape[1] // 2, hardness(gamma)
        value, change = np.zeros(n), np.zeros(n)
        rise = t * t * (3.0 - 2.0 * t)
        value[k], value[k + 1] = 1.0 - rise, rise
        change[k], change[k + 1] = -6.0 * t * (1.0 - t) / step, 6.0 * t * (1.0 - t) / step
        _add_slope(k, t * (1.0 - t) * (1.0 - t), value)
        _add_slope(k, (1.0 - t) * (1.0 - 3.0 * t) / step, change)
        _add_slope(k + 1, -t * t * (1.0 - t), value)
        _add_slope(k + 1, t * (3.0 * t - 2.0) / step, change)
        low, high = max(k - 2, 0), min(k + 4, n)
        for r in range(table.size):
            soft, more, dsoft, dmore = 0.0, 0.0, 0.0, 0.0
            for g in range(low, high):
                soft += value[g] * coef[r, g]
                dsoft += change[g] * coef[r, g]
                more += value[g] * coef[r, n + g]
                dmore += change[g] * coef[r, n + g]
            table[r] = soft + m * more
            dtable[r] = dsoft + m * dmore + dm * more


@part
def _set_gamma(gamma, gammas, coef, share, n_events, table, dtable, q, dq):  # type: ignore[no-untyped-def]
    """T, q and their derivatives at `gamma`, for all rows and seasons; into table, dtable, q, dq."""
    step = gammas[1] - gammas[0]
    k = min(max(int((gamma - gammas[0]) / step), 0), gammas.size - 2)
    t = (gamma - gammas[k]) / step
    _rows(coef, k, t, step, gamma, table, dtable)
    for j in range(q.size):
        e, f, g, h = share[k, 0, j], share[k, 1, j], share[k, 2, j], share[k, 3, j]
        q[j] = (e + t * (f + t * (g + t * h))) / n_events[j]
        dq[j] = (f + t * (2.0 * g + t * (3.0 * h))) / step / n_events[j]


@part
def _terms(n, w, m, dm, row, season, table, q, dtable, dq, y, dy):  # type: ignore[no-untyped-def]
    """Terms y of every event and their derivatives in gamma, padded with zeros to whole lanes; returns the length."""
    soft, more = w[0], w[1]
    for i in range(n):
        r, s = np.uint32(row[i]), np.uint32(season[i])  # unsigned: no check for indices from the end, so it vectorises
        weight = soft[i] + m * more[i]
        y[i] = weight * table[r] - q[s]
        dy[i] = weight * dtable[r] + dm * more[i] * table[r] - dq[s]
    padded = (n + LANES - 1) // LANES * LANES
    for i in range(n, padded):
        y[i] = 0.0
        dy[i] = 0.0
    return padded


@kernel
def _derivatives(ns, padded, y, rest, q, acc, acc2, count):  # type: ignore[no-untyped-def]
    """First and second derivative of TS / 2 in ns."""
    count[TERMS] += padded
    fill(acc, 0.0)
    fill(acc2, 0.0)
    for i in range(0, padded, LANES):
        part = y[i : i + LANES]
        for lane in range(acc.size):
            d = part[lane] / (1.0 + ns * part[lane])
            acc[lane] += d
            acc2[lane] -= d * d
    first = _lanes_sum(acc)
    second = _lanes_sum(acc2)
    for j in range(q.size):
        d = q[j] / (1.0 - ns * q[j])
        first -= rest[j] * d
        second -= rest[j] * d * d
    return first, second


@part
def _maximise_ns(ns, tolerance, padded, y, rest, q, acc, acc2, count):  # type: ignore[no-untyped-def]
    """The ns >= 0 that maximises TS / 2 at fixed gamma; `ns` is where to start (0: not known).

    Newton's method inside a bracket. It never starts at ns = 0, where an event with a very large W makes its
    first steps as small as 1 / W; the tolerance is relative for the same reason.
    """
    top = 1e300
    for j in range(q.size):
        if q[j] > 0.0:
            top = min(top, 1.0 / np.float64(q[j]))  # on a GPU q is in single precision
    lo, hi = 0.0, top * (1.0 - 1e-9)
    rises_at_zero = False
    ns, after = min(max(ns, 0.0), 0.5 * hi), min(1.0, 0.5 * hi)  # where to look, and where next if that is ns = 0
    for _ in range(100):
        first, second = _derivatives(ns, padded, y, rest, q, acc, acc2, count)  # called here only: a GPU inlines it
        if ns == 0.0:
            if first <= 0.0:
                return 0.0
            rises_at_zero = True
            ns = after
            continue
        if first > 0.0:
            lo = ns
        else:
            hi = ns
        new = ns - first / second if second < 0.0 else -1.0
        if not lo < new < hi:
            new = 0.5 * (lo + hi) if hi < 0.9 * top else 2.0 * ns
            if not new < hi:
                new = 0.5 * (ns + hi)
            if lo == 0.0 and not rises_at_zero:
                ns, after = 0.0, new
                continue
        converged = abs(new - ns) <= tolerance * new
        ns = new
        if converged:
            break
    return ns


@part
def log_likelihood_ratio(ns, padded, y, rest, q, acc, count):  # type: ignore[no-untyped-def]
    """TS / 2: products of eight factors in every lane before each logarithm."""
    count[TERMS] += padded
    total = 0.0
    for start in range(0, padded, 8 * LANES):
        fill(acc, 1.0)
        for i in range(start, min(start + 8 * LANES, padded), LANES):
            part = y[i : i + LANES]
            for lane in range(acc.size):
                acc[lane] *= 1.0 + ns * part[lane]
        for lane in range(acc.size):
            acc[lane] = fmath.log(acc[lane])
        total += _lanes_sum(acc)
    for j in range(q.size):
        total += rest[j] * fmath.log(1.0 - ns * q[j])
    return total


@part
def _gamma_slope(ns, padded, y, dy, rest, q, dq, acc, count):  # type: ignore[no-untyped-def]
    """Derivative of the profile in gamma (the envelope theorem: ns is held).

    Where ns = 0 the profile is flat; the sign then tells to which side the slope at ns = 0 grows.
    """
    count[TERMS] += padded
    fill(acc, 0.0)
    for i in range(0, padded, LANES):
        part, change = y[i : i + LANES], dy[i : i + LANES]
        for lane in range(acc.size):
            acc[lane] += change[lane] / (1.0 + ns * part[lane])
    total = _lanes_sum(acc)
    for j in range(q.size):
        total -= rest[j] * dq[j] / (1.0 - ns * q[j])
    return max(ns, 1e-3) * total


@kernel
def profile(gamma, ns, tolerance, n, w, row, season, rest, n_events, model, work):  # type: ignore[no-untyped-def]
    """Best ns at `gamma`, TS / 2 there and its derivative in gamma."""
    gammas, _, coef, share, _, _, _ = model
    table, dtable, y, dy, q, dq, acc, acc2, count = work
    count[PROFILES] += 1
    _set_gamma(gamma, gammas, coef, share, n_events, table, dtable, q, dq)
    m, dm = hardness(gamma)
    padded = _terms(n, w, m, dm, row, season, table, q, dtable, dq, y, dy)
    ns = _maximise_ns(ns, tolerance, padded, y, rest, q, acc, acc2, count)
    value = log_likelihood_ratio(ns, padded, y, rest, q, acc, count)
    return ns, value, _gamma_slope(ns, padded, y, dy, rest, q, dq, acc, count)


def workspace(max_events: int, n_rows: int, n_seasons: int, count: I64 | None = None) -> tuple[np.ndarray, ...]:
    """Scratch arrays for `fit` with up to `max_events` events; work is added to `count` (see `work`)."""
    return (
        np.empty(n_rows),
        np.empty(n_rows),
        np.empty(max_events + LANES),
        np.empty(max_events + LANES),
        np.empty(n_seasons),
        np.empty(n_seasons),
        np.empty(LANES),
        np.empty(LANES),
        counters() if count is None else count,
    )
