"""Tail of the hottest spot's p-value from patches of tilted skies.

A hot spot is a pixel whose local p is the smallest within a separation. Each patch has hot spots with weights. The sum
of the weights of those with -log10 p >= h has the mean

    lambda(h) = expected number of such hot spots in a background sky >= P(the hottest spot has -log10 p >= h)

Hot spots are rare where lambda is small and nearly independent of each other, so that the post-trial p-value is
1 - exp(-lambda) up to a relative error of the order of lambda (Aldous 1989, Probability approximations via the Poisson
clumping heuristic).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError
from worker.stats.binomial import LEVEL
from worker.stats.checks import MIN_KS_P, Check
from worker.stats.significance import nsigma_to_p, p_to_nsigma

F64 = NDArray[np.float64]

SPOT_DTYPE = np.dtype([("patch", "<i8"), ("mlog10p", "<f8"), ("log_w", "<f8")])
"""A pixel of a patch: number of the patch, -log10 of its local p, and ln of its weight."""


class Found(NamedTuple):
    """A post-trial p-value from patches.

    Attributes
    ----------
    p : float
        1 - exp(-expected). Beyond the last hot spot of all patches: that of the last one, an upper limit.
    error : float
        Standard error.
    lo, hi : float
        Interval of coverage `level`, p / f to p f with f = exp(z error / p); `lo` is 0 beyond the last hot spot.
    n : int
        Patches.
    n_effective : float
        Effective number of patches with such a hot spot: (sum of weights)^2 / sum of squares.
    largest_share : float
        Share of the patch with the largest weight.
    expected, expected_error : float
        Expected number of hot spots at least as hot, lambda.
    level : float
    """

    p: float
    error: float
    lo: float
    hi: float
    n: int
    n_effective: float
    largest_share: float
    expected: float
    expected_error: float
    level: float


@dataclass(frozen=True, eq=False)
class Spots:
    """Weighted pixels of patches.

    Attributes
    ----------
    n : int
        Patches, with or without such pixels.
    rows : ndarray of `SPOT_DTYPE`
    """

    n: int
    rows: NDArray[np.void]

    def __post_init__(self) -> None:
        good = self.n > 0 and np.all(np.isfinite(self.rows["mlog10p"])) and np.all(np.isfinite(self.rows["log_w"]))
        if not (good and np.all((self.rows["patch"] >= 0) & (self.rows["patch"] < self.n))):
            raise InputError(
                f"{len(self.rows)} hot spots of {self.n} patches: each must belong to a patch and have a finite p and "
                "weight; run collect_scan again"
            )

    @cached_property
    def _sorted(self) -> NDArray[np.void]:
        return self.rows[np.argsort(-self.rows["mlog10p"], kind="stable")]

    def sums(self, mlog10p: float) -> F64:
        """Sum of the weights of the pixels with at least this -log10 p, for each patch, (n,)."""
        above = self._sorted[: int(np.count_nonzero(self.rows["mlog10p"] >= mlog10p))]
        return np.bincount(above["patch"], np.exp(above["log_w"]), self.n).astype(np.float64)

    def expected(self, mlog10p: float) -> tuple[float, float]:
        """Expected number of pixels with at least this -log10 p in a sky, and its standard error."""
        x = self.sums(mlog10p)
        mean = float(x.mean())
        return mean, math.sqrt(max(float((x * x).mean()) - mean * mean, 0.0) / self.n)

    def post_trial(self, mlog10p: float, level: float = LEVEL) -> Found:
        """Post-trial p-value of a hottest spot with this -log10 of its local p.

        Raises
        ------
        InputError
            No patch has a hot spot, or `mlog10p` is not a finite number >= 0.
        """
        if not (math.isfinite(mlog10p) and mlog10p >= 0):
            raise InputError(f"mlog10p of the hottest spot is {mlog10p}: it must be finite and >= 0; scan it again")
        if not len(self.rows):
            raise InputError(f"none of {self.n} patches has a hot spot: raise scan.post_trial.n_patches")
        last = float(self._sorted["mlog10p"][0])
        x = self.sums(min(mlog10p, last))
        expected, error = self.expected(min(mlog10p, last))
        p = -math.expm1(-expected)
        p_error = math.exp(-expected) * error
        width = math.exp(float(p_to_nsigma(0.5 * (1.0 - level))) * p_error / p)
        effective, share = float(x.sum() ** 2 / (x * x).sum()), float(x.max() / x.sum())
        lo = p / width if mlog10p <= last else 0.0
        return Found(p, p_error, lo, min(p * width, 1.0), self.n, effective, share, expected, error, level)

    def at(self, p: float) -> Found | None:
        """The post-trial p-value of the coolest spot whose p is at most `p`; None beyond the last hot spot."""
        every = self._sorted
        weights = np.cumsum(np.exp(every["log_w"])) / self.n
        i = int(np.searchsorted(weights, -math.log1p(-p), side="right")) - 1
        return None if i < 0 else self.post_trial(float(every["mlog10p"][i]))


def with_observed(mean: float, n: int, weight: float) -> float:
    """Estimate of a tail probability that is a valid p-value whatever n is: the observation counts with its own weight.

    With trials drawn from Q and weights w = dP / dQ, p = (w(observed) + sum w_i 1(T_i >= T)) / (n + 1) has
    P(p <= a) <= a under P; without the weight of the observation it has not (Harrison 2012, Biometrika 99, 57). For
    plain trials, with w = 1, this is (k + 1) / (n + 1).

    Parameters
    ----------
    mean : float
        Mean of w_i 1(T_i >= T), or of the sums of the weights of the hot spots of a patch.
    n : int
        Trials or patches.
    weight : float
        That of the observed trial, or of the observed hot spot as one of a patch.
    """
    return min((weight + n * mean) / (n + 1), 1.0)


def pixel_sums(spots: Spots, n_pixels: int, levels: Sequence[float]) -> list[dict[str, float]]:
    """Expected number of pixels with p <= 10^-h in a sky: measured by patches, and if local p is right.

    A local p is right if P(p <= 10^-h) = 10^-h, so `expected` is n_pixels 10^-h.

    Parameters
    ----------
    spots : Spots
        All pixels with a weight, not only the hottest within a separation.
    """
    rows = []
    for h in levels:
        measured, error = spots.expected(h)
        rows.append({"mlog10p": h, "expected": n_pixels * 10.0**-h, "measured": measured, "error": error})
    return rows


LARGEST_FACTOR = 1.3
"""Largest factor between the measured and the expected number of pixels with a small p: an error of p of 30 %."""
LEAST_EFFECTIVE = 30.0
"""Effective number of patches behind a sum that is tested: an error of 18 %."""


def pixel_sum_check(rows: Sequence[dict[str, float]]) -> Check:
    """Check that local p is right on average over all pixels, by `pixel_sums`: p-value of the worst level.

    A level fails if the measured number is off by more than `LARGEST_FACTOR` and more than its error explains, with
    a probability below `MIN_KS_P` divided by the number of levels.
    """
    worst, place, n = 1.0, "", 0
    for row in rows:
        if row["measured"] <= 0 or row["error"] <= 0 or row["measured"] ** 2 < LEAST_EFFECTIVE * row["error"] ** 2:
            continue
        n += 1
        ratio, error = row["measured"] / row["expected"], row["error"] / row["measured"]
        excess = abs(math.log(ratio)) - math.log(LARGEST_FACTOR)
        p = min(2.0 * float(nsigma_to_p(excess / error)), 1.0)
        if p <= worst:
            worst, place = p, f"p <= 10^-{row['mlog10p']:g} in {ratio:.2f} ± {ratio * error:.2f} times as many pixels"
    if not n:
        text = "no level of p has enough patches: raise scan.post_trial.n_patches."
        return Check("pixel_sum", math.nan, MIN_KS_P, False, text)
    worst = min(worst * n, 1.0)
    passed = worst >= MIN_KS_P
    cure = (
        ""
        if passed
        else (
            ": local p is not that of its pixels (post-trial p from patches is right all the same): write "
            "background.dec_deg: rings with tail: tilted, or raise background.n_tail_trials"
        )
    )
    return Check("pixel_sum", worst, MIN_KS_P, passed, f"a sky has {place} as it should{cure}.")
