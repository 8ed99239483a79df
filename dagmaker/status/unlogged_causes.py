"""Causes without a message of the process: it was removed, its output is missing, or its node was not run."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from dagmaker.htcondor import dagjob, nodes, render_dag
from dagmaker.status.causes import Cause, Problem, Submits, by_hand, relative_path, tail
from worker.base import shell

STEPS = {"PRE_SCRIPT": "its PRE script failed", "POST_SCRIPT": "its POST script failed", "SUBMIT": "not submitted"}


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
    for node, step in nodes.failures(run):
        number = node.rpartition("_")[2]
        script = step == "PRE_SCRIPT"
        file = run / "logs" / f"round_{number}.out" if script else run / f"{dag}.dagman.out"
        messages = tail(file) if script else dagjob.node_errors(run, dag, node)
        yield Cause(
            "node", node, 1, STEPS[step], messages or ("(it said nothing)",), relative_path(file, run),
            shell.command("/bin/sh", run / render_dag.ROUND_SCRIPT, number) if script else "",
            "cure what it says, and submit again: DAGMan tries the node anew",
        )  # fmt: skip
