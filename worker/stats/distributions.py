"""TS distribution of background trials: p-values by counting, by a chi2 fit, or by counting continued by either.

Every `PValue` has the method that was used.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worker.base.errors import InputError
from worker.stats import counting
from worker.stats.binomial import LEVEL, clopper_pearson
from worker.stats.chi2 import Chi2Fit, Chi2Tail, Fit, TooFewTrialsError, fit_chi2, shape_variance
from worker.stats.significance import How, PValue, nsigma_to_p, p_to_nsigma
from worker.stats.tail import Counted, Tilted

F64 = NDArray[np.float64]

N_JOINT = 100
"""`hybrid` counts while this many trials lie above (10 % error in p), then follows the fit; for `counted` the least."""
TILTED_SPREAD = 10
"""Relative variance of p by one tilted trial up to 4 sigma: so many are worth one plain trial beyond the TS."""

TS_TOLERANCE = 1e-3
"""A TS below zero by less than this (the fit's tolerance) is taken as 0; a smaller one is an error."""


class Joint(NamedTuple):
    """Change of `hybrid` from counting to the fit: beyond `ts`, ln p = shift + ln fit."""

    ts: float
    k: int
    shift: float


@dataclass(frozen=True, eq=False, repr=False)
class TSD:
    """TS distribution of `n` background trials; zeros are counted, not stored.

    Attributes
    ----------
    n : int
        All trials.
    ts : ndarray (n_positive,)
        Positive TS values, sorted.
    fit : 'scale1' or 'free'
        Scale of the chi2 fit to `ts`: fixed to 1 (ndof free), or free.
    tilted : Tilted, optional
        Weighted trials, for the tail.

    Examples
    --------
    >>> ts = np.maximum(0, -2 * np.log(1 - (np.arange(2000) + 0.5) / 2000) - 1.4)
    >>> tsd = TSD.from_trials(ts)
    >>> tsd
    TSD(2000 trials, eta=0.496, ndof=2.002, median=0.000 (from fit 0.000))
    """

    n: int
    ts: F64
    fit: Fit = "scale1"
    tilted: Tilted | None = None

    def __post_init__(self) -> None:
        if self.n < 1 or len(self.ts) > self.n:
            raise InputError(f"a TS distribution of {self.n} trials with {len(self.ts)} positive values is impossible")
        if len(self.ts) and not (self.ts[0] > 0 and np.isfinite(self.ts[-1]) and np.all(np.diff(self.ts) >= 0)):
            raise InputError("positive TS values must be finite, > 0 and sorted: use TSD.from_trials for raw trials")

    @classmethod
    def from_trials(cls, ts: ArrayLike | Mapping[str, ArrayLike], fit: Fit = "scale1") -> Self:
        """From the TS of all trials, in any order.

        Parameters
        ----------
        ts : array_like
            Of TS, or trials with a column ``ts``.
        fit : 'scale1' or 'free'

        Returns
        -------
        TSD

        Raises
        ------
        InputError
            No trials, NaN, infinite, or below zero by more than `TS_TOLERANCE`.

        Examples
        --------
        >>> TSD.from_trials([0.0, 1.2, 0.0, 0.4]).eta
        0.5
        """
        column: ArrayLike = ts["ts"] if isinstance(ts, Mapping) else ts
        if isinstance(column, np.ndarray) and column.dtype.names:
            column = column["ts"]
        ts = np.asarray(column, dtype=np.float64).ravel()
        bad = ~np.isfinite(ts) | (ts < -TS_TOLERANCE)
        if np.any(bad):
            i = int(np.argmax(bad))
            raise InputError(
                f"{np.count_nonzero(bad)} of {len(ts)} TS values are unusable, the first is trial {i}: {ts[i]}; "
                "TS is finite and >= 0, so these trials are corrupt: make them again"
            )
        return cls(len(ts), np.sort(ts[ts > 0]), fit)

    def __repr__(self) -> str:
        head = f"TSD({self.n} trials, eta={self.eta:.3f}"
        if self.chi2 is None:
            return f"{head}, no fit, median={self.median():.3f})"
        scale = f", scale={self.scale:.3f}" if self.fit == "free" else ""
        fitted = float(self.isf(0.5, "fit"))
        return f"{head}, ndof={self.ndof:.3f}{scale}, median={self.median():.3f} (from fit {fitted:.3f}))"

    @property
    def how(self) -> How:
        """The default way to a p-value: 'counted' if there are tilted trials, else 'hybrid'."""
        return "hybrid" if self.tilted is None else "counted"

    @property
    def eta(self) -> float:
        """Fraction of trials with TS > 0."""
        return len(self.ts) / self.n

    @cached_property
    def chi2(self) -> Chi2Fit | None:
        """The chi2 fit to the positive values, or None if they are too few."""
        try:
            return fit_chi2(self.ts, self.fit)
        except TooFewTrialsError:
            return None

    @property
    def ndof(self) -> float:
        """Fitted degrees of freedom; NaN without a fit."""
        return self.chi2.ndof if self.chi2 else math.nan

    @property
    def scale(self) -> float:
        """Fitted (or fixed) scale; NaN without a fit."""
        return self.chi2.scale if self.chi2 else math.nan

    @property
    def loc(self) -> float:
        """Always 0: the fits are not shifted."""
        return 0.0

    @property
    def ndof_error(self) -> float:
        """One-sigma error of `ndof`; NaN without a fit."""
        return math.sqrt(self.chi2.covariance[0][0]) if self.chi2 else math.nan

    @cached_property
    def tail(self) -> Chi2Tail:
        """The parametric distribution eta chi2.sf(ts / scale, ndof).

        Raises
        ------
        TooFewTrialsError
            No shape can be fitted.
        """
        fit = self.chi2 or fit_chi2(self.ts, self.fit)  # the second raises, with the reason
        return Chi2Tail(self.eta, fit.ndof, fit.scale)

    @cached_property
    def counted(self) -> Counted:
        """The survival function without any fit; InputError without tilted trials."""
        if self.tilted is None:
            raise InputError("there are no tilted trials to count the tail with: background.tail is none")
        k = max(self.tilted.n // TILTED_SPREAD, N_JOINT)
        joint = float(self.ts[-k]) if len(self.ts) >= k else 0.0
        return Counted(self.n, self.ts, joint, self.tilted)

    @cached_property
    def joint(self) -> Joint | None:
        """Start of the fit in `hybrid`; None without a fit, when it counts everywhere (p never below 1/(n+1))."""
        if self.chi2 is None:
            return None
        # With fewer than N_JOINT positive trials the joint is at 0+, where every positive trial lies above.
        ts = float(self.ts[-N_JOINT]) if len(self.ts) >= N_JOINT else 0.0
        k = int(self.count(ts)) if ts > 0 else len(self.ts)
        log_fit = float(self.tail.logsf(ts)) if ts > 0 else math.log(self.eta)
        return Joint(ts, k, math.log((k + 1) / (self.n + 1)) - log_fit)

    def quantile(self, q: float) -> float:
        """Quantile of all trials, zeros included; the same number as ``np.quantile`` of the full array.

        Parameters
        ----------
        q : float
            In [0, 1].

        Returns
        -------
        float

        Examples
        --------
        >>> TSD.from_trials([0.0, 1.0, 0.0, 4.0]).quantile(0.75)
        1.75
        """
        return counting.quantile(self.ts, self.n, q)

    def median(self) -> float:
        """Median of all trials, zeros included."""
        return self.quantile(0.5)

    def count(self, ts: ArrayLike) -> NDArray[np.int64]:
        """Trials with TS >= ts: n for ts <= 0.

        Parameters
        ----------
        ts : array_like

        Returns
        -------
        ndarray of int64, of the same shape

        Examples
        --------
        >>> TSD.from_trials([0.0, 1.0, 0.0, 4.0]).count([0, 0.5, 4, 5]).tolist()
        [4, 2, 1, 0]
        """
        return counting.count(self.ts, self.n, np.asarray(ts, dtype=np.float64))

    def sf(self, ts: ArrayLike, how: How | None = None) -> F64:
        """P(TS >= ts) of the background: 1 for ts <= 0, NaN for NaN.

        Parameters
        ----------
        ts : array_like, any shape
        how : 'counted', 'hybrid', 'fit' or 'empirical', optional
            Plain trials while k of them lie at or above, as many as all tilted ones are worth (one in `TILTED_SPREAD`,
            at least `N_JOINT`), tilted ones beyond; (k + 1) / (n + 1) while
            k >= `N_JOINT` and eta chi2.sf(ts / scale, ndof) beyond, scaled to be continuous there; the second or the
            first of these everywhere. By default the first if there are tilted trials, else the second.

        Returns
        -------
        ndarray of the shape of `ts`

        Raises
        ------
        TooFewTrialsError
            `how` is 'fit' and too few trials have TS > 0. ('hybrid' then counts.)
        InputError
            `how` is 'counted' and there are no tilted trials.

        Examples
        --------
        >>> TSD.from_trials([0.0, 1.0, 0.0, 4.0]).sf([0.0, 3.0], "empirical").tolist()
        [1.0, 0.4]
        """
        return self._survival(ts, how or self.how, log=False)

    def logsf(self, ts: ArrayLike, how: How | None = None) -> F64:
        """Logarithm of `sf`, finite however large TS is."""
        return self._survival(ts, how or self.how, log=True)

    def _survival(self, ts: ArrayLike, how: How, log: bool) -> F64:
        ts = np.asarray(ts, dtype=np.float64)
        out = np.full(ts.shape, 0.0 if log else 1.0)
        positive = ~(ts <= 0)
        out[positive] = self._positive(ts[positive], how, log)
        return out

    def _positive(self, ts: F64, how: How, log: bool) -> F64:
        if how == "counted":
            return np.log(self.counted.sf(ts)) if log else self.counted.sf(ts)
        if how == "fit":
            return self.tail.logsf(ts) if log else self.tail.sf(ts)
        p = (self.count(ts) + 1.0) / (self.n + 1.0)
        p[np.isnan(ts)] = np.nan
        out: F64 = np.asarray(np.log(p) if log else p, dtype=np.float64)
        if how == "hybrid" and self.joint is not None:
            far = ts > self.joint.ts
            tail = ts[far]
            shift = self.joint.shift
            out[far] = self.tail.logsf(tail) + shift if log else self.tail.sf(tail) * math.exp(shift)
        return out

    def isf(self, p: ArrayLike, how: How | None = None) -> F64:
        """Return the largest TS with ``sf(ts) >= p``; 0 inside the atom at TS = 0.

        Raises
        ------
        InputError
            p outside (0, 1].
        TooFewTrialsError
            A counted p-value would need more trials: p <= 1 / (n + 1), or that of the last tilted trial.
        """
        p = np.asarray(p, dtype=np.float64)
        if not np.all((p > 0) & (p <= 1)):
            raise InputError(f"p = {p}: a p-value to invert lies in (0, 1]")
        how = how or self.how
        if how == "counted":
            return self.counted.isf(p)
        if how == "fit":
            return self.tail.isf(p)
        if how == "empirical" or self.joint is None:
            return counting.isf(self.ts, self.n, p)
        at_joint = (self.joint.k + 1) / (self.n + 1)
        far = p < at_joint
        near = counting.isf(self.ts, self.n, np.where(far, at_joint, p)) if self.joint.ts > 0 else np.zeros(p.shape)
        fitted = self.tail.isf(np.where(far, p, at_joint) * math.exp(-self.joint.shift))
        return np.where(far, fitted, near)

    def isf_nsigma(self, n_sigma: ArrayLike, how: How | None = None) -> F64:
        """Return the TS threshold of a one-sided significance.

        Parameters
        ----------
        n_sigma : array_like
        how : 'counted', 'hybrid', 'fit' or 'empirical', optional
            As of `sf`.

        Returns
        -------
        ndarray of the shape of `n_sigma`

        Examples
        --------
        >>> ts = np.maximum(0, -2 * np.log(1 - (np.arange(2000) + 0.5) / 2000) - 1.4)
        >>> [round(float(x), 1) for x in TSD.from_trials(ts).isf_nsigma([2, 5])]
        [6.2, 28.8]
        """
        return self.isf(nsigma_to_p(n_sigma), how)

    def pvalue(self, ts: float, how: How | None = None, level: float = LEVEL) -> PValue:
        """P-value of one TS with its method, counts and interval.

        Parameters
        ----------
        ts : float
        how : 'counted', 'hybrid', 'fit' or 'empirical', optional
            As of `sf`.
        level : float
            Coverage of the interval.

        Returns
        -------
        PValue

        Examples
        --------
        >>> p = TSD.from_trials([0.0, 1.0, 0.0, 4.0]).pvalue(3.0, "empirical")
        >>> print(f"{p.p} [{p.lo:.2f}, {p.hi:.2f}], {p.k} of {p.n}, by {p.way}")
        0.4 [0.04, 0.62], 1 of 4, by empirical
        """
        how, k = how or self.how, int(self.count(ts))
        p = float(self.sf(ts, how))
        by_count = how == "empirical" or (how == "hybrid" and (self.joint is None or ts <= self.joint.ts))
        if ts <= 0:
            return PValue(1.0, how, k, self.n, 1.0, 1.0, "empirical", level)  # by definition: no error
        if how == "counted":
            return self.counted.pvalue(ts, k, level)
        if by_count:
            lo, hi = clopper_pearson(k, self.n, level)
            return PValue(p, how, k, self.n, float(lo), float(hi), "empirical", level, float(k))
        width = math.exp(float(p_to_nsigma(0.5 * (1.0 - level))) * self._log_error(ts, how))
        return PValue(p, how, k, self.n, p / width, min(p * width, 1.0), "fit", level)

    def _log_error(self, ts: float, how: How) -> float:
        """Return the standard error of ln p: of the fitted shape, and of the count that sets its level."""
        assert self.chi2 is not None
        tied = self.joint if how == "hybrid" and self.joint else Joint(0.0, len(self.ts), 0.0)
        level = (1.0 - tied.k / self.n) / tied.k
        return math.sqrt(shape_variance(self.chi2, ts, tied.ts) + level)
