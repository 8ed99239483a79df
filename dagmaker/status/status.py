"""State of a run, from its files: plan, outputs, and HTCondor's logs."""

import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dagmaker import lock
from dagmaker.htcondor import build_record, completion, dagjob, submitfile
from dagmaker.htcondor.batches import Batches
from dagmaker.htcondor.dagjob import DagJob
from dagmaker.htcondor.jobs import Jobs, Tracker, seconds
from dagmaker.htcondor.rounds import read_plan
from dagmaker.htcondor.schedd import Answer
from dagmaker.plan.plan import Node, Plan
from dagmaker.plan.presence import Presence
from dagmaker.status import causes, next_step, problem_processes, unlogged_causes
from dagmaker.status.causes import Cause, Problem, SpecRequest
from dagmaker.status.next_step import Facts
from dagmaker.status.stages import StageStatus, stage_status
from worker.base.errors import InputError
from worker.base.reading import file_bytes
from worker.base.task_rows import JUDGE
from worker.rundir import layout
from worker.spec import specfile

NOT_AS_BUILT = "every process refuses it"


@dataclass(frozen=True)
class Status:
    """State of a whole run.

    Attributes
    ----------
    dags : tuple of DagJob
        Last submissions of the DAG and of its repair, the latest last; empty without submission.
    causes : tuple of Cause
        Causes of failed and held processes.
    last_event : str
        Local time of the newest event.
    dag_error : str
        DAGMan's last error message.
    waiting : int
        Incomplete nodes with incomplete parents.
    quiet_s : float or None, s
        Time since the newest event, if a DAG is in the queue.
    fault : str
        Why the run is not complete although all outputs exist: an edited spec, or results of an earlier spec.
    here : bool
        No DAG is in the queue, and `dagmaker run` or another command holds the lock.
    next : str
        The next command, quoted for the shell; empty if the run is complete.
    """

    name: str
    run: str
    stages: tuple[StageStatus, ...]
    dags: tuple[DagJob, ...] = ()
    causes: tuple[Cause, ...] = ()
    last_event: str = ""
    dag_error: str = ""
    waiting: int = 0
    quiet_s: float | None = None
    fault: str = ""
    here: bool = False
    next: str = ""

    @property
    def complete(self) -> bool:
        """Whether all outputs exist and no DAG is in the queue."""
        return not self.active and not self.fault and all(stage.done == stage.total for stage in self.stages)

    @property
    def active(self) -> bool:
        """Whether a DAG is in the queue according to its files."""
        return any(dag.active for dag in self.dags)

    def as_json(self) -> dict[str, Any]:
        """Plain data for programs."""
        return {**asdict(self), "complete": self.complete, "active": self.active}


def _asked(run: Path) -> SpecRequest:
    """Requests of the frozen spec; the defaults if it cannot be read."""
    import yaml

    try:
        resources = yaml.safe_load(file_bytes(run / layout.SPEC).decode())["resources"]
        sized = resources.get("target_hours") is not None
        return SpecRequest(int(resources["request_memory_mb"]), 0 if sized else int(resources["request_disk_mb"]))
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError):
        return SpecRequest(1000, 500)


def _transfers(run: Path) -> bool:
    """Whether jobs do not see the run directory."""
    try:
        return build_record.read(run).site.transfer
    except InputError:
        return False


def _fault(run: Path, spec_digest: str, all_outputs_exist: bool) -> str:
    """Why a run is not complete although all outputs exist; empty if there is no reason."""
    try:
        digest = specfile.text_digest(file_bytes(run / layout.SPEC).decode())
    except (OSError, UnicodeDecodeError):
        return f"{layout.SPEC} cannot be read: {NOT_AS_BUILT}"
    if digest != spec_digest:
        return f"{layout.SPEC} was edited since the run was built: {NOT_AS_BUILT}"
    if all_outputs_exist and completion.outdated(run):
        return "the results were made with the spec of an earlier build"
    if all_outputs_exist and completion.unfinished(run):
        return "the last DAG did not end well, and nobody has made the report since: some results may be older"
    return ""


