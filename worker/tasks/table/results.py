"""Tasks that merge trials and work out results, and those that decide how many trials there are."""

from pathlib import Path
from typing import Any

from worker.base.argument import AllowMissing, Dec, Gamma, Point, Round, Run, Seed
from worker.base.startup import light_import

Answer = dict[str, Any]
"""The answer of a task with `--json`, besides what it printed."""


def reach(*, run: Run, dec: Dec = None, seed: Seed = 999, point: Point = None) -> Answer:
    """Quick pass of a pilot: where sensitivity and discovery potential of one point lie, to some 10 %.

    Writes RUN/trials/NAME/reach/dec/+005.json, which `signal: {n_sig: goal}` follows from. Makes 20,000
    background trials, and 400 signal trials each at n_sig 1, 2, 4, ... 256, as far as these are needed.

    Returns
    -------
    reach : list of {dec_deg or point, gamma, sensitivity, discovery}
        For every spectrum, in events; the highest discovery potential.

    Examples
    --------
    worker reach --run=runs/example --dec=5
    """
    with light_import():
        from worker.tasks.sensitivity_estimate import reach as task
    return task(Path(run), dec=dec, seed=seed, point=point)


def judge(*, run: Run, round: Round) -> Answer:  # noqa: A002 (the name of the flag)
    """Decide, before a round of an adaptive analysis, which points are short of the goal and what is added to them.

    Writes RUN/rounds/round_1.json: per point what was found, the trials that are added, and a digest of the files that
    it was decided from. `dagmaker round` makes processes of it. A decision that still holds is kept.

    Examples
    --------
    worker judge --run=runs/example --round=1
    """
    with light_import():
        from worker.tasks.adaptive_round import judge as task
    return task(Path(run), number=round)


def collect_bg(*, run: Run, dec: Dec = None, allow_missing: AllowMissing = False, point: Point = None) -> None:
    """Merge the background trials of one point; every file that the plan promises must be there.

    Examples
    --------
    worker collect_bg --run=runs/example --dec=5
    """
    with light_import():
        from worker.tasks.collect import collect_bg as task
    task(Path(run), dec=dec, allow_missing=allow_missing, point=point)


def collect_sig(
    *, run: Run, dec: Dec = None, gamma: Gamma = None, allow_missing: AllowMissing = False, point: Point = None
) -> None:
    """Merge the signal trials of one point, all n_sig; every file that the plan promises must be there.

    Examples
    --------
    worker collect_sig --run=runs/example --dec=5
    """
    with light_import():
        from worker.tasks.collect import collect_sig as task
    task(Path(run), dec=dec, gamma=gamma, allow_missing=allow_missing, point=point)


def distributions(*, run: Run) -> None:
    """Describe the background TS of every point: eta, fit, median.

    Examples
    --------
    worker distributions --run=runs/example
    """
    with light_import():
        from worker.tasks.results import distributions as task
    task(Path(run))


def sensitivity(*, run: Run) -> None:
    """Sensitivity and discovery potential of every point, in events and in TeV / cm^2 / s.

    Examples
    --------
    worker sensitivity --run=runs/example
    """
    with light_import():
        from worker.tasks.results import sensitivity as task
    task(Path(run))


def collect_scan(*, run: Run, allow_missing: AllowMissing = False) -> None:
    """Merge the maps of the scrambled sky and the background skies, and turn TS into p-values.

    A map with a hole is refused, with --allow_missing too.

    Examples
    --------
    worker collect_scan --run=runs/example
    """
    with light_import():
        from worker.tasks.collect import collect_scan as task
    task(Path(run), allow_missing=allow_missing)


def post_trial(*, run: Run) -> None:
    """Post-trial p-value of the hottest spot, with its interval.

    Examples
    --------
    worker post_trial --run=runs/example
    """
    with light_import():
        from worker.tasks.results import post_trial as task
    task(Path(run))


def upper_limits(*, run: Run) -> None:
    """Upper limits on the flux of every source of the list, or of the hottest spots of the map.

    Examples
    --------
    worker upper_limits --run=runs/example
    """
    with light_import():
        from worker.tasks.limits import upper_limits as task
    task(Path(run))
