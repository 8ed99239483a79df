"""Counts of trials that follow from the goal of an analysis: ``n_trials: goal``."""

import math
from collections.abc import Mapping
from typing import Any

from worker.specfile.problem import Path as Place
from worker.specfile.problem import Problem

WORD = "goal"
TAIL = 10
"""Trials above a threshold that a significance needs to be counted: p is then known to a third."""
FIT_DECADES = 2
"""Decades of p beyond the counted ones that the fitted tail may be believed (docs/planning.md)."""
SENSITIVITY_ERROR_1 = 1.5
"""Relative error of a sensitivity from one trial per n_sig; falls with the root of their number (docs/planning.md)."""

_COUNTS = {
    ("background", "n_trials"): "local_sigma",
    ("signal", "n_trials"): "sensitivity_error",
    ("scan", "n_skies"): "post_trial_sigma",
}


def tail(n_sigma: float) -> float:
    """One-sided p-value of a significance."""
    return 0.5 * math.erfc(n_sigma / math.sqrt(2))


def background_trials(local_sigma: float, survival: str) -> int:
    """Trials per declination with which a local significance may be quoted, counted or with the fit's help."""
    decades = 0 if survival == "empirical" else FIT_DECADES
    return max(_two_digits(TAIL / tail(local_sigma) / 10**decades), 1000)


def skies(post_trial_sigma: float) -> int:
    """Background skies whose smallest post-trial p-value, 1 / (n + 1), is that small."""
    return _two_digits(1 / tail(post_trial_sigma) - 1)


def signal_trials(error: float) -> int:
    """Trials per declination and n_sig for that relative error of the sensitivity."""
    return max(_two_digits((SENSITIVITY_ERROR_1 / error) ** 2), 100)


def _two_digits(count: float) -> int:
    """Rounded up to two digits: nobody wants 348,213 trials."""
    step = int(10 ** max(math.floor(math.log10(max(count, 1))) - 1, 0))
    return math.ceil(count / step - 1e-9) * step


def fill(data: dict[str, Any], lines: Mapping[Place, int]) -> list[Problem]:
    """Replace the word ``goal`` in `data` by the number that follows; returns where none does."""
    found = []
    raw = data.get("goal")
    goal: dict[str, Any] = raw if isinstance(raw, dict) else {}
    for place, key in _COUNTS.items():
        section = data.get(place[0])
        if not isinstance(section, dict) or section.get(place[1]) != WORD:
            continue
        value = goal.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 7:
            text = f"found 'goal', but there is no goal.{key} that it could follow from; write goal: {{{key}: ...}}"
            found.append(Problem(place, lines.get(place, 0), text))
            section[place[1]] = 1  # told already
            continue
        section[place[1]] = _count(key, float(value), data)
    return found


def _count(key: str, value: float, data: Mapping[str, Any]) -> int:
    if key == "local_sigma":
        scan = data.get("scan")
        return background_trials(value, str(scan.get("survival")) if isinstance(scan, dict) else "hybrid")
    return skies(value) if key == "post_trial_sigma" else signal_trials(value)
