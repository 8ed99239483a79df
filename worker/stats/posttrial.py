"""The post-trial p-value: the fraction of background skies at least as hot as the observed one."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worker.base.errors import InputError
from worker.stats import kolmogorov
from worker.stats.binomial import LEVEL, clopper_pearson

F64 = NDArray[np.float64]


LEAST_KS_P = 0.01
"""Below this the skies do not follow 1 - (1 - p)^N_eff, and N_eff is NaN."""


class PostTrial(NamedTuple):
    """A post-trial p-value by counting, and the effective-trials parametrisation.

    Attributes
    ----------
    p : float
        (k + 1) / (n + 1).
    k, n : int
        Background skies at least as hot as the observed one, and all of them.
    lo, hi : float
        Clopper-Pearson interval of coverage `level`.
    n_eff, n_eff_error : float
        Effective number of independent positions, and its error n_eff / sqrt(skies with p < 1). NaN if `ks_p` is
        below `LEAST_KS_P`, or if every sky has p = 1.
    ks_p : float
        KS p-value of 1 - (1 - p_i)^n_eff being uniform over the background skies, up to the largest p below 1; too
        large, since n_eff comes from the same skies.
    p_eff : float
        1 - (1 - p_observed)^n_eff; NaN if n_eff is.
    level : float
    """

    p: float
    k: int
    n: int
    lo: float
    hi: float
    n_eff: float
    n_eff_error: float
    ks_p: float
    p_eff: float
    level: float


def post_trial(mlog10p_observed: float, mlog10p_background: ArrayLike, level: float = LEVEL) -> PostTrial:
    """Post-trial p-value of an observed hottest spot.

    Parameters
    ----------
    mlog10p_observed : float
        -log10 p of the hottest spot of the observed sky.
    mlog10p_background : array_like (n,)
        The same of each background sky.
    level : float
        Coverage of the interval.

    Returns
    -------
    PostTrial

    Raises
    ------
    InputError
        No background skies, or a value that is not a finite number >= 0.

    Examples
    --------
    >>> found = post_trial(3.5, [2.9, 3.1, 3.4, 3.6, 4.2])
    >>> print(f"p = {found.p:.2f} [{found.lo:.2f}, {found.hi:.2f}], {found.k} of {found.n} at least as hot")
    p = 0.50 [0.15, 0.70], 2 of 5 at least as hot
    """
    background = np.asarray(mlog10p_background, dtype=np.float64).ravel()
    if len(background) == 0:
        raise InputError("no background skies: the post-trial p-value counts them; run scan_trials first")
    every = np.append(background, mlog10p_observed)
    bad = ~(np.isfinite(every) & (every >= 0))
    if np.any(bad):
        i = int(np.argmax(bad))
        where = "of the observed sky" if i == len(background) else f"of background sky {i}"
        raise InputError(f"mlog10p {where} is {every[i]}: -log10 of a p-value is finite and >= 0; scan it again")
    n = len(background)
    k = int(np.count_nonzero(background >= mlog10p_observed))
    lo, hi = clopper_pearson(k, n, level)
    n_eff, n_eff_error, ks_p = _effective(background)
    return PostTrial(
        p=(k + 1) / (n + 1),
        k=k,
        n=n,
        lo=float(lo),
        hi=float(hi),
        n_eff=n_eff,
        n_eff_error=n_eff_error,
        ks_p=ks_p,
        p_eff=float(parametrised(mlog10p_observed, n_eff)),
        level=level,
    )


HEMISPHERES = ("north", "south")


def better_hemisphere(p: Mapping[str, float]) -> dict[str, float | str] | None:
    """The smaller of the post-trial p-values of north and south, corrected for the choice between the two.

    A factor of about 2: 1 - (1 - p)^2 for two independent halves of the sky (Sidak). Who quotes the better hemisphere
    quotes this.

    Parameters
    ----------
    p : mapping of region to float
        Post-trial p-values.

    Returns
    -------
    dict with ``region``, ``p`` and ``p_of_two``, or None without both hemispheres

    Examples
    --------
    >>> better_hemisphere({"all": 0.05, "north": 0.4, "south": 0.03})
    {'region': 'south', 'p': 0.03, 'p_of_two': 0.0591}
    """
    if not all(name in p for name in HEMISPHERES):
        return None
    region = min(HEMISPHERES, key=lambda name: p[name])
    return {"region": region, "p": p[region], "p_of_two": p[region] * (2.0 - p[region])}


def _effective(background: F64) -> tuple[float, float, float]:
    """Return N_eff, its error and its KS p-value; the first two are NaN if they do not describe the skies."""
    below = background[background > 0.0]
    if len(below) == 0:
        return math.nan, math.nan, math.nan
    n_eff = effective_trials(background)
    if len(below) == len(background):
        ks_p = kolmogorov.uniform_p(parametrised(background, n_eff))
    else:
        ks_p = kolmogorov.censored_p(parametrised(below, n_eff), len(background))
    if ks_p < LEAST_KS_P:
        return math.nan, math.nan, ks_p
    return n_eff, n_eff / math.sqrt(len(below)), ks_p


def effective_trials(mlog10p: ArrayLike) -> float:
    """Maximum-likelihood N_eff of 1 - (1 - p)^N_eff.

    t_i = -ln(1 - p_i) is exponential with the rate N_eff. A sky with p = 1 has no positive TS: its t is only known to
    be larger than t_c, estimated by the largest p below 1. With d of n skies below 1, N_eff = d / (sum_d t_i +
    (n - d) t_c), the rate of a censored exponential sample (Cox and Oakes 1984, Analysis of Survival Data,
    section 3.2). Without p = 1: -n / sum ln(1 - p_i).

    Parameters
    ----------
    mlog10p : array_like (n,)
        Hottest spots of background skies.

    Returns
    -------
    float
        NaN if every sky has p = 1.

    Examples
    --------
    The ten nside-16 skies of csky's tutorial:

    >>> hot = [3.399392, 3.472688, 3.664444, 4.188652, 4.966873, 3.499141, 3.530386, 3.134401, 3.388785, 3.940884]
    >>> round(effective_trials(hot))
    3452
    """
    heat = np.asarray(mlog10p, dtype=np.float64).ravel()
    below = heat[heat > 0.0]
    if len(below) == 0:
        return math.nan
    # the largest double below 1 stands for what rounds to 1
    logs = np.log1p(-np.minimum(_p(below), 1.0 - 2.0**-53))
    return -len(logs) / float(np.sum(logs) + (len(heat) - len(below)) * np.min(logs))


def parametrised(mlog10p: ArrayLike, n_eff: float) -> F64:
    """Post-trial p-value 1 - (1 - p)^n_eff.

    Parameters
    ----------
    mlog10p : array_like
        Of a hottest spot.
    n_eff : float
        Of `effective_trials`.

    Returns
    -------
    ndarray of the shape of `mlog10p`

    Examples
    --------
    >>> print(f"{parametrised(5.0, 3450):.4f}")
    0.0339
    """
    with np.errstate(divide="ignore"):  # p = 1 gives ln 0, and 1 in the end
        return np.asarray(-np.expm1(n_eff * np.log1p(-_p(mlog10p))))


def _p(mlog10p: ArrayLike) -> F64:
    return np.asarray(10.0 ** -np.asarray(mlog10p, dtype=np.float64))
