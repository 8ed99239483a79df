"""Hottest spots of one map: local maxima that are well apart."""

import healpy
import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def hottest_spots(values: F64, nside: int, n: int, apart: float) -> NDArray[np.int64]:
    """Pixels of the hottest spots, hottest first.

    A spot is hotter than its eight neighbours (ties: the lowest pixel), has TS > 0, and is at least `apart` away from
    every hotter one.

    Parameters
    ----------
    values : ndarray (4, npix)
        -log10 p, TS, ns, gamma; NaN if not scanned. RING.
    n : int
        Largest number of spots.
    apart : float, rad

    Returns
    -------
    ndarray (<= n,)
    """
    heat = np.where(np.isfinite(values[0]) & (values[1] > 0), values[0], -np.inf)
    pixels: list[int] = []
    vectors = np.empty((0, 3))
    for pixel in np.argsort(-heat, kind="stable"):
        if len(pixels) == n or heat[pixel] == -np.inf:
            break
        vector = np.array(healpy.pix2vec(nside, pixel))
        if np.any(vectors @ vector > np.cos(apart)) or not _is_maximum(heat, nside, int(pixel)):
            continue
        pixels.append(int(pixel))
        vectors = np.vstack([vectors, vector])
    return np.array(pixels, np.int64)


def _is_maximum(heat: F64, nside: int, pixel: int) -> bool:
    around = healpy.get_all_neighbours(nside, pixel)
    around = around[around >= 0]
    higher = (heat[around] > heat[pixel]) | ((heat[around] == heat[pixel]) & (around < pixel))
    return not bool(higher.any())
