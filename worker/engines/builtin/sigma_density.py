"""Background density b(sigma | log_e, sin dec) from the data, in bins of sigma.

Kernel estimates in two steps, so that no bin is empty: the distribution of sigma over the whole sky with a wide kernel
in log_e, and with it as `PRIOR` events beforehand the distribution near the energy and the declination. The density is
that of all events of the season: those without a usable sigma are in the sum, so that S and B count alike.
"""

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel
from worker.engines.builtin.background import LOG_E_STEP
from worker.engines.builtin.psf import Bins

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

N_NODES = 51
"""Of sin(dec), over [-1, 1]."""
SIN_DEC_BANDWIDTH = 0.04
LOG_E_BANDWIDTH = 0.1
WIDE_BANDWIDTH = 0.2
"""In log_e, of the distribution over the whole sky."""
PRIOR = 5.0


@kernel
def add_near(counts, bandwidth, step, out):  # type: ignore[no-untyped-def]
    """Add the rows of a histogram (n, m), smoothed over axis 0 with a Gaussian kernel, to `out` (n, m).

    Every row is spread with weights of sum 1: the sum is kept, at the ends too.
    """
    n, m = counts.shape
    reach = int(5.0 * bandwidth / step)
    for i in range(n):
        some = False
        for b in range(m):
            some = some or counts[i, b] != 0.0
        if not some:
            continue
        total = 0.0
        for j in range(max(i - reach, 0), min(i + reach + 1, n)):
            total += fmath.exp(-0.5 * ((j - i) * step / bandwidth) ** 2)
        for j in range(max(i - reach, 0), min(i + reach + 1, n)):
            weight = fmath.exp(-0.5 * ((j - i) * step / bandwidth) ** 2) / total
            for b in range(m):
                out[j, b] += weight * counts[i, b]


@kernel
def with_prior(sums, prior, n_prior, out):  # type: ignore[no-untyped-def]
    """Rows of `sums` (n, m) with `n_prior` events distributed as the rows of `prior` beforehand, of sum 1, in `out`."""
    for i in range(sums.shape[0]):
        total = n_prior
        for b in range(sums.shape[1]):
            total += sums[i, b]
        for b in range(sums.shape[1]):
            out[i, b] = (sums[i, b] + n_prior * prior[i, b]) / total


@kernel
def _add_events(sin_dec, bins, column, node, bandwidth, out):  # type: ignore[no-untyped-def]
    """Histogram (n_bins, n_sigma + 1) of events, weighted with their distance in sin dec from a node."""
    for i in range(sin_dec.size):
        d = (sin_dec[i] - node) / bandwidth
        if abs(d) < 5.0:
            out[bins[i], column[i]] += fmath.exp(-0.5 * d * d)


def estimate(sin_dec: F64, bins: I64, column: I64, grid: Bins) -> F64:
    """Density of sigma of one season.

    Parameters
    ----------
    sin_dec : ndarray (n,)
    bins : ndarray (n,), int64
        Energy bin of every event.
    column : ndarray (n,), int64
        Bin of sigma of every event; n_sigma where it is unusable.
    grid : Bins

    Returns
    -------
    ndarray (N_NODES, n_bins, n_sigma)
        Probability of every bin; positive.
    """
    shape = (grid.n_bins, grid.n_sigma + 1)
    wide, prior = np.zeros(shape), np.empty(shape)
    counts = np.bincount(bins * shape[1] + column, minlength=shape[0] * shape[1])
    everywhere = counts.reshape(shape).astype(np.float64)
    add_near(everywhere, WIDE_BANDWIDTH, LOG_E_STEP, wide)
    all_energies = (everywhere.sum(axis=0) + 1.0) / (everywhere.sum() + shape[1])
    with_prior(wide, np.broadcast_to(all_energies, shape).copy(), PRIOR, prior)
    out = np.empty((N_NODES, *shape))
    for k, node in enumerate(np.linspace(-1.0, 1.0, N_NODES)):
        here, near = np.zeros(shape), np.zeros(shape)
        _add_events(sin_dec, bins, column, float(node), SIN_DEC_BANDWIDTH, here)
        add_near(here, LOG_E_BANDWIDTH, LOG_E_STEP, near)
        with_prior(near, prior, PRIOR, out[k])
    return np.ascontiguousarray(out[:, :, : grid.n_sigma])
