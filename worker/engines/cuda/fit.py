"""The fit of `worker.engines.builtin.fit` by a warp: its control flow, with sums over events shared among the lanes.

The search runs in single precision, whose errors move its end by some 1e-6 in ns and gamma: TS, at a maximum there,
only by the square of that. At the end ns and TS are computed in double precision. The code is small on purpose: the
warps of a processor are in different places of it, and its cache for instructions holds 8,000.

The arguments that `worker.engines.builtin.fit.fit` only hands on are other ones here. `w` is what a warp knows of its
events (`worker.engines.cuda.memory.shared`), `row` and `season` are not used; the model is (gammas, node, coef, share,
total, hard, prior): flat arrays with all tables of `worker.engines.cuda.memory.model_of` and the offset of this one,
but for the first and the last two, which all tables share. Of an event, `v` is how much more it weighs for a hard
spectrum.
"""

import numpy as np

from worker.base import fmath
from worker.engines.builtin import fit as on_cpu
from worker.engines.builtin import likelihood
from worker.engines.cuda import warp
from worker.engines.cuda.warp import COLUMNS, LANES, ONE, STEP, THREE, TWO, U64, cuda, device, on_lanes

ZERO = np.float32(0.0)
FOUR = U64(4)
HALF = np.float32(0.5)
THIRD = np.float32(1.0 / 3.0)
SMALL = np.float32(0.01)


@device
def model_at(index, tables, sizes):  # type: ignore[no-untyped-def]
    """The model of table `index` of several."""
    gammas, node, coef, share, total, hard, prior = tables
    t, rows, seasons = U64(index), U64(sizes[2]), U64(sizes[3])
    columns, pieces = U64(on_lanes(gammas.size)), U64(gammas.size - 1)
    at_piece = t * FOUR * pieces
    at_share, at_total = at_piece * seasons, t * U64(gammas.size)
    return (
        gammas,
        (node, t * columns * rows),
        (coef, at_piece * rows),
        (share, at_share),
        (total, at_total),
        hard,
        prior,
    )


@device
def count_rest(n, events, n_events, rest):  # type: ignore[no-untyped-def]
    """Events with S = 0 of every season, into `rest`."""
    _, _, _, _, shorts, _, season = events
    for s in range(rest.size):
        here = np.float64(n)
        if rest.size > 1:
            mine = ZERO
            i = U64(cuda.threadIdx.x)
            while i < n:
                if shorts[season + i] == s:
                    mine += ONE
                i += STEP
            here = np.float64(warp.total(mine))
        rest[s] = n_events[s] - here
    warp.sync()


@device
def _slopes_at_zero(n, events, unused, node, total, hard, n_rows, unused_2, out):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """As `worker.engines.builtin.likelihood.slopes_at_zero`: a lane owns two gammas, and meets every event."""
    singles, w, v, _, shorts, row, _ = events
    values, first = node
    totals, first_total = total
    for start in range(0, out.size, COLUMNS):
        g = start + cuda.threadIdx.x
        h = g + LANES
        at = first + U64(start) * n_rows + U64(cuda.threadIdx.x)
        here = -totals[first_total + U64(g)] if g < out.size else ZERO
        there = -totals[first_total + U64(h)] if h < out.size else ZERO
        m_here = hard[g] if g < out.size else ZERO
        m_there = hard[h] if h < out.size else ZERO
        i = U64(0)
        while i < n:
            weight, more, r = singles[w + i], singles[v + i], at + shorts[row + i] * U64(COLUMNS)
            here += (weight + m_here * more) * values[r]
            there += (weight + m_there * more) * values[r + STEP]
            i += U64(1)
        if g < out.size:
            out[g] = here
        if h < out.size:
            out[h] = there
    warp.sync()
    return 0


@device
def _piece(gamma, gammas):  # type: ignore[no-untyped-def]
    """Piece of the tables, place in it, and their inverse step."""
    inverse = 1.0 / (gammas[1] - gammas[0])
    k = min(max(int((gamma - gammas[0]) * inverse), 0), gammas.size - 2)
    return U64(k), (gamma - gammas[k]) * inverse, inverse


