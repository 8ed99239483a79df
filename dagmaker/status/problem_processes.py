"""Processes that failed, were removed, are held or left no output, from HTCondor's logs and the existing files."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from dagmaker.htcondor import blocking_paths
from dagmaker.htcondor.batches import Batches
from dagmaker.htcondor.dagjob import DagJob
from dagmaker.htcondor.jobs import Jobs, seconds
from dagmaker.plan.plan import Node
from dagmaker.status.causes import Problem
from worker.base.errors import InputError, RefusedError
from worker.base.task_rows import REPORT

CORRUPT, REFUSED = InputError.exit_code, RefusedError.exit_code


def find(
    task: str, jobs: Jobs, batches: Batches, nodes: list[Node], done: dict[str, frozenset[int]], dag: DagJob
) -> list[Problem]:
    """Failed or removed processes of a task without output, once each, and those that are held now.

    Parameters
    ----------
    done : dict of str to frozenset of int
        Positions of the processes whose output exists, by node. Positions are removed from it if the output is older
        than the failure: the process refused it (another analysis, or a folder) or should make it again.
    dag : DagJob
        The last submission.
    """
    problems: dict[str, Problem] = {}
    calls = [(key, argv) for key in (*jobs.failed, *jobs.removed) for argv in batches.calls(key)]
    for key, argv in calls:
        place = batches.plan_position(task, argv)
        if place is None:
            continue  # process of an earlier plan
        node, position = place
        path = PurePosixPath(node.dir) / batches.output(node, position)
        failure = jobs.failed.get(key)
        if position in done[node.name]:
            if task == REPORT and failure is not None and failure.code == REFUSED:
                continue  # the DAG failed, but the report was made
            if not _existed_before(batches.run / path, jobs.ended[key]):
                continue
            done[node.name] -= {position}
        if failure is None:
            problems[argv] = Problem(task, None, None, "", key, argv, gone=jobs.removed[key])
        else:
            blocked = failure.code == CORRUPT and (
                (batches.run / path).exists() or blocking_paths.is_blocked(batches.run, path)
            )
            held = failure.code is None
            problems[argv] = Problem(task, failure.code, failure.hold, failure.host, key, argv, held, blocked=blocked)
    for item in _lost(task, jobs, batches, nodes, done, dag):
        problems.setdefault(item.argv, item)
    held_now = list(_held(task, jobs, batches)) if dag.active else []
    for item in held_now:
        problems.pop(item.argv, None)  # failure in an earlier submission
    return [*problems.values(), *held_now]


def _existed_before(path: Path, time: str) -> bool:
    """Whether a file is older than a time of the log, which has whole seconds."""
    try:
        return path.stat().st_mtime < seconds(time) + 1
    except OSError:
        return False


def _held(task: str, jobs: Jobs, batches: Batches) -> Iterator[Problem]:
    for key, job in jobs.live.items():
        if job.state == "held":
            process_key = jobs.process_key(key)
            argv = batches.argv(process_key) or task
            yield Problem(task, None, job.hold, job.host, process_key, argv, id=f"{key[0]}.{key[1]}")


def _lost(
    task: str, jobs: Jobs, batches: Batches, nodes: list[Node], done: Mapping[str, frozenset[int]], dag: DagJob
) -> Iterator[Problem]:
    """Successful processes without output, once no process of the task is in the queue."""
    missing = sum(node.n_processes - len(done[node.name]) for node in nodes)
    if not missing or (dag.active and jobs.live):
        return
    for name, positions in jobs.ended_well.items():
        if not batches.written_before(name, dag.submitted):
            continue  # the list of processes is newer: numbers have changed
        for number in positions:
            for argv in batches.calls((name, number)):
                place = batches.plan_position(task, argv)
                if place and place[1] not in done[place[0].name]:
                    yield Problem(task, None, None, "", (name, number), argv, lost=True)
