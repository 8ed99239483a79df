"""Check of the resolution of a sky map: TS of the pixels beside a peak."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError
from worker.stats.checks import Check

F64 = NDArray[np.float64]

HOTTEST = 0.01
"""Fraction of the pixels, the hottest, among which peaks are searched."""

MIN_RATIO = 0.5
"""With half of a peak one pixel away, a source half way between two pixels keeps about 0.5^(1/4) = 84 %."""


class Peaks(NamedTuple):
    """Local maxima of a map.

    Attributes
    ----------
    ts : ndarray (n,)
        TS of the peak.
    neighbour : ndarray (n,)
        Largest TS of the pixels around it.
    """

    ts: F64
    neighbour: F64


def peaks(ts: F64, neighbours: NDArray[np.int64]) -> Peaks:
    """Local maxima among the hottest pixels.

    Parameters
    ----------
    ts : ndarray (n_pix,)
        NaN where the map was not scanned.
    neighbours : ndarray (8, n_pix), int
        Pixels around each one, -1 where there is none (``healpy.get_all_neighbours``).
    """
    there = np.isfinite(ts)
    if not there.any():
        raise InputError("the map has no scanned pixel: run scan_map and collect_scan again")
    filled = np.append(np.where(there, ts, -1.0), -1.0)  # the last entry is where there is no neighbour
    around = filled[neighbours].max(axis=0)
    limit = np.quantile(ts[there], 1.0 - HOTTEST)
    chosen = there & (ts > around) & (ts >= limit) & (ts > 0) & (around >= 0)
    return Peaks(ts[chosen], around[chosen])


def smooth_map(found: Peaks, nside: int) -> Check:
    """Neighbouring pixels vary smoothly: beside a peak of TS there is still half of it (median over the peaks)."""
    if len(found.ts) == 0:
        text = f"the map (nside {nside}) has no peak to look at: it has too few pixels; use a larger scan.nside."
        return Check("smooth_map", float("nan"), MIN_RATIO, False, text)
    value = float(np.median(found.neighbour / found.ts))
    passed = value >= MIN_RATIO
    sentence = (
        f"the best pixel beside a peak has {100 * value:.0f} % of its TS (median of {len(found.ts)} peaks of the map "
        f"with nside {nside}; at least {100 * MIN_RATIO:.0f} % wanted)"
    )
    cure = "." if passed else f": hot spots between pixels are missed; use scan.nside: {2 * nside} or more."
    return Check("smooth_map", value, MIN_RATIO, passed, sentence + cure)
