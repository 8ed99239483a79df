"""How far a run is, from its files alone: plan, outputs, HTCondor's logs where it ran there."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dagmaker.condor import dagjob, submitfile
from dagmaker.condor.dagjob import DagJob
from dagmaker.condor.jobs import Jobs, Tracker, Where, seconds
from dagmaker.planning import plan
from dagmaker.planning.batches import Batches
from dagmaker.planning.plan import Node, Plan
from dagmaker.planning.presence import Presence
from dagmaker.planning.rounds import read_plan
from dagmaker.status import causes
from dagmaker.status.causes import Asked, Bad, Cause
from worker import layout

MISSING_SHOWN = 20


@dataclass(frozen=True)
class StageStatus:
    """One kind of task.

    Attributes
    ----------
    total, done : int
        Processes; done where all outputs are there.
    trials, trials_done : int
    missing : tuple of str
        The first few nodes that are not complete.
    running, idle, held, failed : int
        Processes as HTCondor's log leaves them; failed where the output is missing too.
    repeated : int
        Tries that failed and that HTCondor started again.
    per_second : float or None
        Trials (processes where there are none) per second over the last ten minutes in which any ended.
    left_s : float or None, s
        Until the stage is complete, at that rate.
    """

    task: str
    total: int
    done: int
    trials: int
    trials_done: int
    missing: tuple[str, ...]
    running: int = 0
    idle: int = 0
    held: int = 0
    failed: int = 0
    repeated: int = 0
    per_second: float | None = None
    left_s: float | None = None


@dataclass(frozen=True)
class Status:
    """A whole run.

    Attributes
    ----------
    dags : tuple of DagJob
        Last submissions of the DAG and of its repair, the latest last; empty where it never went to a pool.
    causes : tuple of Cause
        What failed or is held.
    last_event : str
        Local time of the newest event.
    dag_error : str
        What DAGMan said when it gave up.
    """

    name: str
    run: str
    stages: tuple[StageStatus, ...]
    dags: tuple[DagJob, ...] = ()
    causes: tuple[Cause, ...] = ()
    last_event: str = ""
    dag_error: str = ""

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return all(stage.done == stage.total for stage in self.stages)

    @property
    def active(self) -> bool:
        """Whether a DAG is in the queue, as far as its files tell."""
        return any(dag.active for dag in self.dags)

    def as_json(self) -> dict[str, Any]:
        """Plain data for programs."""
        return {**asdict(self), "complete": self.complete, "active": self.active}


def _asked(run: Path) -> Asked:
    """What the frozen spec asks for; the spec's defaults where it cannot be read."""
    import yaml

    try:
        resources = yaml.safe_load((run / layout.SPEC).read_text(encoding="utf-8"))["resources"]
        sized = resources.get("target_hours") is not None
        return Asked(int(resources["request_memory_mb"]), 0 if sized else int(resources["request_disk_mb"]))
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
        return Asked(1000, 500)


