"""Commands: arguments and help texts. Their modules are imported when a command is called."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from dagmaker.commands.files import data_fetch, init, schema
from dagmaker.commands.planning import efficiency, pilot
from dagmaker.commands.review import diff, review, unblind, verify_plan
from dagmaker.commands.run import abort, repair, restore, round, status, submit  # noqa: A004 (the command's name)
from dagmaker.result import Result
from worker.base.argument import Argument, Changes, From, Jobs, NewRun, Spec
from worker.base.errors import SpecError


def check(
    *,
    spec: Spec,
    set_: Changes = (),
    engine: Annotated[
        bool,
        Argument("Load the engine too, and try whether it is as deterministic as it says (seconds; for plug-ins)."),
    ] = False,
) -> Result:
    """Check a spec: every problem at once, each with its place in the file and the cure.

    Returns
    -------
    spec, name, data : str
        File, name of the analysis, format of its data.
    decs_deg : list of float, deg
        The background grid.
    points : int
        Number of points with trials: declinations, or those that the spec lists.
    sources, processes : int
        Sources that were read: 0 if the whole sky is scanned.
    takes : list of str
        Seasons that use the response or simulation of another season.
    notes : list of str
        Allowed settings that are worth a second look.
    engine : list of {verdict, what, found}
        What --engine found; empty without it.

    Examples
    --------
    dagmaker check analysis.yaml
    """
    from dagmaker.plan import plan, sites
    from worker.spec.specfile import load, taken

    loaded = load(spec, set_)
    sites.load(loaded.site)
    work = plan.make(loaded, "")
    decs, sources = loaded.background.decs, getattr(loaded.scan, "entries", ())
    head = {"spec": spec, "name": loaded.name, "data": loaded.data.format, "decs_deg": decs, "sources": len(sources)}
    head |= {"points": len(loaded.all_points)}
    line = (
        f"{spec}: good: {loaded.name}, {_made_from(loaded)}, {_sky_area(sources)}{loaded.hypothesis.words(loaded)}, "
        f"{work.n_processes:,} processes"
    )
    takes, notes = taken(loaded), loaded.notes
    lines = [line, *(f"data: {t}" for t in takes), *(f"{spec}: note: {note}" for note in notes)]
    document = {**head, "processes": work.n_processes, "takes": takes, "notes": notes, "engine": []}
    if engine and set_:
        raise SpecError("--engine: reads the file itself, without --set; write the change into the file")
    if not engine:
        return Result(document, lines)
    from dagmaker.review import engine_check

    findings = engine_check.findings(spec)
    return Result({**document, "engine": [one._asdict() for one in findings]}, [*lines, *engine_check.lines(findings)])


def _made_from(spec: Any) -> str:
    """The data, or the plug-in that has its own."""
    return f"plug-in {spec.engine.label}" if spec.engine.kind == "plugin" else f"{spec.data.format} data"


def _sky_area(sources: Any) -> str:
    """Number and area of the sources: coordinates in hours or radians are noticed at once."""
    if not sources:
        return ""
    ra, dec = sorted(s.ra_deg for s in sources), sorted(s.dec_deg for s in sources)
    where = f"ra {ra[0]:g} to {ra[-1]:g}, dec {dec[0]:g} to {dec[-1]:g} deg"
    return f"{len(sources):,} source{'s' if len(sources) > 1 else ''} ({where}), "


def plan(
    *,
    spec: Annotated[str, Argument("The YAML file of the analysis, or a run directory.", "analysis.yaml")],
    set_: Changes = (),
    slots: Annotated[int, Argument("Slots (cores) for the estimate of the wall time.", "1000", 1, 10**6, "slots")] = 2,
) -> Result:
    """Show the work of a spec: stages, processes, trials, files, CPU hours, memory, wall time.

    Also the load on DAGMan, and the largest significance that can be quoted without extrapolation.

    Returns
    -------
    name : str
    processes, dag_nodes, slots : int
    stages : list of {task, processes, trials, files, files_per_folder, cpu_h, longest_s, memory_mb, request_mb}
    cpu_h, here_cpu_h, wall_h : float, h
        CPU time on a pool, where every process starts anew; CPU time with `dagmaker run`, whose workers start once;
        wall time on the slots.
    submit_s : float, s
        Time until DAGMan has submitted the last node.
    local_sigma, fitted_sigma, post_trial_sigma : float
        Largest significances: with ten background trials above, with the fit, and post-trial.
    post_trial_p, sensitivity_error : float
        Smallest post-trial p-value; relative error of a sensitivity.
    quotable : object
        Numbers of trials that limit the significances.
    measured : str
        Processor of the pilot; empty without a pilot.
    warnings : list of str
    rounds : list of str
        Largest work that rounds of an adaptive analysis may add.

    Examples
    --------
    dagmaker plan analysis.yaml --slots=1000
    """
    from dagmaker import columns
    from dagmaker.cost import cost, plan_text
    from dagmaker.plan import plan as plans
    from dagmaker.review.verify_plan import frozen_spec
    from worker.spec.specfile import load

    if Path(spec).is_dir() and set_:
        raise SpecError(f"--set: {spec} is a run, whose spec is frozen; write the path of a spec")
    loaded = frozen_spec(Path(spec)) if Path(spec).is_dir() else load(spec, set_)
    work = plans.make(loaded, "")
    total = cost.estimate(work, loaded, slots)
    lines = plan_text.lines(work, total, loaded.goal, columns.terminal_width())
    return Result({"name": work.name, **total.as_json()}, lines)


def build(
    *,
    spec: Spec,
    run: NewRun,
    set_: Changes = (),
    from_: From = None,
    dot: Annotated[bool, Argument("Let DAGMan draw the DAG: DIR/analysis.dot, for Graphviz.")] = False,
) -> Result:
    """Write a run directory: frozen spec, plan, DAG and submit files. The same again changes nothing.

    Then `condor_submit_dag DIR/analysis.dag` runs it on a pool, and `dagmaker run SPEC --run=DIR` here. HTCondor's
    own checkers read the files, if they are installed.

    Returns
    -------
    name, run : str
        The analysis, and its directory.
    processes, written, unchanged : int
        Processes of the plan; files that were written, and files that were up to date.
    notes : list of str
        Submit commands that the pool does not know, and results of HTCondor's checkers.

    Examples
    --------
    dagmaker build analysis.yaml --run=runs/example
    """
    from dagmaker.htcondor import dag_check
    from dagmaker.htcondor.build import build as make
    from dagmaker.local import takeover
    from worker.base import shell
    from worker.rundir import layout
    from worker.spec.specfile import load

    built = make(load(spec, set_), Path(run), dot)
    taken = takeover.take_over(built.run, Path(from_)) if from_ else []
    notes = [*built.notes, *dag_check.verdicts(built.run), *taken]
    document = {"name": built.plan.name, "run": built.run, "processes": built.plan.n_processes}
    lines = [
        *notes,
        f"{built.run}: {built.plan.n_processes:,} processes; {built.changed} files written, {built.same} as they were",
        f"on a pool: {shell.dagmaker('submit', built.run)}        "
        f"(or {shell.command('condor_submit_dag', built.run / layout.DAG)})",
        f"here:      {shell.dagmaker('run', spec, f'--run={run}', *(f'--set={c}' for c in set_), '--jobs=2')}",
    ]
    return Result({**document, "written": built.changed, "unchanged": built.same, "notes": notes}, lines)


def run(*, spec: Spec, run: NewRun, set_: Changes = (), from_: From = None, jobs: Jobs = 1) -> Result:
    """Build and run on this machine, with progress. After a stop or kill the same command continues.

    Returns
    -------
    name, run : str
        The analysis, and its directory.
    failed : list of {node, position, argv, exit_code, cause, said, log}
        Processes that failed for good.
    not_started : list of str
        Nodes that need a failed one.
    summary : object or null
        RUN/results/summary.json, if nothing failed.

    Examples
    --------
    dagmaker run analysis.yaml --run=runs/example --jobs=2
    """
    from dagmaker.local.run import run as run_here
    from worker.spec.specfile import load

    return run_here(load(spec, set_), Path(run), jobs, None if from_ is None else Path(from_))


def completion(*, shell: Annotated[str, Argument("bash, zsh or fish.", "bash")]) -> Result:
    """Print a script with which a shell completes commands, flags and files.

    Returns
    -------
    shell, script : str

    Examples
    --------
    source <(dagmaker completion bash)
    """
    from dagmaker.commands import shells

    lines = shells.script(shell, COMMANDS)
    return Result({"shell": shell, "script": "\n".join(lines) + "\n"}, lines)


COMMANDS: dict[str, Callable[..., Result]] = {
    command.__name__: command
    for command in (
        init, check, pilot, plan, build, run, submit, round, status, efficiency, repair, restore, abort, verify_plan,
        review, unblind, diff, data_fetch, schema, completion,
    )
}  # fmt: skip

POSITIONAL = {
    **dict.fromkeys(("check", "pilot", "plan", "build", "run"), ("spec",)),
    "diff": ("a", "b"),
    "init": ("kind",),
    "data_fetch": ("name",),
    "completion": ("shell",),
    **dict.fromkeys(
        ("submit", "round", "status", "efficiency", "repair", "restore", "abort", "verify_plan", "review", "unblind"),
        ("run",),
    ),
}
