"""Background densities from the data: p(sin dec) and b(log_e | sin dec), smooth and positive everywhere.

Both are kernel estimates on fixed grids. Both are divisors, so each has a lower limit, which changes no bit where there
are events (`worker.engines.builtin.support` finds declinations without events):

- p(sin dec): Gaussian kernel, reflected at the poles, linear between nodes, integral 1 over [-1, 1].
- b(log_e | sin dec): Gaussian kernels in sin dec and log_e. Beyond the energy that `TAIL_EVENTS` of a slice
  exceed (or stay below), an exponential in log_e (a power law in energy) takes over. Its slope is given by the
  median excess of those events: an extreme one moves it no more than any other. Each slice sums to 1.
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

F64 = NDArray[np.float64]

LOG_E_STEP = 0.05
SIN_DEC_STEP = 0.01
DENSITY_BANDWIDTH = 0.02  # in sin dec
ENERGY_BANDWIDTH = 0.1  # in log_e
SLICE_BANDWIDTH = 0.04  # in sin dec, of the energy density
TAIL_EVENTS = 100.0
MAX_SLOPE = 30.0  # per dex, of an exponential tail
MIN_SLOPE = 1.0
LEAST_EVENTS = 1.0
SLICE_EVENTS = 10.0
LEAST_SEEN = 1e-8
LEAST_IN_BIN = 1e-12
"""Both are below the densities of any event, of background or signal, with a few hundred events or more."""


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
        p(sin dec) at `n_nodes` equidistant nodes over [-1, 1].
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
def at_sin_dec(nodes, sin_dec):  # type: ignore[no-untyped-def]
    """Linear interpolation of equidistant nodes over [-1, 1]."""
    x = (sin_dec + 1.0) * (0.5 * (nodes.shape[0] - 1))
    i = min(max(int(x), 0), nodes.shape[0] - 2)
    t = x - i
    return nodes[i] * (1.0 - t) + nodes[i + 1] * t


@kernel
def event_density(density, energy, sin_dec, e):  # type: ignore[no-untyped-def]
    """p(sin dec) * b(bin e | sin dec) of one event."""
    x = (sin_dec + 1.0) * (0.5 * (density.shape[0] - 1))
    i = min(max(int(x), 0), density.shape[0] - 2)
    t = x - i
    return (density[i] * (1.0 - t) + density[i + 1] * t) * (energy[i, e] * (1.0 - t) + energy[i + 1, e] * t)


@kernel
def _smooth_sin_dec(counts, bandwidth, step, nodes, out):  # type: ignore[no-untyped-def]
    """Kernel sums at `nodes` of histograms in sin dec (axis 0, bins of `step` from -1), reflected at the poles.

    Added to `out`: to make an array takes numba longer to compile than the rest of such a function.
    """
    n_bins, n_columns = counts.shape
    reach = 5.0 * bandwidth
    for k in range(nodes.size):
        for i in range(n_bins):
            centre = -1.0 + (i + 0.5) * step
            weight = 0.0
            for mirror in range(3):
                image = centre if mirror == 0 else (2.0 * mirror - 3.0) * 2.0 - centre
                d = image - nodes[k]
                if abs(d) < reach:
                    weight += fmath.exp(-0.5 * (d / bandwidth) ** 2)
            if weight > 0.0:
                for e in range(n_columns):
                    out[k, e] += weight * counts[i, e]


@kernel
def smooth_energy(row, bandwidth, step, out):  # type: ignore[no-untyped-def]
    """A histogram smoothed with a Gaussian kernel in bins, keeping its sum; into `out`."""
    n = row.size
    reach = int(5.0 * bandwidth / step)
    for i in range(n):
        out[i] = 0.0
    for i in range(n):
        if row[i] == 0.0:
            continue
        total = 0.0
        for j in range(max(i - reach, 0), min(i + reach + 1, n)):
            total += fmath.exp(-0.5 * ((j - i) * step / bandwidth) ** 2)
        for j in range(max(i - reach, 0), min(i + reach + 1, n)):
            out[j] += row[i] / total * fmath.exp(-0.5 * ((j - i) * step / bandwidth) ** 2)


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


def _histogram(sin_dec: F64, bins: NDArray[np.int64], step: float, n_sin: int, n_energy: int) -> F64:
    row = np.minimum(((sin_dec + 1.0) / step).astype(np.int64), n_sin - 1)
    counts = np.bincount(row * n_energy + bins, minlength=n_sin * n_energy)
    return counts.reshape(n_sin, n_energy).astype(np.float64)


@kernel
def _total(row):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(row.size):
        total += row[i]
    return total


@kernel
def _energy_rows(smoothed, step, tail_events, row, flipped, out):  # type: ignore[no-untyped-def]
    for k in range(smoothed.shape[0]):
        smooth_energy(smoothed[k], ENERGY_BANDWIDTH, step, row)
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


def estimate(sin_dec: F64, bins: NDArray[np.int64], n_bins: int) -> Background:
    """Background densities of one season.

    Parameters
    ----------
    sin_dec : ndarray (n,)
    bins : ndarray (n,), int64
        Energy bin of each event.
    n_bins : int
        Number of energy bins.
    """
    counts = _histogram(sin_dec, bins, SIN_DEC_STEP, round(2 / SIN_DEC_STEP), n_bins)
    nodes = np.linspace(-1.0, 1.0, round(2 / SIN_DEC_STEP) + 1)
    sums = np.zeros((len(nodes), 1))
    _smooth_sin_dec(counts.sum(axis=1)[:, None], DENSITY_BANDWIDTH, SIN_DEC_STEP, nodes, sums)
    density = sums[:, 0]
    integral = SIN_DEC_STEP * (density[1:] + density[:-1]).sum() / 2
    rows = np.zeros((len(nodes), n_bins))
    _smooth_sin_dec(counts, SLICE_BANDWIDTH, SIN_DEC_STEP, nodes, rows)
    lacking = np.maximum(SLICE_EVENTS - rows.sum(axis=1), 0.0)
    rows += lacking[:, None] * (counts.sum(axis=0) / counts.sum())
    energy = np.empty_like(rows)
    _energy_rows(rows, LOG_E_STEP, TAIL_EVENTS, np.empty(n_bins), np.empty(n_bins), energy)
    # Not normalised again: a limit somewhere must not change a bit where there are events.
    return Background(
        np.maximum(density, LEAST_EVENTS) / integral, np.maximum(energy, _least(counts) / rows.sum(axis=1)[:, None])
    )


def slice_events(sin_dec: F64) -> F64:
    """Number of events in the slice of b at each node, (n_nodes,), from the sines of the declinations (n,)."""
    nodes = np.linspace(-1.0, 1.0, round(2 / SIN_DEC_STEP) + 1)
    counts = _histogram(sin_dec, np.zeros(sin_dec.size, np.int64), SIN_DEC_STEP, nodes.size - 1, 1)
    sums = np.zeros((nodes.size, 1))
    _smooth_sin_dec(counts, SLICE_BANDWIDTH, SIN_DEC_STEP, nodes, sums)
    return sums[:, 0]


def _least(counts: F64) -> F64:
    """Least number of events that a bin of the slice at each node expects, (n_nodes, n_bins)."""
    seen = np.zeros((len(counts) + 1, counts.shape[1]), dtype=bool)
    seen[:-1] |= counts > 0
    seen[1:] |= counts > 0
    between = np.maximum.accumulate(seen, axis=1) & np.maximum.accumulate(seen[:, ::-1], axis=1)[:, ::-1]
    return np.where(between, LEAST_SEEN, LEAST_IN_BIN)
