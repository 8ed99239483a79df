"""Counts and rates of each stage."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from dagmaker.plan.plan import Node, Plan
from dagmaker.plan.processes import Reply


@dataclass
class Stage:
    """Progress of one kind of task.

    Attributes
    ----------
    total, done, failed, running : int
        Numbers of processes.
    trials : int
        Trials (or skies) of all processes.
    began, ended : float or None, s
        Monotonic times of the first start and the last end in this session.
    wall_s, cpu_s : float, s
        Sum over the processes that ended in this session.
    ran : int
        Processes that succeeded in this session.
    """

    task: str
    total: int = 0
    trials: int = 0
    done: int = 0
    failed: int = 0
    running: int = 0
    ran: int = 0
    began: float | None = None
    ended: float | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0

    def started(self) -> None:
        """Record the start of a process."""
        self.running += 1
        if self.began is None:
            self.began = time.monotonic()

    def finished(self, reply: Reply, again: bool) -> None:
        """Record the end of a process; `again` if it will be started again."""
        self.running -= 1
        self.ended = time.monotonic()
        self.wall_s += reply.wall_s
        self.cpu_s += reply.cpu_s
        if reply.rc == 0:
            self.ran += 1
            self.done = min(self.done + 1, self.total)
        elif not again:
            self.failed += 1

    def per_second(self) -> float | None:
        """Trials per second of wall time in this session; None if there are none yet."""
        if self.began is None or self.ended is None or not self.ran or not self.trials:
            return None
        return self.trials * self.ran / self.total / max(self.ended - self.began, 1e-3)

    def left_s(self, jobs: int) -> float | None:
        """Remaining wall time, s, from the mean wall time of ended processes; None if none has ended."""
        if not self.ran:
            return None
        return (self.total - self.done - self.failed) * self.wall_s / self.ran / jobs


@dataclass
class Progress:
    """All stages, in the order of the plan."""

    stages: dict[str, Stage] = field(default_factory=dict)

    def skip(self, task: str, n: int) -> None:
        """Add processes of a stage that were done before this session."""
        self.stages[task].done += n

    def add(self, nodes: Iterable[Node]) -> None:
        """Add the processes of nodes to their stages."""
        for node in nodes:
            stage = self.stages[node.task]
            stage.total += node.n_processes
            stage.trials += node.n_trials


def make(plan: Plan) -> Progress:
    """Progress of a plan without finished processes."""
    state = Progress({task: Stage(task) for task in plan.tasks()})
    state.add(plan.nodes)
    return state
