"""What figures need of one background distribution, so that the trials themselves can be let go.

At 170 declinations with a million trials each, keeping all TS values would take more memory than the job asked for.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.stats.distributions import TSD

F64 = NDArray[np.float64]

EDGES: F64 = np.arange(0.0, 60.001, 0.25)
"""TS bin edges; what lies beyond the last is counted in the last bin."""


class Shape(NamedTuple):
    """One background distribution.

    Attributes
    ----------
    dec_deg : float
    n, n_positive : int
        Trials, and those with TS > 0.
    counts : ndarray (len(EDGES) - 1,)
        Trials with TS > 0, by `EDGES`.
    ndof, ndof_error : float
        Chi2 fit with loc 0 and scale 1; NaN without one.
    free : tuple (ndof, error, scale, error)
        The fit with a free scale; NaN without one.
    median : tuple (low, value, high)
        With the interval of its order statistics.
    p_counted, p_hybrid, p_fit : ndarray (len(EDGES),)
        P(TS >= edge) in the three ways; `p_fit` NaN without a fit.
    joint : float
        TS at which `hybrid` passes from counting to the fit; NaN without a fit.
    thresholds : tuple (3 sigma, 5 sigma)
        TS of `hybrid`; NaN where the trials do not reach it.
    """

    dec_deg: float
    n: int
    n_positive: int
    counts: NDArray[np.int64]
    ndof: float
    ndof_error: float
    free: tuple[float, float, float, float]
    median: tuple[float, float, float]
    p_counted: F64
    p_hybrid: F64
    p_fit: F64
    joint: float
    thresholds: tuple[float, float]

    @property
    def eta(self) -> float:
        """Fraction of trials with TS > 0."""
        return self.n_positive / self.n

    @property
    def eta_error(self) -> float:
        """Binomial error of `eta`."""
        return math.sqrt(max(self.eta * (1.0 - self.eta), 1.0 / self.n) / self.n)

    @property
    def sin_dec(self) -> float:
        """Sine of the declination."""
        return math.sin(math.radians(self.dec_deg))


def shape_of(dec_deg: float, tsd: TSD) -> Shape:
    """Everything the figures need of one distribution."""
    counts = np.histogram(np.minimum(tsd.ts, EDGES[-1]), EDGES)[0]
    has_fit = tsd.chi2 is not None
    spread = 0.5 / math.sqrt(tsd.n)
    median = tuple(tsd.quantile(min(max(0.5 + step, 0.0), 1.0)) for step in (-spread, 0.0, spread))
    return Shape(
        dec_deg, tsd.n, len(tsd.ts), counts, tsd.ndof, tsd.ndof_error, _free(tsd), (median[0], median[1], median[2]),
        tsd.count(EDGES) / tsd.n, tsd.sf(EDGES), tsd.sf(EDGES, "fit") if has_fit else np.full(len(EDGES), np.nan),
        tsd.joint.ts if tsd.joint else math.nan, (_threshold(tsd, 3.0), _threshold(tsd, 5.0)),
    )  # fmt: skip


def _free(tsd: TSD) -> tuple[float, float, float, float]:
    fit = TSD(tsd.n, tsd.ts, "free").chi2
    if fit is None:
        return (math.nan,) * 4
    (var_ndof, _), (_, var_scale) = fit.covariance
    return fit.ndof, math.sqrt(var_ndof), fit.scale, math.sqrt(var_scale)


def _threshold(tsd: TSD, n_sigma: float) -> float:
    return float(tsd.isf_nsigma(n_sigma)) if tsd.chi2 is not None else math.nan
