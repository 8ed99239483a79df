"""Warm spots: the local maxima of TS of a sky, from `scan.warm_spots.min_ts` on.

A pixel is a local maximum if none of its healpix neighbours has a larger TS, nor the same TS and a lower number. Every
pixel whose TS may reach the threshold is fitted, so the list is complete.
"""

import numpy as np
from numpy.typing import NDArray

from worker.base import healpix
from worker.base.errors import InputError
from worker.hypotheses.sky.rings import NO_PIXEL, coordinates
from worker.spec.sky_scan import HealpixScan

F64 = NDArray[np.float64]
Rows = NDArray[np.void]

SPOT_DTYPE = np.dtype([("sky", "<i8"), *((name, "<f8") for name in ("dec", "gamma", "mlog10p", "ns", "ra", "ts"))])


def local_maxima(nside: int, first: int, ts: F64, min_ts: float) -> NDArray[np.int64]:
    """Places of the local maxima with TS >= `min_ts` among consecutive pixels.

    Parameters
    ----------
    first : int
        Number of the first pixel (RING).
    ts : ndarray (n_pix,)
        Pixels outside are no neighbours.

    Returns
    -------
    ndarray (n,), increasing
    """
    import healpy

    warm = np.flatnonzero(ts >= min_ts)
    if not len(warm):
        return warm
    near = np.asarray(healpy.get_all_neighbours(nside, warm + first)).reshape(8, -1) - first
    known = (near >= 0) & (near < len(ts))  # healpy writes -1 for a neighbour that is not there
    other = np.where(known, ts[np.clip(near, 0, len(ts) - 1)], -np.inf)
    below = (other < ts[warm]) | ((other == ts[warm]) & (near > warm))
    maxima: NDArray[np.int64] = warm[below.all(axis=0)]
    return maxima


def require(scan: HealpixScan, spots: Rows, band: healpix.Rings) -> None:
    """Raise an InputError unless the places of all skies name increasing pixels of a band that reach the threshold."""
    pixel, used = spots["pixel"], spots["pixel"] != NO_PIXEL
    outside = used & ((pixel < band.first[0]) | (pixel >= band.first[-1] + band.n_pix[-1]))
    unsorted = used[:, 1:] & (pixel[:, 1:] <= pixel[:, :-1])
    cold = scan.warm_spots is not None and bool((spots["ts"][used] < scan.warm_spots.min_ts).any())
    if outside.any() or unsorted.any() or cold:
        raise InputError("names warm spots that are outside its rings, unsorted, or below the threshold")


def listed(rings: healpix.Rings, spots: Rows, first: int = 0) -> Rows:
    """All warm spots of skies, (n,) of `SPOT_DTYPE` by sky and pixel, without their p-values.

    Parameters
    ----------
    spots : ndarray (n_skies, n_places) of `RING_DTYPE`
    first : int
        Number of the first sky.
    """
    sky, place = np.nonzero(spots["pixel"] != NO_PIXEL)
    found = spots[sky, place]
    out = np.empty(len(found), SPOT_DTYPE)
    out["sky"], out["mlog10p"] = sky + first, 0.0
    out["dec"], out["ra"] = coordinates(rings, found["pixel"])
    for name in ("ts", "ns", "gamma"):
        out[name] = found[name]
    return out
