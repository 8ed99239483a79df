"""Rounds of an adaptive analysis: one effective plan of plan.json and the plans of its rounds.

Both packages read a run directory through this: what a round added continues the streams of the first plan.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from worker.base import shell
from worker.base.task_rows import JUDGE, ROWS
from worker.rundir import layout, planfile

HEAD = ("round", "decision")

Raw = Mapping[str, Any]


def load(run: Path, most: int) -> list[dict[str, Any]]:
    """The plans of the rounds that have begun, the first one first; at most so many.

    Raises
    ------
    InputError
        One cannot be read.
    """
    found: list[dict[str, Any]] = []
    for number in range(1, most + 1):
        path = run / layout.round_plan(number)
        cure = f"remove it and run `{shell.dagmaker('repair', run)}`, which writes it again from the decision beside it"
        try:
            found.append(planfile.read(path, HEAD, cure))
        except (FileNotFoundError, NotADirectoryError):
            break
    return found


def effective(plan: Raw, rounds: Sequence[Raw]) -> dict[str, Any]:
    """The plan with what the rounds added, parents before children.

    Nodes of a round stand behind its judge; what collects their points, and the next judge, has them for parents.
    """
    by_judge = {f"{JUDGE}_{found['round']}": list(found["nodes"]) for found in rounds}
    added = [node for nodes in by_judge.values() for node in nodes]
    nodes: list[dict[str, Any]] = []
    for node in plan["nodes"]:
        nodes.append({**node, "parents": [*node.get("parents", ()), *_more(node, by_judge, added)]})
        nodes += by_judge.get(node["name"], [])
    return {**plan, "nodes": nodes}


def _more(node: Raw, by_judge: Mapping[str, list[Any]], added: Sequence[Raw]) -> Iterator[str]:
    """Nodes of rounds that a node of the first plan waits for."""
    if node["task"] == JUDGE:
        for parent in node["parents"]:
            yield from (other["name"] for other in by_judge.get(parent, ()))
        return
    for other in added:
        if ROWS[other["task"]].collected_by == node["task"] and node["args"].items() <= other["args"].items():
            yield other["name"]
