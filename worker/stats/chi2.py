"""The chi2 tail of a TS distribution: P(TS >= ts) = eta chi2.sf(ts / scale, ndof), and its fits."""

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from worker.base.errors import InputError

F64 = NDArray[np.float64]
Fit = Literal["scale1", "free"]

MIN_FIT = 10
"""Smallest number of positive TS values to which a shape is fitted."""


class TooFewTrialsError(InputError):
    """The trials do not reach the requested p-value, or no shape can be fitted to them."""


class Chi2Tail(NamedTuple):
    """A parametric TS distribution: an atom of 1 - eta at TS = 0 and a scaled chi2 above it.

    Attributes
    ----------
    eta : float
        P(TS > 0).
    ndof : float
    scale : float

    Examples
    --------
    >>> print(f"{Chi2Tail(eta=0.5, ndof=1).sf(9):.6f}")  # half of P(|x| > 3) of a normal x
    0.001350
    """

    eta: float
    ndof: float
    scale: float = 1.0

    def sf(self, ts: ArrayLike, _how: str = "fit") -> F64:
        """P(TS >= ts): 1 for ts <= 0, NaN for NaN. `_how` is there for the interface of `TSD`."""
        ts = np.asarray(ts, dtype=np.float64)
        tail = self.eta * special.gammaincc(0.5 * self.ndof, np.maximum(ts, 0.0) / (2.0 * self.scale))
        return np.asarray(np.where(ts <= 0.0, 1.0, tail), dtype=np.float64)

    def logsf(self, ts: ArrayLike, _how: str = "fit") -> F64:
        """Logarithm of P(TS >= ts), finite however large TS is."""
        ts = np.asarray(ts, dtype=np.float64)
        x = np.maximum(ts, 0.0) / (2.0 * self.scale)
        tail: F64 = math.log(self.eta) + _log_gammaincc(0.5 * self.ndof, x)
        return np.asarray(np.where(ts <= 0.0, 0.0, tail), dtype=np.float64)

    def isf(self, p: ArrayLike) -> F64:
        """TS at which `sf` is p; 0 for p >= eta, the atom."""
        q = np.minimum(np.asarray(p, dtype=np.float64) / self.eta, 1.0)
        return np.asarray(2.0 * self.scale * special.gammainccinv(0.5 * self.ndof, q), dtype=np.float64)


class Chi2Fit(NamedTuple):
    """A maximum-likelihood chi2 shape (loc 0) and the covariance of (ndof, scale), from Fisher's information."""

    ndof: float
    scale: float
    covariance: tuple[tuple[float, float], tuple[float, float]]


def fit_chi2(ts: F64, fit: Fit) -> Chi2Fit:
    """Maximum-likelihood chi2 of positive TS values, loc 0.

    With scale 1 the likelihood equation is psi(ndof / 2) = mean ln(ts / 2); with a free scale it is
    the gamma distribution's, ln a - psi(a) = ln mean - mean ln, ndof = 2 a, scale = mean / (2 a).

    Parameters
    ----------
    ts : ndarray (n,)
        All > 0.
    fit : 'scale1' or 'free'
        Scale fixed to 1, or free.

    Returns
    -------
    Chi2Fit

    Raises
    ------
    TooFewTrialsError
        Fewer than `MIN_FIT` values, or, with a free scale, all values equal.

    Examples
    --------
    The quantiles of a chi2 with two degrees of freedom:

    >>> found = fit_chi2(-2 * np.log(1 - (np.arange(1000) + 0.5) / 1000), "free")
    >>> print(f"ndof {found.ndof:.2f}, scale {found.scale:.2f}")
    ndof 2.00, scale 1.00
    """
    if len(ts) < MIN_FIT:
        raise TooFewTrialsError(
            f"{len(ts)} trials with TS > 0: a chi2 shape needs at least {MIN_FIT}; run more background trials"
        )
    n = len(ts)
    ndof, scale = shape_of_moments(float(np.mean(ts)), float(np.mean(np.log(ts))), n, fit)
    a, theta = 0.5 * ndof, 2.0 * scale
    if fit == "scale1":
        return Chi2Fit(ndof, scale, ((4.0 / (n * _trigamma(a)), 0.0), (0.0, 0.0)))
    # Inverse of n [[psi1(a), 1/theta], [1/theta, a/theta^2]], then (a, theta) -> (2 a, theta / 2).
    det = n * (a * _trigamma(a) - 1.0)
    var_a, cov, var_theta = a / det, -theta / det, theta**2 * _trigamma(a) / det
    return Chi2Fit(2.0 * a, 0.5 * theta, ((4.0 * var_a, cov), (cov, 0.25 * var_theta)))


