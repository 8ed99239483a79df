"""The n_sig at which a given fraction of trials passes, from trials sorted by their number of injected events.

Let f_k be the probability that a trial with exactly k signal events passes. For a Poisson number of events with mean n
the passing probability is P(n) = sum_k Pois(k; n) f_k: one set of trials gives it for every n, without a curve. All
trials with k events serve, whatever n_sig they were made for; k = 0 is the background (post-stratification).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.interpolate import PchipInterpolator

from worker.base.errors import InputError
from worker.stats import monotone
from worker.stats.distributions import TSD
from worker.stats.passing import Point, background_point, weights
from worker.stats.sensitivity import NotBracketedError

F64 = NDArray[np.float64]

MAX_UNSEEN = 0.0025
"""Largest accepted uncertainty of P(n) from k beyond the largest injected number; a larger one is refused."""
_STEPS = 60
"""Bisections: to the last bit of n."""


class Strata(NamedTuple):
    """Trials by their number of injected events; arrays (K,).

    Attributes
    ----------
    k : ndarray
        Numbers of injected events that have trials, increasing, from 0.
    n : ndarray
        Trials of each.
    passed, squares : ndarray
        Sum of the passing weights of these trials, each in [0, 1], and of their squares.
    """

    k: F64
    n: F64
    passed: F64
    squares: F64


@dataclass(frozen=True)
class StrataNSig:
    """The n_sig at which the passing fraction reaches beta, from strata.

    Attributes
    ----------
    n_sig, error : float
        Result and its error (delta method): `error_signal` and the error of the threshold in quadrature.
    error_signal : float
        Part of the signal and background trials, and of interpolation to numbers of events without trials.
    beta, threshold : float
        Requested fraction of trials with TS > threshold.
    poisson : bool
        n_sig is the mean of a Poisson number of events; else their exact number.
    strata : Strata
        Counted trials.
    points : tuple of Point
        Counted trials by the n_sig that they were made for.
    variance : float
        Mean variance of a trial's passing weight at known number of events: N more trials at `n_sig` have an error of
        sqrt(variance / N) in the passing fraction.
    weights : ndarray (k_max,)
        w_k = Pois(k; n_sig) times the standard deviation of a passing weight, for k = 1, 2, ... k_max. With m_k trials
        of each k the error of the passing fraction is sqrt(sum_k w_k^2 / m_k); the best m_k are in proportion to w_k.
    """

    n_sig: float
    error: float
    error_signal: float
    beta: float
    threshold: float
    poisson: bool
    strata: Strata
    points: tuple[Point, ...]
    variance: float
    weights: F64

    def passing(self, n_sig: ArrayLike) -> F64:
        """Return the passing fraction at n_sig."""
        return passing(self.strata, n_sig, self.poisson)


def count(background: Point, counts: ArrayLike, weight: ArrayLike) -> Strata:
    """Sort trials by their number of injected events.

    Parameters
    ----------
    background : Point
        Background trials; those with no injected event are added to them.
    counts : array_like (n_trials,) of int
        Injected events of every signal trial.
    weight : array_like (n_trials,)
        Its passing weight in [0, 1]: 1 if it passes.

    Raises
    ------
    InputError
        `counts` and `weight` have different lengths, or a count is negative.
    """
    injected, passed = np.asarray(counts, dtype=np.int64), np.asarray(weight, dtype=np.float64)
    if injected.shape != passed.shape or np.any(injected < 0):
        raise InputError(
            f"{injected.size} numbers of injected events for {passed.size} trials, the smallest "
            f"{injected.min(initial=0)}: each trial needs one, >= 0; run collect_sig again"
        )
    size = int(injected.max(initial=0)) + 1
    n, total, squares = (np.bincount(injected, w, size) for w in (None, passed, passed**2))
    sums = np.stack([np.arange(size), n, total, squares]).astype(np.float64)
    sums[1:, 0] += background.n, background.k, background.k
    return Strata(*sums[:, sums[1] > 0])


def find_n_sig_by_strata(
    background: TSD, counts: ArrayLike, ts: ArrayLike, threshold: float, beta: float
) -> StrataNSig:
    """Find the mean number of events with which a fraction `beta` of trials has TS > threshold.

    Parameters
    ----------
    background : TSD
    counts : array_like (n_trials,) of int
        Injected events of every signal trial, of all n_sig together.
    ts : array_like (n_trials,)
        Its TS.
    threshold : float
    beta : float
        In (0, 1).

    Returns
    -------
    StrataNSig
        Its error does not contain that of the threshold.

    Raises
    ------
    NotBracketedError, InputError
        As `find_n_sig_from_strata`.

    Examples
    --------
    Trials with TS = 4 for each event:

    >>> background = TSD.from_trials(np.zeros(1000))
    >>> counts = np.repeat([1, 2, 3, 4, 5, 6, 7], 100)
    >>> print(f"{find_n_sig_by_strata(background, counts, 4.0 * counts, threshold=5.0, beta=0.5).n_sig:.3f} events")
    1.678 events
    """
    strata = count(background_point(background, threshold), counts, weights(ts, threshold))
    return find_n_sig_from_strata(strata, threshold, beta)


def find_n_sig_from_strata(
    strata: Strata,
    threshold: float,
    beta: float,
    poisson: bool = True,
    points: tuple[Point, ...] = (),
    moved: tuple[Strata, Strata] | None = None,
) -> StrataNSig:
    """Find the n_sig at which a fraction `beta` of trials passes.

    Parameters
    ----------
    strata : Strata
        From `count`.
    threshold : float
        TS at which they were counted; only kept.
    beta : float
        In (0, 1).
    poisson : bool
        Whether n_sig is the mean of a Poisson number of events, or their exact number, between whole numbers
        interpolated.
    points : tuple of Point
        Passing fractions by n_sig; only kept.
    moved : tuple of 2 Strata, optional
        The same trials counted at thresholds that are lower and higher by its error.

    Returns
    -------
    StrataNSig

    Raises
    ------
    NotBracketedError
        The background passes already, or events beyond the largest injected number matter: their part of P(n) is
        unknown by more than `MAX_UNSEEN`.
    InputError
        `beta` is not in (0, 1), or there are no signal trials.

    Examples
    --------
    100 trials for each number of events, of which 0, 30, 80, 100, ... pass:

    >>> k = np.arange(9.0)
    >>> passed = np.array([0.0, 30, 80, 100, 100, 100, 100, 100, 100])
    >>> found = find_n_sig_from_strata(Strata(k, np.full(9, 100.0), passed, passed), threshold=4.0, beta=0.5)
    >>> print(f"{found.n_sig:.2f} +- {found.error:.2f} events")
    1.53 +- 0.07 events
    """
    if not 0.0 < beta < 1.0 or len(strata.k) < 2:
        raise InputError(
            f"beta = {beta}, trials with {len(strata.k)} different numbers of events: beta lies in (0, 1), and signal "
            "trials are needed"
        )
    curve = _Passing(strata, poisson)
    n_sig = curve.root(beta, threshold)
    statistical, unknown = curve.uncertainty(n_sig)
    slope = curve.slope(n_sig)
    error_signal = math.hypot(statistical, unknown) / slope if slope > 0 else math.inf
    from_threshold = 0.0 if moved is None else _shift([_Passing(s, poisson) for s in moved], n_sig, beta, threshold)
    return StrataNSig(
        n_sig, math.hypot(error_signal, from_threshold), error_signal, beta, threshold, poisson, strata, points,
        curve.variance(n_sig), curve.weights(n_sig),
    )  # fmt: skip


def passing(strata: Strata, n_sig: ArrayLike, poisson: bool = True) -> F64:
    """Return the passing fraction at n_sig (...), as `find_n_sig_from_strata` uses it."""
    return _Passing(strata, poisson)(np.asarray(n_sig, dtype=np.float64))


class _Passing:
    """P(n) of counted trials: f_k made non-decreasing in k, interpolated where no trial has k events.

    Attributes
    ----------
    f : ndarray (k_max + 1,)
        f_k for k = 0, 1, ... k_max.
    doubt : ndarray (k_max + 1,)
        Error of the interpolation: a monotone cubic less a straight line; 0 where there are trials.
    beyond, doubt_beyond : float
        For all k > k_max: the middle of the possible range from f_k_max to 1, and half of it.
    """

    def __init__(self, strata: Strata, poisson: bool) -> None:
        self.strata, self.poisson = strata, poisson
        fraction, in_block = monotone.pool_adjacent(strata.passed / strata.n, strata.n)
        # Posterior mean for Jeffreys' prior: no variance is 0 because all of a few trials pass.
        self.likely = (in_block * fraction + 0.5) / (in_block + 1.0)
        self.k = np.arange(strata.k[-1] + 1)
        self.log_factorial = special.gammaln(self.k + 1.0)
        self.f = fraction
        self.doubt = np.zeros(len(fraction))
        if len(self.k) > len(fraction):
            self.f = np.asarray(PchipInterpolator(strata.k, fraction)(self.k), dtype=np.float64)
            self.doubt = np.abs(self.f - np.interp(self.k, strata.k, fraction))
        self.beyond = 0.5 * (1.0 + float(fraction[-1]))
        self.doubt_beyond = 0.5 * (1.0 - float(self.likely[-1]))

    def probabilities(self, n: float | F64) -> tuple[F64, F64]:
        """Return the probabilities of k = 0 ... k_max, (..., k_max + 1), and of all larger k, (...), for n (...)."""
        mean = np.asarray(n, dtype=np.float64)
        if not self.poisson:
            return np.maximum(1.0 - np.abs(self.k - mean[..., None]), 0.0), np.clip(mean - self.k[-1], 0.0, 1.0)
        log_weight = special.xlogy(self.k, mean[..., None]) - mean[..., None] - self.log_factorial
        return np.exp(log_weight), np.asarray(special.gammainc(self.k[-1] + 1.0, mean))

    def __call__(self, n: float | F64) -> F64:
        weight, rest = self.probabilities(n)
        return np.asarray((weight * self.f).sum(axis=-1) + rest * self.beyond, dtype=np.float64)

    def slope(self, n: float) -> float:
        """Return dP/dn; for exact numbers of events the mean slope over a tenth of n, and at least an event."""
        if self.poisson:
            weight, _ = self.probabilities(n)
            return float((weight * np.diff(self.f, append=self.beyond)).sum())
        low, high = max(n - max(0.1 * n, 1.0), 0.0), min(n + max(0.1 * n, 1.0), float(self.k[-1]))
        return float(self(high) - self(low)) / (high - low)

    def uncertainty(self, n: float) -> tuple[float, float]:
        """Return the error of P(n) from counting, and that from k without trials."""
        weight, rest = self.probabilities(n)
        shares = self._shares(weight)
        shares[-1] += rest
        counted = float(((shares**2) * self._variances() / self.strata.n).sum())
        return math.sqrt(counted), float((weight * self.doubt).sum() + rest * self.doubt_beyond)

    def variance(self, n: float) -> float:
        """Return the mean variance of a passing weight at known k, for trials with n events."""
        weight, rest = self.probabilities(n)
        shares = self._shares(weight)
        shares[-1] += rest
        return float((shares * self._variances()).sum())

    def weights(self, n: float) -> F64:
        """Return P(k; n) times the standard deviation of a passing weight for k = 1, 2, ... k_max."""
        deviation = np.interp(self.k, self.strata.k, np.sqrt(self._variances()))
        return np.asarray((self.probabilities(n)[0] * deviation)[1:], dtype=np.float64)

    def _variances(self) -> F64:
        """Return the variance of a passing weight in each stratum: f (1 - f) if all weights are 0 or 1."""
        s = self.strata
        ratio = np.divide(s.squares, s.passed, out=np.ones(len(s.k)), where=s.passed > 0)
        return np.asarray(np.maximum(self.likely * ratio - self.likely**2, 0.0))

    def _shares(self, weight: F64) -> F64:
        """Return the weights of the strata that have trials; others are shared by their neighbours, as on a line."""
        measured = self.strata.k
        upper = np.clip(np.searchsorted(measured, self.k), 1, len(measured) - 1)
        low, high = measured[upper - 1], measured[upper]
        part = (self.k - low) / (high - low)
        size = len(measured)
        below, above = np.bincount(upper - 1, weight * (1.0 - part), size), np.bincount(upper, weight * part, size)
        return np.asarray(below + above, dtype=np.float64)

    def root(self, beta: float, threshold: float) -> float:
        """Return the n with P(n) = beta."""
        most = float(self.k[-1])
        if self.f[0] >= beta:
            raise NotBracketedError(
                f"beta = {beta:g} at TS > {threshold:.4g} is already passed by the background with {self.f[0]:.3g} of "
                f"{self.strata.n[0]:.0f} trials: raise beta or the threshold",
                0.0,
            )
        low, high = 0.0, most
        for _ in range(_STEPS):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self(middle) < beta else (low, middle)
        rest = float(self.probabilities(high)[1]) * self.doubt_beyond
        if self(most) < beta or rest > MAX_UNSEEN:
            add = self._n_sig_to_add(beta)
            raise NotBracketedError(
                f"beta = {beta:g} at TS > {threshold:.4g} depends on trials with more than {most:.0f} injected events, "
                f"and there are none; {self.f[-1]:.3g} of those with {most:.0f} pass: add n_sig up to about {add:g}",
                add,
            )
        return high

    def _n_sig_to_add(self, beta: float) -> float:
        """Return an n_sig that probably reaches beta; a hint, 1.2 to 4 times the largest number of events.

        As if the number of events alone decided, with a normal law of width sqrt(n).
        """
        most, reached = float(self.k[-1]), float(np.clip(self.likely[-1], 1e-6, 1.0 - 1e-6))
        needed = max(most - special.ndtri(reached) * math.sqrt(most), 1.0)
        guess = needed + max(special.ndtri(beta), 0.0) * math.sqrt(needed)
        return float(math.ceil(float(np.clip(1.15 * guess, 1.2 * most, 4.0 * most))))


def _shift(moved: list[_Passing], n_sig: float, beta: float, threshold: float) -> float:
    """Mean shift of n_sig to moved thresholds, of those that have an answer; infinite if none has."""
    shifts = []
    for curve in moved:
        try:
            shifts.append(abs(curve.root(beta, threshold) - n_sig))
        except NotBracketedError:
            continue
    return sum(shifts) / len(shifts) if shifts else math.inf
