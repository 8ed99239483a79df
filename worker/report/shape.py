"""Summary of a background distribution for figures.

All TS values of 170 declinations with a million trials each would need more memory than the job requests.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.spec.point import Point
from worker.stats.chi2 import Fit, TooFewTrialsError
from worker.stats.distributions import TSD
from worker.stats.significance import How

F64 = NDArray[np.float64]

EDGES: F64 = np.arange(0.0, 60.001, 0.25)
"""TS bin edges; the last bin includes all larger TS."""
FITS: tuple[Fit, ...] = ("scale1", "free")


class Fitted(NamedTuple):
    """A chi2 fit with loc 0; NaN if there are too few trials."""

    ndof: float
    ndof_error: float
    scale: float
    scale_error: float


class Shape(NamedTuple):
    """One background distribution.

    Attributes
    ----------
    at : Point
    n, n_positive : int
        Trials, and those with TS > 0.
    counts : ndarray (len(EDGES) - 1,)
        Trials with TS > 0, by `EDGES`.
    fits : dict of 'scale1' and 'free' to Fitted
        With the scale fixed at 1, and free.
    median : tuple (low, value, high)
        With the interval of its order statistics.
    p_counted, p_used, p_fit, p_hybrid : ndarray (len(EDGES),)
        P(TS >= edge): by counting plain trials; as used by the scan; by the fit of the spec and by counting continued
        with it (NaN without a fit).
    joint : float
        TS at which `hybrid` changes from counting to the fit, and `counted` to tilted trials; NaN without a fit.
    thresholds : tuple (3 sigma, 5 sigma)
        TS thresholds, counted if there are tilted trials, else of `hybrid`; NaN if they cannot be told.
    """

    at: Point
    n: int
    n_positive: int
    counts: NDArray[np.int64]
    fits: dict[Fit, Fitted]
    median: tuple[float, float, float]
    p_counted: F64
    p_used: F64
    p_fit: F64
    p_hybrid: F64
    joint: float
    thresholds: tuple[float, float]

    @property
    def eta(self) -> float:
        """Fraction of trials with TS > 0."""
        return self.n_positive / self.n

    @property
    def eta_error(self) -> float:
        """Binomial error of `eta`; at least that of a single trial."""
        return math.sqrt(max(self.eta * (1.0 - self.eta), 1.0 / self.n) / self.n)


def _joint(tsd: TSD, how: How) -> float:
    """TS beyond which p is no longer that of plain trials; NaN if there is none."""
    if how == "counted":
        return tsd.counted.joint
    return tsd.joint.ts if tsd.joint else math.nan


def shape_of(at: Point, tsd: TSD, how: How = "hybrid") -> Shape:
    """Summarise a distribution; `how` is the survival function of the scan."""
    counts = np.histogram(np.minimum(tsd.ts, EDGES[-1]), EDGES)[0]
    has_fit = tsd.chi2 is not None
    spread = 0.5 / math.sqrt(tsd.n)
    low, middle, high = (tsd.quantile(min(max(0.5 + step, 0.0), 1.0)) for step in (-spread, 0.0, spread))
    nothing = np.full(len(EDGES), np.nan)
    return Shape(
        at, tsd.n, len(tsd.ts), counts, {fit: _fitted(TSD(tsd.n, tsd.ts, fit)) for fit in FITS},
        (low, middle, high), tsd.count(EDGES) / tsd.n, tsd.sf(EDGES, how) if has_fit or how != "fit" else nothing,
        tsd.sf(EDGES, "fit") if has_fit else nothing, tsd.sf(EDGES, "hybrid") if has_fit else nothing,
        _joint(tsd, how),
        (_threshold(tsd, 3.0), _threshold(tsd, 5.0)),
    )  # fmt: skip


def _fitted(tsd: TSD) -> Fitted:
    fit = tsd.chi2
    if fit is None:
        return Fitted(math.nan, math.nan, math.nan, math.nan)
    (var_ndof, _), (_, var_scale) = fit.covariance
    return Fitted(fit.ndof, math.sqrt(var_ndof), fit.scale, math.sqrt(var_scale))


def _threshold(tsd: TSD, n_sigma: float) -> float:
    try:
        return float(tsd.isf_nsigma(n_sigma)) if tsd.chi2 is not None or tsd.tilted is not None else math.nan
    except TooFewTrialsError:
        return math.nan