def shape_of_moments(mean: float, mean_log: float, n: int, fit: Fit) -> tuple[float, float]:
    """(ndof, scale) of the best fit: all that it needs of n positive TS values is the mean of TS and of ln TS."""
    if fit == "scale1":
        return 2.0 * inverse_digamma(mean_log - math.log(2.0)), 1.0
    a = _gamma_shape(math.log(mean) - mean_log, n)
    return 2.0 * a, 0.5 * mean / a


def shape_variance(fit: Chi2Fit, ts: float, from_ts: float = 0.0) -> float:
    """Variance of ln [chi2.sf(ts) / chi2.sf(from_ts)] that comes from the fitted shape (linear propagation)."""
    d_ndof, d_scale = np.subtract(_gradient(fit, ts), _gradient(fit, from_ts))
    (v_nn, v_ns), (_, v_ss) = fit.covariance
    return float(d_ndof**2 * v_nn + 2.0 * d_ndof * d_scale * v_ns + d_scale**2 * v_ss)


def _gradient(fit: Chi2Fit, ts: float) -> tuple[float, float]:
    """Return the derivatives of ln chi2.sf(ts / scale, ndof) with respect to ndof and scale."""
    if ts <= 0.0:
        return 0.0, 0.0
    x, a = ts / (2.0 * fit.scale), 0.5 * fit.ndof
    h = 1e-4 * a  # central difference: no closed form; error of order h^2
    d_a = float(_log_gammaincc(a + h, x) - _log_gammaincc(a - h, x)) / (2.0 * h)
    log_pdf = (a - 1.0) * math.log(x) - x - float(special.gammaln(a))
    d_x = -math.exp(log_pdf - float(_log_gammaincc(a, x)))
    return 0.5 * d_a, -d_x * x / fit.scale


def inverse_digamma(y: float) -> float:
    """Find the a > 0 with psi(a) = y, by Newton from Minka's starting value."""
    a = math.exp(y) + 0.5 if y > -2.22 else -1.0 / (y - float(special.psi(1.0)))
    for _ in range(8):
        a = max(a - (float(special.psi(a)) - y) / _trigamma(a), 0.1 * a)
    return a


def _gamma_shape(s: float, n: int) -> float:
    """Shape of a gamma distribution with ln mean - mean ln = s (Minka 2002)."""
    if not s > 1e-12:
        raise TooFewTrialsError(
            f"all {n} positive TS values are equal: a free scale cannot be fitted; use fit='scale1' or more trials"
        )
    a = (3.0 - s + math.sqrt((s - 3.0) ** 2 + 24.0 * s)) / (12.0 * s)
    for _ in range(8):
        slope = 1.0 / a - _trigamma(a)
        a = 1.0 / (1.0 / a + (math.log(a) - float(special.psi(a)) - s) / (a * a * slope))
    return a


def _trigamma(a: float) -> float:
    return float(special.polygamma(1, a))


def _log_gammaincc(a: float, x: ArrayLike) -> F64:
    """Log of the regularised upper incomplete gamma function, also where it is below the smallest double."""
    x = np.asarray(x, dtype=np.float64)
    far = x > 600.0 + 2.0 * a
    with np.errstate(divide="ignore"):
        out: F64 = np.asarray(np.log(special.gammaincc(a, np.where(far, 0.0, x))))
    if np.any(far):
        out = np.where(far, _log_gammaincc_far(a, np.where(far, x, 600.0 + 2.0 * a)), out)
    return out


def _log_gammaincc_far(a: float, x: F64) -> F64:
    """x^(a-1) e^-x / Gamma(a) (1 + (a-1)/x (1 + (a-2)/x (...))): asymptotic, for x >> a."""
    series = np.ones_like(x)
    for j in range(30, 0, -1):
        series = 1.0 + (a - j) / x * series
    return np.asarray((a - 1.0) * np.log(x) - x - special.gammaln(a) + np.log(series))
