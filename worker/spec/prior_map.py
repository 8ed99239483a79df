"""A spatial prior as text: 2 ln(P / P max) of every pixel of a healpix map (RING), as `dagmaker build` freezes it.

The values are multiples of 1 / STEPS, so that the text gives the same bits everywhere; smaller than LEAST is none.
"""

import base64
import binascii
import bz2
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from worker.spec.fields import ring_decs_deg

F64 = NDArray[np.float64]

STEPS = 512
"""Steps of a unit of 2 ln P: P is rounded by at most 0.05 %."""
LEAST = -63.0
"""P / P max below 2e-14 counts as 0."""
LEAST_INSIDE = 0.9
"""A scan that leaves out more probability is worth a second look."""
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
    first, n_pix = _rings(len(some))
    return float(n_pix[np.logical_or.reduceat(some, first)].sum()) / len(some)


def inside(text: str, dec_min_deg: float, dec_max_deg: float) -> float:
    """Return the fraction of the probability whose pixels have their centres between two declinations."""
    p = np.exp(0.5 * parse(text))
    of_ring = np.add.reduceat(p, _rings(len(p))[0])
    dec = np.array(ring_decs_deg(round((len(p) / 12) ** 0.5)))
    return float(of_ring[(dec >= dec_min_deg) & (dec <= dec_max_deg)].sum() / of_ring.sum())


def note(text: str, dec_min_deg: float, dec_max_deg: float) -> str | None:
    """Return a sentence if a scan leaves out or does not resolve a map."""
    seen, p = inside(text, dec_min_deg, dec_max_deg), np.exp(0.5 * parse(text))
    if seen < LEAST_INSIDE:
        return f"{seen:.0%} of the probability lies between {dec_min_deg:g} and {dec_max_deg:g} deg, where the scan is"
    if p.max() > 0.5 * p.sum():
        return f"one pixel holds {p.max() / p.sum():.0%} of the probability: write a larger nside"
    return None


def _rings(n_pix: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First pixel of each ring of a map, and how many it has."""
    nside = round((n_pix / 12) ** 0.5)
    ring = np.arange(1, 4 * nside)
    n = 4 * np.minimum(np.minimum(ring, 4 * nside - ring), nside)
    return np.cumsum(n) - n, n
