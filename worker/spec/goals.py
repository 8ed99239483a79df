"""Numbers computed from the goal of an analysis (``n_trials: goal``) and from its pilot (``n_sig: goal``)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from worker.spec import tilts
from worker.spec.problem import Path as Place
from worker.spec.problem import Problem

WORD = "goal"
N_SIG: Place = ("signal", "n_sig")
TAIL = 10
"""Trials above a threshold that a counted significance needs: p is then known to a third."""
COUNTED_TRIALS = 10_000
"""Plain trials beside tilted ones: for the median, the fraction with TS > 0, and the agreement of the two."""
TILTED_SIGMA = 5.5
"""Largest significance at which the pilot makes tilted trials precise."""
PATCH_SIGMA, PATCH_SPREAD = 5.0, 80.0
"""Largest post-trial significance for which tilts of patches are chosen; n patches know its p to sqrt(80 / n)
(measured at nside 128, docs/statistics.md)."""
TILTED_SPREAD = 20.0
"""Relative variance of p by one tilted trial at 5 sigma (docs/statistics.md): n trials give sqrt(20 / n)."""
FIT_DECADES = 2
"""Decades of p beyond the counted ones in which the fitted tail is used (docs/planning.md)."""
SENSITIVITY_ERROR_1 = {"curve": 1.5, "strata": 1.1, "exact": 0.6}
"""Relative error of a sensitivity from one trial per n_sig; falls with the root of their number (docs/planning.md).

By `sensitivity.method`; exact: with ``signal.strata: true``, from one trial per number of events."""

LADDER = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Values of n_sig at which a pilot estimates sensitivities and discovery potentials."""
BELOW, ABOVE = 0.5, 1.5
"""Ends of the grid, in units of the smallest and the largest n_sig of the pilot; the margin is for the shape of the
passing fraction and for declinations between those of the pilot."""
RATIO = 1.45
"""Largest ratio of neighbours in the grid: each curve then has at least three points between 10 % and 90 %."""

_COUNTS = {
    ("background", "n_trials"): "local_sigma",
    ("signal", "n_trials"): "sensitivity_error",
    ("scan", "n_skies"): "post_trial_sigma",
}


FOLLOW = (*_COUNTS, N_SIG)
"""Keys that may have the value ``goal``."""


def tail(n_sigma: float) -> float:
    """One-sided p-value of a significance."""
    return 0.5 * math.erfc(n_sigma / math.sqrt(2))


def background_trials(local_sigma: float, survival: str) -> int:
    """Plain trials per declination for quoting a local significance; tilted ones count the tail if it is counted."""
    if survival == "counted":
        return COUNTED_TRIALS
    decades = 0 if survival == "empirical" else FIT_DECADES
    return max(two_digits(TAIL / tail(local_sigma) / 10**decades), 1000)


def skies(post_trial_sigma: float) -> int:
    """Background skies whose smallest post-trial p-value, 1 / (n + 1), reaches this significance."""
    return two_digits(1 / tail(post_trial_sigma) - 1)


def signal_trials(error: float, way: str) -> int:
    """Trials per declination and n_sig for that error of the sensitivity; `way` is a key of `SENSITIVITY_ERROR_1`."""
    return max(two_digits((SENSITIVITY_ERROR_1[way] / error) ** 2), 100)


def two_digits(count: float) -> int:
    """Round up to two digits, so that the last bits of `count`, which depend on the machine, have no effect."""
    step = int(10 ** max(math.floor(math.log10(max(count, 1))) - 1, 0))
    return math.ceil(count / step - 1e-9) * step


def n_sig_grid(reach: Sequence[Mapping[str, float]]) -> list[float]:
    """Return a grid of n_sig, evenly spaced in its logarithm, for all declinations and spectra of a pilot."""
    low = BELOW * min(point["sensitivity"] for point in reach)
    high = ABOVE * max(max(point["discovery"], point["sensitivity"]) for point in reach)
    steps = math.ceil(math.log(high / low) / math.log(RATIO))
    values = (low * (high / low) ** (i / steps) for i in range(steps + 1))
    return sorted({max(round(value, 1) if value < 10 else float(round(value)), 0.1) for value in values})


def strata_grid(reach: Sequence[Mapping[str, float]]) -> list[float]:
    """Return exact numbers of events whose mixtures give every n_sig up to `ABOVE` times the largest of a pilot.

    All from 1 up to four standard deviations above it, half a standard deviation apart where that is more than one
    event.
    """
    high = ABOVE * max(max(point["discovery"], point["sensitivity"]) for point in reach)
    values = [1.0]
    while values[-1] < high + 4.0 * math.sqrt(high):
        values.append(values[-1] + max(int(0.5 * math.sqrt(values[-1])), 1))
    return values


def fill(data: dict[str, Any], lines: Mapping[Place, int]) -> list[Problem]:
    """Replace the word ``goal`` in `data` by numbers, in place; return a problem where that is impossible."""
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
            section[place[1]] = 1  # no second message
            continue
        section[place[1]] = _count(key, float(value), data)
    return problems


def _fill_n_sig(data: dict[str, Any], lines: Mapping[Place, int]) -> list[Problem]:
    signal, resources = data.get("signal"), data.get("resources")
    if not isinstance(signal, dict) or signal.get("n_sig") != WORD:
        return []
    pilot = resources.get("pilot") if isinstance(resources, dict) else None
    reach = pilot.get("reach") if isinstance(pilot, dict) else None
    grid = strata_grid if signal.get("strata") is True else n_sig_grid
    signal["n_sig"] = grid(reach) if reach else list(LADDER)
    if reach:
        return []
    text = (
        "found 'goal', but resources.pilot has no reach that it could follow from; run `dagmaker pilot` of this spec, "
        "then write resources: {pilot: pilot.json}"
    )
    return [Problem(N_SIG, lines.get(N_SIG, 0), text)]


def for_pilot(data: dict[str, Any]) -> None:
    """Change a spec in `data` to that of its pilot run: no pilot, no strata, and `LADDER` for ``n_sig: goal``."""
    if isinstance(resources := data.get("resources"), dict):
        resources.pop("pilot", None)
    if isinstance(signal := data.get("signal"), dict) and signal.get("n_sig") == WORD:
        signal["n_sig"] = list(LADDER)
        signal.pop("strata", None)  # the estimate needs Poisson numbers


def _count(key: str, value: float, data: Mapping[str, Any]) -> int:
    if key == "local_sigma":
        return background_trials(value, str(tilts.survival(data)))
    if key == "post_trial_sigma":
        return skies(value)
    if data["signal"].get("strata") is True:
        return signal_trials(value, "exact")
    sensitivity = data.get("sensitivity")
    is_curve = isinstance(sensitivity, dict) and sensitivity.get("method") == "curve"
    return signal_trials(value, "curve" if is_curve else "strata")
