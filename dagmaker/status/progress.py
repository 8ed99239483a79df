"""How far each stage is: counts and rates, no display."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from dagmaker.plan.plan import Node, Plan
from dagmaker.plan.processes import Reply


@dataclass
class Stage:
    """One kind of task.

    Attributes
    ----------
    total, done, failed, running : int
        Processes.
    trials : int
        Trials (or skies) of all its processes together.
    began, ended : float or None, s
        Monotonic times of the first start and of the last end in this session.
    wall_s, cpu_s : float, s
        Sum over the processes that ended in this session.
    ran : int
        Processes that ended well in this session (the others were done before).
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
        """One process was started."""
        self.running += 1
        if self.began is None:
            self.began = time.monotonic()

    def finished(self, reply: Reply, again: bool) -> None:
        """One process ended; `again` where it will be started once more."""
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
        """Trials per second of wall time in this session, over all processes; None where there are none yet."""
        if self.began is None or self.ended is None or not self.ran or not self.trials:
            return None
        return self.trials * self.ran / self.total / max(self.ended - self.began, 1e-3)

    def left_s(self, jobs: int) -> float | None:
        """Wall time that is left, from the mean wall time of the processes so far; None where none has ended."""
        if not self.ran:
            return None
        return (self.total - self.done - self.failed) * self.wall_s / self.ran / jobs


@dataclass
class Progress:
    """All stages, in the order of the plan."""

    stages: dict[str, Stage] = field(default_factory=dict)

    def skip(self, task: str, n: int) -> None:
        """So many processes of a stage were done before this session."""
        self.stages[task].done += n

    def add(self, nodes: Iterable[Node]) -> None:
        """Further work of known stages."""
        for node in nodes:
            stage = self.stages[node.task]
            stage.total += node.n_processes
            stage.trials += node.n_trials


def make(plan: Plan) -> Progress:
    """Nothing done yet."""
    state = Progress({task: Stage(task) for task in plan.tasks()})
    state.add(plan.nodes)
    return state