@device
def _cubic(values, at, stride, t):  # type: ignore[no-untyped-def]
    """A cubic of a flat table and its derivative, at t: in the precision of the table."""
    two = U64(at + stride + stride)
    a, b, c, d = values[at], values[at + stride], values[two], values[two + stride]
    return a + t * (b + t * (c + t * d)), b + t * (TWO * c + t * (THREE * d))


@device
def _set_gamma(gamma, gammas, coef, share, n_events, n_rows, search):  # type: ignore[no-untyped-def]
    singles, table, q, dq = search
    (values, _), first = coef
    shares, first_share = share
    lane = U64(cuda.threadIdx.x)
    k, place, inverse = _piece(gamma, gammas)
    t, per = np.float32(place), np.float32(inverse)
    warp.sync()
    r = lane
    while r < n_rows:
        at = first + FOUR * k * n_rows + r
        value, slope = _cubic(values, at, n_rows, t)
        singles[table + r] = value
        singles[table + n_rows + r] = slope * per
        r += STEP
    j, size = lane, U64(q.size)
    while j < size:
        value, slope = _cubic(shares, first_share + FOUR * k * size + j, size, place)
        one = warp.inverse(n_events[j])
        q[j] = value * one
        dq[j] = slope * inverse * one
        j += STEP
    warp.sync()


@device
def _set_terms(n, events, m, search):  # type: ignore[no-untyped-def]
    """Terms y of every event; a lane reads later what it wrote itself."""
    singles, w, v, y, shorts, row, season = events
    tables, table, q, _ = search
    i = U64(cuda.threadIdx.x)
    while i < n:
        t = tables[U64(table + shorts[row + i])]
        singles[y + i] = (singles[w + i] + m * singles[v + i]) * t - q[shorts[season + i]]
        i += STEP


@device
def _derivatives(ns, n, events, rest, q, acc, acc2, count):  # type: ignore[no-untyped-def]  # noqa: ARG001
    singles, _, _, y, _, _, _ = events
    at = np.float32(ns)
    first, second = ZERO, ZERO
    i = U64(cuda.threadIdx.x)
    while i < n:
        term = singles[y + i]
        d = warp.ratio(term, ONE + at * term)
        first += d
        second -= d * d
        i += STEP
    j = U64(cuda.threadIdx.x)
    while j < q.size:  # a signed size: as an unsigned one it has the compiler unroll the loop, for one season
        d = warp.ratio(q[j], ONE - at * q[j])
        d_rest = np.float32(rest[j]) * d
        first -= d_rest
        second -= d_rest * d
        j += STEP
    return np.float64(warp.total(first)), np.float64(warp.total(second))


@device
def _value_and_slope(ns, n, events, rest, m, dm, n_rows, search):  # type: ignore[no-untyped-def]
    """As `log_likelihood_ratio` and `_gamma_slope` of the builtin `likelihood`, in one sweep over the events.

    ln(1 + x) is its series where x is small: rounding 1 + x would err the same way for all events of little weight.
    """
    singles, w, v, y, shorts, row, season = events
    tables, table, q, dq = search
    dtable = table + n_rows
    at = np.float32(ns)
    value, slope = 0.0, 0.0  # in double precision: two gammas are compared, and large TS have many digits
    i = U64(cuda.threadIdx.x)
    while i < n:
        t = tables[dtable + shorts[row + i]]
        more = singles[v + i]
        change = (singles[w + i] + m * more) * t + dm * more * tables[U64(table + shorts[row + i])]
        x = at * singles[y + i]
        log = warp.log32(ONE + x)
        series = x * (ONE - x * (HALF - x * THIRD))
        value += np.float64(series if abs(x) < SMALL else log)
        slope += np.float64(warp.ratio(change - dq[shorts[season + i]], ONE + x))
        i += STEP
    j = U64(cuda.threadIdx.x)
    while j < q.size:
        value += rest[j] * fmath.log(1.0 - ns * np.float64(q[j]))
        slope -= rest[j] * np.float64(warp.ratio(dq[j], ONE - at * q[j]))
        j += STEP
    return warp.total(value), max(ns, 1e-3) * warp.total(slope)


_maximise_ns = warp.rebound(likelihood._maximise_ns, _derivatives=_derivatives)


