"""What `dagmaker status` prints."""

from collections.abc import Iterator

from dagmaker.columns import Column, table
from dagmaker.condor.dagjob import DagJob
from dagmaker.condor.schedd import Answer
from dagmaker.status.causes import Cause
from dagmaker.status.display import duration, rate
from dagmaker.status.status import StageStatus, Status

CAUSES_SHOWN = 12
_STATES = {
    "idle": "waits in the queue",
    "running": "is running",
    "held": "is held",
    "done": "ended well",
    "failed": "ended with failures",
    "removed": "was removed",
}
TITLES = {"failed": "failed", "held": "held", "removed": "removed while held", "host": "bad machine"}


def lines(status: Status, answer: Answer | None = None, wide: int | None = None) -> Iterator[str]:
    """Everything.

    Parameters
    ----------
    answer : Answer, optional
        What the schedd says, where it was asked.
    wide : int, optional
        Columns of the terminal, if it is for one.
    """
    yield f"{status.name}: {status.run}"
    if status.dags:
        yield _dag(status.dags[-1], status)
    if answer is not None and status.dags:
        yield from _schedd(answer, status)
    yield ""
    yield from _table(status, wide)
    for cause in status.causes[:CAUSES_SHOWN]:
        yield ""
        yield from _cause(cause)
    if len(status.causes) > CAUSES_SHOWN:
        yield f"... and {len(status.causes) - CAUSES_SHOWN} more causes; --json has them all"
    yield ""
    yield from _verdict(status)


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
        if status.active:
            yield "schedd: it does not know this DAG: the queue was lost or the DAG was forgotten; submit it again"
        return
    for dag in answer.dags:
        nodes = f", {dag.nodes_done} of {dag.nodes_total} nodes done" if dag.nodes_total else ""
        nodes += f", {dag.nodes_failed} failed" if dag.nodes_failed else ""
        reason = f" ({dag.reason})" if dag.reason else ""
        others = f"; {answer.ahead:,} idle processes of others in the queue" if answer.ahead else ""
        yield f"schedd: cluster {dag.cluster} {_STATES.get(dag.state, dag.state)}{reason}{nodes}{others}"


_FILES = (Column("stage", 14), Column("done", 10), Column("of", 10))
_POOL = (Column("running", 9), Column("idle", 7), Column("held", 6), Column("failed", 8))
_RATES = (Column("trials/s", 10, 2), Column("left", 9, 1))


def _table(status: Status, wide: int | None) -> Iterator[str]:
    on_pool = bool(status.dags)
    columns = (*_FILES, *(_POOL if on_pool else ()), Column("missing", 10), Column("trials done", 14, 3))
    columns += (*(_RATES if on_pool else ()), Column("first missing", 0, 4))
    yield from table(columns, (_row(stage, on_pool) for stage in status.stages), wide)
    repeated = sum(stage.repeated for stage in status.stages)
    if repeated:
        yield f"{repeated:,} failed tries were started again by HTCondor (max_retries)"


def _row(stage: StageStatus, on_pool: bool) -> tuple[str, ...]:
    first = f"{stage.missing[0]}" + (", ..." if len(stage.missing) > 1 else "") if stage.missing else ""
    pool = [f"{n:,}" if n else "-" for n in (stage.running, stage.idle, stage.held, stage.failed)]
    trials = f"{stage.trials_done:,}" if stage.trials else "-"
    rates = (_rate(stage), duration(stage.left_s))
    return (
        stage.task,
        f"{stage.done:,}",
        f"{stage.total:,}",
        *(pool if on_pool else ()),
        f"{stage.total - stage.done:,}",
        trials,
        *(rates if on_pool else ()),
        first,
    )


def _rate(stage: StageStatus) -> str:
    return rate(stage.per_second) if stage.trials else "-"


def _cause(cause: Cause) -> Iterator[str]:
    yield f"{TITLES[cause.kind]}: {cause.count:,} x {cause.task}: {cause.what}"
    for line in cause.said:
        yield f"    | {line}"
    if cause.file:
        yield f"    from:    {cause.file}"
    if cause.by_hand:
        yield f"    by hand: {cause.by_hand}"
    yield f"    change:  {cause.cure}"


def _verdict(status: Status) -> Iterator[str]:
    held = sum(stage.held for stage in status.stages)
    left = [stage.left_s for stage in status.stages if stage.left_s is not None]
    dag = status.dags[-1] if status.dags else None
    if status.complete:
        yield "complete"
    elif dag is None:
        yield "not complete: `dagmaker run` goes on from here, and so does the DAG"
    elif status.active and held:
        yield (
            f"{held:,} held: after the change `dagmaker abort {status.run}`, `dagmaker build SPEC --run={status.run}` "
            f"and `dagmaker submit {status.run}`; or condor_qedit and condor_release"
        )
    elif status.active and left:
        yield f"about {duration(max(left))} left for the stages that have begun, at the present rate"
    elif status.active:
        yield "in the queue: nothing has ended yet"
    else:
        if status.dag_error and not status.causes:
            yield f"DAGMan gave up: {status.dag_error} ({dag.file}.dagman.out)"
        yield (
            f"not complete: after the change, `dagmaker submit {status.run}` goes on"
            + (f" ({dag.rescue} tells which nodes are done)" if dag.rescue else "")
            + f"; `dagmaker repair {status.run}` also checks every file that is there"
        )
