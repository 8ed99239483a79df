"""Check a run directory and submit its DAG to HTCondor."""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from dagmaker import lock
from dagmaker.htcondor import build_record, completion, dag_check, dagjob, queued, render, schedd, submitfile
from dagmaker.htcondor.rounds import read_plan
from dagmaker.plan import sites
from worker.base import shell
from worker.base.errors import InputError
from worker.base.reading import file_bytes
from worker.rundir import layout
from worker.spec import specfile

SHOWN = 5


class Job(NamedTuple):
    """A JOB or FINAL line of a DAG file, with its VARS."""

    node: str
    submit_file: Path
    variables: dict[str, str]


class Submitted(NamedTuple):
    """Result of `submit`.

    Attributes
    ----------
    cluster : int or None
        DAGMan's cluster; None if the run is complete and nothing was submitted.
    notes : tuple of str
        Notes of the checks.
    """

    run: str
    dag: str
    cluster: int | None
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """Text for the terminal."""
        if self.cluster is None:
            repair = shell.dagmaker("repair", self.run)
            return [*self.notes, f"{self.run}: complete: nothing to submit; `{repair}` also checks every file"]
        watch = shell.dagmaker("status", self.run, "--watch")
        return [
            *self.notes,
            f"{self.dag}: submitted, cluster {self.cluster}",
            f"watch:  {watch}      (or condor_q {self.cluster}, condor_q -dag -nobatch)",
            f"stop:   {shell.dagmaker('abort', self.run)}               (or condor_rm {self.cluster})",
        ]


def submit(run: Path, file: str) -> Submitted:
    """Check and submit.

    Parameters
    ----------
    file : str
        ``analysis.dag`` or ``repair.dag``.

    Raises
    ------
    InputError
        A file is missing or wrong, or no schedd answers.
    RefusedError
        A DAG or command already works in the directory.
    """
    run = run.absolute()
    plan = read_plan(run)
    verdicts = check(run, file, plan.spec_digest)
    with lock.held(run):
        queue = schedd.connect()
        queued.refuse_in_queue(run, queue, "submitted again")
        if file in dagjob.FILES and completion.complete(run, plan):
            return Submitted(str(run), file, None, tuple(verdicts))
        notes = (*verdicts, *_unlock(queue, run, file), *_hint(run, file))
        cluster = _submit(queue, run, file)
    return Submitted(str(run), file, cluster, notes)


def _unlock(queue: Any, run: Path, file: str) -> Iterator[str]:
    """Remove the lock file of a DAGMan that ended without removing it (it was killed, or its queue was lost).

    With this file the next DAGMan starts in recovery mode: it fails on the removed processes, or waits for processes
    that are in no queue. If processes of the directory are still in the queue, recovery mode is right.
    """
    lock_file = run / f"{file}.lock"
    if lock_file.exists() and not schedd.has_jobs_in(queue, run):
        last = dagjob.read(run, file)
        owner = f"DAGMan (cluster {last.cluster})" if last else "a DAGMan that is gone"
        lock_file.unlink()
        yield f"{lock_file.name}: removed; {owner} left it, and the queue has nothing of this directory"


def _hint(run: Path, file: str) -> list[str]:
    """Advice to repair instead, if processes cannot see that their outputs exist."""
    again = file == str(layout.DAG) and any(run.glob(f"{file}.rescue[0-9]*"))
    if not again or not build_record.read(run).site.transfer:
        return []
    return [
        f"{file}: files travel with these jobs, so a node that failed runs all of its processes again; "
        f"`{shell.dagmaker('repair', run)}` runs only what is missing"
    ]


def check(run: Path, file: str, spec_digest: str) -> list[str]:
    """Check spec, paths and files of a DAG before HTCondor is asked; notes of HTCondor's checkers.

    Raises
    ------
    InputError
        The message names missing and changed files, and the cure.
    """
    _check_spec(run, spec_digest)
    _check_place(run)
    jobs = list(_jobs(run / file))
    problems = [*_missing_files(jobs), *_unwritable(run, jobs)] if jobs else ["it has no node"]
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:SHOWN])
        more = f"\n  and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        cure = shell.dagmaker("repair" if file == dagjob.REPAIR else "restore", run)
        raise InputError(f"{run / file}: cannot be submitted; `{cure}` writes it again:\n{shown}{more}")
    return list(dag_check.verdicts(run))


