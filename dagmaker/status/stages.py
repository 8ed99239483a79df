"""State of one kind of task: finished and running processes, rate, and the longest running process."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from dagmaker.htcondor.jobs import Jobs, seconds
from dagmaker.plan.plan import Node
from dagmaker.status.causes import Problem

MISSING_SHOWN = 20
COMPARABLE = 3  # fewest successful processes for a median
LATE_S, LATE_LONGEST = 10.0, 2.0
SLOW_S, SLOW_MEDIANS, SLOW_LONGEST = 30.0, 10.0, 3.0


class Longest(NamedTuple):
    """The longest running process of a stage.

    Attributes
    ----------
    id : str
        Process in the queue: ``326.0``.
    run_s : float, s
    median_s : float or None, s
        Median wall time of successful processes of the stage; None if they are too few.
    late : bool
        It has run more than twice as long as the longest of them, so their times do not predict its end.
    hangs : bool
        It has run more than ten times the median and three times the longest of them.
    """

    id: str
    host: str
    run_s: float
    median_s: float | None
    late: bool
    hangs: bool


@dataclass(frozen=True)
class StageStatus:
    """State of one kind of task.

    Attributes
    ----------
    total, done : int
        Numbers of processes; done if the output exists.
    trials, trials_done : int
    missing : tuple of str
        The first incomplete nodes.
    running, idle, held, failed : int
        Numbers of processes from HTCondor's log; failed if the output is missing too.
    repeated : int
        Failed tries that HTCondor started again.
    per_second : float or None
        Trials (processes if there are none) per second over the last ten minutes in which any ended.
    left_s : float or None, s
        Time until the stage is complete, at that rate; None if nothing runs, none has ended or one is late.
    longest : Longest or None
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
    longest: Longest | None = None


def _trials_done(node: Node, done: Collection[int]) -> int:
    return sum(node.cuts[position // node.bands][1] for position in done) // node.bands if node.cuts else 0


def _longest(jobs: Jobs, now: float) -> Longest | None:
    running = [(job.since, key) for key, job in jobs.live.items() if job.state == "running"]
    if not running:
        return None
    since, (cluster, process) = min(running)
    run_s = now - seconds(since)
    middle = median(jobs.wall_times_s) if len(jobs.wall_times_s) >= COMPARABLE else None
    longest = max(jobs.wall_times_s, default=math.inf)
    hangs = middle is not None and run_s > SLOW_S + max(SLOW_MEDIANS * middle, SLOW_LONGEST * longest)
    late = run_s > LATE_S + LATE_LONGEST * longest
    return Longest(f"{cluster}.{process}", jobs.live[cluster, process].host, run_s, middle, late, hangs)


def stage_status(
    task: str,
    nodes: Iterable[Node],
    done: Mapping[str, Collection[int]],
    jobs: Jobs | None,
    problems: Iterable[Problem],
    now: float | None,
) -> StageStatus:
    """The state of a stage.

    Parameters
    ----------
    done : mapping of str to collection of int
        Positions of the processes whose output exists, by node.
    jobs : Jobs or None
        From HTCondor's log; None without submission.
    now : float or None, s
        Present time if a DAG is in the queue, else None.
    """
    nodes = list(nodes)
    total, n_done = sum(node.n_processes for node in nodes), sum(len(done[node.name]) for node in nodes)
    trials = sum(node.n_trials for node in nodes)
    states = [job.state for job in jobs.live.values()] if jobs is not None and now is not None else []
    at_work = bool({"running", "idle"} & set(states))
    rate = jobs.per_second(now if at_work else None) if jobs is not None else None
    longest = _longest(jobs, now) if jobs is not None and now is not None else None
    late = longest is not None and longest.late
    missing = [node.name for node in nodes if len(done[node.name]) < node.n_processes]
    return StageStatus(
        task=task, total=total, done=n_done, trials=trials,
        trials_done=sum(_trials_done(node, done[node.name]) for node in nodes),
        missing=tuple(missing[:MISSING_SHOWN]),
        running=states.count("running"), idle=states.count("idle"), held=states.count("held"),
        failed=sum(not item.lost for item in problems) - states.count("held"),
        repeated=jobs.repeated if jobs is not None else 0,
        per_second=rate * (trials / total if trials else 1) if rate else None,
        left_s=(total - n_done) / rate if rate and at_work and not late else None,
        longest=longest,
    )  # fmt: skip
