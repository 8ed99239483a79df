"""Render a plan as (path in the run directory, text) pairs; the same input gives the same bytes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from dagmaker import interpreter
from dagmaker.cost import disk
from dagmaker.htcondor import job_environment, render_dag
from dagmaker.htcondor.quoting import argument, dag_path, list_item, submit_value
from dagmaker.plan import clusters, plan, sizing, templates
from dagmaker.plan.clusters import Clusters
from dagmaker.plan.plan import Plan
from dagmaker.plan.sites import Site, with_accounting_group
from worker.base.errors import EXIT_CODES, SpecError, StoppedError
from worker.base.task_rows import JUDGE, ROWS
from worker.rundir import layout
from worker.spec.sections import Spec
from worker.spec.task_resources import TaskResources

NEVER_RETRIED = (2, 3, 4)
SANDBOX = PurePosixPath("sandbox")  # folders that are sent with a job without a shared disk
SANDBOX_FOLDERS = ("partial", "trials")
INPUT_FILES = (layout.SPEC, layout.DATA, layout.record_name(layout.DATA))
TABLE_FILES = (layout.TABLES, layout.record_name(layout.TABLES))  # besides, of the engine of this package
PLUGIN_FILES = (layout.ENGINE, layout.ENGINE_FILES)  # besides, of a plug-in; its code is in the spec


@dataclass(frozen=True)
class Place:
    """Run directory and interpreter of its jobs.

    Attributes
    ----------
    run : PurePosixPath
        The run directory, absolute.
    python : str
        Absolute path of the interpreter: a job has no PATH.
    import_path : str or None
        Folder of the packages if they are not installed.
    """

    run: PurePosixPath
    python: str
    import_path: str | None = None


def local_place(run: PurePosixPath) -> Place:
    """A run directory on this machine, with this interpreter."""
    return Place(run, interpreter.python(), interpreter.import_path())


def log_dir(site: Site, run: PurePosixPath) -> PurePosixPath:
    """Folder of the event logs; every run has its own, since runs may share the site's `log_dir`."""
    if site.log_dir is None:
        return run / "logs"
    tag = hashlib.sha256(str(run).encode()).hexdigest()[:8]
    return PurePosixPath(site.log_dir) / f"{run.name}-{tag}"


def path_problem(run: PurePosixPath, site: Site) -> str:
    """Reason why HTCondor cannot use the path of a run directory; empty if it can."""
    try:
        dag_path(str(run))
        dag_path(str(log_dir(site, run)))
        if site.transfer:
            list_item(str(run))
    except SpecError as error:
        return str(error)
    return ""


def _transferred(run: PurePosixPath, spec: Spec) -> str:
    """Input files of a job without a shared disk.

    The sandbox has an absolute path, so that HTCondor transfers its content. It contains the head of plan.json, which
    is all that a worker reads, and empty folders: if an output folder is missing, HTCondor holds a failed process
    whatever its exit code is.
    """
    files = (*INPUT_FILES, *(PLUGIN_FILES if spec.engine.kind == "plugin" else TABLE_FILES))
    return ", ".join([*map(str, files), list_item(f"{run / SANDBOX}/")])


def _hold_reason() -> str:
    """ClassAd expression: the meaning of the exit code of a process that failed for good."""
    text = '"exit code unknown to dagmaker: see its error file"'
    for code in (*NEVER_RETRIED, 1):
        text = f'ifThenElse(ExitCode =?= {code}, "exit code {code}: {EXIT_CODES[code]}", {text})'
    return f'ifThenElse(ExitBySignal =?= True, "killed by a signal in every try", {text})'


def _refuse_on_submit_host(task: str, site: Site, own: TaskResources, local: bool) -> None:
    """Raise if a task on the submit host requests what only slots have."""
    for key in ("requirements", "container_image"):
        if local and getattr(own, key) is not None:
            raise SpecError(
                f"resources.tasks.{task}.{key}: at site {site.name} files travel with the jobs, so {task} runs on the "
                f"submit host and not in a slot; leave {key} out"
            )


