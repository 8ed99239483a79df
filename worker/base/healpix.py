"""Rings of healpix pixels: declinations, and which pixels lie on them."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


class Rings(NamedTuple):
    """Healpix rings (RING ordering), from north to south.

    Attributes
    ----------
    dec : ndarray (n,), rad
    first : ndarray (n,), int64
        First pixel of each ring.
    n_pix : ndarray (n,), int64
        Pixels of each ring.
    shift : ndarray (n,)
        Right ascension of the first pixel in units of the pixel spacing (0 or 1/2).
    """

    dec: F64
    first: I64
    n_pix: I64
    shift: F64


def rings_of(nside: int, dec_min: float = -math.pi / 2, dec_max: float = math.pi / 2) -> Rings:
    """Rings whose centre lies in [dec_min, dec_max] (rad); Gorski et al. 2005, ApJ 622, 759."""
    i = np.arange(1, 4 * nside)
    polar = np.minimum(i, 4 * nside - i)
    cap = polar < nside
    count = np.where(cap, 4 * polar, 4 * nside)
    z = np.where(cap, 1.0 - polar**2 / (3.0 * nside**2), np.abs(4.0 / 3.0 - 2.0 * i / (3.0 * nside)))
    north = i < 2 * nside
    z = np.where(cap, np.where(north, z, -z), 4.0 / 3.0 - 2.0 * i / (3.0 * nside))
    # asin of z, written so that both hemispheres and every machine agree in the last bit
    dec = np.array([_asin(float(v)) for v in z])
    shift = np.where(cap | ((i - nside) % 2 == 0), 0.5, 0.0)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    keep = (dec >= dec_min) & (dec <= dec_max)
    return Rings(dec[keep], first[keep], count[keep], shift[keep])


def _asin(z: float) -> float:
    return float(fmath.asin(z)) if z >= 0 else -float(fmath.asin(-z))


def band(rings: Rings, k: int, n: int) -> Rings:
    """Band k of n: consecutive rings with about equal numbers of pixels; together all rings, none twice."""
    ends = np.searchsorted(np.cumsum(rings.n_pix), rings.n_pix.sum() * np.arange(1, n) / n, side="left") + 1
    edges = np.concatenate([[0], np.minimum(ends, len(rings.dec)), [len(rings.dec)]])
    return some(rings, slice(int(edges[k]), int(edges[k + 1])))


def some(rings: Rings, part: slice) -> Rings:
    """Consecutive rings of others."""
    return Rings(rings.dec[part], rings.first[part], rings.n_pix[part], rings.shift[part])
