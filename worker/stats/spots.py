"""The population test: more spots above some p-value than chance gives, at the best threshold."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


class Excess(NamedTuple):
    """The best threshold of each sky; arrays (n_skies,).

    Attributes
    ----------
    mlog10p : ndarray
        -log10 of P(Poisson(expected) >= n) at the threshold where it is smallest; 0 without a spot. Not corrected for
        the choice of the threshold, nor for the spread of N that is not Poisson: background skies do that.
    x : ndarray
        The threshold, -log10 of a local p; NaN without a spot.
    n : ndarray, int64
        Spots at least as hot as x.
    expected : ndarray
        Their mean number in all skies of the test.
    """

    mlog10p: F64
    x: F64
    n: I64
    expected: F64


def separated(dec: F64, ra: F64, heat: F64, separation: float) -> NDArray[np.bool_]:
    """Which spots of a sky remain if each one removes all cooler ones within a separation (rad), hottest first.

    Parameters
    ----------
    dec, ra : ndarray (n,), rad
    heat : ndarray (n,)
        Of equal spots, the first one remains.

    Returns
    -------
    ndarray (n,), bool
    """
    cos_dec = np.cos(dec)
    at = np.stack([cos_dec * np.cos(ra), cos_dec * np.sin(ra), np.sin(dec)], axis=1)
    chord2 = (2.0 * math.sin(0.5 * min(separation, math.pi))) ** 2
    keep, open_ = np.zeros(len(heat), bool), np.ones(len(heat), bool)
    for i in np.argsort(-heat, kind="stable"):
        if open_[i]:
            keep[i] = True
            open_ &= ((at - at[i]) ** 2).sum(axis=1) >= chord2
    return keep


def excess(sky: I64, heat: F64, n_skies: int) -> Excess:
    """Test every sky against all skies, itself among them.

    With lambda(x) the mean number of spots with -log10 p >= x in the skies, and N(x) that in one sky,
    p(x) = P(Poisson(lambda(x)) >= N(x)); its minimum is at one of the sky's own spots. Since all skies are treated
    alike, the observed one among them, the rank of the observed sky is uniform without a signal. The price is that the
    sky's own spots are in lambda, N / n_skies of them.

    Parameters
    ----------
    sky : ndarray (n_spots,), int64
        Number of the sky of each spot, from 0.
    heat : ndarray (n_spots,)
        -log10 of its local p.
    n_skies : int

    Examples
    --------
    Sky 2 has two hot spots, where 4 skies have 3 together:

    >>> found = excess(np.array([0, 1, 2, 2, 3]), np.array([2.0, 3.5, 4.0, 3.0, 2.5]), 4)
    >>> print(f"{found.n[2]} spots, {found.expected[2]:.2f} expected, -log10 p {found.mlog10p[2]:.2f}")
    2 spots, 0.75 expected, -log10 p 0.76
    """
    hot = np.sort(heat)
    expected = (len(hot) - np.searchsorted(hot, heat, side="left")) / n_skies
    order = np.lexsort((heat, sky))
    own_sky, own_heat = sky[order], heat[order]
    last = np.searchsorted(own_sky, own_sky, side="right")
    same = np.concatenate([[True], (own_sky[1:] != own_sky[:-1]) | (own_heat[1:] != own_heat[:-1])])[: len(order)]
    first = np.maximum.accumulate(np.where(same, np.arange(len(order)), 0))  # of equal spots
    n = np.empty(len(order), np.int64)
    n[order] = last - first
    tail = special.gammainc(n, expected)  # P(Poisson(expected) >= n)
    mlog10p = -np.log(np.maximum(tail, 1e-300)) / math.log(10.0)
    out = Excess(np.zeros(n_skies), np.full(n_skies, np.nan), np.zeros(n_skies, np.int64), np.zeros(n_skies))
    for i in np.lexsort((heat, mlog10p)):  # the best threshold of a sky comes last
        k = sky[i]
        out.mlog10p[k], out.x[k], out.n[k], out.expected[k] = mlog10p[i], heat[i], n[i], expected[i]
    return out
