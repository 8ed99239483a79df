"""Warm spots: the local maxima of TS of a sky, from `scan.warm_spots.min_ts` on.

A pixel is a local maximum if none of its healpix neighbours has a larger TS, nor the same TS and a lower number. Every
pixel whose TS may reach the threshold is fitted, so the list is complete; a band of a sky is scanned with MARGIN more
rings on each side, so that its maxima are those of the whole sky.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from worker.base import healpix
from worker.base.errors import InputError
from worker.engines.protocol import RingScanner
from worker.hypotheses.sky.rings import RING_DTYPE
from worker.spec.sky_scan import HealpixScan

F64 = NDArray[np.float64]
Rows = NDArray[np.void]

MARGIN = 2
"""A neighbour of a pixel lies at most so many rings further."""
NO_PIXEL = -1
"""Pixel of an unused place."""
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


def with_margin(whole: healpix.Rings, band: healpix.Rings) -> tuple[healpix.Rings, slice]:
    """The rings of a band with those around it, and where the band lies among them."""
    if not len(band.first):
        return band, slice(0, 0)
    start = int(np.searchsorted(whole.first, band.first[0]))
    low, high = max(start - MARGIN, 0), min(start + len(band.first) + MARGIN, len(whole.first))
    return healpix.some(whole, slice(low, high)), slice(start - low, start - low + len(band.first))


def sky_row(scan: HealpixScan, scanner: RingScanner, around: healpix.Rings, inner: slice, turn: F64) -> Rows:
    """The largest TS of every ring of a band, then its warm spots by pixel, (n_rings + places,) of `RING_DTYPE`.

    Parameters
    ----------
    around, inner
        From `with_margin`; `scanner` is that of `around`.

    Raises
    ------
    InputError
        There are more warm spots than places.
    """
    assert scan.warm_spots is not None
    floor, min_ts = np.full(1, scan.warm_spots.min_ts), scan.warm_spots.min_ts
    fits = [scanner.above(r, turn, floor) for r in range(len(around.dec))]
    band, start, every = healpix.some(around, inner), int(around.first[0]), np.concatenate(fits)
    largest = band.first + np.array([int(np.argmax(ring[:, 0])) for ring in fits[inner]], np.int64)
    at = start + local_maxima(scan.nside, start, every[:, 0], min_ts)
    at = at[(at >= band.first[0]) & (at < band.first[-1] + band.n_pix[-1])]
    n_places = scan.warm_places(int(band.n_pix.sum()))
    if len(at) > n_places:
        raise InputError(
            f"scan.warm_spots: found {len(at)} local maxima with TS >= {min_ts:g} in a sky, and there are places for "
            f"{n_places}: write a larger min_ts, or e.g. most: {2 * len(at)}"
        )
    out: Rows = empty_rows(1, len(largest) + n_places)[0]
    used = out[: len(largest) + len(at)]
    used["pixel"] = np.concatenate([largest, at])
    for i, name in enumerate(("ts", "ns", "gamma")):
        used[name] = every[used["pixel"] - start, i]
    return out


def empty_rows(n: int, width: int) -> Rows:
    """Rows without a pixel, (n, width)."""
    out: Rows = np.zeros((n, width), RING_DTYPE)
    out["pixel"] = NO_PIXEL
    return out


def joined(bands: Sequence[Rows], n_rings: Sequence[int]) -> tuple[Rows, Rows]:
    """Ring maxima (n_skies, n_rings) and places of warm spots of skies whose bands are in several arrays."""
    rings = [rows[:, :n] for rows, n in zip(bands, n_rings, strict=True)]
    spots = [rows[:, n:] for rows, n in zip(bands, n_rings, strict=True)]
    return np.concatenate(rings, axis=1), np.concatenate(spots, axis=1)


def require(scan: HealpixScan, spots: Rows, band: healpix.Rings, where: str) -> None:
    """Raise an InputError unless the places of all skies name increasing pixels of a band that reach the threshold."""
    assert scan.warm_spots is not None
    pixel, used = spots["pixel"], spots["pixel"] != NO_PIXEL
    outside = used & ((pixel < band.first[0]) | (pixel >= band.first[-1] + band.n_pix[-1]))
    unsorted = used[:, 1:] & (pixel[:, 1:] <= pixel[:, :-1])
    if outside.any() or unsorted.any() or (spots["ts"][used] < scan.warm_spots.min_ts).any():
        raise InputError(f"{where}: names warm spots that are outside its rings, unsorted, or below the threshold")


def coordinates(rings: healpix.Rings, pixel: NDArray[np.int64]) -> tuple[F64, F64]:
    """Declination and right ascension of pixels, rad."""
    ring = np.searchsorted(rings.first, pixel, side="right") - 1
    place = pixel - rings.first[ring] + rings.shift[ring]
    return rings.dec[ring], place * (2.0 * np.pi / rings.n_pix[ring])


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


def passes(ring: NDArray[np.int64], n_rings: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Split pixels into groups with at most one in each ring: (places in the list, their rings)."""
    order = np.argsort(ring, kind="stable")
    rank = np.arange(len(ring)) - np.searchsorted(ring[order], ring[order])
    for number in range(int(rank.max(initial=-1)) + 1):
        chosen = order[rank == number]
        yield chosen, ring[chosen]
