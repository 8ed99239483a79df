"""Order of processes and treatment of failures on one machine, with the rules of the DAG; starts no process.

A node starts when its parents are done. If a node fails, its descendants are blocked and all others run.
"""

import heapq
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field, replace

from dagmaker.htcondor.render import NEVER_RETRIED
from dagmaker.plan import processes
from dagmaker.plan.plan import Node, Plan
from dagmaker.plan.processes import Process
from worker.base.errors import StoppedError
from worker.base.task_rows import ROWS

Done = Callable[[Node], Container[int]]


@dataclass
class _State:
    """Progress of a node."""

    node: Node
    waiting: int  # parents that are not done
    left: int  # processes that are not done
    queue: Iterator[Process] = field(default_factory=lambda: iter(()))
    trusted: bool = False  # some outputs count as done because their files exist
    failed: bool = False


class Schedule:
    """The processes of a plan, one at a time.

    Parameters
    ----------
    plan : Plan
    done : callable
        Positions of a node's processes whose output exists.
    max_retries : int
        Number of further starts after exit code 1 or a signal.
    """

    def __init__(self, plan: Plan, done: Done, max_retries: int) -> None:
        self._done = done
        self._max_retries = max_retries
        self._order = {node.name: i for i, node in enumerate(plan.nodes)}
        self._states = {node.name: _State(node, len(node.parents), node.n_processes) for node in plan.nodes}
        self._children: dict[str, list[str]] = {node.name: [] for node in plan.nodes}
        for node in plan.nodes:
            for parent in node.parents:
                self._children[parent].append(node.name)
        self._ready: list[tuple[int, float, int]] = []
        self._names = [node.name for node in plan.nodes]
        self._again: list[Process] = []
        self._starts: dict[tuple[str, int], int] = {}
        self._rechecked: set[str] = set()
        self.on_skipped: Callable[[Node, int], None] = lambda _node, _n: None

    def begin(self) -> None:
        """Make nodes without parents ready."""
        for name in self._names:
            if not self._states[name].node.parents:
                self._open(name, trust=True)

    def add(self, judge: str, nodes: Sequence[Node]) -> tuple[Node, ...]:
        """Add the nodes of a round, before its judge counts as done; returns the new ones.

        Children of the judge wait for them too.
        """
        new = tuple(node for node in nodes if node.name not in self._states)
        waiting = list(self._children[judge])
        for node in new:
            self._states[node.name] = _State(node, 1, node.n_processes)
            self._children[node.name] = list(waiting)
            self._children[judge].append(node.name)
            self._order[node.name] = len(self._names)
            self._names.append(node.name)
        names = tuple(node.name for node in new)
        for child in waiting:
            state = self._states[child]
            state.waiting += len(new)
            state.node = replace(state.node, parents=(*state.node.parents, *names))
        return new

    def _open(self, name: str, trust: bool) -> None:
        """Make a node's processes ready; with `trust`, those whose files exist count as done."""
        state = self._states[name]
        finished = self._done(state.node) if trust else ()
        todo = [process for process in processes.of(state.node) if process.position not in finished]
        skipped = state.node.n_processes - len(todo)
        state.left, state.trusted = len(todo), skipped > 0
        if trust:
            self.on_skipped(state.node, skipped)
        if not todo:
            self._close(name)
            return
        state.queue = iter(todo)
        # At equal priority larger maps start first: a long process that starts last delays the end.
        size = float(dict(state.node.args).get("nside", 0.0))
        heapq.heappush(self._ready, (-ROWS[state.node.task].priority, -size, self._order[name]))

    def _close(self, name: str) -> None:
        """Mark a node as done; make children ready whose parents are all done."""
        for child in self._children[name]:
            state = self._states[child]
            state.waiting -= 1
            if state.waiting == 0:
                self._open(child, trust=True)

    def next(self) -> Process | None:
        """The most urgent process; None if none can start now."""
        if self._again:
            return self._start(self._again.pop())
        while self._ready:
            state = self._states[self._names[self._ready[0][2]]]
            process = next(state.queue, None)
            if process is not None:
                return self._start(process)
            heapq.heappop(self._ready)
        return None

    def _start(self, process: Process) -> Process:
        key = process.node, process.position
        self._starts[key] = self._starts.get(key, 0) + 1
        return process

    def succeeded(self, process: Process) -> None:
        """Record a process that ended with exit code 0."""
        self._starts.pop((process.node, process.position), None)
        state = self._states[process.node]
        state.left -= 1
        if state.left == 0 and not state.failed:
            self._close(process.node)

    def failed(self, process: Process, code: int) -> bool:
        """Record a failed process; True if it will be started again.

        Parameters
        ----------
        code : int
            Exit code; negative for a signal.
        """
        starts = self._starts[process.node, process.position]
        if code == StoppedError.exit_code or (code not in NEVER_RETRIED and starts <= self._max_retries):
            self._again.append(process)
            return True
        if code == 3 and self._recheck(process):
            return True
        self._states[process.node].failed = True
        return False

    def _recheck(self, process: Process) -> bool:
        """After a bad input: check the parents' unread files once, then run it again; False if there are none."""
        state = self._states[process.node]
        suspects = [name for name in state.node.parents if self._states[name].trusted and name not in self._rechecked]
        if not suspects:
            return False
        self._rechecked.update(suspects)
        state.waiting = len(suspects)
        for name in suspects:
            self._children[name] = [process.node]  # other children have read the files already
            self._open(name, trust=False)
        return True

    def blocked(self) -> tuple[str, ...]:
        """Nodes that never became ready."""
        return tuple(name for name, state in self._states.items() if state.waiting > 0)
