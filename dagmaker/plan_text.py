"""What `dagmaker plan` prints."""

from collections.abc import Iterator

from dagmaker import cost
from dagmaker.cost import Cost, StageCost
from dagmaker.plan import Plan

_HEAD = (
    f"{'stage':<14}{'processes':>11}{'trials':>14}{'files':>11}{'per folder':>12}"
    f"{'CPU time':>11}{'longest':>10}{'memory':>10}"
)


def hours(value: float) -> str:
    """``40 s``, ``12 min``, ``3.2 h``, ``5.1 d``."""
    for limit, factor, unit in ((1 / 60, 3600, "s"), (1, 60, "min"), (48, 1, "h")):
        if value < limit:
            return f"{value * factor:.3g} {unit}"
    return f"{value / 24:.3g} d"


def _row(stage: StageCost) -> str:
    trials = f"{stage.trials:,}" if stage.trials else "-"
    return (
        f"{stage.task:<14}{stage.processes:>11,}{trials:>14}{stage.files:>11,}{stage.files_per_folder:>12,}"
        f"{hours(stage.cpu_h):>11}{hours(stage.longest_s / 3600):>10}{stage.memory_mb:>7} MB"
    )


def lines(plan: Plan, total: Cost) -> Iterator[str]:
    """Tables of stages, of what DAGMan will feel, and of what can be claimed in the end."""
    yield f"{plan.name}: {plan.n_processes:,} processes, {hours(total.cpu_h)} of CPU time (estimated, not measured)"
    yield ""
    yield _HEAD
    yield from map(_row, total.stages)
    yield ""
    yield f"wall time    {hours(total.wall_h)} on {total.slots:,} slots that are always busy"
    submit = hours(total.submit_s / 3600)
    yield f"DAGMan       {total.dag_nodes:,} nodes, submitted in {submit} at {cost.NODES_PER_S:g} per second"
    yield (
        f"local        {total.local_sigma:.2f} sigma is the largest significance with {cost.TAIL} background trials "
        "above it; beyond, the fit extrapolates"
    )
    post_sigma = cost.sigma(total.post_trial_p)
    yield f"post-trial   p >= {total.post_trial_p:.2g} ({post_sigma:.2f} sigma) is what the background skies can show"
    for warning in total.warnings:
        yield f"warning: {warning}"