def _check_spec(run: Path, digest: str) -> None:
    spec = run / layout.SPEC
    cure = (
        f"`{shell.dagmaker('restore', run)}` puts it back as it was built; for another analysis edit "
        f"your own spec and `{shell.dagmaker('build', 'SPEC', f'--run={run}')}` again"
    )
    try:
        current = specfile.text_digest(file_bytes(spec).decode())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{spec}: cannot be read ({error}); {cure}") from None
    if current != digest:
        raise InputError(f"{spec}: was changed since the run was built, and every process would refuse it; {cure}")


def _check_place(run: Path) -> None:
    """Raise if the DAG was built for another directory, or DAGMan cannot use the path."""
    record = build_record.read(run)
    if why := render.path_problem(PurePosixPath(run), record.site):
        local = shell.dagmaker("run", run / layout.SPEC, f"--run={run}")
        raise InputError(f"{why}; or go on here: `{local}`")
    again = shell.dagmaker("build", run / layout.SPEC, f"--run={run}")
    if os.path.realpath(record.place.run) != os.path.realpath(run):
        raise InputError(f"{run}: was built as {record.place.run}, where its DAG works; `{again}` writes it for here")


def _jobs(dag: Path) -> Iterator[Job]:
    """The nodes of one of our DAG files."""
    cure = shell.dagmaker("repair" if dag.name == dagjob.REPAIR else "restore", dag.parent)
    try:
        lines = file_bytes(dag).decode().splitlines()
    except FileNotFoundError:
        raise InputError(f"{dag}: there is no such DAG; `{cure}` writes it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{dag}: cannot be read ({error}); remove it, `{cure}` writes it again") from None
    files: dict[str, Path] = {}
    for line in lines:
        keyword, node, rest = (*line.split(" ", 2), "", "")[:3]
        if keyword in ("JOB", "FINAL"):
            files[node] = dag.parent / rest.partition(" ")[0]
        elif keyword == "VARS" and node in files:
            yield Job(node, files[node], _variables(rest))


def _variables(text: str) -> dict[str, str]:
    pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', text)
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in pairs}


def _missing_files(jobs: list[Job]) -> Iterator[str]:
    for file in dict.fromkeys(job.submit_file for job in jobs):
        if not file.is_file():
            yield f"{file}: this submit file is missing"
    for job in jobs:
        batch = Path(job.variables.get("batch", ""))
        if not batch.is_file() or not batch.stat().st_size:
            yield f"{batch}: the list of processes of {job.node} is missing or empty"


def _unwritable(run: Path, jobs: list[Job]) -> Iterator[str]:
    """Make the folders that HTCondor writes to; one message for each that cannot be made or written."""
    folders: dict[Path, None] = {}
    for file in dict.fromkeys(job.submit_file for job in jobs):
        log = submitfile.read(run, file.stem).log
        if log is not None:
            folders[log.parent] = None
    for job in jobs:
        error = submitfile.read(run, job.submit_file.stem).error_file(job.node, 0)
        if error is not None:
            folders[error.parent] = None
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            yield f"{folder}: cannot be made: {error.strerror}"
            continue
        if not os.access(folder, os.W_OK):
            yield f"{folder}: cannot be written"


def _accounting_group(run: Path) -> str | None:
    spec = specfile.load_resolved(run / layout.SPEC)
    return sites.with_accounting_group(build_record.read(run).site, spec).accounting_group


def _submit(queue: Any, run: Path, file: str) -> int:
    """Write FILE.condor.sub and submit it, as `condor_submit_dag -update_submit` does; DAGMan's cluster.

    With this option a submission succeeds although files of an earlier one exist, and its logs are continued.
    """
    htcondor2 = schedd.bindings()
    try:
        description = htcondor2.Submit.from_dag(str(run / file), {"UpdateSubmit": True})
        description["initialdir"] = str(run)
        if group := _accounting_group(run):
            description["accounting_group"] = group
        return int(queue.submit(description).cluster())
    except Exception as error:
        raise InputError(
            f"{run / file}: HTCondor refuses it: {str(error).strip() or type(error).__name__}; "
            f"by hand: {shell.command('condor_submit_dag', '-update_submit', run / file)}"
        ) from None
