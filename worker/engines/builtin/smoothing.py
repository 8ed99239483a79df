"""Kernels that smooth the distributions of events in declination (on the sphere) and in log_e (in bins).

In declination an event is smeared with a von Mises-Fisher density of concentration 1 / width^2 (a Gaussian on the
sphere) and the result is averaged over right ascension. This keeps the sum everywhere, and events that are uniform on
the sphere stay uniform up to the poles, where a fixed width in sin(dec) does not work: 0.02 is 1.1 deg at the equator
and 11.5 deg at the pole.
"""

import math

from worker.base import fmath
from worker.base.compiled import kernel

PI = 3.141592653589793
REACH = 5.0
"""A kernel is cut at this many widths."""
WIDER = 1.25
"""Factor between the widths that are tried."""


@kernel
def bessel_i0e(x):  # type: ignore[no-untyped-def]
    """exp(-x) I_0(x) for x >= 0: the series, or from 20 on Hankel's expansion; both to about 1e-14."""
    total = term = 1.0
    if x < 20.0:
        k = 0.0
        while term > 1e-17 * total:
            k += 1.0
            term *= 0.25 * x * x / (k * k)
            total += term
        return total * fmath.exp(-x)
    for i in range(1, 21):
        term *= (2.0 * i - 1.0) ** 2 / (8.0 * i * x)
        total += term
    return total / math.sqrt(2.0 * PI * x)


@kernel
def zonal(dec, centre, width):  # type: ignore[no-untyped-def]
    """Density in sin(dec) of an event at `centre` that is smeared with `width` (all rad); integral 1 over [-1, 1].

    kappa / (2 sinh kappa) exp(kappa sin sin) I_0(kappa cos cos) with kappa = 1 / width^2, for widths up to 0.3 rad.
    """
    kappa = 1.0 / (width * width)
    s = fmath.sin(0.5 * (dec - centre))
    return kappa * fmath.exp(-2.0 * kappa * s * s) * bessel_i0e(kappa * fmath.cos(dec) * fmath.cos(centre))


@kernel
def dec_at(i, n):  # type: ignore[no-untyped-def]
    """Declination (rad) of place i of n equal steps from pole to pole; i + 0.5 is the centre of bin i."""
    return PI * (i / n - 0.5)


@kernel
def events_within(counts, dec, width):  # type: ignore[no-untyped-def]
    """Events in the kernel of `width` at a declination (rad): the sum of weights that are 1 at its centre."""
    total = 0.0
    for i in range(counts.size):
        centre = dec_at(i + 0.5, counts.size)
        if counts[i] > 0.0 and abs(centre - dec) < REACH * width:
            total += counts[i] * zonal(dec, centre, width)
    return total / zonal(dec, dec, width)


@kernel
def dec_widths(counts, width, events, most, out):  # type: ignore[no-untyped-def]
    """Width of the kernel at each node: `width`, or the next that holds `events`, at most `most` (rad); into `out`.

    Nodes are the edges of the bins of `counts` (n,), equidistant from pole to pole: `out` has n + 1.
    """
    for k in range(out.size):
        w = width
        while w < most and events_within(counts, dec_at(k, counts.size), w) < events:
            w = min(w * WIDER, most)
        out[k] = w


@kernel
def smooth_dec(counts, widths, out):  # type: ignore[no-untyped-def]
    """Events per unit of sin(dec) at the nodes, (n + 1, m), from histograms in declination, (n, m); added to `out`."""
    n, n_columns = counts.shape
    for i in range(n):
        centre, width = dec_at(i + 0.5, n), 0.5 * (widths[i] + widths[i + 1])
        for k in range(n + 1):
            dec = dec_at(k, n)
            if abs(dec - centre) < REACH * width:
                weight = zonal(dec, centre, width)
                for e in range(n_columns):
                    out[k, e] += weight * counts[i, e]


@kernel
def peaks(widths, out):  # type: ignore[no-untyped-def]
    """What one event at each node adds to `smooth_dec` there; into `out`, as `widths` (n + 1,)."""
    for k in range(out.size):
        dec = dec_at(k, out.size - 1)
        out[k] = zonal(dec, dec, widths[k])


@kernel
def integral(values):  # type: ignore[no-untyped-def]
    """Integral over sin(dec) of a function that is linear in declination between its nodes."""
    n = values.size - 1
    total = 0.0
    for k in range(n):
        a, b = dec_at(k, n), dec_at(k + 1, n)
        slope = (values[k + 1] - values[k]) / (b - a)
        total += values[k + 1] * fmath.sin(b) - values[k] * fmath.sin(a) + slope * (fmath.cos(b) - fmath.cos(a))
    return total


@kernel
def energy_widths(row, events, most, step, smooth, out):  # type: ignore[no-untyped-def]
    """Width of the Gaussian of each bin that holds `events` of a histogram, at most `most`; into `out`.

    The histogram is smoothed with `most` to begin with; `smooth` is scratch.
    """
    for i in range(row.size):
        out[i] = most
    spread(row, out, step, smooth)
    for i in range(row.size):
        if smooth[i] * most * math.sqrt(2.0 * PI) > events * step:
            out[i] = events * step / (smooth[i] * math.sqrt(2.0 * PI))


@kernel
def spread(row, widths, step, out):  # type: ignore[no-untyped-def]
    """A histogram with each bin's content spread with a Gaussian of its own width, keeping the sum; into `out`."""
    n = row.size
    for i in range(n):
        out[i] = 0.0
    for i in range(n):
        if row[i] == 0.0:
            continue
        inverse = step / max(widths[i], 0.01 * step)
        reach = int(REACH / inverse)
        total = 0.0
        for j in range(max(i - reach, 0), min(i + reach + 1, n)):
            total += fmath.exp(-0.5 * ((j - i) * inverse) ** 2)
        for j in range(max(i - reach, 0), min(i + reach + 1, n)):
            out[j] += row[i] / total * fmath.exp(-0.5 * ((j - i) * inverse) ** 2)


@kernel
def smooth_energy(row, events, most, step, scratch, out):  # type: ignore[no-untyped-def]
    """A histogram smoothed with kernels that hold `events`, at most `most` wide, keeping its sum; into `out`.

    What is smoothed the second time is the ratio of the histogram to the smooth one (Jones, Linton and Nielsen 1995):
    a Gaussian alone is too high on the flank of a steep spectrum, by exp(slope^2 width^2 / 2); the product is right for
    every exponential. `scratch` (3, n).
    """
    widths, ratio, norm = scratch[0], scratch[1], scratch[2]
    energy_widths(row, events, most, step, norm, widths)
    spread(row, widths, step, norm)
    for i in range(row.size):
        ratio[i] = row[i] / norm[i] if norm[i] > 0.0 else 0.0
        out[i] = norm[i]
    spread(ratio, widths, step, norm)
    for i in range(row.size):
        out[i] *= norm[i]
        ratio[i] = 1.0
    spread(ratio, widths, step, norm)
    before = after = 0.0
    for i in range(row.size):
        out[i] /= norm[i]
        before += row[i]
        after += out[i]
    for i in range(row.size):
        out[i] *= before / after
