"""Refuse commands that would disturb a DAG in the queue."""

from pathlib import Path
from typing import Any

from dagmaker.htcondor import dagjob, schedd
from dagmaker.htcondor.dagjob import DagJob
from worker.base import shell
from worker.base.errors import InputError, RefusedError


def refuse(run: Path, action: str) -> None:
    """Raise if a DAG of this directory is in the queue, according to the schedd, or to its files if no schedd answers.

    Parameters
    ----------
    action : str
        What is refused meanwhile, for the message.

    Raises
    ------
    RefusedError
        With the DAG's cluster, and the command that removes it.
    """
    dags = dagjob.last_submissions(run)
    if not dags:
        return  # never submitted
    try:
        queue = schedd.connect()
    except InputError as error:
        _refuse_by_files(run, dags, action, str(error).partition(";")[0])
    else:
        refuse_in_queue(run, queue, action)


def refuse_in_queue(run: Path, queue: Any, action: str) -> None:
    """Raise if a DAG of this directory is in the queue of this schedd or of another submit node.

    Raises
    ------
    RefusedError
        As `refuse`.
    """
    for dag in schedd.dags(queue, run):
        how = {
            "held": f"held ({dag.reason}): condor_release {dag.cluster}",
            "removed": "being removed: wait for its end",
        }.get(dag.state, f"{dag.state}: watch it with `{shell.dagmaker('status', run, '--watch')}`")
        raise RefusedError(
            f"{run}: {dag.file} is in the queue already, cluster {dag.cluster}, {how}; "
            f"`{shell.dagmaker('abort', run)}` takes it out. Meanwhile the directory cannot be {action}"
        )
    own_host = schedd.host(queue)
    for job in dagjob.last_submissions(run):
        if job.active and job.host and own_host and job.host != own_host:
            _refuse_by_files(run, (job,), action, f"it was submitted on {job.host}, and this is {own_host}")


def _refuse_by_files(run: Path, dags: tuple[DagJob, ...], action: str, why: str) -> None:
    for dag in dags:
        if dag.active:
            log = run / f"{dag.file}.dagman.log"
            raise RefusedError(
                f"{run}: by {log.name} cluster {dag.cluster} is in the queue ({dag.state}), and {why}: meanwhile the "
                f"directory cannot be {action}. On its submit node, `{shell.dagmaker('abort', run)}` takes it out; "
                f"if that pool is gone for good, remove {log}"
            )
