"""Rounds of an adaptive analysis: a decision of the judge becomes nodes, their lists of processes and their DAG.

A round's files are a function of the spec and of its decision. The local runner and DAGMan (through `dagmaker round`)
write the same ones; `build`, `repair` and `verify-plan` can make them again.
"""

import hashlib
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
from worker.base.bounds import MAX_TRIALS
from worker.base.errors import InputError
from worker.base.reading import MAX_JSON, NUMBER, Kinds, check, file_bytes, json_value
from worker.base.task_rows import JUDGE
from worker.rundir import layout, planfile, rounds
from worker.spec.sections import Spec

PREFIX = "r"


def decision(run: Path, number: int) -> dict[str, Any] | None:
    """What the judge decided, with the sha256 of its file; None where it has not.

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
        raw = json_value(data)
        found = {"points": raw["points"], "background": raw["background"], "sha256": hashlib.sha256(data).hexdigest()}
        for row in found["background"]:
            _check_row(row, {"dec_deg": NUMBER}, {})
        for row in found["points"]:
            _check_row(row, {"dec_deg": NUMBER, "gamma": NUMBER}, {"n_sig": NUMBER})
        return found
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: is not a decision of the judge ({type(error).__name__}: {error}); remove it and run "
            f"`{shell.dagmaker('repair', run)}`"
        ) from None


def _check_row(row: Any, kinds: Kinds, of_more: Kinds) -> None:
    """Raise ValueError or TypeError if a row of a decision has not the keys and kinds that are read."""
    check(row, {**kinds, "add": list})
    for add in row["add"]:
        check(add, {**of_more, "first": int, "n": int})
        if not (0 <= add["first"] <= MAX_TRIALS and 1 <= add["n"] <= MAX_TRIALS):
            raise ValueError("no such trials can be added")


def nodes_of(spec: Spec, number: int, found: Mapping[str, Any]) -> tuple[Node, ...]:
    """The nodes that a decision asks for."""
    return tuple(
        replace(node, name=f"{PREFIX}{number}_{node.name}", parents=(plan.judge_name(number),))
        for node in _asked(spec, found)
    )


def _asked(spec: Spec, found: Mapping[str, Any]) -> Iterator[Node]:
    for row in found["background"]:
        for add in row["add"]:
            yield from plan.background(spec, row["dec_deg"], (add["first"], add["n"]))
    several = len(spec.signal.gammas) > 1
    for row in found["points"]:
        for add in row["add"]:
            gamma = row["gamma"] if several else None
            yield from plan.signal(spec, row["dec_deg"], gamma, add["n_sig"], (add["first"], add["n"]))


def text_of(number: int, found: Mapping[str, Any], nodes: tuple[Node, ...]) -> str:
    """The plan of a round: as plan.json, one node per line."""
    return planfile.text({"round": number, "decision": found["sha256"]}, map(plan.as_json, nodes))


def files(
    spec: Spec, site: Site, run: PurePosixPath, number: int, found: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Every file of a round besides its decision: lists of processes and DAG, where it adds anything; its plan last."""
    nodes = nodes_of(spec, number, found)
    if nodes and not render.unusable(run, site):
        part = Plan(f"{spec.name}, round {number}", "", tuple(replace(node, parents=()) for node in nodes))
        packed = clusters.make(part)
        for cluster in packed.clusters:
            yield str(render_dag.batch_file(PurePosixPath(), cluster.name)), "\n".join(cluster.lines) + "\n"
        lines = render_dag.round_lines(part, packed, sites.charged(site, spec), run)
        yield str(layout.round_dag(number)), "\n".join(lines) + "\n"
    yield str(layout.round_plan(number)), text_of(number, found, nodes)


