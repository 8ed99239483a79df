"""A DAG that makes missing and corrupt outputs again, and everything that depends on them."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from dagmaker import interpreter, lock
from dagmaker.htcondor import blocking_paths, build_record, dagjob, queued, render, render_dag, rounds
from dagmaker.htcondor.blocking_paths import Fault
from dagmaker.htcondor.rounds import read_plan
from dagmaker.plan import clusters, sites
from dagmaker.plan.plan import Plan
from worker.base import shell
from worker.base.atomic import Written, reason, write_all
from worker.base.errors import DagmakerError, InputError
from worker.base.task_rows import JUDGE, POST_TRIAL, PREPARE, REPORT, SENSITIVITY
from worker.rundir import layout
from worker.spec import specfile

SHOWN = 5
MOST_JOBS = 8
BEFORE_FINAL = (POST_TRIAL, SENSITIVITY)


class Repair(NamedTuple):
    """Result of `repair`.

    Attributes
    ----------
    checked : int
        Number of files.
    positions : mapping of str to tuple of int
        Positions of the processes to run, by node.
    number : int
        Number of the repair in this directory; 0 if no DAG was written, since nothing is missing or DAGMan cannot
        use the path.
    moved : tuple of str
        Blocking paths that are now in RUN/set_aside.
    """

    run: Path
    checked: int
    faults: tuple[Fault, ...] = ()
    positions: Mapping[str, tuple[int, ...]] = {}
    number: int = 0
    moved: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data for programs."""
        return {
            "run": str(self.run),
            "checked": self.checked,
            "faults": [fault._asdict() for fault in self.faults],
            "dag": str(self.run / dagjob.REPAIR) if self.number else None,
            "processes": sum(map(len, self.positions.values())),
            "nodes": dict(self.positions),
            "moved": list(self.moved),
        }

    def lines(self) -> list[str]:
        """Text for the terminal."""
        nothing = f"{self.run}: {self.checked:,} files checked, nothing is missing or corrupt"
        return list(_lines(self)) if self.faults else [nothing]


def repair(run: Path, jobs: int = 0, set_aside: bool = False) -> Repair:
    """Check every file, remove corrupt ones, and write repair.dag if DAGMan can use the path.

    Parameters
    ----------
    set_aside : bool
        Move blocking paths to RUN/set_aside instead of refusing.

    Raises
    ------
    RefusedError
        A command or DAG works in the directory.
    InputError
        A path is blocked, or the directory cannot be checked or written.
    """
    run = run.absolute()
    plan = read_plan(run)
    with lock.held(run):
        queued.refuse(run, "repaired")
        if any(node.task == JUDGE for node in plan.nodes):
            rounds.write_decided_rounds(specfile.load_resolved(run / layout.SPEC), run)
            plan = read_plan(run)
        checked, faults = verify(run, jobs or min(os.cpu_count() or 1, MOST_JOBS))
        if not faults:
            return Repair(run, checked)
        positions = processes_to_run(plan, faults)
        moved = blocking_paths.find(run, faults)
        if not set_aside:
            blocking_paths.refuse(run, moved, shell.dagmaker("repair", run, "--set_aside"))
        try:
            blocking_paths.move(run, moved)
            _remove(run, faults)
            number = _write(run, plan, positions)
        except OSError as error:
            raise InputError(f"{error.filename or run}: cannot be written: {reason(error)}") from None
    return Repair(run, checked, tuple(faults), positions, number, tuple(map(str, moved)))


def verify(run: Path, jobs: int) -> tuple[int, list[Fault]]:
    """Load every file in a worker; the number of files, and the faults.

    Raises
    ------
    InputError
        The worker failed.
    """
    try:
        printed = interpreter.answer("verify", f"--run={run}", f"--jobs={jobs}")
    except DagmakerError as error:
        raise InputError(f"{run}: cannot be checked: {error}") from None
    lines = [json.loads(line) for line in printed.splitlines()]
    if not lines or lines[-1].get("faults") != len(lines) - 1:
        raise InputError(f"{run}: cannot be checked: the answer of `worker verify` is not complete")
    return int(lines[-1]["checked"]), [Fault(**line) for line in lines[:-1]]


def _remove(run: Path, faults: Iterable[Fault]) -> None:
    """Remove faulty outputs and their records."""
    for fault in faults:
        if fault.state != "absent":
            path = PurePosixPath(fault.path)
            for name in (path, layout.record_name(path)):
                (run / name).unlink(missing_ok=True)


