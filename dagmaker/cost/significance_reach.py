"""What may be claimed with so many trials and skies, and what more would cost."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

from dagmaker.cost.hours import hours
from worker.spec import goals
from worker.spec.goals import FIT_DECADES, SENSITIVITY_ERROR_1, TAIL, tail
from worker.spec.sections import Goal


@dataclass(frozen=True)
class Quotable:
    """Largest significances (one-sided) that counts support.

    Attributes
    ----------
    n_trials, n_skies, n_signal : int
        Background trials per declination, background skies, signal trials per declination and n_sig.
    survival : str
        Way of the local p-values, `scan.survival`.
    unblinding : float
        `unblind.quote_nsigma`: trials and skies must count up to it, or the checks before unblinding fail.
    waived : tuple of str
        Checks that may fail.
    """

    n_trials: int
    n_skies: int
    n_signal: int
    survival: str = "hybrid"
    unblinding: float = 0.0
    waived: tuple[str, ...] = ()

    @property
    def counted(self) -> float:
        """With `TAIL` background trials above it."""
        return sigma(TAIL / self.n_trials) if self.n_trials > 2 * TAIL else 0.0

    @property
    def fitted(self) -> float:
        """With the fit, believed for `FIT_DECADES` decades of p beyond what is counted."""
        return sigma(TAIL / self.n_trials / 10**FIT_DECADES) if self.n_trials > 2 * TAIL else 0.0

    @property
    def post_trial(self) -> float:
        """If no background sky has a hotter spot; 0 without skies."""
        return sigma(1 / (self.n_skies + 1)) if self.n_skies else 0.0

    @property
    def sensitivity_error(self) -> float:
        """Relative, of a typical declination."""
        return SENSITIVITY_ERROR_1 / math.sqrt(self.n_signal)


def sigma(p: float) -> float:
    """One-sided Gaussian significance of a p-value."""
    return -NormalDist().inv_cdf(p)


def times_for_one_more(n_sigma: float) -> float:
    """How many times as many trials one more sigma needs."""
    return tail(n_sigma) / tail(n_sigma + 1)


def lines(found: Quotable, cpu_h: dict[str, float] | None = None, goal: Goal | None = None) -> Iterator[str]:
    """The table, with what one more sigma would cost where CPU times are known.

    Parameters
    ----------
    cpu_h : dict of task to float, hours
        CPU time of bg_trials, sig_trials and scan_trials.
    goal : Goal, optional
        What is wanted.
    """
    yield (
        f"local        {found.counted:.2f} sigma is the largest significance with {TAIL} background trials above it "
        f"(empirical), {found.fitted:.2f} with the fit"
    )
    if found.n_skies:
        least = 1 / (found.n_skies + 1)
        yield f"post-trial   {found.post_trial:.2f} sigma (p >= {least:.2g}) is what the skies can show"
    yield f"error        of a sensitivity: about {100 * found.sensitivity_error:.2g} %, by its signal trials"
    yield from _before_unblinding(found)
    if cpu_h:
        yield (
            f"one more     local sigma: {_more(times_for_one_more(found.counted), cpu_h.get('bg_trials', 0.0))} of CPU "
            f"time; post-trial: {_more(times_for_one_more(found.post_trial), cpu_h.get('scan_trials', 0.0))}; "
            f"half the error: {_more(4.0, cpu_h.get('sig_trials', 0.0))}"
        )
    if goal is not None:
        yield from _against(found, goal)


def _before_unblinding(found: Quotable) -> Iterator[str]:
    """Whether the checks enough_background_trials and enough_skies will pass."""
    if not found.unblinding:
        return
    needed = math.ceil(TAIL / tail(found.unblinding))
    rows = (
        ("enough_background_trials", "background.n_trials", found.n_trials),
        ("enough_skies", "scan.n_skies", found.n_skies),
    )
    for check, key, count in rows:
        if 0 < count < needed and check not in found.waived:
            yield (
                f"unblinding   will be refused by the check {check}: {key} {count:,}, and unblind.quote_nsigma "
                f"{found.unblinding:g} takes {needed:,}"
            )


def _more(times: float, now_h: float) -> str:
    return f"+{hours(now_h * (times - 1))} ({times:,.3g} times as much)"


def _against(found: Quotable, goal: Goal) -> Iterator[str]:
    """Which goals are reached, and the counts that reach the others."""
    largest = found.counted if found.survival == "empirical" else found.fitted
    rows = (
        ("local_sigma", goal.local_sigma, largest, "background.n_trials"),
        ("post_trial_sigma", goal.post_trial_sigma, found.post_trial, "scan.n_skies"),
        ("sensitivity_error", goal.sensitivity_error, found.sensitivity_error, "signal.n_trials"),
    )
    for key, wanted, reached, count in rows:
        if wanted is None:
            continue
        good = reached <= wanted * 1.001 if key == "sensitivity_error" else reached >= wanted - 1e-3
        yield f"goal         {key}: {wanted:g}: " + (
            "reached" if good else f"needs {count}: {_needed(key, wanted, found):,}"
        )


def _needed(key: str, wanted: float, found: Quotable) -> int:
    if key == "local_sigma":
        return goals.background_trials(wanted, found.survival)
    return goals.skies(wanted) if key == "post_trial_sigma" else goals.signal_trials(wanted)
