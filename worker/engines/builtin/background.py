"""Background densities from the data: p(sin dec) and b(log_e | sin dec), smooth and positive everywhere.

Both are kernel estimates at nodes that are equidistant in declination (`worker.engines.builtin.smoothing`). Both are
divisors, so each has a lower limit, which changes no bit where there are events (`worker.engines.builtin.support`
finds declinations without events):

- p(sin dec): a kernel in declination whose width is an angle, linear between nodes, integral 1 over [-1, 1].
- b(log_e | sin dec): kernels in declination and log_e. Beyond the energy that `tail_events` of a slice exceed (or stay
  below), an exponential in log_e (a power law in energy) takes over. Its slope is given by the median excess of
  those events: an extreme one moves it no more than any other. Each slice sums to 1.
- Every kernel is as narrow as `BANDWIDTHS` says, or wider, so that it holds the events that `BANDWIDTHS` asks for.
- A kernel of p has at least `LEAST_EVENTS`: no event is compatible with a mean of 1. (The integral is then above 1.)
- A slice of b with fewer than `SLICE_EVENTS` is filled up to them with the spectrum of the whole season. A bin of a
  slice has at least `LEAST_SEEN` expected events between the lowest and the highest observed energy, and at least
  `LEAST_IN_BIN` beyond: so no single event in a tail or gap decides TS.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel
from worker.engines.builtin import smoothing

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

LOG_E_STEP = 0.05
N_DEC = 360
"""Bins of declination from pole to pole; their edges are the nodes of the densities."""
RAD = 0.017453292519943295
MAX_SLOPE = 30.0  # per dex, of an exponential tail
MIN_SLOPE = 1.0
LEAST_EVENTS = 1.0
SLICE_EVENTS = 10.0
LEAST_SEEN = 1e-8
LEAST_IN_BIN = 1e-12
"""Both are below the densities of any event, of background or signal, with a few hundred events or more."""


class Bandwidths(NamedTuple):
    """Widths of the kernels; the defaults are chosen by cross-validated likelihood (`benchmarks/bandwidths.py`).

    Attributes
    ----------
    p_width, p_events : float, rad, events
        Least width of a kernel of p, and least number of events in it.
    b_width, b_events : float, rad, events
        Of the slices of b.
    most_width : float, rad
        No kernel in declination is wider.
    energy_events : float
        Events of a slice in a kernel of log_e.
    energy_width : float
        No kernel in log_e is wider.
    tail_events : float
        Events of a slice beyond which an exponential takes over, at either end.
    """

    p_width: float = 1.2 * RAD
    p_events: float = 30.0
    b_width: float = 1.0 * RAD
    b_events: float = 500.0
    most_width: float = 10.0 * RAD
    energy_events: float = 100.0
    energy_width: float = 0.1
    tail_events: float = 30.0


BANDWIDTHS = Bandwidths()


class EnergyGrid(NamedTuple):
    """Bins of reconstructed energy: `n` bins of `LOG_E_STEP` from `lo`, all in log10(E / GeV)."""

    lo: float
    n: int

    @property
    def edges(self) -> F64:
        """Bin edges, (n + 1,)."""
        return self.lo + LOG_E_STEP * np.arange(self.n + 1, dtype=np.float64)

    @classmethod
    def covering(cls, lo: float, hi: float) -> "EnergyGrid":
        """The smallest grid of whole steps that holds [lo, hi]."""
        first = int(np.floor(lo / LOG_E_STEP + 1e-9))
        last = int(np.ceil(hi / LOG_E_STEP - 1e-9))
        return cls(first * LOG_E_STEP, max(last - first, 1))


class Background(NamedTuple):
    """Background of one season.

    Attributes
    ----------
    density : ndarray (n_nodes,)
        p(sin dec) at `n_nodes` nodes that are equidistant in declination, from pole to pole.
    energy : ndarray (n_nodes, n_bins)
        Probability of each energy bin at the same nodes; rows sum to 1.
    """

    density: F64
    energy: F64


@kernel
def energy_bin(log_e, lo, n):  # type: ignore[no-untyped-def]
    """Index of the energy bin; energies beyond the grid belong to its first or last bin."""
    return min(max(int((log_e - lo) / LOG_E_STEP), 0), n - 1)


@kernel
def _place(sin_dec, n_nodes):  # type: ignore[no-untyped-def]
    """Where a declination lies among nodes that are equidistant from pole to pole, in steps."""
    dec = fmath.asin(abs(sin_dec))
    return ((dec if sin_dec >= 0.0 else -dec) / smoothing.PI + 0.5) * (n_nodes - 1)


@kernel
def at_sin_dec(nodes, sin_dec):  # type: ignore[no-untyped-def]
    """Linear interpolation, in declination, of values at the nodes."""
    x = _place(sin_dec, nodes.shape[0])
    i = min(max(int(x), 0), nodes.shape[0] - 2)
    t = x - i
    return nodes[i] * (1.0 - t) + nodes[i + 1] * t


@kernel
def event_density(density, energy, sin_dec, e):  # type: ignore[no-untyped-def]
    """p(sin dec) * b(bin e | sin dec) of one event."""
    x = _place(sin_dec, density.shape[0])
    i = min(max(int(x), 0), density.shape[0] - 2)
    t = x - i
    return (density[i] * (1.0 - t) + density[i + 1] * t) * (energy[i, e] * (1.0 - t) + energy[i + 1, e] * t)


@kernel
def _tail(row, step, tail_events):  # type: ignore[no-untyped-def]
    """Replace the upper end of a smoothed histogram, in place, by an exponential of the same content.

    The tail begins where at least `tail_events` lie above; its slope is ln 2 / (median excess).
    """
    above = 0.0
    first = row.size
    while first > 1 and above < tail_events:
        first -= 1
        above += row[first]
    below = 0.0
    middle = first
    while below + row[middle] < 0.5 * above:
        below += row[middle]
        middle += 1
    median = (middle - first + (0.5 * above - below) / row[middle]) * step
    slope = min(max(0.6931471805599453 / median, MIN_SLOPE), MAX_SLOPE)
    left = 1.0
    norm = 1.0 - fmath.exp(-slope * step * (row.size - first))
    for i in range(first, row.size):
        right = fmath.exp(-slope * step * (i - first + 1))
        row[i] = above * (left - right) / norm
        left = right


def places(log_e: F64) -> F64:
    """Energies at which events are counted, (n, m): m places in the interval to which energies were rounded, or 1.

    Bins narrower than the rounding would be empty and full in turn. Energies are taken for rounded if each value
    occurs ten times or more on average; the smallest difference of two values is then the interval.
    """
    values = np.unique(np.round(log_e, 4))
    if values.size < 2 or values.size * 10 > log_e.size:
        return log_e[:, None]
    width = float(np.diff(values).min())
    m = max(1, 2 * round(width / LOG_E_STEP))
    return np.asarray(log_e[:, None] + width * ((np.arange(m) + 0.5) / m - 0.5))


def _histogram(dec: F64, bins: I64, n_energy: int) -> F64:
    """Events in bins of declination and energy, (N_DEC, n_energy); `dec` (n,) in rad, `bins` (n, m)."""
    row = np.clip(((dec / smoothing.PI + 0.5) * N_DEC).astype(np.int64), 0, N_DEC - 1)
    counts = np.bincount((row[:, None] * n_energy + bins).ravel(), minlength=N_DEC * n_energy)
    return counts.reshape(N_DEC, n_energy) / float(bins.shape[1])


@kernel
def _total(row):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(row.size):
        total += row[i]
    return total


@kernel
def _energy_rows(slices, events, most, step, tail_events, scratch, out):  # type: ignore[no-untyped-def]
    """Rows of b from the slices, both (n_nodes, n_bins); `scratch` (4, n_bins)."""
    row, flipped = scratch[3], scratch[0]
    for k in range(slices.shape[0]):
        smoothing.smooth_energy(slices[k], events, most, step, scratch, row)
        few = min(tail_events, 0.1 * _total(row))
        _tail(row, step, few)
        for i in range(row.size):
            flipped[i] = row[row.size - 1 - i]
        _tail(flipped, step, few)
        for i in range(row.size):
            row[i] = flipped[row.size - 1 - i]
        total = _total(row)
        for i in range(row.size):
            out[k, i] = row[i] / total


def estimate(dec: F64, bins: I64, n_bins: int, bandwidths: Bandwidths = BANDWIDTHS) -> Background:
    """Background densities of one season.

    Parameters
    ----------
    dec : ndarray (n,), rad
    bins : ndarray (n, m), int64
        Energy bins of each event, which counts 1 / m in each (see `places`).
    n_bins : int
        Number of energy bins.
    """
    counts = _histogram(dec, bins, n_bins)
    sums, peaks = _smooth(counts.sum(axis=1)[:, None], bandwidths.p_width, bandwidths.p_events, bandwidths.most_width)
    # Not normalised again: a limit somewhere must not change a bit where there are events.
    density = np.maximum(sums[:, 0], LEAST_EVENTS * peaks) / smoothing.integral(sums[:, 0])
    rows = _slices(counts, bandwidths)
    lacking = np.maximum(SLICE_EVENTS - rows.sum(axis=1), 0.0)
    rows += lacking[:, None] * (counts.sum(axis=0) / counts.sum())
    energy = np.empty_like(rows)
    widths = bandwidths.energy_events, bandwidths.energy_width
    _energy_rows(rows, *widths, LOG_E_STEP, bandwidths.tail_events, np.empty((4, n_bins)), energy)
    return Background(density, np.maximum(energy, _least(counts) / rows.sum(axis=1)[:, None]))


def _smooth(counts: F64, width: float, events: float, most: float) -> tuple[F64, F64]:
    """Events per unit of sin(dec) at the nodes, (n_nodes, m), and what one event there adds to it, (n_nodes,)."""
    widths, peaks = np.empty(N_DEC + 1), np.empty(N_DEC + 1)
    smoothing.dec_widths(np.ascontiguousarray(counts.sum(axis=1)), width, events, most, widths)
    smoothing.peaks(widths, peaks)
    sums = np.zeros((N_DEC + 1, counts.shape[1]))
    smoothing.smooth_dec(counts, widths, sums)
    return sums, peaks


def _slices(counts: F64, bandwidths: Bandwidths) -> F64:
    """Number of events in the slice of b at each node, by energy: (n_nodes, n_bins)."""
    sums, peaks = _smooth(counts, bandwidths.b_width, bandwidths.b_events, bandwidths.most_width)
    return np.asarray(sums / peaks[:, None], dtype=np.float64)


def slice_events(dec: F64) -> F64:
    """Number of events in the slice of b at each node, (n_nodes,), from declinations (n,), rad."""
    return _slices(_histogram(dec, np.zeros((dec.size, 1), np.int64), 1), BANDWIDTHS)[:, 0]


def kernel_events(dec: F64) -> F64:
    """Number of events in the kernel of p at each node, (n_nodes,), from declinations (n,), rad."""
    counts = _histogram(dec, np.zeros((dec.size, 1), np.int64), 1)
    sums, peaks = _smooth(counts, BANDWIDTHS.p_width, BANDWIDTHS.p_events, BANDWIDTHS.most_width)
    return np.asarray(sums[:, 0] / peaks, dtype=np.float64)


def _least(counts: F64) -> F64:
    """Least number of events that a bin of the slice at each node expects, (n_nodes, n_bins)."""
    seen = np.zeros((len(counts) + 1, counts.shape[1]), dtype=bool)
    seen[:-1] |= counts > 0
    seen[1:] |= counts > 0
    between = np.maximum.accumulate(seen, axis=1) & np.maximum.accumulate(seen[:, ::-1], axis=1)[:, ::-1]
    return np.where(between, LEAST_SEEN, LEAST_IN_BIN)
