"""The next command for the user: it cures the problems that `dagmaker status` found, or continues the run."""

import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dagmaker.htcondor import dagjob, holds
from dagmaker.htcondor.schedd import Answer
from worker.base import shell
from worker.base.shell import dagmaker
from worker.base.task_rows import REPORT
from worker.rundir import layout

if TYPE_CHECKING:
    from dagmaker.htcondor.dagjob import DagJob
    from dagmaker.status.causes import Cause, SpecRequest
    from dagmaker.status.status import Status

MOST_IDS = 12  # processes that are named one by one; of more only the clusters
STUCK_S = 1800.0  # idle time without running processes after which no machine seems to match


class Facts(NamedTuple):
    """Further facts that determine the next command.

    Attributes
    ----------
    edited : bool
        The frozen spec differs from the spec of the plan.
    all_outputs_exist : bool
    blocked : bool
        Files of another analysis, or folders, are at the paths of outputs.
    transfers : bool
        HTCondor transfers files: a node that is submitted again repeats finished processes.
    asked : SpecRequest
    """

    edited: bool
    all_outputs_exist: bool
    blocked: bool
    transfers: bool
    asked: "SpecRequest"


def command(status: "Status", facts: Facts, answer: Answer | None) -> str:
    """The next command, quoted for the shell; empty if the run is complete."""
    if status.complete:
        return ""
    if status.here:
        return dagmaker("status", status.run, "--watch")
    if not status.dags:
        return _never_submitted(status, facts)
    if facts.edited:
        again = "" if status.active or facts.all_outputs_exist else _submit(status, status.dags[-1])
        return _joined(dagmaker("restore", status.run), again)
    if status.active:
        return _in_queue(status, facts, answer)
    return _ended(status, facts)


def _joined(*commands: str) -> str:
    return " && ".join(command for command in commands if command)


def _submit(status: "Status", dag: "DagJob") -> str:
    return dagmaker("submit", status.run, *(["--repair"] if dag.file == dagjob.REPAIR else []))


def _repair(status: "Status", facts: Facts) -> str:
    """Repair and submit; blocking paths are moved aside."""
    aside = ["--set_aside"] if facts.blocked else []
    return _joined(dagmaker("repair", status.run, *aside), dagmaker("submit", status.run, "--repair"))


def _never_submitted(status: "Status", facts: Facts) -> str:
    if facts.edited:
        return dagmaker("restore", status.run)
    started = any(stage.done for stage in status.stages)
    if not started and shutil.which("condor_submit_dag") and Path(status.run, layout.DAG).is_file():
        return dagmaker("submit", status.run)
    return dagmaker("run", f"{status.run}/{layout.SPEC}", f"--run={status.run}")


def _in_queue(status: "Status", facts: Facts, answer: Answer | None) -> str:
    """Command for the DAGMan job, else for its processes."""
    dag = next(dag for dag in reversed(status.dags) if dag.active)
    state: str = dag.state
    if answer is not None and answer.submitted_elsewhere(dag):
        return shell.command("ssh", dag.host, dagmaker("status", status.run))
    if answer is not None and answer.dags:
        state = answer.dags[-1].state
    if state == "held":
        return f"condor_release {dag.cluster}"
    if state == "removed":
        return _joined(dagmaker("abort", status.run), _submit(status, dag))
    return _of_processes(status, facts, dag.cluster)


def _of_processes(status: "Status", facts: Facts, cluster: int) -> str:
    held = [cause for cause in status.causes if cause.kind == "held"]
    if held:
        return _held(status, facts, held)
    if hanging := [stage.longest.id for stage in status.stages if stage.longest is not None and stage.longest.hangs]:
        return f"condor_vacate_job -fast {' '.join(hanging)}"
    idle = sum(stage.idle for stage in status.stages)
    if idle and not any(stage.running for stage in status.stages) and (status.quiet_s or 0) > STUCK_S:
        return f"condor_q -better-analyze -constraint {shlex.quote(f'DAGManJobId == {cluster} && JobStatus == 1')}"
    return dagmaker("status", status.run, "--watch")


def _held(status: "Status", facts: Facts, held: Iterable["Cause"]) -> str:
    """Release held processes, with a larger request if it was too small; repair if an input is missing."""
    held = list(held)
    if any(cause.code in (3, 4) for cause in held):
        return _joined(dagmaker("abort", status.run), _repair(status, facts))
    edits = [edit for cause in held if (edit := _larger_request(cause, facts.asked))]
    return _joined(*edits, f"condor_release {_id_argument(id_ for cause in held for id_ in cause.ids)}")


def _larger_request(cause: "Cause", asked: "SpecRequest") -> str:
    """condor_qedit command: twice the larger of used and requested memory or disk; empty for other holds."""
    if cause.hold is None:
        return ""
    hold = cause.hold
    if holds.is_memory(hold):
        used, attribute, least = "MemoryUsage", "RequestMemory", 2 * asked.memory_mb
    elif holds.is_disk(hold):
        used, attribute, least = "DiskUsage", "RequestDisk", 2 * 1024 * (asked.disk_mb or 1000)
    else:
        return ""
    value = f"ifThenElse({used} is undefined, {least}, max({{{least}, 2 * {used}}}))"
    return f"condor_qedit {_id_argument(cause.ids)} {attribute} {shlex.quote(value)}"


def _id_argument(ids: Iterable[str]) -> str:
    """Process ids as an argument of HTCondor's tools."""
    pairs = sorted({tuple(map(int, text.split("."))) for text in ids})
    if len(pairs) == 1:
        return ".".join(map(str, pairs[0]))
    one_by_one = (f"(ClusterId == {cluster} && ProcId == {process})" for cluster, process in pairs)
    by_cluster = (f"(ClusterId == {cluster} && JobStatus == 5)" for cluster in sorted({pair[0] for pair in pairs}))
    return f"-constraint {shlex.quote(' || '.join(one_by_one if len(pairs) <= MOST_IDS else by_cluster))}"


def _ended(status: "Status", facts: Facts) -> str:
    kinds = {cause.kind for cause in status.causes}
    if "node" in kinds:
        return _joined(dagmaker("restore", status.run), _submit(status, status.dags[-1]))
    # The report ends with 4 if another process failed, with 3 if a file is damaged.
    broken = "lost" in kinds or any(
        cause.code == 3 or (cause.code == 4 and cause.task != REPORT) for cause in status.causes
    )
    if (broken or facts.transfers) and not facts.all_outputs_exist:
        return _repair(status, facts)
    return _submit(status, status.dags[-1])
