"""Find the process of the plan that an HTCondor process runs: its line in the list that the cluster was queued from."""

from pathlib import Path

from dagmaker.htcondor.jobs import ProcessKey, seconds
from dagmaker.plan import processes
from dagmaker.plan.plan import Node, Plan
from worker.base.reading import text_or_empty
from worker.cli.several import JOINT


class Batches:
    """The lists of processes of a run directory, read at the first use."""

    def __init__(self, run: Path, plan: Plan) -> None:
        self.run = run
        self._plan = plan
        self._lines: dict[str, tuple[str, ...]] = {}
        self._outputs: dict[str, tuple[str, ...]] = {}
        self._places: dict[str, dict[str, tuple[Node, int]]] = {}

    def calls(self, key: ProcessKey) -> tuple[str, ...]:
        """Task and flags of every process that a job makes; empty if its list is gone (the run was built again)."""
        argv = self.argv(key)
        return () if argv is None else tuple(argv.split(f" {JOINT} "))

    def argv(self, key: ProcessKey) -> str | None:
        """Task and flags of a job, those of several joined by `JOINT`; None as for `calls`."""
        name, process = key
        if name not in self._lines:
            text = text_or_empty(self.run / "batches" / f"{name}.txt")
            self._lines[name] = tuple(line.partition(",")[0].strip() for line in text.splitlines() if line.strip())
        lines = self._lines[name]
        return lines[process] if process < len(lines) else None

    def written_before(self, name: str, time: str) -> bool:
        """Whether a list was written before a time of the log: it then lists the processes of that time."""
        try:
            return (self.run / "batches" / f"{name}.txt").stat().st_mtime < seconds(time) + 1
        except OSError:
            return False

    def output(self, node: Node, position: int) -> str:
        """Name of a process's output in the folder of its node."""
        if node.name not in self._outputs:
            self._outputs[node.name] = tuple(processes.outputs(node))
        return self._outputs[node.name][position]

    def plan_position(self, task: str, argv: str) -> tuple[Node, int] | None:
        """Node and position of a process in the plan; None if the plan has no such process."""
        if task not in self._places:
            self._places[task] = {
                " ".join(process.argv): (node, process.position)
                for node in self._plan.nodes
                if node.task == task
                for process in processes.of(node)
            }
        return self._places[task].get(argv)
