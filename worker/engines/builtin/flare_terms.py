"""Likelihood of one flare: its maximum over ns, at given gamma, t0 and width."""

import math

from worker.base import fmath
from worker.base.compiled import kernel

CUT = 5.0
"""Standard deviations at which a Gaussian profile ends."""
_STEPS = 40
_NORM = 0.3989422804014327
_NEWTON = 30


@kernel
def live_until(seasons, j, t):  # type: ignore[no-untyped-def]
    """Good time of season j before t, days."""
    lo, hi = seasons.first[j], seasons.first[j + 1]
    if t <= seasons.knot[lo]:
        return 0.0
    if t >= seasons.knot[hi - 1]:
        return seasons.live[hi - 1]
    cells = seasons.guide.shape[1]
    span = seasons.knot[hi - 1] - seasons.knot[lo]
    lo = seasons.guide[j, min(int((t - seasons.knot[lo]) / span * cells), cells - 1)]
    while seasons.knot[lo] > t:
        lo -= 1
    while seasons.knot[lo + 1] <= t:
        lo += 1
    length, more = seasons.knot[lo + 1] - seasons.knot[lo], seasons.live[lo + 1] - seasons.live[lo]
    return seasons.live[lo] + (more * ((t - seasons.knot[lo]) / length) if more > 0.0 else 0.0)


@kernel
def live_share(seasons, j, t0, width, box):  # type: ignore[no-untyped-def]
    """Integral of the profile over the good time of season j.

    Gaussian: integration by parts, -int L(t) g'(t) dt with L the good time before t. L has no steps, so that the rule
    of trapezoids (81 nodes) is accurate also where short runs and gaps follow each other.
    """
    if box:
        return (live_until(seasons, j, t0 + 0.5 * width) - live_until(seasons, j, t0 - 0.5 * width)) / width
    reach = CUT * width
    if t0 + reach <= seasons.knot[seasons.first[j]] or t0 - reach >= seasons.knot[seasons.first[j + 1] - 1]:
        return 0.0
    total = 0.0
    h = CUT / _STEPS
    for k in range(1, _STEPS + 1):
        z = k * h
        weight = 0.5 if k == _STEPS else 1.0
        g = weight * z * fmath.exp(-0.5 * z * z)
        total += g * (live_until(seasons, j, t0 + z * width) - live_until(seasons, j, t0 - z * width))
    return max(total * h * _NORM / width, 0.0)


@kernel
def cubic(row, x):  # type: ignore[no-untyped-def]
    """Cubic through the four nodes around x (in steps of the grid)."""
    k = min(max(int(x) - 1, 0), row.size - 4)
    u = x - k
    a = row[k] * (-(u - 1.0) * (u - 2.0) * (u - 3.0) / 6.0)
    b = row[k + 1] * (u * (u - 2.0) * (u - 3.0) / 2.0)
    c = row[k + 2] * (-u * (u - 1.0) * (u - 3.0) / 2.0)
    d = row[k + 3] * (u * (u - 1.0) * (u - 2.0) / 6.0)
    return a + b + c + d


@kernel
def bisect(mjd, t):  # type: ignore[no-untyped-def]
    """Index of the first event at or after t."""
    lo, hi = 0, mjd.size
    while lo < hi:
        middle = (lo + hi) // 2
        if mjd[middle] < t:
            lo = middle + 1
        else:
            hi = middle
    return lo


@kernel
def shares(seasons, t0, width, box, x, share, live):  # type: ignore[no-untyped-def]
    """Fill the share of expected events and the good time in the profile of each season; False if there is none."""
    total = 0.0
    for j in range(share.size):
        live[j] = live_share(seasons, j, t0, width, box)
        share[j] = live[j] * fmath.exp(cubic(seasons.log_rate[j], x)) if live[j] > 1e-6 else 0.0
        total += share[j]
    if total <= 0.0:
        return False
    for j in range(share.size):
        share[j] /= total
    return True


@kernel
def fill(events, seasons, t0, width, box, x, scratch):  # type: ignore[no-untyped-def]
    """Coefficients c_i of ln(1 + ns c_i) of the events in the profile, and the number of others; returns how many."""
    share, live, rest, coefficient = scratch
    reach = 0.5 * width if box else CUT * width
    edge = 1e-9 * (1.0 + abs(t0))
    for j in range(share.size):
        rest[j] = seasons.n_events[j]
    n = 0
    for i in range(bisect(events.mjd, t0 - reach - edge), events.mjd.size):
        if events.mjd[i] > t0 + reach + edge:
            break
        j = events.season[i]
        if share[j] == 0.0:
            continue
        if box:
            time = 1.0 / width
        else:
            z = (events.mjd[i] - t0) / width
            time = _NORM / width * fmath.exp(-0.5 * z * z)
        w = fmath.exp(cubic(events.log_w[i], x)) * time / (live[j] * events.density[i])
        coefficient[n] = share[j] / seasons.n_events[j] * (w - 1.0)
        rest[j] -= 1.0
        n += 1
    return n


@kernel
def best_ns(n, coefficient, share, rest, n_events):  # type: ignore[no-untyped-def]
    """Return ns of the maximum (the sum is concave: there is one), by Newton within a bracket."""
    lo, hi, x = 0.0, 1e300, 0.0
    for j in range(share.size):
        if share[j] > 0.0:
            hi = min(hi, n_events[j] / share[j])
    hi *= 1.0 - 1e-9
    for _ in range(_NEWTON):
        slope, curve = 0.0, 0.0
        for i in range(n):
            r = coefficient[i] / (1.0 + x * coefficient[i])
            slope += r
            curve += r * r
        for j in range(share.size):
            if share[j] > 0.0:
                c = -share[j] / n_events[j]
                r = c / (1.0 + x * c)
                slope += rest[j] * r
                curve += rest[j] * r * r
        if slope > 0.0:
            lo = x
        elif x == 0.0:
            return 0.0
        else:
            hi = x
        new = x + slope / curve
        if not lo < new < hi:
            new = 0.5 * (lo + min(hi, 4.0 * lo + 1.0))
        if abs(new - x) < 1e-7 * (1.0 + new):
            return new
        x = new
    return x


@kernel
def flare_ts(events, seasons, limits, t0, width, box, gamma, scratch):  # type: ignore[no-untyped-def]
    """TS (penalty included) and ns of one flare; -inf where no good time is in the profile."""
    share, live, rest, coefficient = scratch
    x = (gamma - seasons.gamma_lo) / seasons.gamma_step
    if not shares(seasons, t0, width, box, x, share, live):
        return -math.inf, 0.0
    n = fill(events, seasons, t0, width, box, x, scratch)
    ns = best_ns(n, coefficient, share, rest, seasons.n_events)
    total = 0.0
    for i in range(n):
        total += fmath.log(1.0 + ns * coefficient[i])
    for j in range(share.size):
        if share[j] > 0.0:
            total += rest[j] * fmath.log(1.0 - ns * share[j] / seasons.n_events[j])
    if limits.penalty:
        total += fmath.log((width if box else 2.0 * width) / limits.t_max)
    total -= 0.5 * limits.inverse * (gamma - limits.mean) * (gamma - limits.mean)
    return 2.0 * total, ns