class Watcher:
    """Repeated status of a run directory; logs are read incrementally."""

    def __init__(self, run: Path) -> None:
        self._run = run.absolute()
        self._read()
        self._submits = {task: submitfile.read(self._run, task) for task in self._nodes}
        self._trackers = {task: Tracker(file.log) for task, file in self._submits.items() if file.log is not None}

    def _read(self) -> None:
        """Read the plan, with its rounds."""
        self._plan = read_plan(self._run)
        self._nodes: dict[str, list[Node]] = {task: [] for task in self._plan.tasks()}
        for node in self._plan.nodes:
            self._nodes[node.task].append(node)
        self._sizes = {node.name: node.n_processes for node in self._plan.nodes}
        self._batches = Batches(self._run, self._plan)

    @property
    def plan(self) -> Plan:
        """The plan of the run directory."""
        return self._plan

    def on_pool(self) -> bool:
        """Whether the DAG was ever submitted."""
        return bool(dagjob.last_submissions(self._run))

    def ends(self) -> dict[str, list[float]]:
        """Times of successful ends by task, s since 1970, from HTCondor's logs."""
        ends = {task: tracker.jobs.ends for task, tracker in self._trackers.items() if tracker.jobs.ends}
        return {task: [seconds(text) for text, n in found.items() for _ in range(n)] for task, found in ends.items()}

    def look(self, answer: Answer | None = None) -> Status:
        """The present state; each folder is listed once and no output is opened.

        Parameters
        ----------
        answer : Answer, optional
            Answer of the schedd, if it was asked.
        """
        if JUDGE in self._nodes and read_plan(self._run) != self._plan:  # a new round
            self._read()
        dags = tuple(
            replace(dag, state="lost") if answer is not None and answer.lost(dag) else dag
            for dag in dagjob.last_submissions(self._run)
        )
        jobs = {task: tracker.follow() for task, tracker in self._trackers.items()} if dags else {}
        active = any(dag.active for dag in dags)
        now = time.time() if active else None
        presence = Presence(self._run)
        done = {node.name: presence.done(node) for nodes in self._nodes.values() for node in nodes}
        all_problems: list[Problem] = []
        stages = []
        for task, nodes in self._nodes.items():
            problems: list[Problem] = []
            if task in jobs:
                jobs[task].drop_before(dags[-1].submitted if active else "")
                if answer is not None:
                    jobs[task].add_held(answer.held, answer.asked_at)
                problems = problem_processes.find(task, jobs[task], self._batches, nodes, done, dags[-1])
            stages.append(stage_status(task, nodes, done, jobs.get(task), problems, now))
            all_problems += problems
        last = max((found.last for found in jobs.values()), default="")
        all_outputs_exist = all(stage.done == stage.total for stage in stages)
        status = Status(
            self._plan.name, str(self._run), tuple(stages), dags, self._causes(all_problems, jobs, dags), last,
            dagjob.last_error(self._run, dags[-1].file) if dags and dags[-1].state == "failed" else "",
            sum(self._waits(node, done) for nodes in self._nodes.values() for node in nodes),
            now - seconds(last) if now is not None and last else None,
            _fault(self._run, self._plan.spec_digest, all_outputs_exist),
            not active and lock.is_held(self._run),
        )  # fmt: skip
        edited, blocked = status.fault.endswith(NOT_AS_BUILT), any(item.blocked for item in all_problems)
        facts = Facts(edited, all_outputs_exist, blocked, _transfers(self._run), _asked(self._run))
        return replace(status, next=next_step.command(status, facts, answer))

    def _causes(self, problems: list[Problem], jobs: Mapping[str, Jobs], dags: tuple[DagJob, ...]) -> tuple[Cause, ...]:
        hosts = {task: listed.hosts for task, listed in jobs.items()} if problems else {}
        listed = causes.group(problems, hosts, self._submits, self._run, _asked(self._run)) if problems else ()
        return (*listed, *unlogged_causes.group(problems, self._submits, self._run, dags[-1].file)) if dags else listed

    def _waits(self, node: Node, done: Mapping[str, Collection[int]]) -> bool:
        if len(done[node.name]) == node.n_processes:
            return False
        return any(len(done[parent]) < self._sizes[parent] for parent in node.parents)


def look(run: Path, answer: Answer | None = None) -> Status:
    """Status of a run directory."""
    return Watcher(run).look(answer)
