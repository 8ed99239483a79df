"""A spatial prior as text: 2 ln(P / P max) of every pixel of a healpix map (RING), as `dagmaker build` freezes it.

The values are multiples of 1 / STEPS, so that the text gives the same bits everywhere; smaller than LEAST is none.
"""

import base64
import binascii
import bz2
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

STEPS = 512
"""Steps of a unit of 2 ln P: P is rounded by at most 0.05 %."""
LEAST = -63.0
"""P / P max below 2e-14 counts as 0."""
NONE = np.int16(-32768)
"""A pixel without probability."""


def text_of(density: F64) -> str:
    """Text of a map of probability densities, of any scale.

    Parameters
    ----------
    density : ndarray (12 nside^2,)
        Not negative; at least one is positive.
    """
    with np.errstate(divide="ignore"):
        log_p = 2.0 * np.log(density / density.max())
    whole = np.where(log_p >= LEAST, np.rint(np.maximum(log_p, LEAST) * STEPS), NONE).astype("<i2")
    return base64.b64encode(bz2.compress(whole.tobytes())).decode("ascii")


@lru_cache(maxsize=8)
def parse(text: str) -> F64:
    """2 ln(P / P max) of every pixel, -inf without probability.

    Raises
    ------
    ValueError
        It is no such text.
    """
    try:
        whole = np.frombuffer(bz2.decompress(base64.b64decode(text, validate=True)), "<i2")
    except (binascii.Error, OSError, ValueError):
        raise ValueError("it is damaged") from None
    nside = round((len(whole) / 12) ** 0.5)
    if not len(whole) or 12 * nside * nside != len(whole):
        raise ValueError(f"it has {len(whole):,} pixels")
    if whole.max() != 0:
        raise ValueError("its most probable pixel is not 0")
    out = np.where(whole == NONE, -np.inf, whole / STEPS)
    out.flags.writeable = False
    return out


def fault(text: str, nside: int) -> str | None:
    """Return what is wrong with the text of a map for a scan of this nside."""
    try:
        n_pix = len(parse(text))
    except ValueError as error:
        return str(error)
    return None if n_pix == 12 * nside**2 else f"found {n_pix:,} pixels, and nside = {nside} has {12 * nside**2:,}"


def share_of_rings(text: str) -> float:
    """Return the fraction of the pixels of a map that lie on rings with probability."""
    some = np.isfinite(parse(text))
    nside = round((len(some) / 12) ** 0.5)
    ring = np.arange(1, 4 * nside)
    n_pix = 4 * np.minimum(np.minimum(ring, 4 * nside - ring), nside)
    used = np.logical_or.reduceat(some, np.cumsum(n_pix) - n_pix)
    return float(n_pix[used].sum()) / len(some)
