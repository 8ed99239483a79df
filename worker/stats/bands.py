"""Effective number of positions in bands of declination: a check of p-values that needs no formula for their law.

If the p-values of N positions are right, the smallest of them is below x with probability at most N x, and positions
that share events make it larger, not smaller. So N_eff of `worker.stats.posttrial.effective_trials` cannot exceed N
but by chance. Where p is too small, N_eff is too large, and the hottest spots come from there too often.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.stats.checks import Check
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.distributions import TSD
from worker.stats.posttrial import effective_trials
from worker.stats.significance import How

F64 = NDArray[np.float64]

NAME = "n_eff_bands"
WIDTH_DEG = 15.0
MAX_EXCESS = 3.0
"""Largest excess of N_eff over the number of positions, in its errors."""


class Band(NamedTuple):
    """N_eff of the background skies in a band of declination.

    Attributes
    ----------
    dec_min_deg, dec_max_deg : float, deg
    n_positions : int
        Pixels or sources.
    n_eff, n_eff_error : float
        Effective number of positions; its error contains the number of skies and the finite number of background
        trials. NaN if no sky has p < 1 there.
    """

    dec_min_deg: float
    dec_max_deg: float
    n_positions: int
    n_eff: float
    n_eff_error: float

    @property
    def excess(self) -> float:
        """N_eff above the number of positions, in errors."""
        return (self.n_eff - self.n_positions) / self.n_eff_error


def index_of(dec: F64) -> NDArray[np.int64]:
    """Number of the band of each declination (rad), from the south."""
    number = np.floor((np.degrees(dec) + 90.0) / WIDTH_DEG).astype(np.int64)
    return np.clip(number, 0, round(180.0 / WIDTH_DEG) - 1)


def hottest(dec: F64, mlog10p: F64) -> F64:
    """Largest -log10 p of each sky in each band, (n_skies, n_bands), of values (n_skies, n) at `dec` (n,), rad."""
    index = index_of(dec)
    return np.stack([mlog10p[:, index == band].max(axis=1) for band in np.unique(index)], axis=1)


def p_error(tsds: Mapping[float, TSD], shares: Mapping[float, float], p: float, how: How) -> float:
    """Relative error of a mean of p-values at about `p` from the finite number of background trials.

    Parameters
    ----------
    tsds : mapping of dec (deg) to TSD
    shares : mapping of dec (deg) to float
        Share of each distribution in the mean; the distributions have independent errors.
    """
    return math.sqrt(math.fsum((share * _p_error(tsds[dec], p, how)) ** 2 for dec, share in shares.items()))


def _p_error(tsd: TSD, p: float, how: How) -> float:
    try:
        value = tsd.pvalue(float(tsd.isf(p, how)), how)
    except TooFewTrialsError:  # beyond the trials: the error of a count of less than one
        return 1.0
    return math.log(value.hi / value.p)


def measured(dec: F64, n_positions: NDArray[np.int64], mlog10p: F64, p_errors: Sequence[float]) -> tuple[Band, ...]:
    """N_eff of every band with positions.

    Parameters
    ----------
    dec : ndarray (n,), rad
        Declinations of rings or sources.
    n_positions : ndarray (n,), int
        Positions of each.
    mlog10p : ndarray (n_skies, n_bands)
        From `hottest`.
    p_errors : sequence of float, (n_bands,)
        From `p_error`, at p = 1 / (positions of the band).
    """
    index, bands = index_of(dec), []
    for column, number in enumerate(np.unique(index)):
        heat, n_eff = mlog10p[:, column], effective_trials(mlog10p[:, column])
        n_below = max(int(np.count_nonzero(heat > 0)), 1)
        error = n_eff * math.sqrt(1.0 / n_below + p_errors[column] ** 2)
        low = WIDTH_DEG * float(number) - 90.0
        bands.append(Band(low, low + WIDTH_DEG, int(n_positions[index == number].sum()), n_eff, error))
    return tuple(bands)


def check(rows: Sequence[Mapping[str, Any]]) -> Check:
    """Check that no band has more effective positions than positions, beyond `MAX_EXCESS` errors.

    Parameters
    ----------
    rows : sequence of mapping
        Fields of `Band`; null for NaN.
    """
    bands = [Band(**row) for row in rows if row["n_eff"] is not None]
    if not bands:
        return Check(NAME, math.nan, MAX_EXCESS, False, "no background sky has a p-value below 1: add skies.")
    worst = max(bands, key=lambda band: band.excess)
    ratio, error = worst.n_eff / worst.n_positions, worst.n_eff_error / worst.n_positions
    passed = worst.excess <= MAX_EXCESS
    sentence = (
        f"N_eff per position is largest between dec {worst.dec_min_deg:g} and {worst.dec_max_deg:g} deg, in units of "
        f"its error: {ratio:.2f} +- {error:.2f} ({len(bands)} bands; at most 1 and {MAX_EXCESS:g} errors)"
    )
    cure = "p-values are too small there: background trials at more declinations (background.dec_deg: rings), or more"
    return Check(NAME, worst.excess, MAX_EXCESS, passed, sentence + ("." if passed else f"; {cure} of them."))