def _commands(site: Site, own: TaskResources, local: bool) -> dict[str, str]:
    """Further submit commands. Requirements of task and site are joined, since only the last line would count."""
    if local:
        return dict(site.local_commands)
    commands = dict(site.commands)
    if own.requirements is None:
        return commands
    key = next((key for key in commands if key.lower() == "requirements"), "requirements")
    commands[key] = f"({commands[key]}) && ({own.requirements})" if key in commands else own.requirements
    return commands


def _submit_file(task: str, many: bool, p: Plan, *, spec: Spec, site: Site, place: Place) -> str:
    run = str(place.run)
    steps = ROWS[task].has_many_files
    resources, request = spec.resources, disk.request(p, spec, site, task)
    local, sandbox = site.transfer and not steps, site.transfer and steps
    own_interpreter = site.python is None or local
    own = sizing.of_task(spec, site, task)
    _refuse_on_submit_host(task, site, own, local)
    environment = job_environment.variables(
        Site(name=site.name) if local else site,
        place.run,
        import_path=place.import_path if own_interpreter else None,
        sandbox=sandbox,
        limit_hours=resources.time_limit_hours if steps else None,
    )
    return templates.render(
        (f"{task}.sub.j2", "default.sub.j2"),
        task=task, many=many, name=p.name, site=site, local=local, sandbox=sandbox, resources=resources,
        request=request,
        container_image=own.container_image or site.container_image,
        commands=_commands(site, own, local),
        gpu=resources.gpu and ROWS[task].on_device,
        max_memory_mb=max(min(site.max_memory_mb, resources.max_memory_mb or site.max_memory_mb), request.memory_mb),
        accounting_group=with_accounting_group(site, spec).accounting_group,
        python=submit_value(place.python if own_interpreter else str(site.python)),
        run=argument("." if sandbox else run), run_dir=submit_value(run), initial_dir=submit_value(run),
        log_dir=submit_value(str(log_dir(site, place.run))),
        environment=" ".join(argument(f"{key}={value}") for key, value in environment.items()),
        transfer_in=_transferred(place.run, spec) if sandbox else "",
        resumes=steps and resources.time_limit_hours is not None,
        stopped=StoppedError.exit_code, never_retried=NEVER_RETRIED,
        retry_until=" || ".join(f"ExitCode =?= {code}" for code in NEVER_RETRIED),
        hold_reason=_hold_reason(),
    )  # fmt: skip


def batches(packed: Clusters) -> Iterator[tuple[str, str]]:
    """The list of processes of every cluster."""
    for cluster in packed.clusters:
        yield str(render_dag.batch_file(PurePosixPath(), cluster.name)), "\n".join(cluster.lines) + "\n"


def files(
    p: Plan, spec: Spec, site: Site, place: Place, resolved_spec: str, dot: bool = False
) -> Iterator[tuple[str, str]]:
    """Every file that `build` writes, the DAG last; only spec and plan if DAGMan cannot use the path.

    `dot`: DAGMan draws the DAG.
    """
    packed = clusters.make(p)
    many = {cluster.task for cluster in packed.clusters if len(cluster.lines) > 1}
    yield str(layout.SPEC), resolved_spec
    yield str(layout.PLAN), plan.write(p)
    if path_problem(place.run, site):  # `dagmaker run` needs nothing else
        return
    if site.transfer:
        yield str(SANDBOX / layout.PLAN), plan.write(replace(p, nodes=()))
    for task in p.tasks():
        yield f"{task}.sub", _submit_file(task, task in many, p, spec=spec, site=site, place=place)
    yield from batches(packed)
    if JUDGE in p.tasks():
        yield str(render_dag.ROUND_SCRIPT), render_dag.script(str(place.run), place.python, place.import_path)
    values = {"site": site, "log_dir": str(log_dir(site, place.run))}
    yield "dagman.config", templates.render(("dagman.config.j2",), **values)
    yield (
        str(layout.DAG),
        "\n".join(render_dag.lines(p, packed, with_accounting_group(site, spec), place.run, dot)) + "\n",
    )
