"""A plan as text: `{path in the run directory: text}`, nothing written. The same input gives the same bytes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from dagmaker import clusters, interpreter, plan, render_dag, templates
from dagmaker.plan import Plan
from dagmaker.quote import argument, submit_value
from dagmaker.sites import Site
from worker import layout
from worker.spec import Resources

NEVER_RETRIED = (2, 3, 4)
THREADS = ("MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Place:
    """Where a run lies and what starts its jobs.

    Attributes
    ----------
    run : PurePosixPath
        The run directory, absolute.
    python : str
        Absolute path of the interpreter: a job has no PATH.
    import_path : str or None
        Folder of the packages where they are not installed.
    """

    run: PurePosixPath
    python: str
    import_path: str | None = None


def here(run: PurePosixPath) -> Place:
    """Place of a run directory, with this interpreter."""
    return Place(run, interpreter.python(), interpreter.import_path())


def _environment(place: Place) -> Iterator[str]:
    yield "PATH=/usr/local/bin:/usr/bin:/bin"
    if place.import_path:
        yield f"PYTHONPATH={place.import_path}"
    yield "MPLBACKEND=Agg"
    yield from (f"{name}=1" for name in THREADS)


def log_dir(site: Site, run: PurePosixPath) -> PurePosixPath:
    """Folder of the event logs: its own for every run directory, since sites share one disk among runs."""
    if site.log_dir is None:
        return run / "logs"
    tag = hashlib.sha256(str(run).encode()).hexdigest()[:8]
    return PurePosixPath(site.log_dir) / f"{run.name}-{tag}"


def _submit(task: str, many: bool, name: str, *, resources: Resources, site: Site, place: Place) -> str:
    run = str(place.run)
    return templates.render(
        (f"{task}.sub.j2", "default.sub.j2"),
        task=task,
        many=many,
        name=name,
        site=site,
        resources=resources,
        python=submit_value(place.python),
        run=argument("." if site.transfer else run),
        run_dir=submit_value(run),
        initial_dir=submit_value(run),
        log_dir=submit_value(str(log_dir(site, place.run))),
        environment=" ".join(argument(item) for item in _environment(place)),
        never_retried=NEVER_RETRIED,
        retry_until=" || ".join(f"ExitCode =?= {code}" for code in NEVER_RETRIED),
    )


def files(p: Plan, resources: Resources, site: Site, place: Place, resolved_spec: str) -> Iterator[tuple[str, str]]:
    """Every file of a run directory that `build` writes, the DAG last."""
    packed = clusters.make(p)
    many = {cluster.task for cluster in packed.clusters if len(cluster.lines) > 1}
    yield str(layout.SPEC), resolved_spec
    yield str(layout.PLAN), plan.write(p)
    for task in p.tasks():
        yield f"{task}.sub", _submit(task, task in many, p.name, resources=resources, site=site, place=place)
    for cluster in packed.clusters:
        yield str(render_dag.batch_file(PurePosixPath(), cluster.name)), "\n".join(cluster.lines) + "\n"
    values = {"site": site, "log_dir": str(log_dir(site, place.run))}
    yield "dagman.config", templates.render(("dagman.config.j2",), **values)
    yield str(layout.DAG), "\n".join(render_dag.lines(p, packed, site, place.run)) + "\n"
