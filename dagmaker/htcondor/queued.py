"""Whether a DAG of a run directory is in the queue: what would disturb it is refused."""

from pathlib import Path
from typing import Any

from dagmaker.htcondor import dagjob, schedd
from dagmaker.htcondor.dagjob import DagJob
from worker.base import shell
from worker.base.errors import InputError, RefusedError


def refuse(run: Path, does: str) -> None:
    """Raise if a DAG of this directory is in the queue: by the schedd's word, or by its files where none answers.

    Parameters
    ----------
    does : str
        What cannot be done meanwhile.

    Raises
    ------
    RefusedError
        With the DAG's cluster, and the command that takes it out.
    """
    dags = dagjob.all_of(run)
    if not dags:
        return  # never submitted: no schedd need be asked
    try:
        queue = schedd.connect()
    except InputError as error:
        _refuse_by_files(run, dags, does, str(error).partition(";")[0])
    else:
        refuse_known(run, queue, does)


def refuse_known(run: Path, queue: Any, does: str) -> None:
    """Raise if a DAG of this directory is in the queue of a schedd that answers, or in that of another submit node.

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
            f"`{shell.dagmaker('abort', run)}` takes it out. Meanwhile the directory cannot be {does}"
        )
    here = schedd.host(queue)
    for job in dagjob.all_of(run):
        if job.active and job.host and here and job.host != here:
            _refuse_by_files(run, (job,), does, f"it was submitted on {job.host}, and this is {here}")


def _refuse_by_files(run: Path, dags: tuple[DagJob, ...], does: str, why: str) -> None:
    for dag in dags:
        if dag.active:
            log = run / f"{dag.file}.dagman.log"
            raise RefusedError(
                f"{run}: by {log.name} cluster {dag.cluster} is in the queue ({dag.state}), and {why}: meanwhile the "
                f"directory cannot be {does}. On its submit node, `{shell.dagmaker('abort', run)}` takes it out; "
                f"if that pool is gone for good, remove {log}"
            )
