"""Counts of events against the background densities: in bands of declination, and in the upper tails of the energy."""

import numpy as np
from numpy.typing import NDArray

from worker.engines.builtin.background import Background
from worker.engines.protocol import BandCounts

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

EDGES = np.linspace(-1.0, 1.0, 21)
TAILS = (0.1, 0.01, 1e-3, 1e-4)
FINE = 20_000
"""Steps of the integral of p over sin(dec)."""


def band_counts(dec: F64, bins: I64, background: Background) -> BandCounts:
    """Count the events of a season.

    An event of an energy bin that holds a quantile of b counts as the part of the bin's probability beyond it.

    Parameters
    ----------
    dec : ndarray (n,), rad
    bins : ndarray (n,), int64
        Energy bin of each event.
    """
    x = np.linspace(-1.0, 1.0, FINE + 1)
    p = at_dec(background.density, np.arcsin(x))
    cumulative = np.concatenate([[0.0], np.cumsum((p[1:] + p[:-1]) / FINE)])
    band = np.clip(np.searchsorted(EDGES, np.sin(dec), side="right") - 1, 0, len(EDGES) - 2)
    own = at_dec(background.energy, dec, bins)
    beyond = at_dec(np.cumsum(background.energy[:, ::-1], axis=1)[:, ::-1] - background.energy, dec, bins)
    events = np.bincount(band, minlength=len(EDGES) - 1).astype(np.float64)
    above = [np.bincount(band, np.clip((q - beyond) / own, 0.0, 1.0), len(EDGES) - 1) for q in TAILS]
    return BandCounts(
        EDGES, events, dec.size * np.diff(np.interp(EDGES, x, cumulative)), np.array(TAILS), np.array(above)
    )


def at_dec(values: F64, dec: F64, column: I64 | None = None) -> F64:
    """Values, or one `column` (n,) of rows, at nodes that are equidistant in declination, linear between: (n,)."""
    x = (dec / np.pi + 0.5) * (len(values) - 1)
    i = np.clip(x.astype(np.int64), 0, len(values) - 2)
    t = x - i
    low, high = (values[k] if column is None else values[k, column] for k in (i, i + 1))
    return np.asarray(low * (1.0 - t) + high * t, dtype=np.float64)
