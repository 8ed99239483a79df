"""Text of `dagmaker plan`."""

from collections.abc import Iterator

from dagmaker.columns import Column, table
from dagmaker.cost import cost, significance_reach
from dagmaker.cost.cost import Cost, StageCost
from dagmaker.cost.hours import hours
from dagmaker.plan.plan import Plan
from worker.spec.run_sections import Goal

_COLUMNS = (
    Column("stage", 14), Column("processes", 11), Column("trials", 14), Column("files", 11, 4),
    Column("per folder", 12, 5), Column("CPU time", 11), Column("longest", 10), Column("memory", 10, 1),
    Column("asked", 10, 2), Column("disk", 10, 3),
)  # fmt: skip


def _row(stage: StageCost) -> tuple[str, ...]:
    return (
        stage.task, f"{stage.processes:,}", f"{stage.trials:,}" if stage.trials else "-", f"{stage.files:,}",
        f"{stage.files_per_folder:,}", hours(stage.cpu_h), hours(stage.longest_s / 3600), f"{stage.memory_mb} MB",
        f"{stage.request_mb} MB", f"{stage.disk_mb} MB",
    )  # fmt: skip


def lines(plan: Plan, total: Cost, goal: Goal | None = None, width: int | None = None) -> Iterator[str]:
    """Stages, load on DAGMan and reachable significances, for a terminal of this width."""
    method = f"by the pilot on {total.measured}" if total.measured else "estimated by the built-in model, not measured"
    yield f"{plan.name}: {plan.n_processes:,} processes, {hours(total.cpu_h)} of CPU time ({method})"
    yield ""
    yield from table(_COLUMNS, map(_row, total.stages), width)
    yield ""
    yield f"wall time    {hours(total.wall_h)} on {total.slots:,} slots that are always busy"
    local = hours(total.local_h)
    yield f"here         {local} of CPU time with `dagmaker run`, whose workers start once; above: as on a pool"
    submit = hours(total.submit_s / 3600)
    yield f"DAGMan       {total.dag_nodes:,} nodes, submitted in {submit} at {cost.NODES_PER_S:g} per second"
    yield from total.rounds
    yield from significance_reach.lines(total.quotable, {stage.task: stage.cpu_h for stage in total.stages}, goal)
    for warning in total.warnings:
        yield f"warning: {warning}"
