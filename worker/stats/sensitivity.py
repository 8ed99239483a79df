"""The n_sig at which a given fraction of signal trials exceeds a TS threshold.

Sensitivity: the background median, 0.9. Discovery potential: the 5 sigma threshold, 0.5.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from worker.base import rng
from worker.base.errors import InputError
from worker.stats import curve, monotone
from worker.stats.binomial import LEVEL, fraction_error
from worker.stats.distributions import TSD
from worker.stats.passing import Point, passing_points

F64 = NDArray[np.float64]

MIN_CURVE_P = 0.05
"""Below this goodness of fit of the chi2-CDF curve a spline through the points is used.

Above the usual 1e-3, since a slightly wrong curve is off by more than its error, and a needless spline costs little."""


class NotBracketedError(InputError):
    """The fractions of the trials do not bracket beta; `add_n_sig` is the n_sig to add."""

    def __init__(self, text: str, add_n_sig: float) -> None:
        super().__init__(text)
        self.add_n_sig = add_n_sig


@dataclass(frozen=True)
class NSig:
    """The n_sig at which the passing fraction reaches beta.

    Attributes
    ----------
    n_sig, error : float
        Result, and half the central 68.27 % range of its bootstrap.
    beta, threshold : float
        Requested fraction of trials with TS > threshold.
    curve : 'chi2' or 'pchip'
        Curve that was used: the chi2 CDF, or the spline if that does not fit.
    chi2, dof : float, int
        Of the chi2 CDF, even if it was rejected; NaN with too few points.
    params : tuple (df, loc, scale) or None
        Of the chi2 CDF, if it was used.
    points : tuple of Point
        Increasing in n_sig; n_sig = 0 is the background.
    n_failed : int
        Bootstrap samples without a crossing; they are left out of `error`.
    """

    n_sig: float
    error: float
    beta: float
    threshold: float
    curve: Literal["chi2", "pchip"]
    chi2: float
    dof: int
    params: tuple[float, float, float] | None
    points: tuple[Point, ...]
    n_failed: int

    @property
    def curve_p(self) -> float:
        """Goodness of fit of the chi2 CDF; NaN without degrees of freedom."""
        return float(stats.chi2.sf(self.chi2, self.dof)) if self.dof > 0 else math.nan

    def passing(self, n_sig: ArrayLike) -> F64:
        """Return the passing fraction on the curve that was used, for a figure; within the range of the points."""
        at = np.asarray(n_sig, dtype=np.float64)
        if self.params is not None:
            return curve.cdf(at, *(np.asarray(value) for value in self.params))
        x, k, n = _columns(self.points)
        return monotone.spline_at(x, monotone.isotonic((k / n)[None, :], n)[0], at)


def find_n_sig(
    trials: Mapping[float, ArrayLike | TSD], threshold: float, beta: float, n_bootstrap: int, key: tuple[int, int]
) -> NSig:
    """Find the n_sig at which a fraction `beta` of trials has TS > threshold.

    Parameters
    ----------
    trials : mapping of n_sig to ndarray (n_trials,)
        TS, or trials with a column ``ts``. The background at 0 may be a `TSD`.
    threshold : float
        TS that a trial must exceed.
    beta : float
        In (0, 1).
    n_bootstrap : int
        Binomial resamplings of the counts behind the error, at least 2.
    key : tuple of 2 int
        Address of the resamplings, from `worker.base.rng.key`.

    Returns
    -------
    NSig

    Raises
    ------
    NotBracketedError
        The measured fractions do not lie on both sides of `beta`.
    InputError
        Unusable trials or arguments.

    Examples
    --------
    TS of 100 trials each, of which 0, 55, 80, 95 and 99 pass:

    >>> def trials(n_above):
    ...     return [0.0] * (100 - n_above) + [9.0] * n_above
    >>> passing = {0: trials(0), 4: trials(55), 8: trials(80), 14: trials(95), 20: trials(99)}
    >>> found = find_n_sig(passing, threshold=4.0, beta=0.9, n_bootstrap=50, key=(1, 1))
    >>> print(f"{found.n_sig:.1f} +- {found.error:.1f} events")
    10.9 +- 1.0 events
    """
    return find_n_sig_from_points(passing_points(trials, threshold), threshold, beta, n_bootstrap, key)


def find_n_sig_from_points(
    points: tuple[Point, ...],
    threshold: float,
    beta: float,
    n_bootstrap: int,
    key: tuple[int, int],
    moved: F64 | None = None,
) -> NSig:
    """As `find_n_sig`, from counts.

    Parameters
    ----------
    moved : ndarray (n_bootstrap, P), optional
        Counts at resampled thresholds (`worker.stats.passing.counts_above`), to include the threshold's error.
    """
    if not 0.0 < beta < 1.0 or n_bootstrap < 2:
        raise InputError(f"beta = {beta}, n_bootstrap = {n_bootstrap}: beta lies in (0, 1), n_bootstrap is at least 2")
    if len(points) < 2:
        raise InputError(f"trials at {len(points)} n_sig: a curve needs at least two, the background (0) included")
    n_sig, k, n = _columns(points)
    spread = np.array([at.error for at in points]) / fraction_error(k, n)  # 1, unless a share of ties passes
    fraction = monotone.isotonic((k / n)[None, :], n)
    fitted = _fit(n_sig, k, n, fraction[0], spread)
    _check_bracket(points, fraction[0], threshold, beta, fitted)
    dof = len(points) - 3
    chi2 = float(fitted.chi2[0]) if fitted else math.nan
    low, high = n_sig[fraction[0] < beta][-1], n_sig[fraction[0] >= beta][0]
    margin = high - low  # a good curve crosses within a step of where the points do
    answer = float(fitted.ppf(beta)[0]) if fitted else math.nan
    good = (
        fitted is not None
        and stats.chi2.sf(chi2, dof) > MIN_CURVE_P
        and max(low - margin, n_sig[0]) < answer < min(high + margin, n_sig[-1])
    )
    centre = k if moved is None else moved
    resampled = centre + spread * (_resample(centre, n, n_bootstrap, key) - centre)
    if fitted and good:
        crossings = _refit(n_sig, resampled, n, fitted, beta, spread)
        params = (float(fitted.df[0]), float(fitted.loc[0]), float(fitted.scale[0]))
    else:
        answer = float(monotone.crossing(n_sig, fraction, beta)[0])
        crossings = monotone.crossing(n_sig, monotone.isotonic(resampled / n, n), beta)
        params = None
    error, n_failed = _spread(crossings)
    name: Literal["chi2", "pchip"] = "chi2" if params else "pchip"
    return NSig(answer, error, beta, threshold, name, chi2, dof, params, points, n_failed)


def _columns(points: tuple[Point, ...]) -> tuple[F64, F64, F64]:
    table = np.array([(p.n_sig, p.k, p.n) for p in points], dtype=np.float64)
    return table[:, 0], table[:, 1], table[:, 2]


def _fit(n_sig: F64, k: F64, n: F64, fraction: F64, spread: F64) -> curve.Curves | None:
    """Fit the chi2 CDF from several starts and keep the best; None where it has no degree of freedom."""
    if len(n_sig) < 4 or fraction[-1] <= fraction[0]:
        return None
    start = curve.starts(n_sig, fraction)
    rows = np.broadcast_to(k / n, (len(start.df), len(n_sig)))
    fits = curve.fit_curves(n_sig, rows, spread * fraction_error(k, n), start)
    best = int(np.argmin(fits.chi2))
    return fits.pick(slice(best, best + 1))


def _refit(n_sig: F64, counts: F64, n: F64, fitted: curve.Curves, beta: float, spread: F64) -> F64:
    start = curve.Curves(*(np.repeat(column, len(counts)) for column in fitted))
    crossings = curve.fit_curves(n_sig, counts / n, spread * fraction_error(counts, n), start).ppf(beta)
    return np.where((crossings > 0) & np.isfinite(crossings), crossings, np.nan)


def _resample(k: F64, n: F64, n_bootstrap: int, key: tuple[int, int]) -> F64:
    """Binomial resamplings of the counts (P,) or (n_bootstrap, P): sample b does not depend on n_bootstrap."""
    uniform = np.stack([rng.uniforms(key, rng.OTHER, b, len(n)) for b in range(n_bootstrap)])
    return np.asarray(stats.binom.ppf(uniform, n.astype(np.int64), k / n), dtype=np.float64)


def _spread(crossings: F64) -> tuple[float, int]:
    """Return half the central 68.27 % range, and the number of samples without a crossing."""
    usable = crossings[np.isfinite(crossings)]
    n_failed = len(crossings) - len(usable)
    if len(usable) < 2:
        return math.inf, n_failed
    low, high = np.quantile(usable, [0.5 * (1.0 - LEVEL), 0.5 * (1.0 + LEVEL)])
    return 0.5 * float(high - low), n_failed


def _check_bracket(
    points: tuple[Point, ...], fraction: F64, threshold: float, beta: float, fitted: curve.Curves | None
) -> None:
    first, last = points[0], points[-1]
    if fraction[-1] < beta:
        guess = float(fitted.ppf(beta)[0]) if fitted else math.nan
        # A hint for the next grid, not a result: kept within 1.2 to 4 times what was measured.
        add = math.ceil(
            float(np.clip(1.15 * guess if math.isfinite(guess) else math.inf, 1.2 * last.n_sig, 4.0 * last.n_sig))
        )
        raise NotBracketedError(
            f"beta = {beta:g} at TS > {threshold:.4g} needs n_sig above {last.n_sig:g}, where {last.fraction:.3g} of "
            f"{last.n} trials pass: add n_sig up to about {add}",
            float(add),
        )
    if fraction[0] >= beta:
        where = "the background" if first.n_sig == 0 else f"n_sig = {first.n_sig:g}, the smallest,"
        cure = (
            "raise beta or the threshold"
            if first.n_sig == 0
            else f"add background trials and n_sig below {first.n_sig:g}"
        )
        raise NotBracketedError(
            f"beta = {beta:g} at TS > {threshold:.4g} is already passed by {where} with {first.fraction:.3g} of "
            f"{first.n} trials: {cure}",
            0.0,
        )