def settle(spec: Spec, run: Path, number: int) -> tuple[Node, ...]:
    """Turn the decision of a round into its files; its nodes. Files that are as they should be are left alone.

    Raises
    ------
    InputError
        There is no decision.
    """
    found = decision(run, number)
    if found is None:
        raise InputError(
            f"{run / layout.decision(number)}: round {number} has not been decided; "
            f"`{shell.worker('judge', f'--run={run}', f'--round={number}')}` does it, after the trials before it"
        )
    texts = dict(files(spec, build_record.read(run).site, PurePosixPath(run), number, found))
    changed = [name for name, text in texts.items() if _bytes(run / name) != text.encode()]
    for name in texts:
        if name.startswith("batches/"):
            (run / "logs" / PurePosixPath(name).stem).mkdir(parents=True, exist_ok=True)
    if changed:
        _forget(run, number, set(texts))
    for name in changed:
        write_all(run, [Written(PurePosixPath(name), texts[name].encode())])
    return nodes_of(spec, number, found)


def settled(spec: Spec, run: Path) -> tuple[int, ...]:
    """Settle every round that has been decided; their numbers."""
    done = []
    for number in range(1, spec.adaptive.max_rounds + 1):
        if decision(run, number) is None:
            break
        settle(spec, run, number)
        done.append(number)
    return tuple(done)


def forget_others(spec: Spec, run: Path, first: Plan) -> Iterator[str]:
    """Remove decisions that do not continue the plan any more, with what was planned from them; says so."""
    there: Counter[tuple[Any, ...]] = Counter()
    for node in first.nodes:
        there[layout.point(node.task, dict(node.args))] += node.n_trials
    for number in range(1, spec.adaptive.max_rounds + 1):
        found = decision(run, number)
        if found is None:
            return
        if _continues(nodes_of(spec, number, found), there):
            continue
        for later in range(number, spec.adaptive.max_rounds + 1):
            for rel in (layout.decision(later), layout.round_plan(later)):
                (run / rel).unlink(missing_ok=True)
            _forget(run, later, set())
        yield (
            f"{layout.decision(number)}: removed, since it continues other trials than those of the plan now; "
            "rounds from there on will be decided again"
        )
        return


def _continues(nodes: tuple[Node, ...], there: Counter[tuple[Any, ...]]) -> bool:
    """Whether each node begins where its stream ends; `there` counts the trials of the streams on."""
    for node in nodes:
        point = layout.point(node.task, dict(node.args))
        if node.cuts[0][0] != there[point]:
            return False
        there[point] += node.n_trials
    return True


def names(spec: Spec, run: Path) -> Iterator[str]:
    """The files of all rounds that have been decided."""
    site = build_record.read(run).site
    for number in range(1, spec.adaptive.max_rounds + 1):
        found = decision(run, number)
        if found is None:
            return
        yield str(layout.decision(number))
        yield from (name for name, _ in files(spec, site, PurePosixPath(run), number, found))


def _bytes(path: Path) -> bytes | None:
    try:
        return file_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _forget(run: Path, number: int, kept: set[str]) -> None:
    """Remove what an earlier form of the round left: lists of processes, its DAG, and DAGMan's word on that."""
    dag = layout.round_dag(number)
    stale = [*run.glob(f"batches/{PREFIX}{number}_*.txt"), *run.glob(f"{dag}*")]
    for path in stale:
        if str(path.relative_to(run)) not in kept:
            path.unlink()


def read_plan(run: Path) -> Plan:
    """The plan of a run directory, with what its rounds have added.

    Raises
    ------
    InputError
        It is not one.
    """
    cure = planfile.cure(run)
    try:
        first = planfile.read(run / layout.PLAN, planfile.HEAD, cure)
    except (FileNotFoundError, NotADirectoryError):
        if (run / layout.BUILD).is_file():
            lost = run / layout.PLAN
            raise InputError(
                f"{lost}: this file is missing; `{shell.dagmaker('restore', run)}` writes it again"
            ) from None
        raise InputError(
            f"{run}: this is not a run directory: it has no {layout.PLAN}; `dagmaker build` makes one"
        ) from None
    most = sum(node["task"] == JUDGE for node in first["nodes"])
    return plan.of_json(rounds.effective(first, rounds.load(run, most)))
