"""Hot spots of patches: pixels whose local p is the smallest within a separation, by region."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.healpix import Rings
from worker.hypotheses import hottest_spots
from worker.spec.sections import Spec
from worker.stats.distributions import TSD
from worker.stats.patches import SPOT_DTYPE, Spots, pixel_sums

F64 = NDArray[np.float64]
Rows = NDArray[np.void]

LEVELS = tuple(0.5 * i for i in range(1, 31))
"""-log10 of local p at which pixels are counted."""


class Tail(NamedTuple):
    """Hot spots of patches, of `SPOT_DTYPE`, by region; number of patches; sums of local p (`pixel_sums`)."""

    n: int
    hot: dict[str, Rows]
    pixel_sums: list[dict[str, float]]


def collect(spec: Spec, rings: Rings, parts: Iterable[Rows], tsds: Mapping[float, TSD]) -> Tail:
    """Hot spots of all patches in each region, and how many pixels have a small local p.

    Parameters
    ----------
    parts : iterable of ndarray (n, most) of `worker.engines.protocol.PATCH_DTYPE`
        Rows of the files, in the order of the stream.
    """
    regions = [name for name in hottest_spots.REGIONS if hottest_spots.in_region(spec, name, rings.dec).any()]
    separation, n = float(np.radians(spec.healpix.post_trial.separation_deg)), 0
    hot: dict[str, list[Rows]] = {region: [] for region in regions}
    every = []
    for rows in parts:
        mlog10p = heat(spec, rings, rows, tsds)
        ring = ring_of(rings, rows["pixel"])
        for region in regions:
            inside = hottest_spots.in_region(spec, region, rings.dec)[ring]
            hot[region].append(_from(n, hot_spots(rings, rows, mlog10p, inside, separation)))
        every.append(_from(n, weighted(rows, mlog10p, np.ones(rows.shape, bool))))
        n += len(rows)
    sums = pixel_sums(Spots(n, np.concatenate(every)), int(rings.n_pix.sum()), LEVELS)
    return Tail(n, {region: np.concatenate(found) for region, found in hot.items()}, sums)


def _from(first: int, spots: Rows) -> Rows:
    """Spots with the numbers of their patches in the whole stream."""
    spots["patch"] += first
    return spots


def heat(spec: Spec, rings: Rings, rows: Rows, tsds: Mapping[float, TSD]) -> F64:
    """-log10 of the local p of every pixel of patches; 0 for unused places and where TS = 0.

    Parameters
    ----------
    rows : ndarray (n, most) of `worker.engines.protocol.PATCH_DTYPE`

    Returns
    -------
    ndarray (n, most)
    """
    out, some = np.zeros(rows.shape), rows["ts"] > 0
    out[some] = hottest_spots.p_map(spec, tsds, rings.dec[ring_of(rings, rows["pixel"][some])], rows["ts"][some])
    return out


def ring_of(rings: Rings, pixel: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of the ring of each pixel."""
    return np.searchsorted(rings.first, pixel, side="right") - 1


def places(rings: Rings, pixel: NDArray[np.int64]) -> F64:
    """Unit vectors of pixels, (n, 3)."""
    ring = ring_of(rings, pixel)
    ra = (pixel - rings.first[ring] + rings.shift[ring]) * (2 * np.pi / rings.n_pix[ring])
    cos_dec = np.cos(rings.dec)[ring]
    return np.stack([cos_dec * np.cos(ra), cos_dec * np.sin(ra), np.sin(rings.dec)[ring]], axis=1)


def weighted(rows: Rows, mlog10p: F64, inside: NDArray[np.bool_]) -> Rows:
    """All pixels with a weight and p < 1 for which `inside`, (n,) of `SPOT_DTYPE`."""
    use = inside & (mlog10p > 0) & np.isfinite(rows["log_w"])
    return _spots(np.nonzero(use)[0], mlog10p[use], rows["log_w"][use])


def hot_spots(rings: Rings, rows: Rows, mlog10p: F64, inside: NDArray[np.bool_], separation: float) -> Rows:
    """Pixels with a weight that are the hottest within a separation (rad) among those for which `inside`.

    Returns
    -------
    ndarray (n,) of `SPOT_DTYPE`; of pixels with equal p the lowest.
    """
    found = [_spots(np.empty(0, np.int64), np.empty(0), np.empty(0))]
    for patch, use in _patches(mlog10p, inside):
        order = use[np.argsort(-mlog10p[patch, use], kind="stable")]
        at = places(rings, rows["pixel"][patch, order])
        weighed = np.flatnonzero(np.isfinite(rows["log_w"][patch, order]))
        near = at[weighed] @ at.T >= np.cos(separation)
        hotter = np.arange(len(order)) < weighed[:, None]
        hot = order[weighed[~(near & hotter).any(axis=1)]]
        found.append(_spots(np.full(len(hot), patch), mlog10p[patch, hot], rows["log_w"][patch, hot]))
    return np.concatenate(found)


def _patches(mlog10p: F64, inside: NDArray[np.bool_]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Places in the row of each patch that are `inside` and have p < 1."""
    for patch, use in enumerate(inside & (mlog10p > 0)):
        yield patch, np.flatnonzero(use)


def _spots(patch: NDArray[np.int64], mlog10p: F64, log_w: F64) -> Rows:
    out = np.empty(len(patch), SPOT_DTYPE)
    out["patch"], out["mlog10p"], out["log_w"] = patch, mlog10p, log_w
    return out
