"""One kind of task of a run: what is done, what runs, at which pace, and how long the slowest has run."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from dagmaker.htcondor.jobs import Jobs, seconds
from dagmaker.plan.plan import Node
from dagmaker.status.causes import Problem

MISSING_SHOWN = 20
COMPARABLE = 3  # good ends from which one can tell how long the others take
LATE_S, LATE_LONGEST = 10.0, 2.0
SLOW_S, SLOW_MEDIANS, SLOW_LONGEST = 30.0, 10.0, 3.0


class Longest(NamedTuple):
    """The process of a stage that has run for longest.

    Attributes
    ----------
    id : str
        In the queue: ``326.0``.
    run_s : float, s
    median_s : float or None, s
        Wall time of those of the stage that ended well; None where too few have.
    late : bool
        It runs for more than twice the longest of them: their pace says nothing about it.
    hangs : bool
        It runs for more than ten times the median and three times the longest of the others: it may never end.
    """

    id: str
    host: str
    run_s: float
    median_s: float | None
    late: bool
    hangs: bool


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
        Until the stage is complete, at that rate; None where nothing runs, none has ended or one is late.
    longest : Longest or None
        Of those that run now.
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
        Positions of the processes whose output is there, by node.
    jobs : Jobs or None
        What HTCondor's log says; None where it was never asked.
    now : float or None, s
        Time, while a DAG is in the queue; None where nothing can be at work.
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
        task=task,
        total=total,
        done=n_done,
        trials=trials,
        trials_done=sum(_trials_done(node, done[node.name]) for node in nodes),
        missing=tuple(missing[:MISSING_SHOWN]),
        running=states.count("running"),
        idle=states.count("idle"),
        held=states.count("held"),
        failed=sum(not item.lost for item in problems) - states.count("held"),
        repeated=jobs.repeated if jobs is not None else 0,
        per_second=rate * (trials / total if trials else 1) if rate else None,
        left_s=(total - n_done) / rate if rate and at_work and not late else None,
        longest=longest,
    )
