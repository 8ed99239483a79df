"""What is missing or corrupt, made again: a DAG of exactly these processes and of what is made from them."""

import json
import os
import re
import subprocess
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
from worker.base.errors import InputError
from worker.base.task_rows import JUDGE, POST_TRIAL, PREPARE, REPORT, SENSITIVITY
from worker.rundir import layout
from worker.spec import specfile

SHOWN = 5
MOST_JOBS = 8
BEFORE_FINAL = (POST_TRIAL, SENSITIVITY)


class Repair(NamedTuple):
    """What was found, and what the DAG makes again.

    Attributes
    ----------
    checked : int
        Files.
    wanted : mapping of str to tuple of int
        Positions of the processes to run, by node.
    number : int
        Which repair of this directory it is; 0 where no DAG was written: nothing is missing, or DAGMan cannot
        use the path.
    moved : tuple of str
        What lay in the way, and is below RUN/set_aside now.
    """

    run: Path
    checked: int
    faults: tuple[Fault, ...] = ()
    wanted: Mapping[str, tuple[int, ...]] = {}
    number: int = 0
    moved: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data for programs."""
        return {
            "run": str(self.run),
            "checked": self.checked,
            "faults": [fault._asdict() for fault in self.faults],
            "dag": str(self.run / dagjob.REPAIR) if self.number else None,
            "processes": sum(map(len, self.wanted.values())),
            "nodes": dict(self.wanted),
            "moved": list(self.moved),
        }

    def lines(self) -> list[str]:
        """What to tell the user."""
        if not self.faults:
            return [f"{self.run}: {self.checked:,} files checked, nothing is missing or corrupt"]
        return list(_said(self))


def repair(run: Path, jobs: int = 0, set_aside: bool = False) -> Repair:
    """Check every file, remove what is corrupt, write repair.dag where DAGMan can use the path.

    Parameters
    ----------
    set_aside : bool
        Move what is not ours and lies where an output belongs to RUN/set_aside, instead of refusing.

    Raises
    ------
    RefusedError
        The directory is at work.
    InputError
        Something that is not ours lies where an output belongs, or the directory cannot be checked or written.
    """
    run = run.absolute()
    plan = read_plan(run)
    with lock.held(run):
        queued.refuse(run, "repaired")
        if any(node.task == JUDGE for node in plan.nodes):
            rounds.settled(specfile.load_resolved(run / layout.SPEC), run)
            plan = read_plan(run)
        checked, faults = verify(run, jobs or min(os.cpu_count() or 1, MOST_JOBS))
        if not faults:
            return Repair(run, checked)
        wanted = needed(plan, faults)
        moved = blocking_paths.find(run, faults)
        if not set_aside:
            blocking_paths.refuse(run, moved, shell.dagmaker("repair", run, "--set_aside"))
        try:
            blocking_paths.move(run, moved)
            _remove(run, faults)
            number = _write(run, plan, wanted)
        except OSError as error:
            raise InputError(f"{error.filename or run}: cannot be written: {reason(error)}") from None
    return Repair(run, checked, tuple(faults), wanted, number, tuple(map(str, moved)))


def verify(run: Path, jobs: int) -> tuple[int, list[Fault]]:
    """Have every file loaded, by a worker: how many there are, and what is wrong.

    Raises
    ------
    InputError
        The worker could not do it.
    """
    command = [interpreter.python(), "-m", "worker", "verify", f"--run={run}", f"--jobs={jobs}"]
    done = subprocess.run(
        command, env=interpreter.environment(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []
    if not lines or lines[-1].get("faults") != len(lines) - 1:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise InputError(f"{run}: cannot be checked (exit code {done.returncode}): {said}")
    return int(lines[-1]["checked"]), [Fault(**line) for line in lines[:-1]]


def _remove(run: Path, faults: Iterable[Fault]) -> None:
    """Remove outputs that cannot be trusted, and their records."""
    for fault in faults:
        if fault.state != "absent":
            path = PurePosixPath(fault.path)
            for name in (path, layout.record_name(path)):
                (run / name).unlink(missing_ok=True)


def needed(plan: Plan, faults: Iterable[Fault]) -> dict[str, tuple[int, ...]]:
    """Processes to run, by node: what is wrong, and every result behind it. Trials depend on no other output.

    A decision holds when trials before it are made again: they are the same. A judge follows an earlier judge only.

    The report always; where it would be alone post_trial too, or sensitivity where no sky is looked at, since a DAG
    needs a node besides the FINAL one.
    """
    found: dict[str, set[int]] = {}
    for fault in faults:
        found.setdefault(fault.node, set()).add(fault.position)
    judges = {node.name for node in plan.nodes if node.task == JUDGE}
    for node in plan.nodes:
        behind = [parent for parent in node.parents if parent in found and parent != PREPARE]
        if (node.file and any(parent in judges for parent in behind)) or (behind and node.file and node.task != JUDGE):
            found.setdefault(node.name, set()).add(0)
    found.setdefault(REPORT, set()).add(0)
    if len(found) == 1:
        names = {node.name for node in plan.nodes}
        found[next(name for name in BEFORE_FINAL if name in names)] = {0}
    return {node.name: tuple(sorted(found[node.name])) for node in plan.nodes if node.name in found}


def reduced(plan: Plan, wanted: Mapping[str, tuple[int, ...]], prefix: str) -> Plan:
    """The part of a plan that has to run; names get a prefix, as their lists of processes are shorter ones."""

    def named(name: str) -> str:
        return name if name == REPORT else prefix + name

    nodes = tuple(
        replace(
            node,
            name=named(node.name),
            only=None if node.file else wanted[node.name],
            parents=tuple(named(parent) for parent in node.parents if parent in wanted),
        )
        for node in plan.nodes
        if node.name in wanted
    )
    return Plan(plan.name, plan.spec_digest, nodes)


def _write(run: Path, plan: Plan, wanted: Mapping[str, tuple[int, ...]]) -> int:
    """Write the lists of processes and repair.dag, in place of those of the last repair; the repair's number, or 0."""
    site = build_record.read(run).site
    if render.unusable(PurePosixPath(run), site):
        return 0
    number = _next_number(run)
    part = reduced(plan, wanted, f"repair{number:02d}_")
    packed = clusters.make(part)
    _forget_last(run)
    for cluster in packed.clusters:
        if cluster.task != REPORT:
            _text(run, render_dag.batch_file(PurePosixPath(), cluster.name), cluster.lines)
        (run / "logs" / cluster.name).mkdir(parents=True, exist_ok=True)
    site = sites.charged(site, specfile.load_resolved(run / layout.SPEC))
    lines = render_dag.lines(part, packed, site, PurePosixPath(run))
    _text(run, PurePosixPath(dagjob.REPAIR), [line.replace("`dagmaker build`", "`dagmaker repair`") for line in lines])
    return number


