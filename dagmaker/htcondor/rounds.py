"""Rounds of an adaptive analysis: write nodes, lists of processes and DAG of a judge's decision.

The files of a round depend only on spec and decision. The local runner and DAGMan (through `dagmaker round`) write the
same files; `build`, `repair` and `verify-plan` can make them again.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from dagmaker.htcondor import build_record, render, render_dag
from dagmaker.plan import clusters, plan, sites
from dagmaker.plan.plan import Node, Plan
from dagmaker.plan.sites import Site
from worker.base import shell
from worker.base.atomic import Written, write_all
from worker.base.errors import InputError
from worker.base.reading import file_bytes
from worker.base.task_rows import JUDGE
from worker.rundir import layout, planfile, rounds
from worker.spec.point import ByLabels, Point
from worker.spec.sections import Spec

PREFIX = "r"


def nodes_of(spec: Spec, number: int, decided: Mapping[str, Any]) -> tuple[Node, ...]:
    """The nodes that a decision adds."""
    return tuple(
        replace(node, name=f"{PREFIX}{number}_{node.name}", parents=(plan.judge_name(number),))
        for node in _decided_nodes(spec, decided)
    )


def _decided_nodes(spec: Spec, decided: Mapping[str, Any]) -> Iterator[Node]:
    points = ByLabels(spec.all_points)
    for row in decided["background"]:
        for add in row["add"]:
            yield from plan.background(spec, _point(points, row, decided), (add["first"], add["n"]))
    several = len(spec.signal.gammas) > 1
    for row in decided["points"]:
        for add in row["add"]:
            gamma, at = row["gamma"] if several else None, _point(points, row, decided)
            yield from plan.signal(spec, at, gamma, add["n_sig"], (add["first"], add["n"]))


def _point(points: ByLabels, row: Mapping[str, Any], decided: Mapping[str, Any]) -> Point:
    point = points.of(row)
    if point is None:
        raise InputError(
            f"{layout.decision(decided['round'])}: names a point that the spec does not have; remove this file and run "
            "`dagmaker repair`"
        )
    return point


def plan_text(number: int, decided: Mapping[str, Any], nodes: tuple[Node, ...]) -> str:
    """The plan of a round, in the format of plan.json."""
    return planfile.text({"round": number, "decision": decided["sha256"]}, map(plan.as_json, nodes))


def files(
    spec: Spec, site: Site, run: PurePosixPath, number: int, decided: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Every file of a round besides its decision: lists of processes and DAG if it adds nodes, then its plan."""
    nodes = nodes_of(spec, number, decided)
    if nodes and not render.path_problem(run, site):
        part = Plan(f"{spec.name}, round {number}", "", tuple(replace(node, parents=()) for node in nodes))
        packed = clusters.make(part)
        yield from render.batches(packed)
        lines = render_dag.round_lines(part, packed, sites.with_accounting_group(site, spec), run)
        yield str(layout.round_dag(number)), "\n".join(lines) + "\n"
    yield str(layout.round_plan(number)), plan_text(number, decided, nodes)


def write_round(spec: Spec, run: Path, number: int) -> tuple[Node, ...]:
    """Write the files of a round from its decision, except those that are up to date; its nodes.

    Raises
    ------
    InputError
        There is no decision.
    """
    decided = rounds.decision(run, number)
    if decided is None:
        raise InputError(
            f"{run / layout.decision(number)}: round {number} has not been decided; "
            f"`{shell.worker('judge', f'--run={run}', f'--round={number}')}` does it, after the trials before it"
        )
    texts = dict(files(spec, build_record.read(run).site, PurePosixPath(run), number, decided))
    changed = [name for name, text in texts.items() if _bytes(run / name) != text.encode()]
    for name in texts:
        if name.startswith("batches/"):
            (run / "logs" / PurePosixPath(name).stem).mkdir(parents=True, exist_ok=True)
    if changed:
        _remove_stale(run, number, set(texts))
    for name in changed:
        write_all(run, [Written(PurePosixPath(name), texts[name].encode())])
    return nodes_of(spec, number, decided)


def decisions(spec: Spec, run: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and decision of every round that has been decided."""
    for number in range(1, spec.adaptive.max_rounds + 1):
        if (decided := rounds.decision(run, number)) is None:
            return
        yield number, decided


def write_decided_rounds(spec: Spec, run: Path) -> None:
    """Write the files of every round that has been decided."""
    for number, _ in decisions(spec, run):
        write_round(spec, run, number)


def remove_outdated_rounds(spec: Spec, run: Path, first: Plan) -> Iterator[str]:
    """Remove decisions that no longer continue the plan, with their files; one note about it."""
    n_trials: Counter[tuple[Any, ...]] = Counter()
    for node in first.nodes:
        n_trials[layout.point(node.task, dict(node.args))] += node.n_trials
    for number, decided in decisions(spec, run):
        if _continues(nodes_of(spec, number, decided), n_trials):
            continue
        for later in range(number, spec.adaptive.max_rounds + 1):
            for rel in (layout.decision(later), layout.round_plan(later)):
                (run / rel).unlink(missing_ok=True)
            _remove_stale(run, later, set())
        yield (
            f"{layout.decision(number)}: removed, since it continues other trials than those of the plan now; "
            "rounds from there on will be decided again"
        )
        return


def _continues(nodes: tuple[Node, ...], n_trials: Counter[tuple[Any, ...]]) -> bool:
    """Whether each node starts at the end of its stream; adds its trials to `n_trials`."""
    for node in nodes:
        point = layout.point(node.task, dict(node.args))
        if node.cuts[0][0] != n_trials[point]:
            return False
        n_trials[point] += node.n_trials
    return True


def file_names(spec: Spec, run: Path) -> Iterator[str]:
    """Names of the files of all decided rounds."""
    site = build_record.read(run).site
    for number, decided in decisions(spec, run):
        yield str(layout.decision(number))
        yield from (name for name, _ in files(spec, site, PurePosixPath(run), number, decided))


def _bytes(path: Path) -> bytes | None:
    try:
        return file_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _remove_stale(run: Path, number: int, current: set[str]) -> None:
    """Remove files of an earlier version of the round: lists of processes, DAG, DAGMan's files."""
    dag = layout.round_dag(number)
    for path in (*run.glob(f"batches/{PREFIX}{number}_*.txt"), *run.glob(f"{dag}*")):
        if str(path.relative_to(run)) not in current:
            path.unlink()


def read_plan(run: Path) -> Plan:
    """The plan of a run directory, including the nodes of its rounds.

    Raises
    ------
    InputError
        The directory has no valid plan.
    """
    cure = planfile.cure(run)
    try:
        first = planfile.read(run / layout.PLAN, planfile.HEAD, cure)
    except (FileNotFoundError, NotADirectoryError):
        if (run / layout.BUILD).is_file():
            cure = f"`{shell.dagmaker('restore', run)}` writes it again"
            raise InputError(f"{run / layout.PLAN}: this file is missing; {cure}") from None
        raise InputError(
            f"{run}: this is not a run directory: it has no {layout.PLAN}; `dagmaker build` makes one"
        ) from None
    most = sum(node["task"] == JUDGE for node in first["nodes"])
    return plan.of_json(rounds.effective(first, rounds.load(run, most)))
