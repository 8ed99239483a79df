"""Queries of the schedd through the `htcondor2` bindings, which are imported when needed.

`ask` runs in another process with a timeout, so that `dagmaker status` never waits long for a slow schedd.
"""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dagmaker import interpreter
from dagmaker.htcondor import dagjob
from dagmaker.htcondor.dagjob import DagJob
from dagmaker.htcondor.eventlog import Hold
from dagmaker.htcondor.jobs import seconds
from worker.base.errors import InputError

TIMEOUT_S = 5.0
SETTLED_S = 5.0  # the schedd may not know a DAG that was submitted less than this before the query
MOST_IDLE = 20_000  # limit of a query, to spare a busy schedd
MOST_HELD = 1000
SCHEDULER_UNIVERSE = 7
STATES = {1: "idle", 2: "running", 3: "removed", 4: "done", 5: "held"}
_PROJECTION = [
    "ClusterId", "UserLog", "JobStatus", "DAG_NodesTotal", "DAG_NodesDone", "DAG_NodesFailed",
    "HoldReason",
]  # fmt: skip


class InQueue(NamedTuple):
    """A DAGMan job of a run directory, as the schedd knows it."""

    cluster: int
    state: str
    file: str
    nodes_total: int = 0
    nodes_done: int = 0
    nodes_failed: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Answer:
    """Answer of the schedd, or the problem.

    Attributes
    ----------
    ahead : int
        Idle processes in the queue that belong to other DAGs or other people.
    host : str
        Machine of the schedd.
    held : tuple of (cluster, process, Hold)
        Held processes; a log on a full or read-only disk lacks them.
    asked_at : float, s
        Time of the query, since 1970.
    """

    dags: tuple[InQueue, ...] = ()
    ahead: int = 0
    problem: str = ""
    host: str = ""
    held: tuple[tuple[int, int, Hold], ...] = ()
    asked_at: float = float("inf")

    def submitted_elsewhere(self, dag: DagJob) -> bool:
        """Whether a DAG was submitted on another machine."""
        return bool(dag.host and self.host and dag.host != self.host)

    def lost(self, dag: DagJob) -> bool:
        """Whether a DAG is in the queue according to its files, but not according to the schedd."""
        known = bool(self.problem or self.dags or self.submitted_elsewhere(dag))
        return dag.active and not known and seconds(dag.submitted) < self.asked_at - SETTLED_S


def bindings() -> Any:
    """The `htcondor2` module.

    Raises
    ------
    InputError
        It is not installed, or cannot be imported.
    """
    try:
        import htcondor2
    except Exception as error:  # a broken installation fails in many ways
        raise InputError(
            f"HTCondor's Python bindings (htcondor2) cannot be used: {type(error).__name__}: {error}; "
            "`pip install htcondor` where Linux runs, or use condor_submit_dag"
        ) from None
    return htcondor2


def connect() -> Any:
    """The schedd of this machine.

    Raises
    ------
    InputError
        There is none, or it does not answer.
    """
    config = os.environ.get("CONDOR_CONFIG", "not set")  # the bindings change it
    htcondor2 = bindings()
    try:
        schedd = htcondor2.Schedd()
        schedd.query(constraint="false", projection=["ClusterId"], limit=1)
    except Exception as error:
        message = str(error).strip().rstrip(".") or type(error).__name__
        raise InputError(
            f"no HTCondor schedd answers here ({message}, CONDOR_CONFIG is {config}); "
            "go to a submit node of your pool, or run it on this machine with `dagmaker run`"
        ) from None
    return schedd


def dags(schedd: Any, run: Path) -> tuple[InQueue, ...]:
    """DAGMan jobs of a run directory in the queue; paths are resolved before comparison."""
    files = {os.path.realpath(run / f"{file}.dagman.log"): file for file in dagjob.FILES}
    ads = schedd.query(constraint=f"JobUniverse == {SCHEDULER_UNIVERSE}", projection=_PROJECTION)
    return tuple(
        InQueue(
            int(ad["ClusterId"]), STATES.get(int(ad["JobStatus"]), "?"), file, int(ad.get("DAG_NodesTotal", 0)),
            int(ad.get("DAG_NodesDone", 0)), int(ad.get("DAG_NodesFailed", 0)), str(ad.get("HoldReason", "")),
        )
        for ad in ads
        if (file := files.get(os.path.realpath(ad.get("UserLog", "")))) and int(ad["JobStatus"]) != 4
    )  # fmt: skip


