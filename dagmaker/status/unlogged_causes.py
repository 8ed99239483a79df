"""Causes without a message of the process: it was removed, its output is missing, or its node was not run."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from dagmaker.htcondor import dagjob, render_dag
from dagmaker.status.causes import Cause, Problem, Submits, by_hand, relative_path, tail
from worker.base import shell
from worker.base.reading import MAX_JSON, text_or_empty

STEPS = {"PRE_SCRIPT": "its PRE script failed", "POST_SCRIPT": "its POST script failed", "SUBMIT": "not submitted"}
_JOBSTATE = Path("logs/jobstate.log")
_FAILED = re.compile(r"^\d+ (\S+) (PRE_SCRIPT|POST_SCRIPT|SUBMIT)_FAILURE\b", re.MULTILINE)
_AGAIN = re.compile(r"^\d+ (\S+) (?:PRE_SCRIPT_SUCCESS|POST_SCRIPT_SUCCESS|SUBMIT) ", re.MULTILINE)
_STARTED = "DAGMAN_STARTED"


def group(problems: Iterable[Problem], submits: Submits, run: Path, dag: str) -> Iterator[Cause]:
    """All such causes; `dag` is the file of the last DAG."""
    problems = list(problems)
    yield from _gone(problems, submits, run)
    yield from _lost(problems, submits, run)
    yield from _failed_nodes(run, dag)


def _gone(problems: Iterable[Problem], submits: Submits, run: Path) -> Iterator[Cause]:
    """Processes that a user or a rule of the pool removed."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for item in problems:
        if item.gone:
            groups.setdefault((item.task, item.gone), []).append(item)
    for (task, why), group in groups.items():
        yield Cause(
            "gone", task, len(group), "removed from the queue, by hand or by a rule of the pool", (why,),
            relative_path(submits[task].log, run), by_hand(group[0], run),
            "submit again; where a rule removed it, ask for what it needs in the site profile (commands)",
        )  # fmt: skip


def _lost(problems: Iterable[Problem], submits: Submits, run: Path) -> Iterator[Cause]:
    """Processes with exit code 0 but without output."""
    groups: dict[str, list[Problem]] = {}
    for item in problems:
        if item.lost:
            groups.setdefault(item.task, []).append(item)
    for task, group in groups.items():
        yield Cause(
            "lost", task, len(group), "exit code 0, but the output is not there: deleted since, or never came back", (),
            relative_path(submits[task].log, run), by_hand(group[0], run),
            "see that every machine writes to the same disk, and that nobody cleans it",
        )  # fmt: skip


def _failed_nodes(run: Path, dag: str) -> Iterator[Cause]:
    """Nodes that DAGMan could not run."""
    for node, step in _node_failures(run):
        number = node.rpartition("_")[2]
        script = step == "PRE_SCRIPT"
        file = run / "logs" / f"round_{number}.out" if script else run / f"{dag}.dagman.out"
        messages = tail(file) if script else dagjob.node_errors(run, dag, node)
        yield Cause(
            "node", node, 1, STEPS[step], messages or ("(it said nothing)",), relative_path(file, run),
            shell.command("/bin/sh", run / render_dag.ROUND_SCRIPT, number) if script else "",
            "cure what it says, and submit again: DAGMan tries the node anew",
        )  # fmt: skip


class _NodeFailure(NamedTuple):
    """A node, and the step that failed: ``PRE_SCRIPT``, ``POST_SCRIPT`` or ``SUBMIT``."""

    node: str
    step: str


def _node_failures(run: Path) -> tuple[_NodeFailure, ...]:
    """Nodes that failed since DAGMan last started and did not succeed later."""
    text = text_or_empty(run / _JOBSTATE, MAX_JSON).rpartition(_STARTED)[2]
    last = {found[1]: found.start() for found in _AGAIN.finditer(text)}
    return tuple(
        dict.fromkeys(
            _NodeFailure(found[1], found[2])
            for found in _FAILED.finditer(text)
            if last.get(found[1], -1) < found.start()
        )
    )
