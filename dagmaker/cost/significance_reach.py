"""Largest significances that the planned trials and skies support, and the cost of more."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

from dagmaker.cost.hours import hours
from worker.spec import goals
from worker.spec.goals import FIT_DECADES, SENSITIVITY_ERROR_1, TAIL, TILTED_SIGMA, tail
from worker.spec.run_sections import Goal
from worker.spec.sections import Spec


@dataclass(frozen=True)
class Quotable:
    """Largest one-sided significances that numbers of trials support.

    Attributes
    ----------
    n_trials, n_skies, n_signal : int
        Background trials per declination, background skies, signal trials per declination and n_sig.
    survival : str
        Method of local p-values, `scan.survival`.
    unblinding : float
        `unblind.quote_nsigma`; the checks before unblinding require that trials and skies support it.
    waived : tuple of str
        Checks that are allowed to fail.
    n_tilted : int
        Tilted background trials per declination.
    n_patches : int
        Patches of tilted skies.
    further : tuple of str
        Tests of the same skies besides that of the hottest spot.
    way : str
        How n_sig is found: a key of `worker.spec.goals.SENSITIVITY_ERROR_1`.
    """

    n_trials: int
    n_skies: int
    n_signal: int
    survival: str = "hybrid"
    unblinding: float = 0.0
    waived: tuple[str, ...] = ()
    n_tilted: int = 0
    way: str = "strata"
    n_patches: int = 0
    further: tuple[str, ...] = ()

    @property
    def counted(self) -> float:
        """Local significance with `TAIL` background trials above it, or that tilted trials reach."""
        if self.n_tilted:
            return TILTED_SIGMA
        return sigma(TAIL / self.n_trials) if self.n_trials > 2 * TAIL else 0.0

    @property
    def fitted(self) -> float:
        """Local significance with the fit, trusted for `FIT_DECADES` decades of p beyond the counted one."""
        return sigma(TAIL / self.n_trials / 10**FIT_DECADES) if self.n_trials > 2 * TAIL else 0.0

    @property
    def post_trial(self) -> float:
        """Post-trial significance if no background sky has a hotter spot, or that patches reach; 0 without skies."""
        if self.patches_suffice:
            return goals.PATCH_SIGMA
        return sigma(1 / (self.n_skies + 1)) if self.n_skies else 0.0

    @property
    def patches_suffice(self) -> bool:
        """Whether `TAIL` effective patches lie beyond the largest significance that they reach."""
        return self.n_patches >= TAIL * goals.PATCH_SPREAD

    @property
    def sensitivity_error(self) -> float:
        """Relative error of a sensitivity at a typical declination."""
        return SENSITIVITY_ERROR_1[self.way] / math.sqrt(self.n_signal)


def way_of(spec: Spec) -> str:
    """How n_sig will be found: `Quotable.way`."""
    return "exact" if spec.signal.strata else spec.sensitivity.method


def sigma(p: float) -> float:
    """One-sided Gaussian significance of a p-value."""
    return -NormalDist().inv_cdf(p)


def times_for_one_more(n_sigma: float) -> float:
    """Factor in the number of trials for one more sigma."""
    return tail(n_sigma) / tail(n_sigma + 1)


def lines(quotable: Quotable, cpu_h: dict[str, float] | None = None, goal: Goal | None = None) -> Iterator[str]:
    """Significances, goals, and the cost of one more sigma if CPU times are known.

    Parameters
    ----------
    cpu_h : dict of task to float, hours
        CPU time of bg_trials, sig_trials and scan_trials.
    goal : Goal, optional
    """
    if quotable.n_tilted:
        yield _tilted(quotable)
    else:
        yield (
            f"local        {quotable.counted:.2f} sigma is the largest significance with {TAIL} background trials "
            f"above it (empirical), {quotable.fitted:.2f} with the fit"
        )
    if quotable.n_skies:
        least = 1 / (quotable.n_skies + 1)
        shown = sigma(least)
        yield f"post-trial   {shown:.2f} sigma (p >= {least:.2g}) is what the skies can show{_of_patches(quotable)}"
        if quotable.further:
            yield f"further      {', '.join(quotable.further)}: {shown:.2f} sigma each, counted in the same skies"
    yield f"error        of a sensitivity: about {100 * quotable.sensitivity_error:.2g} %, by its signal trials"
    yield from _before_unblinding(quotable)
    if cpu_h:
        tail_trials = "half the error of p at 5 sigma: " + _extra(4.0, cpu_h.get("tail_trials", 0.0))
        local = "local sigma: " + _extra(times_for_one_more(quotable.counted), cpu_h.get("bg_trials", 0.0))
        local = f"{tail_trials if quotable.n_tilted else local} of CPU time"
        post_trial = ""
        if quotable.n_patches:
            more = _extra(4.0, cpu_h.get("patch_trials", 0.0))
            post_trial = f"; of post-trial p: {more}"
        elif quotable.n_skies:
            factor = times_for_one_more(quotable.post_trial)
            post_trial = f"; post-trial: {_extra(factor, cpu_h.get('scan_trials', 0.0))}"
        error = _extra(4.0, cpu_h.get("sig_trials", 0.0))
        yield f"one more     {local}{post_trial}; half the error: {error}"
    if goal is not None:
        yield from _goal_lines(quotable, goal)


def _of_patches(quotable: Quotable) -> str:
    if not quotable.n_patches:
        return ""
    percent = 100 * math.sqrt(goals.PATCH_SPREAD / quotable.n_patches)
    return f"; {percent:.2g} % is the error of p at {goals.PATCH_SIGMA:g} sigma, from {quotable.n_patches:,} patches"


def _tilted(quotable: Quotable) -> str:
    percent = 100 * math.sqrt(goals.TILTED_SPREAD / quotable.n_tilted)
    return (
        f"local        {quotable.counted:g} sigma is the largest significance that tilts are chosen for; "
        f"{percent:.2g} % is the error of p at 5 sigma, counted with {quotable.n_tilted:,} tilted trials"
    )


def _before_unblinding(quotable: Quotable) -> Iterator[str]:
    """Warnings if the checks enough_background_trials or enough_skies will fail; none without skies to unblind."""
    if not quotable.unblinding or not quotable.n_skies:
        return
    needed = math.ceil(TAIL / tail(quotable.unblinding))
    plain = 0 if quotable.n_tilted and quotable.unblinding <= TILTED_SIGMA else quotable.n_trials
    skies = 0 if quotable.patches_suffice and quotable.unblinding <= goals.PATCH_SIGMA else quotable.n_skies
    rows = (
        ("enough_background_trials", "background.n_trials", plain),
        ("enough_skies", "scan.n_skies", skies),
    )
    for check, key, count in rows:
        if 0 < count < needed and check not in quotable.waived:
            yield (
                f"unblinding   will be refused by the check {check}: {key} {count:,}, and unblind.quote_nsigma "
                f"{quotable.unblinding:g} takes {needed:,}"
            )


def _extra(times: float, now_h: float) -> str:
    return f"+{hours(now_h * (times - 1))} ({times:,.3g} times as much)"


def _goal_lines(quotable: Quotable, goal: Goal) -> Iterator[str]:
    """Which goals are reached, and the numbers of trials that the others need."""
    largest = quotable.counted if quotable.survival in ("empirical", "counted") else quotable.fitted
    rows = (
        ("local_sigma", goal.local_sigma, largest, "background.n_trials"),
        ("post_trial_sigma", goal.post_trial_sigma, quotable.post_trial, "scan.n_skies"),
        ("sensitivity_error", goal.sensitivity_error, quotable.sensitivity_error, "signal.n_trials"),
    )
    for key, goal_value, reached, count in rows:
        if goal_value is None:
            continue
        good = reached <= goal_value * 1.001 if key == "sensitivity_error" else reached >= goal_value - 1e-3
        yield f"goal         {key}: {goal_value:g}: " + (
            "reached" if good else f"needs {count}: {_needed(key, goal_value, quotable):,}"
        )


def _needed(key: str, goal_value: float, quotable: Quotable) -> int:
    if key == "local_sigma":
        return goals.background_trials(goal_value, quotable.survival)
    return goals.skies(goal_value) if key == "post_trial_sigma" else goals.signal_trials(goal_value, quotable.way)