def host(schedd: Any) -> str:
    """Machine of a schedd, as in event logs; empty if its address has no name."""
    found = re.search(r"alias=([^&>\s]+)", str(getattr(schedd, "_addr", "")))
    return found[1] if found else ""


def has_jobs_in(schedd: Any, run: Path) -> bool:
    """Whether any process in the queue works in a run directory, of any DAG."""
    names = {str(run), os.path.realpath(run)}
    constraint = " || ".join(f"Iwd == {json.dumps(name, ensure_ascii=False)}" for name in sorted(names))
    return bool(schedd.query(constraint=constraint, projection=["ClusterId"], limit=1))


def jobs_of(schedd: Any, cluster: int) -> int:
    """Number of processes of a DAG in the queue, with DAGMan itself and the DAGs of rounds."""
    of_any = " || ".join(f"ClusterId == {n} || DAGManJobId == {n}" for n in sorted(_dag_clusters(schedd, cluster)))
    return len(schedd.query(constraint=of_any, projection=["ClusterId"]))


def _dag_clusters(schedd: Any, cluster: int) -> set[int]:
    """Clusters of a DAG and of the DAGs of its rounds."""
    rounds = schedd.query(constraint=f"JobUniverse == {SCHEDULER_UNIVERSE}", projection=["ClusterId", "DAGManJobId"])
    return {cluster, *(int(ad["ClusterId"]) for ad in rounds if ad.get("DAGManJobId") == cluster)}


def ask(run: Path, timeout_s: float = TIMEOUT_S) -> Answer:
    """State of a run directory in the queue, within `timeout_s`; problems are reported in the answer."""
    command = [interpreter.python(), "-m", "dagmaker.htcondor.schedd", str(run)]
    begin = time.time()
    try:
        process = subprocess.run(
            command, env=interpreter.environment(), capture_output=True, text=True, timeout=timeout_s, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Answer(problem=f"no answer within {timeout_s:g} s")
    try:
        raw = json.loads(process.stdout)
    except ValueError:
        return Answer(problem=(process.stderr.strip().splitlines() or ["no answer"])[-1])
    held = tuple((cluster, process, Hold(*why)) for cluster, process, why in raw["held"])
    return Answer(tuple(InQueue(*dag) for dag in raw["dags"]), raw["ahead"], raw["problem"], raw["host"], held, begin)


def _held(schedd: Any, own_dags: tuple[InQueue, ...]) -> list[tuple[int, int, Hold]]:
    names = {"ClusterId", "ProcId", "HoldReasonCode", "HoldReasonSubCode", "HoldReason"}
    clusters = sorted(number for dag in own_dags for number in _dag_clusters(schedd, dag.cluster))
    dags = " || ".join(f"DAGManJobId == {number}" for number in clusters)
    ads = schedd.query(constraint=f"JobStatus == 5 && ({dags or 'false'})", projection=sorted(names), limit=MOST_HELD)
    return [
        (
            int(ad["ClusterId"]),
            int(ad["ProcId"]),
            Hold(int(ad.get("HoldReasonCode", 0)), int(ad.get("HoldReasonSubCode", 0)), str(ad.get("HoldReason", ""))),
        )
        for ad in ads
    ]


def _answer(run: Path) -> dict[str, Any]:
    try:
        schedd = connect()
        own_dags = dags(schedd, run)
        others = " && ".join(f"DAGManJobId =!= {dag.cluster}" for dag in own_dags) or "true"
        idle = schedd.query(constraint=f"JobStatus == 1 && ({others})", projection=["ClusterId"], limit=MOST_IDLE)
        held = _held(schedd, own_dags)
        return {"dags": own_dags, "ahead": len(idle), "problem": "", "host": host(schedd), "held": held}
    except InputError as error:
        return {"dags": (), "ahead": 0, "problem": str(error).partition(";")[0], "host": "", "held": ()}


if __name__ == "__main__":
    print(json.dumps(_answer(Path(sys.argv[1]))))
