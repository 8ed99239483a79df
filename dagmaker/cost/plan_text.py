"""What `dagmaker plan` prints."""

from collections.abc import Iterator

from dagmaker.cost import cost, quotable
from dagmaker.cost.cost import Cost, StageCost
from dagmaker.cost.hours import hours
from dagmaker.planning.plan import Plan
from worker.spec import Goal

_HEAD = (
    f"{'stage':<14}{'processes':>11}{'trials':>14}{'files':>11}{'per folder':>12}"
    f"{'CPU time':>11}{'longest':>10}{'memory':>10}{'asked':>10}{'disk':>10}"
)


def _row(stage: StageCost) -> str:
    trials = f"{stage.trials:,}" if stage.trials else "-"
    return (
        f"{stage.task:<14}{stage.processes:>11,}{trials:>14}{stage.files:>11,}{stage.files_per_folder:>12,}"
        f"{hours(stage.cpu_h):>11}{hours(stage.longest_s / 3600):>10}{stage.memory_mb:>7} MB{stage.request_mb:>7} MB"
        f"{stage.disk_mb:>7} MB"
    )


def lines(plan: Plan, total: Cost, goal: Goal | None = None) -> Iterator[str]:
    """Tables of stages, of what DAGMan will feel, and of what can be claimed in the end."""
    how = f"by the pilot on {total.measured}" if total.measured else "estimated by the built-in model, not measured"
    yield f"{plan.name}: {plan.n_processes:,} processes, {hours(total.cpu_h)} of CPU time ({how})"
    yield ""
    yield _HEAD
    yield from map(_row, total.stages)
    yield ""
    yield f"wall time    {hours(total.wall_h)} on {total.slots:,} slots that are always busy"
    here = hours(total.here_h)
    yield f"here         {here} of CPU time with `dagmaker run`, whose workers start once; above: as on a pool"
    submit = hours(total.submit_s / 3600)
    yield f"DAGMan       {total.dag_nodes:,} nodes, submitted in {submit} at {cost.NODES_PER_S:g} per second"
    yield from total.rounds
    yield from quotable.lines(total.quotable, {stage.task: stage.cpu_h for stage in total.stages}, goal)
    for warning in total.warnings:
        yield f"warning: {warning}"
