"""How far a run is, from its plan and its files alone: whoever ran it, here or on a pool."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dagmaker import plan
from dagmaker.plan import Node, Plan
from dagmaker.presence import Presence
from worker import layout
from worker.errors import InputError

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
    """

    task: str
    total: int
    done: int
    trials: int
    trials_done: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Status:
    """A whole run."""

    name: str
    run: str
    stages: tuple[StageStatus, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return all(stage.done == stage.total for stage in self.stages)

    def as_json(self) -> dict[str, Any]:
        """Plain data for programs."""
        return {**asdict(self), "complete": self.complete}


def read_plan(run: Path) -> Plan:
    """The plan of a run directory.

    Raises
    ------
    InputError
        It is not one.
    """
    path = run / layout.PLAN
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{run}: this is not a run directory: it has no {layout.PLAN}; `dagmaker build` makes one"
        ) from None
    return plan.read(text, str(path))


def _trials_done(node: Node, done: frozenset[int]) -> int:
    return sum(node.cuts[position // node.bands][1] for position in done) // node.bands if node.cuts else 0


def _stage(task: str, nodes: list[Node], presence: Presence) -> StageStatus:
    done = [presence.done(node) for node in nodes]
    missing = [node.name for node, found in zip(nodes, done, strict=True) if len(found) < node.n_processes]
    return StageStatus(
        task=task,
        total=sum(node.n_processes for node in nodes),
        done=sum(map(len, done)),
        trials=sum(node.n_trials for node in nodes),
        trials_done=sum(_trials_done(node, found) for node, found in zip(nodes, done, strict=True)),
        missing=tuple(missing[:MISSING_SHOWN]),
    )


def look(run: Path) -> Status:
    """Status of a run directory; each folder is listed once and no output is opened."""
    made, presence = read_plan(run), Presence(run)
    by_task: dict[str, list[Node]] = {task: [] for task in made.tasks()}
    for node in made.nodes:
        by_task[node.task].append(node)
    return Status(made.name, str(run), tuple(_stage(task, nodes, presence) for task, nodes in by_task.items()))


def lines(status: Status) -> Iterator[str]:
    """What `dagmaker status` prints."""
    yield f"{status.name}: {status.run}"
    yield ""
    yield f"{'stage':<14}{'done':>10}{'of':>10}{'missing':>10}{'trials done':>14}  {'first missing'}"
    for stage in status.stages:
        first = f"{stage.missing[0]}" + (", ..." if len(stage.missing) > 1 else "") if stage.missing else ""
        trials = f"{stage.trials_done:,}" if stage.trials else "-"
        yield (
            f"{stage.task:<14}{stage.done:>10,}{stage.total:>10,}{stage.total - stage.done:>10,}{trials:>14}  {first}"
        ).rstrip()
    yield ""
    yield "complete" if status.complete else "not complete: `dagmaker run` goes on from here, and so does the DAG"
