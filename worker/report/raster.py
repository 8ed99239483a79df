"""Healpix pixel at each point of a projection.

Right ascension increases to the left, 180 deg in the middle of the whole sky.
"""

from functools import lru_cache
from typing import Any

import healpy
import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@lru_cache(maxsize=2)
def mollweide(nside: int, width: int = 1000) -> I64:
    """Pixel (RING) under each point of a Mollweide map.

    Parameters
    ----------
    width : int
        Points from left to right; half as many from bottom to top.

    Returns
    -------
    ndarray (width / 2, width)
        Bottom row first; -1 outside the sky.
    """
    x = (np.arange(width) + 0.5) / width * 4.0 - 2.0
    y = (np.arange(width // 2) + 0.5) / width * 4.0 - 1.0
    theta = np.arcsin(y)[:, None]
    dec = np.arcsin((2.0 * theta + np.sin(2.0 * theta)) / np.pi)
    lon = 0.5 * np.pi * x[None, :] / np.cos(theta)
    inside = np.abs(lon) <= np.pi
    ra = np.where(inside, np.pi - lon, 0.0)
    pixel = healpy.ang2pix(nside, 0.5 * np.pi - np.broadcast_to(dec, ra.shape), ra)
    return np.where(inside, pixel, -1)


def gnomonic(nside: int, ra: float, dec: float, half_width: float, size: int = 400) -> I64:
    """Pixel (RING) under each point of a square around (ra, dec), all in rad; right ascension to the left.

    Returns
    -------
    ndarray (size, size)
        Bottom row first.
    """
    t = np.tan(half_width) * ((np.arange(size) + 0.5) / size * 2.0 - 1.0)
    centre = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    east = np.array([-np.sin(ra), np.cos(ra), 0.0])
    north = np.cross(centre, east)
    vector = centre + (-t)[None, :, None] * east + t[:, None, None] * north
    return np.asarray(healpy.vec2pix(nside, *np.moveaxis(vector, -1, 0)))


def take(values: F64, pixel: I64) -> F64:
    """Values under each point; NaN where there is no pixel."""
    return np.where(pixel >= 0, values[pixel], np.nan)


def galactic_plane(n: int = 400) -> tuple[F64, F64]:
    """Right ascension and declination (rad) of the galactic plane, from l = 0 onwards."""
    rotator: Any = healpy.Rotator(coord=["G", "C"])
    theta, phi = rotator(np.full(n, 0.5 * np.pi), np.linspace(0.0, 2.0 * np.pi, n))
    return np.mod(phi, 2.0 * np.pi), 0.5 * np.pi - theta


def across(ra: F64, dec: F64) -> tuple[F64, F64]:
    """Longitudes for a Mollweide axis (pi - ra) and latitudes, with a break where the line leaves the map."""
    lon = np.pi - np.mod(ra, 2.0 * np.pi)
    jumps = np.flatnonzero(np.abs(np.diff(lon)) > np.pi) + 1
    return np.insert(lon, jumps, np.nan), np.insert(dec, jumps, np.nan)
