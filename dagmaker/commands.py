"""dagmaker's commands: their arguments and meaning. What they do is imported when they are called."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dagmaker.planning_commands import efficiency, pilot
from dagmaker.review_commands import diff, review, unblind, verify_plan
from dagmaker.run_commands import abort, repair, status, submit


def check(*, spec: str) -> int:
    """Check a spec: every problem at once, each with its place in the file and the cure.

    Parameters
    ----------
    spec : str
        The YAML file of the analysis.

    Examples
    --------
    dagmaker check analysis.yaml
    """
    from dagmaker import plan, sites

    loaded = _load(spec)
    sites.load(loaded.site)
    made = plan.make(loaded, "")
    decs = loaded.background.decs
    print(
        f"{spec}: good: {loaded.name}, {loaded.data.format} data, {len(decs)} declinations from {decs[0]:g} to "
        f"{decs[-1]:g} deg, {made.n_processes:,} processes"
    )
    return 0


def plan(*, spec: str, slots: int = 2, json: bool = False) -> int:
    """Show what a spec means in work: stages, processes, trials, files, CPU hours, memory, wall time.

    Also what DAGMan will feel, and the largest significance that can be quoted without extrapolating.

    Parameters
    ----------
    spec : str
        The YAML file of the analysis.
    slots : int
        Slots (cores) for the estimate of the wall time.
    json : bool
        Print JSON, for programs.

    Examples
    --------
    dagmaker plan analysis.yaml --slots=1000
    """
    from dagmaker import cost, plan_text
    from dagmaker import plan as plans

    loaded = _load(spec)
    made = plans.make(loaded, "")
    total = cost.estimate(made, loaded, slots)
    if json:
        _print_json({"name": made.name, **total.as_json()})
    else:
        print("\n".join(plan_text.lines(made, total, loaded.goal)))
    return 0


def build(*, spec: str, run: str, dot: bool = False) -> int:
    """Write a run directory: frozen spec, plan, DAG and submit files. The same again changes nothing.

    Then `condor_submit_dag DIR/analysis.dag` runs it on a pool, and `dagmaker run SPEC --run=DIR` here. HTCondor's
    own checkers read what was written, where they are installed.

    Parameters
    ----------
    spec : str
        The YAML file of the analysis.
    run : str
        The run directory; made if it is not there.
    dot : bool
        Let DAGMan draw the DAG: DIR/analysis.dot, for Graphviz.

    Examples
    --------
    dagmaker build analysis.yaml --run=runs/example
    """
    from dagmaker import dag_check
    from dagmaker.build import build as make

    built = make(_load(spec), Path(run), dot)
    for line in (*built.notes, *dag_check.verdicts(built.run)):
        print(line)
    print(
        f"{built.run}: {built.plan.n_processes:,} processes; {built.changed} files written, {built.same} as they were\n"
        f"on a pool: dagmaker submit {built.run}        (or condor_submit_dag {built.run}/analysis.dag)\n"
        f"here:      dagmaker run {spec} --run={run} --jobs=2"
    )
    return 0


def run(*, spec: str, run: str, jobs: int = 1) -> int:
    """Build and run on this machine, with progress. Stopped or killed, the same command goes on from there.

    Parameters
    ----------
    spec : str
        The YAML file of the analysis.
    run : str
        The run directory; made if it is not there.
    jobs : int
        Worker processes, one core each.

    Examples
    --------
    dagmaker run analysis.yaml --run=runs/example --jobs=2
    """
    from dagmaker.run import run as run_here

    return run_here(_load(spec), Path(run), jobs)


def data_fetch(*, name: str, output: str, base_url: str = "https://dataverse.harvard.edu") -> int:
    """Download a published data release (typed `dagmaker data fetch NAME`); stopped, the same command goes on.

    Its files and their checksums are asked of the Dataverse where it is published; each is checked, and appears under
    its name only when it is whole. Archives are unpacked. Prints the `data` section that reads the release.

    Parameters
    ----------
    name : str
        icetracks_10yr, icetracks_14yr (latest version), icetracks_14yr_v1, icetracks_14yr_v2, or any doi:10.xxxx/...
    output : str
        Folder to download to; made if it is not there.
    base_url : str
        Another Dataverse, or a mirror.

    Examples
    --------
    dagmaker data fetch icetracks_14yr_v1 --output=data/icetracks
    """
    from dagmaker.fetch import fetch

    return fetch(name, Path(output), base_url)


def schema() -> int:
    """Print the JSON Schema of the spec, for editors that complete and check YAML.

    Examples
    --------
    dagmaker schema > analysis.schema.json
    """
    from worker.specfile import json_schema

    _print_json(json_schema())
    return 0


def _load(spec: str) -> Any:
    from worker.specfile import load

    return load(spec)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


COMMANDS: dict[str, Callable[..., int]] = {
    command.__name__: command
    for command in (
        check,
        pilot,
        plan,
        build,
        run,
        submit,
        status,
        efficiency,
        repair,
        abort,
        verify_plan,
        review,
        unblind,
        diff,
        data_fetch,
        schema,
    )
}

POSITIONAL = {
    **dict.fromkeys(("check", "pilot", "plan", "build", "run"), ("spec",)),
    "diff": ("a", "b"),
    "data_fetch": ("name",),
    **dict.fromkeys(
        ("submit", "status", "efficiency", "repair", "abort", "verify_plan", "review", "unblind"), ("run",)
    ),
}
