"""Requested and used resources of a run, from the records of its outputs, and edits of the spec."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from statistics import median
from typing import Any

from dagmaker.columns import Column, table
from dagmaker.cost import cost, small_task_costs
from dagmaker.cost.hours import hours
from dagmaker.cost.significance_reach import Quotable, way_of
from dagmaker.cost.significance_reach import lines as quotable_lines
from dagmaker.htcondor import eventlog, submitfile
from dagmaker.htcondor.rounds import read_plan
from dagmaker.plan import processes, sites, sizing
from dagmaker.plan.plan import Node, Plan
from dagmaker.status import status
from worker.base.reading import NUMBER, Kinds, json_object
from worker.base.task_rows import ROWS
from worker.rundir import layout
from worker.spec import specfile
from worker.spec.sections import Spec

MEASURED: Kinds = {"cpu_s": NUMBER, "wall_s": NUMBER, "max_rss_mb": NUMBER, "host": str}
"""Keys of a record that are read."""
SLOW = 1.5  # ratio of CPU times above which a machine is slow
ENOUGH = 5  # fewest processes of a task on a slow machine
TOO_MUCH = 2.0  # ratio of requested to used memory that is too large
APART = 0.2  # relative difference of predicted and measured time that matters
BUSY = 0.7  # share of CPU in wall time below which slots are wasted


@dataclass(frozen=True)
class KindUsage:
    """Usage of one kind of task.

    Attributes
    ----------
    pool : bool
        HTCondor ran the processes, each with its own start; else `dagmaker run`, whose workers start once.
    processes, measured : int
        Processes in the plan, and those with a record.
    cpu_s, wall_s, predicted_s : float, s
        Sums over the measured processes, without the part of the start that records do not include.
    spread_s : tuple of float, s
        5th percentile, median and 95th percentile of a process's CPU time.
    memory_mb, asked_mb : float
        Largest use, and request of each process.
    repeated : int
        Failed tries that were started again.
    hosts : int
    slow : tuple of (host, ratio)
        Machines that needed more CPU time than the others for the same work.
    """

    task: str
    pool: bool
    processes: int
    measured: int
    cpu_s: float
    wall_s: float
    predicted_s: float
    spread_s: tuple[float, float, float]
    memory_mb: float
    asked_mb: int
    repeated: int
    hosts: int
    slow: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Efficiency:
    """Usage of a whole run."""

    name: str
    kinds: tuple[KindUsage, ...]
    edits: tuple[str, ...]
    quotable: Quotable | None

    def as_json(self) -> dict[str, Any]:
        """Plain data for programs."""
        return asdict(self)


def look(run: Path) -> Efficiency:
    """Read the records of a run directory.

    Raises
    ------
    InputError
        The path is not a run directory.
    """
    plan = read_plan(run)
    spec = specfile.load_resolved(run / layout.SPEC)
    repeated = {stage.task: stage.repeated for stage in status.look(run).stages}
    work = cost.work_s(plan, spec)
    usages = (_kind_usage(run, plan, spec, task, work, repeated.get(task, 0)) for task in plan.tasks())
    kinds = tuple(kind for kind in usages if kind.measured)
    return Efficiency(plan.name, kinds, tuple(_edits(kinds, spec)), _quotable(run, spec))


def _kind_usage(run: Path, plan: Plan, spec: Spec, task: str, work: dict[str, float], repeated: int) -> KindUsage:
    nodes = [node for node in plan.nodes if node.task == task]
    pool = _on_pool(run, task)
    more_s = small_task_costs.start(spec, task).inside_s if pool else 0.0
    rows = [(record, s + more_s) for node in nodes for record, s in _records(run, node, work[node.name])]
    cpu = sorted(float(record["cpu_s"]) for record, _ in rows)
    return KindUsage(
        task=task, pool=pool, processes=sum(node.n_processes for node in nodes), measured=len(rows),
        cpu_s=sum(cpu),
        wall_s=sum(float(record["wall_s"]) for record, _ in rows),
        predicted_s=sum(predicted for _, predicted in rows),
        spread_s=(_quantile(cpu, 0.05), _quantile(cpu, 0.5), _quantile(cpu, 0.95)),
        memory_mb=max((float(record["max_rss_mb"]) for record, _ in rows), default=0.0),
        asked_mb=sizing.request(spec, sites.load(spec.site), task).memory_mb,
        repeated=repeated, hosts=len({record["host"] for record, _ in rows}),
        slow=tuple(_slow(rows)),
    )  # fmt: skip


def _on_pool(run: Path, task: str) -> bool:
    """Whether HTCondor started processes of a task, from its event log."""
    log = submitfile.read(run, task).log
    return log is not None and any(event.kind == eventlog.EXECUTE for event in eventlog.Log(log).new())


def _records(run: Path, node: Node, work_s: float) -> Iterator[tuple[dict[str, Any], float]]:
    """Record and predicted CPU time of each existing output."""
    weights = [n for _, n in node.cuts for _ in range(node.bands)] or [1] * node.n_processes
    whole = sum(weights)
    for name, weight in zip(processes.outputs(node), weights, strict=True):
        rel = PurePosixPath(node.dir) / name
        path = layout.timing_file(node.task) if rel.suffix == ".json" else layout.record_name(rel)
        path = layout.REPORT_RECORD if rel == layout.REPORT else path
        try:
            record = json_object(run / path, MEASURED)
            yield {key: record[key] for key in MEASURED}, work_s * weight / whole
        except (OSError, ValueError):
            continue


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[round(share * (len(ordered) - 1))] if ordered else 0.0


def _slow(rows: list[tuple[dict[str, Any], float]]) -> Iterator[tuple[str, float]]:
    """Machines with a much larger ratio of measured to predicted CPU time than the median machine."""
    ratios: dict[str, list[float]] = {}
    for record, predicted in rows:
        ratios.setdefault(record["host"], []).append(record["cpu_s"] / max(predicted, 1e-9))
    if len(ratios) < 2:
        return
    usual = median(median(values) for values in ratios.values())
    for host, values in sorted(ratios.items()):
        if len(values) >= ENOUGH and median(values) > SLOW * usual:
            yield host, median(values) / usual


def _quotable(run: Path, spec: Spec) -> Quotable | None:
    """Significances that the existing trials and skies support."""
    try:
        summary = json_object(run / layout.SUMMARY, {"background": list, "post_trial": dict})
        n_bg = min(int(row["n"]) for row in summary["background"])
        n_skies = int(summary["post_trial"]["n"])
        return Quotable(n_bg, n_skies, spec.signal.n_trials, spec.scan.survival, way=way_of(spec))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _edits(kinds: tuple[KindUsage, ...], spec: Spec) -> Iterator[str]:
    """Changes of the spec that would have saved resources, with reasons."""
    asked = spec.resources
    if asked.target_hours is None:
        yield from _memory_edit(kinds, asked.request_memory_mb)
    for kind in kinds:
        if not ROWS[kind.task].has_many_files or kind.predicted_s <= 0:
            continue
        ratio = kind.cpu_s / kind.predicted_s
        if abs(ratio - 1) > APART and kind.cpu_s > 60:
            yield f"resources: {{pilot: pilot.json}}   # {kind.task} took {ratio:.2f} of the prediction: pilot again"
    for kind in kinds:
        if not ROWS[kind.task].has_many_files or kind.spread_s[1] >= 60 or kind.processes <= 1000:
            continue
        key = "resources.target_hours" if asked.target_hours else (ROWS[kind.task].per_file or "resources.target_hours")
        yield f"{key}: larger   # {kind.processes:,} processes of {kind.task} worked {kind.spread_s[1]:.1f} s each"
    for kind in kinds:
        if kind.wall_s > 600 and kind.cpu_s < BUSY * kind.wall_s:
            share = 100 * kind.cpu_s / kind.wall_s
            yield f"# {kind.task}: busy {share:.0f} % of its time: slots are shared, or the disk is slow"
        for host, times in kind.slow:
            yield f"# {kind.task}: {host} took {times:.1f} times as long: site profile, commands: requirements"


def _memory_edit(kinds: tuple[KindUsage, ...], asked_mb: int) -> Iterator[str]:
    used = max((kind.memory_mb for kind in kinds), default=0.0)
    fit = math.ceil(used * sizing.MEMORY_MARGIN / sizing.STEP_MB) * sizing.STEP_MB
    if used and (asked_mb > TOO_MUCH * used or asked_mb < used):
        yield f"resources: {{request_memory_mb: {max(fit, 100)}}}   # now {asked_mb}, used at most {used:.0f}"


_COLUMNS = (
    Column("kind", 14), Column("processes", 10), Column("CPU time", 10), Column("predicted", 11), Column("of it", 7),
    Column("busy", 6, 1), Column("one process: 5, 50, 95 %", 27, 4), Column("memory", 9), Column("asked", 9),
    Column("again", 7, 2), Column("hosts", 7, 3),
)  # fmt: skip


def _row(kind: KindUsage) -> tuple[str, ...]:
    return (
        kind.task, f"{kind.measured:,}", hours(kind.cpu_s / 3600), hours(kind.predicted_s / 3600),
        f"{100 * kind.cpu_s / kind.predicted_s:.0f} %" if kind.predicted_s else "-",
        f"{100 * kind.cpu_s / kind.wall_s:.0f} %" if kind.wall_s else "-",
        ", ".join(hours(s / 3600) for s in kind.spread_s),
        f"{kind.memory_mb:.0f} MB", f"{kind.asked_mb} MB", f"{kind.repeated}", f"{kind.hosts}",
    )  # fmt: skip


def lines(efficiency: Efficiency, width: int | None = None) -> Iterator[str]:
    """Text of `dagmaker efficiency`, for a terminal of this width."""
    yield f"{efficiency.name}: what was asked for and used; CPU times of the work, without the start of a process"
    if any(kind.pool for kind in efficiency.kinds):
        yield "on a pool: each process puts up its data and loads compiled code anew, which is predicted, too"
    yield ""
    yield from table(_COLUMNS, map(_row, efficiency.kinds), width)
    if efficiency.quotable is not None:
        yield ""
        yield from quotable_lines(efficiency.quotable, {kind.task: kind.cpu_s / 3600 for kind in efficiency.kinds})
    yield ""
    yield "the spec would be better with" if efficiency.edits else "nothing in the spec would have made this better"
    yield from (f"    {edit}" for edit in efficiency.edits)
