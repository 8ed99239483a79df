"""Checks before unblinding: each gives a number, its limit and a sentence. They report; they block nothing."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from worker.errors import InputError
from worker.stats.significance import nsigma_to_p, trials_needed

F64 = NDArray[np.float64]

MIN_KS_P = 1e-3
"""A KS p-value below this fails: with some hundred checks per analysis a good one fails about once in ten analyses."""


class Check(NamedTuple):
    """One check.

    Attributes
    ----------
    name : str
        Also the name by which a spec may waive it.
    value, limit : float
        What was measured, and what it was held against; NaN where it could not be measured.
    passed : bool
    sentence : str
        For people: what was found, and what to do where it failed.
    """

    name: str
    value: float
    limit: float
    passed: bool
    sentence: str


class Bias(NamedTuple):
    """Fitted against injected number of events, at one n_sig."""

    n_sig: float
    n: int
    mean_ns: float
    error: float
    relative: float
    pull: float


def p_uniform(p: ArrayLike, eta: float, n_reference: int, name: str = "p_uniform", min_p: float = MIN_KS_P) -> Check:
    """P-values of background trials: uniform below eta (KS), and 1 for a fraction 1 - eta (the atom at TS = 0).

    The two tests share one p-value, the smaller one doubled. Both allow for the finite number of
    trials that the p-values were read from, which must be other trials than those tested: for
    instance one half of them for the distribution and the other half here.

    Parameters
    ----------
    p : array_like (n,)
    eta : float
        P(TS > 0) of the distribution that made `p`.
    n_reference : int
        Trials of that distribution.
    """
    p = _finite(p, name)
    below = np.sort(p[p < 1.0]) / eta if eta > 0 else p[p < 1.0]
    positive = round(eta * n_reference)
    table = np.array([[len(below), len(p) - len(below)], [positive, n_reference - positive]])
    atom = float(stats.fisher_exact(table).pvalue)
    shape = _ks_against_sample(below, positive) if len(below) and positive else 1.0
    value = min(2.0 * min(atom, shape), 1.0)
    passed = value >= min_p
    sentence = (
        f"{len(p)} background p-values: uniform below eta with KS p = {shape:.3g}; {len(below) / len(p):.4f} of them "
        f"have TS > 0 where {eta:.4f} is expected (p = {atom:.3g})"
    )
    return Check(name, value, min_p, passed, sentence + _cure(passed, "add background trials or change the fit"))


def sin_dec_uniform(
    dec: ArrayLike, dec_min: float, dec_max: float, pixels: ArrayLike | None = None, min_p: float = MIN_KS_P
) -> Check:
    """Hottest spots of background skies: uniform in sin(dec) (KS).

    Parameters
    ----------
    dec : array_like (n,), rad
    dec_min, dec_max : float, rad
        Range of the scan.
    pixels : array_like, rad, optional
        Declinations of all scanned pixels: the spots are compared with these instead of with a
        continuous range, which matters when there are many skies and few healpix rings.
    """
    sin_dec = np.sin(_finite(dec, "sin_dec_uniform"))
    low, high = math.sin(dec_min), math.sin(dec_max)
    if pixels is None:
        test = stats.kstest(sin_dec, stats.uniform(low, high - low).cdf)
        distance, value = float(test.statistic), float(test.pvalue)
    else:
        distance, value = _discrete_ks(sin_dec, np.sort(np.sin(np.asarray(pixels, dtype=np.float64))))
    passed = value >= min_p
    sentence = f"sin(dec) of {len(sin_dec)} hottest spots is uniform with KS p = {value:.3g} (distance {distance:.3f})"
    cure = "p-values vary in quality with declination: a denser declination grid, or more background trials"
    return Check("sin_dec_uniform", value, min_p, passed, sentence + _cure(passed, cure))


def ra_uniform(ra: ArrayLike, min_p: float = MIN_KS_P) -> Check:
    """Hottest spots of background skies: uniform in right ascension (KS).

    Parameters
    ----------
    ra : array_like (n,), rad
    """
    ra = _finite(ra, "ra_uniform")
    value = float(stats.kstest(np.mod(ra, 2.0 * math.pi) / (2.0 * math.pi), "uniform").pvalue)
    passed = value >= min_p
    sentence = f"right ascension of {len(ra)} hottest spots is uniform with KS p = {value:.3g}"
    return Check("ra_uniform", value, min_p, passed, sentence + _cure(passed, "the scrambling is not uniform in ra"))


def bias_table(fitted: Mapping[float, ArrayLike]) -> tuple[Bias, ...]:
    """Mean fitted ns against injected n_sig.

    Parameters
    ----------
    fitted : mapping of n_sig to ndarray (n_trials,) of fitted ns
        n_sig = 0 is left out.
    """
    table = []
    for n_sig in sorted(fitted):
        ns = _finite(fitted[n_sig], f"bias at n_sig = {n_sig}")
        if n_sig <= 0:
            continue
        mean = float(ns.mean())
        error = float(ns.std(ddof=1) / math.sqrt(len(ns))) if len(ns) > 1 else math.nan
        pull = (mean - n_sig) / error if error > 0 else math.nan
        table.append(Bias(n_sig, len(ns), mean, error, mean / n_sig - 1.0, pull))
    return tuple(table)


def n_sig_bias(
    fitted: Mapping[float, ArrayLike],
    low: float = 10.0,
    high: float = 30.0,
    limit: float = 0.05,
    name: str = "n_sig_bias",
) -> Check:
    """Largest relative bias of the fitted ns for injected n_sig in [low, high], beyond its two-sigma error.

    A point fails when |bias| exceeds `limit` by more than twice its error: few trials cannot fail it by chance.
    """
    table = [row for row in bias_table(fitted) if low <= row.n_sig <= high]
    if not table:
        return Check(name, math.nan, limit, False, f"no signal trials with n_sig in [{low:g}, {high:g}]: add some")
    worst = max(table, key=lambda row: abs(row.relative) - 2.0 * _or_zero(row.error) / row.n_sig)
    excess = abs(worst.relative) - 2.0 * _or_zero(worst.error) / worst.n_sig
    sentence = (
        f"fitted ns is {worst.mean_ns:.2f} +- {worst.error:.2f} for n_sig = {worst.n_sig:g} "
        f"({100 * worst.relative:+.1f} %; allowed {100 * limit:g} % beyond two of its errors), "
        f"the worst of {len(table)} between {low:g} and {high:g}"
    )
    passed = excess <= limit
    return Check(name, abs(worst.relative), limit, passed, sentence + _cure(passed, "explain it before quoting fluxes"))


def enough_trials(n: int, n_sigma: float, relative_error: float = 0.1, name: str = "enough_trials") -> Check:
    """Enough trials to quote a significance by counting, with this relative error of p.

    Parameters
    ----------
    n : int
        Background trials (or skies).
    n_sigma : float
        One-sided.
    """
    need = trials_needed(float(nsigma_to_p(n_sigma)), relative_error)
    passed = n >= need
    sentence = f"{n} trials; {n_sigma:g} sigma counted to {100 * relative_error:g} % takes {need:.3g}"
    return Check(name, float(n), float(need), passed, sentence + _cure(passed, "beyond the trials p rests on the fit"))


def combined(name: str, checks: Sequence[Check]) -> Check:
    """One check from many whose value is a p-value: the smallest, times their number (Bonferroni).

    A grid of 170 declinations held to 1e-3 each would fail by chance in one analysis of six; the
    combined check keeps its level whatever the grid.

    Parameters
    ----------
    name : str
    checks : sequence of Check
        At least one; those of `p_uniform` for instance, of every declination.
    """
    if not checks:
        raise InputError(f"check {name}: there is nothing to combine")
    worst = min(checks, key=lambda check: check.value)
    value = min(worst.value * len(checks), 1.0)
    passed = value >= worst.limit
    sentence = f"smallest of {len(checks)} p-values, times their number, is {value:.3g}; it is {worst.name}: "
    return Check(name, value, worst.limit, passed, sentence + worst.sentence)


def _finite(values: ArrayLike, name: str) -> F64:
    out = np.asarray(values, dtype=np.float64).ravel()
    if len(out) == 0 or not np.all(np.isfinite(out)):
        raise InputError(
            f"check {name}: {len(out)} values, {np.count_nonzero(~np.isfinite(out))} of them not finite; "
            "it needs at least one, all finite"
        )
    return out


def _ks_against_sample(uniform: F64, n_reference: int) -> float:
    """KS p-value of numbers that were made uniform with a sample of n_reference: the two-sample distance law."""
    distance = float(stats.kstest(uniform, "uniform").statistic)
    effective = len(uniform) * n_reference / (len(uniform) + n_reference)
    return float(stats.kstwo.sf(distance, max(round(effective), 1)))


def _discrete_ks(values: F64, grid: F64) -> tuple[float, float]:
    """KS distance and p-value of values drawn from the points of `grid` (sorted); conservative, as ties make it."""
    at = np.unique(grid)
    expected = np.searchsorted(grid, at + 1e-12, side="right") / len(grid)
    found = np.searchsorted(np.sort(values), at + 1e-12, side="right") / len(values)
    distance = float(np.max(np.abs(found - expected)))
    return distance, float(stats.kstwo.sf(distance, len(values)))


def _cure(passed: bool, text: str) -> str:
    return "." if passed else f": {text}."


def _or_zero(value: float) -> float:
    return value if math.isfinite(value) else 0.0
