"""Passing fraction against n_sig as a chi2 CDF in df, loc, scale, fitted to many data sets at once.

All resamplings of a bootstrap are fitted in one damped Gauss-Newton loop on arrays.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from worker.stats.cholesky import solve

F64 = NDArray[np.float64]

MAX_STEPS = 60
_LOG_DF = (np.log(0.05), np.log(400.0))  # beyond, the CDF no longer changes shape
_LOG_SCALE = (-30.0, 30.0)  # a flat direction: a step along it must not leave the doubles


class Curves(NamedTuple):
    """Fitted curves of B data sets.

    Attributes
    ----------
    df, loc, scale : ndarray (B,)
    chi2 : ndarray (B,)
        Weighted sum of squared residuals.
    """

    df: F64
    loc: F64
    scale: F64
    chi2: F64

    def ppf(self, beta: float) -> F64:
        """Return the n_sig at which each curve reaches `beta`."""
        return np.asarray(self.loc + 2.0 * self.scale * special.gammaincinv(0.5 * self.df, beta))

    def pick(self, index: NDArray[np.int64] | slice) -> "Curves":
        """Return some of the curves."""
        return Curves(*(column[index] for column in self))


def cdf(n_sig: F64, df: F64, loc: F64, scale: F64) -> F64:
    """Chi2 CDF; 0 below `loc`."""
    return np.asarray(special.gammainc(0.5 * df, np.maximum(n_sig - loc, 0.0) / (2.0 * scale)))


def fit_curves(n_sig: F64, fraction: F64, error: F64, start: Curves) -> Curves:
    """Weighted least squares of a chi2 CDF to each row.

    Parameters
    ----------
    n_sig : ndarray (P,)
    fraction : ndarray (B, P)
    error : ndarray (P,) or (B, P)
        One-sigma errors, > 0.
    start : Curves of B curves
        Starting values; `chi2` is not read.

    Returns
    -------
    Curves
        Never worse than the starting values.
    """
    theta = np.stack([np.log(start.df), start.loc, np.log(start.scale)])
    residual = _residual(theta, n_sig, fraction, error)
    chi2 = np.sum(residual**2, axis=1)
    damping = np.full(len(chi2), 1e-2)
    active = np.arange(len(chi2))
    for _ in range(MAX_STEPS):
        if len(active) == 0:
            break
        rows = fraction[active]
        weight = error if error.ndim == 1 else error[active]
        step = _step(theta[:, active], n_sig, residual[active], weight, damping[active])
        trial = theta[:, active] + step
        trial[0] = np.clip(trial[0], *_LOG_DF)
        trial[2] = np.clip(trial[2], *_LOG_SCALE)
        new = _residual(trial, n_sig, rows, weight)
        new_chi2 = np.sum(new**2, axis=1)
        better = new_chi2 < chi2[active]
        gain = np.where(better, chi2[active] - new_chi2, np.inf)
        moved = active[better]
        theta[:, moved], residual[moved], chi2[moved] = trial[:, better], new[better], new_chi2[better]
        damping[active] = np.where(better, 0.3 * damping[active], 8.0 * damping[active])
        active = active[(gain > 1e-7 * (1.0 + chi2[active])) & (damping[active] < 1e8)]
    return Curves(np.exp(theta[0]), theta[1], np.exp(theta[2]), chi2)


def starts(n_sig: F64, fraction: F64) -> Curves:
    """Propose starting values for one data set: five shapes through two of its points.

    Parameters
    ----------
    n_sig : ndarray (P,)
    fraction : ndarray (P,)
        Non-decreasing, not all equal.
    """
    df = np.array([0.7, 2.0, 5.0, 15.0, 60.0])
    low, high = max(fraction[0], 0.05), min(fraction[-1], 0.95)
    levels = low + (high - low) * np.array([0.25, 0.75])
    at = np.interp(levels, fraction + 1e-12 * np.arange(len(fraction)), n_sig)
    q = 2.0 * special.gammaincinv(0.5 * df[:, None], np.clip(levels, 0.02, 0.98))
    scale = max(at[1] - at[0], 1e-3 * n_sig[-1]) / np.maximum(q[:, 1] - q[:, 0], 1e-3)
    return Curves(df, at[0] - scale * q[:, 0], scale, np.full(len(df), np.inf))


def _residual(theta: F64, n_sig: F64, fraction: F64, error: F64) -> F64:
    df, loc, scale = np.exp(theta[0]), theta[1], np.exp(theta[2])
    return (cdf(n_sig, df[:, None], loc[:, None], scale[:, None]) - fraction) / error


def _step(theta: F64, n_sig: F64, residual: F64, error: F64, damping: F64) -> F64:
    """Levenberg-Marquardt step of each row, (3, B)."""
    jacobian = _jacobian(theta, n_sig) / (error[None, :] if error.ndim == 1 else error)
    normal = np.einsum("ibp,jbp->bij", jacobian, jacobian)
    gradient = np.einsum("ibp,bp->bi", jacobian, residual)
    diagonal = np.einsum("bii->bi", normal)
    diagonal *= 1.0 + damping[:, None]
    diagonal += 1e-12 + 1e-9 * diagonal.max(axis=1, keepdims=True)  # keeps flat directions solvable
    return -solve(normal, gradient).T


def _jacobian(theta: F64, n_sig: F64) -> F64:
    """Return the derivatives of the CDF with respect to ln df, loc and ln scale, (3, B, P)."""
    df, loc, scale = np.exp(theta[0])[:, None], theta[1][:, None], np.exp(theta[2])[:, None]
    x, a = np.maximum(n_sig - loc, 0.0) / (2.0 * scale), 0.5 * df
    h = 1e-4  # in ln df; central difference, there is no closed form
    d_df = (special.gammainc(a * np.exp(h), x) - special.gammainc(a * np.exp(-h), x)) / (2.0 * h)
    safe = np.maximum(x, 1e-300)
    pdf = np.where(x > 0, np.exp((a - 1.0) * np.log(safe) - x - special.gammaln(a)), 0.0)
    return np.stack([d_df, -pdf / (2.0 * scale), -pdf * x])
