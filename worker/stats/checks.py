"""Checks before unblinding: each gives a number, its limit, a verdict and a sentence."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from worker.base.errors import InputError
from worker.stats import kolmogorov
from worker.stats.significance import nsigma_to_p

F64 = NDArray[np.float64]

MIN_KS_P = 1e-3
"""A smaller p-value fails: of a thousand correct analyses one fails a check by chance."""

LEAST_SHAPE = 20
"""Trials with TS > 0 from which the shape of p below eta is tested: (k + 1) / (n + 1) of fewer is far from uniform."""

TAIL = 10
"""Trials expected beyond a significance for it to be counted: p is then known to 32 %."""


class Check(NamedTuple):
    """One check.

    Attributes
    ----------
    name : str
        A spec waives the check by this name.
    value, limit : float
        Measured value and its limit; NaN if it could not be measured.
    sentence : str
        The result, and what to do if the check failed.
    """

    name: str
    value: float
    limit: float
    passed: bool
    sentence: str


def p_uniform(p: ArrayLike, eta: float, n_reference: int, name: str = "p_uniform", min_p: float = MIN_KS_P) -> Check:
    """P-values of background trials: uniform below eta (KS), and 1 for a fraction 1 - eta (the atom at TS = 0).

    The result is the smaller p-value of the two tests, doubled. Both allow for the finite number of trials of the
    distribution, which must not include the tested ones.

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
    shape = _ks_against_sample(below, positive) if len(below) and positive >= LEAST_SHAPE else 1.0
    value = min(2.0 * min(atom, shape), 1.0)
    passed = value >= min_p
    sentence = (
        f"{len(p)} background p-values: uniform below eta with KS p = {shape:.3g}; {len(below) / len(p):.4f} of them "
        f"have TS > 0 where {eta:.4f} is expected (p = {atom:.3g})"
    )
    return Check(name, value, min_p, passed, sentence + _cure(passed, "add background trials or change the fit"))


def ra_uniform(ra: ArrayLike, min_p: float = MIN_KS_P, places: ArrayLike | None = None) -> Check:
    """Hottest spots of background skies: uniform in right ascension (KS).

    Parameters
    ----------
    ra : array_like (n,), rad
    places : array_like, rad, optional
        Right ascensions of a list of sources, to compare with them instead of a continuous range.
    """
    ra = _finite(ra, "ra_uniform")
    if places is None:
        value = kolmogorov.uniform_p(np.mod(ra, 2.0 * math.pi) / (2.0 * math.pi))
    else:
        _, value = _discrete_ks(ra, np.sort(np.asarray(places, dtype=np.float64)))
    passed = value >= min_p
    sentence = f"right ascension of {len(ra)} hottest spots is uniform with KS p = {value:.3g}"
    return Check("ra_uniform", value, min_p, passed, sentence + _cure(passed, "the scrambling is not uniform in ra"))


def enough_trials(n: int, n_sigma: float, name: str, more: str) -> Check:
    """Enough trials to count a significance: at least `TAIL` of them are expected beyond it.

    Parameters
    ----------
    n : int
        Smallest number of background trials of a declination, or number of background skies.
    n_sigma : float
        One-sided.
    more : str
        What to write in the spec if they are too few.
    """
    need = math.ceil(TAIL / float(nsigma_to_p(n_sigma)))
    passed = n >= need
    sentence = f"{n:,} are there; {n_sigma:g} sigma with {TAIL} of them beyond takes {need:,}"
    return Check(name, float(n), float(need), passed, sentence + _cure(passed, more))


def complete(n_expected: int, missing: Sequence[str]) -> Check:
    """Every expected file exists.

    Parameters
    ----------
    missing : sequence of str
        Paths of missing files.
    """
    named = ", ".join(missing[:3]) + (f" and {len(missing) - 3:,} more" if len(missing) > 3 else "")
    sentence = f"{n_expected:,} files are expected, {len(missing):,} are missing"
    cure = f"{named}; `dagmaker repair` or `dagmaker run` makes them"
    return Check("files_complete", float(len(missing)), 0.0, not missing, sentence + _cure(not missing, cure))


def combined(name: str, checks: Sequence[Check]) -> Check:
    """One check from many p-values: the smallest, times their number (Bonferroni).

    So the level does not depend on the grid: 170 declinations with a limit of 1e-3 each would fail by chance in one
    analysis of six.

    Parameters
    ----------
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
    """KS p-value of numbers that a sample of n_reference made uniform, by the law of two samples."""
    effective = len(uniform) * n_reference / (len(uniform) + n_reference)
    return kolmogorov.sf(kolmogorov.distance(uniform), max(round(effective), 1))


def _discrete_ks(values: F64, grid: F64) -> tuple[float, float]:
    """KS distance and p-value of values drawn from the sorted points of `grid`; conservative because of ties."""
    at = np.unique(grid)
    expected = np.searchsorted(grid, at + 1e-12, side="right") / len(grid)
    measured = np.searchsorted(np.sort(values), at + 1e-12, side="right") / len(values)
    distance = float(np.max(np.abs(measured - expected)))
    return distance, kolmogorov.sf(distance, len(values))


def _cure(passed: bool, text: str) -> str:
    return "." if passed else f": {text}."
