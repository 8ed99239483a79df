"""Remove a DAG from the queue and wait until its processes are gone."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dagmaker.htcondor import dagjob, schedd
from dagmaker.htcondor.rounds import read_plan
from worker.base import shell
from worker.base.errors import InputError, StoppedError

LOOK_EVERY_S = 0.5


class Removed(NamedTuple):
    """A removed DAG, and its number of processes in the queue."""

    dag: str
    cluster: int
    processes: int


def abort(run: Path, timeout_s: float, say: Callable[[str], None]) -> list[Removed]:
    """Remove the DAGs of a run directory; `say` prints a line of progress.

    Raises
    ------
    InputError
        No schedd answers, or it refuses.
    StoppedError
        Some processes are still there after `timeout_s`.
    """
    run = run.absolute()
    read_plan(run)
    queue = schedd.connect()
    dags = schedd.dags(queue, run)
    if not dags:
        say(f"{run}: no DAG of this directory is in the queue")
        return []
    removed = []
    for dag in dags:
        _remove(queue, dag)
        n = max(schedd.jobs_of(queue, dag.cluster) - 1, 0)
        removed.append(Removed(dag.file, dag.cluster, n))
        say(f"{dag.file}: cluster {dag.cluster} is being removed, with {n:,} processes in the queue")
        _wait(queue, dag.cluster, timeout_s)
    repair = ["--repair"] if dags[-1].file == dagjob.REPAIR else []
    say(f"gone. What is finished is kept; to go on: {shell.dagmaker('submit', run, *repair)}")
    return removed


def _remove(queue: object, dag: schedd.InQueue) -> None:
    htcondor2 = schedd.bindings()
    try:
        queue.act(htcondor2.JobAction.Remove, f"ClusterId == {dag.cluster}", reason="dagmaker abort")  # type: ignore[attr-defined]
    except Exception as error:
        raise InputError(
            f"the schedd did not remove cluster {dag.cluster} ({error}); is it yours? by hand: condor_rm {dag.cluster}"
        ) from None


def _wait(queue: object, cluster: int, timeout_s: float) -> None:
    """Wait for DAGMan: it removes its processes, runs the report and writes a rescue file before it ends."""
    deadline = time.monotonic() + timeout_s
    while left := schedd.jobs_of(queue, cluster):
        if time.monotonic() > deadline:
            raise StoppedError(
                f"{left} processes of cluster {cluster} are still in the queue after {timeout_s:.0f} s; they are on "
                f"their way out: look again with condor_q, or force it with condor_rm -forcex {cluster}"
            )
        time.sleep(LOOK_EVERY_S)
