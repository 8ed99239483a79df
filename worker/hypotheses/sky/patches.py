"""Hot spots of patches: pixels whose local p is the smallest within a separation, by region."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from worker.base.healpix import Rings
from worker.hypotheses import hottest_spots
from worker.spec.sections import Spec
from worker.stats.distributions import TSD
from worker.stats.patches import SPOT_DTYPE

F64 = NDArray[np.float64]
Rows = NDArray[np.void]


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