def _text(run: Path, name: PurePosixPath, lines: Iterable[str]) -> None:
    write_all(run, [Written(name, ("\n".join(lines) + "\n").encode())])


def _next_number(run: Path) -> int:
    """A number that no repair of this directory had: logs tell processes of different repairs apart by it."""
    names = [path.name for folder in ("logs", "batches") for path in (run / folder).glob("repair*_*")]
    return max((int(found[1]) for name in names if (found := re.match(r"repair(\d+)_", name))), default=0) + 1


def _forget_last(run: Path) -> None:
    """Remove what the last repair's DAG left that would speak of the new one: a rescue file above all."""
    stale = [f"{dagjob.REPAIR}.rescue*", f"{dagjob.REPAIR}.nodes.log", f"{dagjob.REPAIR}.lock"]
    for pattern in (*stale, f"{dagjob.REPAIR}.metrics", f"{dagjob.REPAIR}.condor.sub"):
        for path in run.glob(pattern):
            path.unlink()


def _said(found: Repair) -> Iterator[str]:
    run, checked, faults, wanted, number, moved = found
    states = ("absent", "corrupt", "stale", "foreign")
    counts = {state: sum(fault.state == state for fault in faults) for state in states}
    told = ", ".join(f"{n:,} {state}" for state, n in counts.items() if n)
    yield f"{run}: {checked:,} files checked: {told}"
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
    n = sum(map(len, wanted.values()))
    yield f"{f'{dagjob.REPAIR} (no. {number})' if number else 'to run'}: {n:,} processes: {', '.join(_nodes(wanted))}"
    if number:
        again = shell.dagmaker("submit", run, "--repair")
        yield f"on a pool: {again}        (or {shell.command('condor_submit_dag', run / dagjob.REPAIR)})"
    yield f"here:      {shell.dagmaker('run', run / layout.SPEC, f'--run={run}', '--jobs=2')}"


def _nodes(wanted: Mapping[str, tuple[int, ...]], limit: int = 8) -> Iterator[str]:
    for name, positions in list(wanted.items())[:limit]:
        yield name + (f" x {len(positions)}" if len(positions) > 1 else "")
    if len(wanted) > limit:
        yield f"and {len(wanted) - limit} more nodes"