@device
def _profile(gamma, ns, tolerance, n, events, row, season, rest, n_events, model, work):  # type: ignore[no-untyped-def]  # noqa: ARG001
    gammas, _, coef, share, _, _, _ = model
    n_rows, search, _, count = work
    _, _, q, _ = search
    _set_gamma(gamma, gammas, coef, share, n_events, n_rows, search)
    m, dm = likelihood.hardness(gamma)
    m32, dm32 = np.float32(m), np.float32(dm)
    _set_terms(n, events, m32, search)
    ns = _maximise_ns(ns, tolerance, n, events, rest, q, count, count, count)
    value, slope = _value_and_slope(ns, n, events, rest, m32, dm32, n_rows, search)
    return ns, value, slope


@device
def _exact_term(i, events, end):  # type: ignore[no-untyped-def]
    singles, w, v, _, shorts, row, season = events
    doubles, table, q, m = end
    t = doubles[U64(table + shorts[row + i])]
    return (singles[w + i] + m * singles[v + i]) * t - q[shorts[season + i]]


@device
def _exact_derivatives(ns, n, y, rest, q, acc, acc2, count):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """In double precision; `y` is here what it is made of: events, and T and q at gamma."""
    events, end = y
    first, second = 0.0, 0.0
    i = U64(cuda.threadIdx.x)
    while i < n:
        term = _exact_term(i, events, end)
        d = term * warp.inverse(1.0 + ns * term)
        first += d
        second -= d * d
        i += STEP
    j = U64(cuda.threadIdx.x)
    while j < q.size:
        d = q[j] * warp.inverse(1.0 - ns * q[j])
        first -= rest[j] * d
        second -= rest[j] * d * d
        j += STEP
    return warp.total(first), warp.total(second)


@device
def _exact_log_likelihood_ratio(ns, n, y, rest, q):  # type: ignore[no-untyped-def]
    """Products of up to eight factors in every lane before each logarithm."""
    events, end = y
    sums, product, factors = 0.0, 1.0, 0
    i = U64(cuda.threadIdx.x)
    while i < n:
        product *= 1.0 + ns * _exact_term(i, events, end)
        factors += 1
        i += STEP
        if factors == 8 or i >= n:
            sums += fmath.log(product)
            product, factors = 1.0, 0
    j = U64(cuda.threadIdx.x)
    while j < q.size:
        sums += rest[j] * fmath.log(1.0 - ns * q[j])
        j += STEP
    return warp.total(sums)


_maximise_ns_exactly = warp.rebound(likelihood._maximise_ns, _derivatives=_exact_derivatives)


@device
def _profile_at_best(gamma, ns, tolerance, n, events, row, season, rest, n_events, model, work):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Where the search has ended: its tables are overwritten by those in double precision."""
    gammas, _, ((_, values), first), (shares, first_share), _, _, _ = model
    n_rows, _, end, count = work
    doubles, table, q = end
    k, t, _ = _piece(gamma, gammas)
    lane = U64(cuda.threadIdx.x)
    warp.sync()
    r = lane
    while r < n_rows:
        at = first + FOUR * k * n_rows + r
        doubles[table + r], _ = _cubic(values, at, n_rows, t)
        r += STEP
    j, size = lane, U64(q.size)
    while j < size:
        value, _ = _cubic(shares, first_share + FOUR * k * size + j, size, t)
        q[j] = value / n_events[j]
        j += STEP
    warp.sync()
    m, _ = likelihood.hardness(gamma)
    y = (events, (doubles, table, q, m))
    ns = _maximise_ns_exactly(ns, tolerance, n, y, rest, q, count, count, count)
    return ns, _exact_log_likelihood_ratio(ns, n, y, rest, q), 0.0


fit = warp.rebound(
    on_cpu.fit,
    slopes_at_zero=_slopes_at_zero,
    maximise=warp.rebound(
        on_cpu.maximise,
        _rises_between=warp.rebound(on_cpu._rises_between, _node_slope=warp.rebound(on_cpu._node_slope)),
        _search=warp.rebound(
            on_cpu._search,
            _counts=warp.rebound(on_cpu._counts),
            _narrow=warp.rebound(on_cpu._narrow),
            penalty=warp.rebound(on_cpu.penalty),
            profile=_profile,
        ),
        penalty=warp.rebound(on_cpu.penalty),
        profile_at_best=_profile_at_best,
    ),
)
"""As `worker.engines.builtin.fit.fit`, called by all lanes, on arrays in shared memory."""
