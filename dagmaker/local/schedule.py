"""Which process runs next, and what becomes of a failed one: the DAG's rules for one machine, without any process.

A node starts when its parents are done. Where a node has failed, what needs it is blocked, and the rest goes on.
"""

import heapq
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field, replace

from dagmaker.plan import processes
from dagmaker.plan.plan import Node, Plan
from dagmaker.plan.processes import Process
from worker.base.task_rows import ROWS

NEVER_RETRIED = frozenset((2, 3, 4))
STOPPED = 85

Done = Callable[[Node], Container[int]]


@dataclass
class _State:
    """One node's progress."""

    node: Node
    waiting: int  # parents that are not done
    left: int  # processes that are not done
    queue: Iterator[Process] = field(default_factory=lambda: iter(()))
    trusted: bool = False  # some outputs were taken as done because the files are there
    failed: bool = False


class Schedule:
    """The work of a plan, handed out one process at a time.

    Parameters
    ----------
    plan : Plan
    done : callable
        Indices of a node's processes whose output is there already.
    max_retries : int
        Starts again after an unexpected end (exit code 1, a signal).
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
        """Offer what waits for nothing."""
        for name in self._names:
            if not self._states[name].node.parents:
                self._open(name, trust=True)

    def add(self, judge: str, nodes: Sequence[Node]) -> tuple[Node, ...]:
        """Take in the nodes of a round, before its judge is noted as done; those that were not there yet.

        What waits for the judge waits for them too.
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
        """Put a node's processes on offer; with `trust`, those whose files are there count as done."""
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
        # Among equals the larger map first: what is long and starts last makes everybody wait.
        size = dict(state.node.args).get("nside", 0.0)
        heapq.heappush(self._ready, (-ROWS[state.node.task].priority, -size, self._order[name]))

    def _close(self, name: str) -> None:
        """A node is done: its children may have become ready."""
        for child in self._children[name]:
            state = self._states[child]
            state.waiting -= 1
            if state.waiting == 0:
                self._open(child, trust=True)

    def next(self) -> Process | None:
        """Hand out the most urgent process; None where nothing can start now."""
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
        """Take note of a process that ended with 0."""
        self._starts.pop((process.node, process.position), None)
        state = self._states[process.node]
        state.left -= 1
        if state.left == 0 and not state.failed:
            self._close(process.node)

    def failed(self, process: Process, code: int) -> bool:
        """Take note of a process that ended otherwise; True if it will be started again.

        Parameters
        ----------
        code : int
            Exit code; negative for a signal.
        """
        starts = self._starts[process.node, process.position]
        if code == STOPPED or (code not in NEVER_RETRIED and starts <= self._max_retries):
            self._again.append(process)
            return True
        if code == 3 and self._recheck(process):
            return True
        self._states[process.node].failed = True
        return False

    def _recheck(self, process: Process) -> bool:
        """A reader found a bad input: have the files that were trusted unread checked, once, then read again."""
        state = self._states[process.node]
        suspects = [name for name in state.node.parents if self._states[name].trusted and name not in self._rechecked]
        if not suspects:
            return False
        self._rechecked.update(suspects)
        state.waiting = len(suspects)
        for name in suspects:
            self._reopen(name, keep=process.node)
        return True

    def _reopen(self, name: str, keep: str) -> None:
        """Check a node's files again; only `keep` waits for it, its other children have read it already."""
        self._children[name] = [keep]
        self._open(name, trust=False)

    def blocked(self) -> tuple[str, ...]:
        """Nodes that never became ready."""
        return tuple(name for name, state in self._states.items() if state.waiting > 0)
