"""Rounds of an adaptive analysis: plan.json and the plans of its rounds as one plan.

The trials of a round continue the streams of plan.json.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from worker.base import shell
from worker.base.bounds import MAX_TRIALS
from worker.base.errors import InputError
from worker.base.reading import MAX_JSON, NUMBER, Kinds, check, file_bytes, json_value
from worker.base.task_rows import JUDGE, ROWS
from worker.rundir import layout, planfile

HEAD = ("round", "decision")

Raw = Mapping[str, Any]


def load(run: Path, max_rounds: int) -> list[dict[str, Any]]:
    """Return the plans of the rounds that have begun, in order; InputError if one cannot be read."""
    plans: list[dict[str, Any]] = []
    for number in range(1, max_rounds + 1):
        path = run / layout.round_plan(number)
        cure = f"remove it and run `{shell.dagmaker('repair', run)}`, which writes it again from the decision beside it"
        try:
            plans.append(planfile.read(path, HEAD, cure))
        except (FileNotFoundError, NotADirectoryError):
            break
    return plans


def effective(plan: Raw, rounds: Sequence[Raw]) -> dict[str, Any]:
    """Return the plan with the nodes of rounds, parents before children.

    Nodes of a round follow its judge; they are parents of the nodes that collect their points and of the next judge.
    """
    by_judge = {f"{JUDGE}_{plan_of_round['round']}": list(plan_of_round["nodes"]) for plan_of_round in rounds}
    added = [node for nodes in by_judge.values() for node in nodes]
    nodes: list[dict[str, Any]] = []
    for node in plan["nodes"]:
        nodes.append({**node, "parents": [*node.get("parents", ()), *_more(node, by_judge, added)]})
        nodes += by_judge.get(node["name"], [])
    return {**plan, "nodes": nodes}


def _more(node: Raw, by_judge: Mapping[str, list[Any]], added: Sequence[Raw]) -> Iterator[str]:
    """Return the nodes of rounds that are parents of a node of plan.json."""
    if node["task"] == JUDGE:
        for parent in node["parents"]:
            yield from (other["name"] for other in by_judge.get(parent, ()))
        return
    for other in added:
        if ROWS[other["task"]].collected_by == node["task"] and node["args"].items() <= other["args"].items():
            yield other["name"]


def decision(run: Path, number: int) -> dict[str, Any] | None:
    """Return the decision before a round, with the ``sha256`` of its file; None if there is none yet.

    Raises
    ------
    InputError
        The file is not a decision.
    """
    path = run / layout.decision(number)
    try:
        data = file_bytes(path, MAX_JSON)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        decided = json_value(data)
        check(decided, {"round": int, "added": dict, "background": list, "points": list})
        for row in decided["background"]:
            _check_row(row, {}, {})
        for row in decided["points"]:
            _check_row(row, {"gamma": NUMBER, "n_trials": int}, {"n_sig": NUMBER})
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: is not a decision of the judge ({type(error).__name__}: {error}); remove it and run "
            f"`{shell.dagmaker('repair', run)}`"
        ) from None
    return {**decided, "sha256": hashlib.sha256(data).hexdigest()}


def _check_row(row: Any, kinds: Kinds, of_more: Kinds) -> None:
    """Raise ValueError or TypeError if a row of a decision lacks a key or has a wrong type."""
    check(row, {**kinds, "add": list})
    for add in row["add"]:
        check(add, {**of_more, "first": int, "n": int})
        if not (0 <= add["first"] <= MAX_TRIALS and 1 <= add["n"] <= MAX_TRIALS):
            raise ValueError("no such trials can be added")