def _trials_done(node: Node, done: frozenset[int]) -> int:
    return sum(node.cuts[position // node.bands][1] for position in done) // node.bands if node.cuts else 0


class Watcher:
    """A run directory, looked at again and again: logs are read on from where the last look ended."""

    def __init__(self, run: Path) -> None:
        self._run = run.absolute()
        self._read()
        self._submits = {task: submitfile.read(self._run, task) for task in self._nodes}
        self._trackers = {task: Tracker(file.log) for task, file in self._submits.items() if file.log is not None}

    def _read(self) -> None:
        """Take in the plan, with the rounds that have begun."""
        self._plan = read_plan(self._run)
        self._nodes: dict[str, list[Node]] = {task: [] for task in self._plan.tasks()}
        for node in self._plan.nodes:
            self._nodes[node.task].append(node)
        self._batches = Batches(self._run, self._plan)

    def _follow_rounds(self) -> None:
        """Rounds are planned while the analysis runs."""
        if plan.JUDGE in self._nodes and read_plan(self._run) != self._plan:
            self._read()

    @property
    def plan(self) -> Plan:
        """What the run directory promises."""
        return self._plan

    def on_pool(self) -> bool:
        """Whether the DAG was ever submitted."""
        return bool(dagjob.all_of(self._run))

    def ends(self) -> dict[str, list[float]]:
        """Times of good ends by task, s since 1970, from HTCondor's logs as the last look left them."""
        ends = {task: tracker.jobs.ends for task, tracker in self._trackers.items() if tracker.jobs.ends}
        return {task: [seconds(text) for text, n in found.items() for _ in range(n)] for task, found in ends.items()}

    def look(self) -> Status:
        """The present state; each folder is listed once and no output is opened."""
        self._follow_rounds()
        dags = dagjob.all_of(self._run)
        jobs = {task: tracker.follow() for task, tracker in self._trackers.items()} if dags else {}
        presence = Presence(self._run)
        active = any(dag.active for dag in dags)
        bad: list[Bad] = []
        stages = []
        for task, nodes in self._nodes.items():
            done = {node.name: presence.done(node) for node in nodes}
            mine = self._bad(task, jobs[task], done, active) if task in jobs else []
            stages.append(_stage(task, nodes, done, jobs.get(task), mine, active))
            bad += mine
        hosts = {task: found.hosts for task, found in jobs.items()} if bad else {}
        return Status(
            self._plan.name,
            str(self._run),
            tuple(stages),
            dags,
            causes.group(bad, hosts, self._submits, self._run, _asked(self._run)) if bad else (),
            max((found.last for found in jobs.values()), default=""),
            dagjob.last_error(self._run, dags[-1].file) if dags and dags[-1].state == "failed" else "",
        )

    def _bad(self, task: str, jobs: Jobs, done: Mapping[str, frozenset[int]], active: bool) -> list[Bad]:
        """Processes that failed and have no output, once each, and those that are held now."""
        failed = {
            argv: Bad(task, failure.code, failure.hold, failure.host, where, argv, failure.code is None)
            for where, failure in jobs.failed.items()
            if (argv := self._without_output(task, where, done)) is not None
        }
        held = []
        if active:
            for key, job in jobs.live.items():
                if job.state == "held":
                    where = jobs.where(key)
                    argv = self._batches.argv(where) or task
                    failed.pop(argv, None)  # its last try, by another submission
                    held.append(Bad(task, None, job.hold, job.host, where, argv))
        return [*failed.values(), *held]

    def _without_output(self, task: str, where: Where, done: Mapping[str, frozenset[int]]) -> str | None:
        """Task and flags of a process, unless its output is there or it is not of this plan."""
        argv = self._batches.argv(where)
        place = self._batches.place(task, argv) if argv else None
        if argv is None or place is None or place[1] in done[place[0].name]:
            return None
        return argv


def _stage(
    task: str,
    nodes: list[Node],
    done: Mapping[str, frozenset[int]],
    jobs: Jobs | None,
    bad: list[Bad],
    active: bool,
) -> StageStatus:
    total, n_done = sum(node.n_processes for node in nodes), sum(len(done[node.name]) for node in nodes)
    trials = sum(node.n_trials for node in nodes)
    states = [job.state for job in jobs.live.values()] if jobs is not None and active else []
    processes_per_s = jobs.per_second() if jobs is not None else None
    missing = [node.name for node in nodes if len(done[node.name]) < node.n_processes]
    return StageStatus(
        task=task,
        total=total,
        done=n_done,
        trials=trials,
        trials_done=sum(_trials_done(node, done[node.name]) for node in nodes),
        missing=tuple(missing[:MISSING_SHOWN]),
        running=states.count("running"),
        idle=states.count("idle"),
        held=states.count("held"),
        failed=len(bad) - states.count("held"),
        repeated=jobs.repeated if jobs is not None else 0,
        per_second=processes_per_s * (trials / total if trials else 1) if processes_per_s else None,
        left_s=(total - n_done) / processes_per_s if processes_per_s and set(states) & {"running", "idle"} else None,
    )


def look(run: Path) -> Status:
    """Status of a run directory."""
    return Watcher(run).look()