def processes_to_run(plan: Plan, faults: Iterable[Fault]) -> dict[str, tuple[int, ...]]:
    """Positions of the processes to run, by node: faulty outputs, and every result that depends on them.

    Trials depend on no other output. Trials that are made again are the same, so a judge runs again only if an earlier
    judge does. The report always runs. A DAG needs a node besides the FINAL one: if the report is alone, post_trial
    runs too, or sensitivity without skies.
    """
    positions: dict[str, set[int]] = {}
    for fault in faults:
        positions.setdefault(fault.node, set()).add(fault.position)
    judges = {node.name for node in plan.nodes if node.task == JUDGE}
    for node in plan.nodes:
        stale_parents = [parent for parent in node.parents if parent in positions and parent != PREPARE]
        if (node.file and any(parent in judges for parent in stale_parents)) or (
            stale_parents and node.file and node.task != JUDGE
        ):
            positions.setdefault(node.name, set()).add(0)
    positions.setdefault(REPORT, set()).add(0)
    if len(positions) == 1:
        names = {node.name for node in plan.nodes}
        positions[next(name for name in BEFORE_FINAL if name in names)] = {0}
    return {node.name: tuple(sorted(positions[node.name])) for node in plan.nodes if node.name in positions}


def partial_plan(plan: Plan, positions: Mapping[str, tuple[int, ...]], prefix: str) -> Plan:
    """The part of a plan that has to run; node names get a prefix, since their lists of processes differ."""

    def named(name: str) -> str:
        return name if name == REPORT else prefix + name

    nodes = tuple(
        replace(
            node,
            name=named(node.name),
            only=None if node.file else positions[node.name],
            parents=tuple(named(parent) for parent in node.parents if parent in positions),
        )
        for node in plan.nodes
        if node.name in positions
    )
    return Plan(plan.name, plan.spec_digest, nodes)


def _write(run: Path, plan: Plan, positions: Mapping[str, tuple[int, ...]]) -> int:
    """Write the lists of processes and repair.dag, replacing those of the last repair; the repair's number, or 0."""
    site = build_record.read(run).site
    if render.path_problem(PurePosixPath(run), site):
        return 0
    number = _next_number(run)
    part = partial_plan(plan, positions, f"repair{number:02d}_")
    packed = clusters.make(part)
    _remove_last_repair(run)
    for cluster in packed.clusters:
        if cluster.task != REPORT:
            _text(run, render_dag.batch_file(PurePosixPath(), cluster.name), cluster.lines)
        (run / "logs" / cluster.name).mkdir(parents=True, exist_ok=True)
    site = sites.with_accounting_group(site, specfile.load_resolved(run / layout.SPEC))
    lines = render_dag.lines(part, packed, site, PurePosixPath(run))
    _text(run, PurePosixPath(dagjob.REPAIR), [line.replace("`dagmaker build`", "`dagmaker repair`") for line in lines])
    return number


def _text(run: Path, name: PurePosixPath, lines: Iterable[str]) -> None:
    write_all(run, [Written(name, ("\n".join(lines) + "\n").encode())])


def _next_number(run: Path) -> int:
    """A new repair number; it distinguishes processes of different repairs in the logs."""
    names = [path.name for folder in ("logs", "batches") for path in (run / folder).glob("repair*_*")]
    return max((int(found[1]) for name in names if (found := re.match(r"repair(\d+)_", name))), default=0) + 1


def _remove_last_repair(run: Path) -> None:
    """Delete files of the last repair's DAG that DAGMan would apply to the new one, such as rescue files."""
    for suffix in ("rescue*", "nodes.log", "lock", "metrics", "condor.sub"):
        for path in run.glob(f"{dagjob.REPAIR}.{suffix}"):
            path.unlink()


def _lines(repair: Repair) -> Iterator[str]:
    run, checked, faults, positions, number, moved = repair
    states = ("absent", "corrupt", "stale", "foreign")
    counts = {state: sum(fault.state == state for fault in faults) for state in states}
    counts_text = ", ".join(f"{n:,} {state}" for state, n in counts.items() if n)
    yield f"{run}: {checked:,} files checked: {counts_text}"
    for fault in sorted(faults, key=lambda fault: fault.state == "absent")[:SHOWN]:
        aside = fault.path in moved
        removed = "; moved" if aside else "" if fault.state == "absent" else "; removed"
        yield f"    {fault.path}: {fault.why}{removed}"
    if len(faults) > SHOWN:
        yield f"    and {len(faults) - SHOWN:,} more"
    if moved:
        yield f"    {len(moved):,} moved to {blocking_paths.FOLDER}/, where they keep their names"
    if any(fault.node == PREPARE for fault in faults):
        yield "    the prepared data are among them: trials were checked without it; repair again afterwards"
    n = sum(map(len, positions.values()))
    dag = f"{dagjob.REPAIR} (no. {number})" if number else "to run"
    yield f"{dag}: {n:,} processes: {', '.join(_node_counts(positions))}"
    if number:
        again = shell.dagmaker("submit", run, "--repair")
        yield f"on a pool: {again}        (or {shell.command('condor_submit_dag', run / dagjob.REPAIR)})"
    yield f"here:      {shell.dagmaker('run', run / layout.SPEC, f'--run={run}', '--jobs=2')}"


def _node_counts(positions: Mapping[str, tuple[int, ...]], limit: int = 8) -> Iterator[str]:
    for name, numbers in list(positions.items())[:limit]:
        yield name + (f" x {len(numbers)}" if len(numbers) > 1 else "")
    if len(positions) > limit:
        yield f"and {len(positions) - limit} more nodes"
