"""Numbers that follow from the goal of an analysis: ``n_trials: goal``; and from its pilot: ``n_sig: goal``."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from worker.spec.problem import Path as Place
from worker.spec.problem import Problem

WORD = "goal"
N_SIG: Place = ("signal", "n_sig")
TAIL = 10
"""Trials above a threshold that a significance needs to be counted: p is then known to a third."""
FIT_DECADES = 2
"""Decades of p beyond the counted ones that the fitted tail may be believed (docs/planning.md)."""
SENSITIVITY_ERROR_1 = 1.5
"""Relative error of a sensitivity from one trial per n_sig; falls with the root of their number (docs/planning.md)."""

LADDER = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Rungs on which a pilot looks for sensitivities and discovery potentials."""
BELOW, ABOVE = 0.5, 1.5
"""The grid begins and ends at so many times the smallest and the largest n_sig that is looked for: the passing fraction
bends between them, and the declinations between those of the pilot lie a little outside."""
RATIO = 1.45
"""Of neighbours in the grid, at most: each curve then has three points or more where it rises from 10 % to 90 %."""

_COUNTS = {
    ("background", "n_trials"): "local_sigma",
    ("signal", "n_trials"): "sensitivity_error",
    ("scan", "n_skies"): "post_trial_sigma",
}


FOLLOW = (*_COUNTS, N_SIG)
"""What may be written ``goal``."""


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


def n_sig_grid(reach: Sequence[Mapping[str, float]]) -> list[float]:
    """Grid of n_sig, evenly spaced in its logarithm, for all declinations and spectra that a pilot looked at."""
    low = BELOW * min(point["sensitivity"] for point in reach)
    high = ABOVE * max(max(point["discovery"], point["sensitivity"]) for point in reach)
    steps = math.ceil(math.log(high / low) / math.log(RATIO))
    values = (low * (high / low) ** (i / steps) for i in range(steps + 1))
    return sorted({max(round(value, 1) if value < 10 else float(round(value)), 0.1) for value in values})


def fill(data: dict[str, Any], lines: Mapping[Place, int]) -> list[Problem]:
    """Replace the word ``goal`` in `data` by the number that follows; returns where none does."""
    problems = _fill_n_sig(data, lines)
    raw = data.get("goal")
    goal: dict[str, Any] = raw if isinstance(raw, dict) else {}
    for place, key in _COUNTS.items():
        section = data.get(place[0])
        if not isinstance(section, dict) or section.get(place[1]) != WORD:
            continue
        value = goal.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 7:
            text = f"found 'goal', but there is no goal.{key} that it could follow from; write goal: {{{key}: ...}}"
            problems.append(Problem(place, lines.get(place, 0), text))
            section[place[1]] = 1  # told already
            continue
        section[place[1]] = _count(key, float(value), data)
    return problems


def _fill_n_sig(data: dict[str, Any], lines: Mapping[Place, int]) -> list[Problem]:
    signal, resources = data.get("signal"), data.get("resources")
    if not isinstance(signal, dict) or signal.get("n_sig") != WORD:
        return []
    pilot = resources.get("pilot") if isinstance(resources, dict) else None
    reach = pilot.get("reach") if isinstance(pilot, dict) else None
    signal["n_sig"] = n_sig_grid(reach) if reach else list(LADDER)
    if reach:
        return []
    text = (
        "found 'goal', but resources.pilot has no reach that it could follow from; run `dagmaker pilot` of this spec, "
        "then write resources: {pilot: pilot.json}"
    )
    return [Problem(N_SIG, lines.get(N_SIG, 0), text)]


def for_pilot(data: dict[str, Any]) -> None:
    """Make of a spec in `data` what its pilot runs: no pilot yet, and rungs in the place of ``n_sig: goal``."""
    if isinstance(resources := data.get("resources"), dict):
        resources.pop("pilot", None)
    if isinstance(signal := data.get("signal"), dict) and signal.get("n_sig") == WORD:
        signal["n_sig"] = list(LADDER)


def _count(key: str, value: float, data: Mapping[str, Any]) -> int:
    if key == "local_sigma":
        scan = data.get("scan")
        return background_trials(value, str(scan.get("survival")) if isinstance(scan, dict) else "hybrid")
    return skies(value) if key == "post_trial_sigma" else signal_trials(value)
