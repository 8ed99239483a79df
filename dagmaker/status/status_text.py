"""Text of `dagmaker status`."""

import math
from collections.abc import Iterator

from dagmaker.columns import Column, table
from dagmaker.htcondor.dagjob import DagJob
from dagmaker.htcondor.schedd import Answer
from dagmaker.status.causes import Cause
from dagmaker.status.display import duration, rate
from dagmaker.status.stages import StageStatus
from dagmaker.status.status import Status

CAUSES_SHOWN = 12
_STATES = {
    "idle": "waits in the queue",
    "running": "is running",
    "held": "is held",
    "done": "ended well",
    "failed": "ended with failures",
    "removed": "was removed",
    "lost": "is in no queue any more",
}
TITLES = {
    "failed": "failed",
    "held": "held",
    "removed": "removed while held",
    "gone": "removed",
    "lost": "ended well, no output",
    "node": "failed node",
    "host": "bad machine",
}
QUIET_S = 120.0  # usual runs have events more often


def lines(status: Status, answer: Answer | None = None, width: int | None = None) -> Iterator[str]:
    """The whole text.

    Parameters
    ----------
    answer : Answer, optional
        Answer of the schedd, if it was asked.
    width : int, optional
        Width of the terminal.
    """
    yield f"{status.name}: {status.run}"
    if status.dags:
        yield _dag(status.dags[-1], status)
    if answer is not None and status.dags:
        yield from _schedd(answer, status)
    yield ""
    yield from _table(status, width)
    yield from _progress(status)
    for cause in status.causes[:CAUSES_SHOWN]:
        yield ""
        yield from _cause(cause)
    if len(status.causes) > CAUSES_SHOWN:
        yield f"... and {len(status.causes) - CAUSES_SHOWN} more causes; --json has them all"
    yield ""
    yield verdict(status)
    if status.next:
        yield f"next: {status.next}"


def _dag(dag: DagJob, status: Status) -> str:
    text = f"{dag.file} (cluster {dag.cluster}, submitted {dag.submitted}) {_STATES[dag.state]}"
    text += "" if dag.state == "running" else f" since {dag.since}" if dag.active else f" at {dag.since}"
    if dag.code:
        text += f", DAGMan's exit code {dag.code}"
    if dag.reason:
        text += f": {dag.reason}"
    if status.last_event:
        text += f"; last event {status.last_event}"
    return text


def _schedd(answer: Answer, status: Status) -> Iterator[str]:
    if answer.problem:
        yield f"schedd: {answer.problem}; what follows is from the files alone"
        return
    if not answer.dags:
        dag = status.dags[-1]
        if answer.submitted_elsewhere(dag):
            yield f"schedd: that of {answer.host} does not know this DAG, which was submitted on {dag.host}"
        elif dag.active or dag.state == "lost":
            yield "schedd: it does not know this DAG: the queue was lost or the DAG was forgotten"
        return
    for known in answer.dags:
        nodes = f", {known.nodes_done} of {known.nodes_total} nodes done" if known.nodes_total else ""
        nodes += f", {known.nodes_failed} failed" if known.nodes_failed else ""
        reason = f" ({known.reason})" if known.reason else ""
        others = f"; {answer.ahead:,} idle processes of others in the queue" if answer.ahead else ""
        yield f"schedd: cluster {known.cluster} {_STATES.get(known.state, known.state)}{reason}{nodes}{others}"


_FILES = (Column("stage", 14), Column("done", 10), Column("of", 10))
_POOL = (Column("running", 9), Column("idle", 7), Column("held", 6), Column("failed", 8))
_RATES = (Column("trials/s", 10, 2), Column("left", 9, 1))


def _table(status: Status, width: int | None) -> Iterator[str]:
    on_pool = bool(status.dags)
    columns = (*_FILES, *(_POOL if on_pool else ()), Column("missing", 10), Column("trials done", 14, 3))
    columns += (*(_RATES if on_pool else ()), Column("first missing", 0, 4))
    yield from table(columns, (_row(stage, on_pool) for stage in status.stages), width)
    repeated = sum(stage.repeated for stage in status.stages)
    if repeated:
        yield f"{repeated:,} failed tries were started again by HTCondor (max_retries)"


def _row(stage: StageStatus, on_pool: bool) -> tuple[str, ...]:
    first = f"{stage.missing[0]}" + (", ..." if len(stage.missing) > 1 else "") if stage.missing else ""
    pool = [f"{n:,}" if n else "-" for n in (stage.running, stage.idle, stage.held, stage.failed)]
    trials = f"{stage.trials_done:,}" if stage.trials else "-"
    rates = (rate(stage.per_second) if stage.trials else "-", duration(stage.left_s))
    done = (stage.task, f"{stage.done:,}", f"{stage.total:,}", *(pool if on_pool else ()))
    return (*done, f"{stage.total - stage.done:,}", trials, *(rates if on_pool else ()), first)


def _cause(cause: Cause) -> Iterator[str]:
    yield f"{TITLES[cause.kind]}: {cause.count:,} x {cause.task}: {cause.what}"
    for line in cause.said:
        yield f"    | {line}"
    if cause.file:
        yield f"    from:    {cause.file}"
    if cause.by_hand:
        yield f"    by hand: {cause.by_hand}"
    yield f"    change:  {cause.cure}"


def _progress(status: Status) -> Iterator[str]:
    """Progress of the run, time without events, and the longest running process."""
    total, done = sum(stage.total for stage in status.stages), sum(stage.done for stage in status.stages)
    waiting = f"; {status.waiting:,} nodes wait for others" if status.waiting else ""
    yield f"{done:,} of {total:,} processes done ({math.floor(100 * done / total) if total else 100} %){waiting}"
    if not status.active:
        return
    if status.quiet_s is not None and status.quiet_s >= QUIET_S:
        yield f"no event for {status.quiet_s / 60:.0f} min"
    running = [(stage.longest, stage.task) for stage in status.stages if stage.longest is not None]
    if running:
        longest, task = max(running, key=lambda pair: (pair[0].hangs, pair[0].run_s))
        median = "" if longest.median_s is None else f" (median of its stage {duration(longest.median_s)})"
        yield f"longest running: {task} {longest.id} on {longest.host}, {duration(longest.run_s)}{median}"


def verdict(status: Status) -> str:
    """The state of the run as a sentence."""
    if status.complete:
        return "complete"
    if problem := status.fault or ("a dagmaker command is at work here" if status.here else ""):
        return f"not complete: {problem}"
    dag = status.dags[-1] if status.dags else None
    if dag is None:
        return "not complete: `dagmaker run` goes on from here, and so does the DAG"
    if status.active:
        return _at_work(status)
    if status.dag_error and not status.causes:
        return f"not complete: DAGMan gave up: {status.dag_error} ({dag.file}.dagman.out)"
    return "not complete" + (f" ({dag.rescue} tells which nodes are done)" if dag.rescue else "")


def _at_work(status: Status) -> str:
    held = sum(stage.held for stage in status.stages)
    left = [stage.left_s for stage in status.stages if stage.left_s is not None]
    hanging = [stage.task for stage in status.stages if stage.longest is not None and stage.longest.hangs]
    if held:
        return f"{held:,} held: they wait for the change"
    if hanging:
        return f"a process of {' and '.join(hanging)} seems to hang: the time that is left is not known"
    if left:
        return f"about {duration(max(left))} left for the stages that have begun, at the present rate"
    if any(stage.done for stage in status.stages):
        return "in the queue: the time that is left is not known"
    return "in the queue: nothing has ended yet"
