"""Skies ring by ring.

At one declination p falls with TS, so the hottest pixel of a ring is the one with the largest TS, whatever
the background distributions say. A background sky is therefore kept as the largest TS of each ring: a few
kilobytes from which hottest spots of any hemisphere are computed, and computed again when more background
trials arrive, without a new scan.
"""

import numpy as np
from numpy.typing import NDArray

from worker.base import healpix
from worker.engines.protocol import RingScanner
from worker.spec.sky_scan import HealpixScan

RING_DTYPE = np.dtype([("pixel", "<i8"), ("ts", "<f8"), ("ns", "<f8"), ("gamma", "<f8")])
NO_PIXEL = -1
"""Pixel of an unused place."""
MAP_DTYPE = np.dtype([("ts", "<f8"), ("ns", "<f8"), ("gamma", "<f8")])


def rings(scan: HealpixScan, nside: int) -> healpix.Rings:
    """Rings of the spec's declination range."""
    return healpix.rings_of(nside, float(np.radians(scan.dec_min_deg)), float(np.radians(scan.dec_max_deg)))


def maxima(scanner: RingScanner, chosen: healpix.Rings, turn: NDArray[np.float64]) -> NDArray[np.void]:
    """The largest TS of every ring of a sky, (n_rings,) of `RING_DTYPE`; `turn` from `Engine.scrambled`."""
    out = np.empty(len(chosen.dec), RING_DTYPE)
    for r in range(len(chosen.dec)):
        pixel, fitted = scanner.largest(r, turn)
        out[r] = (int(chosen.first[r]) + pixel, *fitted)
    return out


def values(scanner: RingScanner, turn: NDArray[np.float64], first: int, count: int) -> NDArray[np.void]:
    """TS, ns and gamma of all pixels of some rings of a scanner, of `MAP_DTYPE`."""
    pixels = np.concatenate([scanner.ring(r, turn) for r in range(first, first + count)])
    return np.ascontiguousarray(pixels).view(MAP_DTYPE)[:, 0]


def coordinates(rings: healpix.Rings, pixel: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Declination and right ascension of pixels, rad."""
    ring = np.searchsorted(rings.first, pixel, side="right") - 1
    place = pixel - rings.first[ring] + rings.shift[ring]
    return rings.dec[ring], place * (2.0 * np.pi / rings.n_pix[ring])


def empty_rows(n: int, width: int) -> NDArray[np.void]:
    """Rows without a pixel, (n, width) of `RING_DTYPE`."""
    out: NDArray[np.void] = np.zeros((n, width), RING_DTYPE)
    out["pixel"] = NO_PIXEL
    return out
