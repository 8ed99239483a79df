"""Pack the processes of a plan into clusters, the nodes of the DAG.

DAGMan submits about 20 clusters per second of any size, so all n_sig of a declination share a cluster; nodes with more
than `SIZE` processes are split. A process of a few trials takes less time than its start: where there are many
declinations, a job makes those of several, one after the other, and all of them share a cluster.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from dagmaker.plan import processes
from dagmaker.plan.plan import Node, Plan
from worker.base.task_rows import BG_TRIALS, COLLECT_BG, SIG_TRIALS, TAIL_PILOT, TAIL_TRIALS
from worker.cli.several import JOINT
from worker.rundir import layout

SIZE = 1000  # most jobs of a cluster: each has an error file in the cluster's folder
MANY_DECS = 100  # fewer declinations have a cluster each
MOST_CALLS = 20  # of a job
MOST_TRIALS = 100_000  # of a job with several calls: two seconds, and a start is half a second
MOST_OF_POINTS = 2_000  # of free points, since a plug-in's trials take any time: a minute for SkyLLH's
SHARED = {BG_TRIALS: "bg_", TAIL_PILOT: "tail_pilot_", TAIL_TRIALS: "tail_", COLLECT_BG: "collect_bg_"}
"""Tasks whose jobs make several declinations, and the beginning of the names of their nodes."""


class Cluster(NamedTuple):
    """One node of the DAG: `lines` of argv, one per job; a job with several calls has them joined by `JOINT`."""

    name: str
    task: str
    lines: tuple[str, ...]


def _split(group: str, task: str, nodes: list[Node]) -> Iterator[Cluster]:
    calls = (" ".join(process.argv) for node in nodes for process in processes.of(node))
    each = calls_per_job(task, nodes)
    lines = (f" {JOINT} ".join(some) for some in batched(calls, each))
    total = n_jobs(task, nodes)
    width = len(str((total - 1) // SIZE))
    for number in range((total + SIZE - 1) // SIZE):
        suffix = f"_c{number:0{width}d}" if total > SIZE else ""
        yield Cluster(group + suffix, task, tuple(islice(lines, SIZE)))


def batched(calls: Iterable[str], n: int) -> Iterator[tuple[str, ...]]:
    """Yield tuples of `n`, the last of the rest."""
    rest = iter(calls)
    while some := tuple(islice(rest, n)):
        yield some


class Clusters(NamedTuple):
    """All clusters, and the clusters that make up each node of the plan."""

    clusters: tuple[Cluster, ...]
    of_node: dict[str, tuple[str, ...]]


def calls_per_job(task: str, nodes: Sequence[Node]) -> int:
    """Return how many processes of a task a job makes; 1 unless there are many declinations with little work each."""
    if task not in SHARED or sum(layout.PART not in dict(node.args) for node in nodes) < MANY_DECS:
        return 1
    most = max(max((n for _, n in node.cuts), default=1) for node in nodes)
    allowed = MOST_OF_POINTS if any("point" in dict(node.args) for node in nodes) else MOST_TRIALS
    return min(max(allowed // most, 1), MOST_CALLS)


def n_jobs(task: str, nodes: Sequence[Node]) -> int:
    """Return the number of jobs of some nodes of a task."""
    return -(-sum(node.n_processes for node in nodes) // calls_per_job(task, nodes))


def _families(plan: Plan) -> dict[str, list[Node]]:
    shared = {task: [node for node in plan.nodes if node.task == task] for task in SHARED}
    together = {task for task, nodes in shared.items() if calls_per_job(task, nodes) > 1}
    groups: dict[str, list[Node]] = {}
    for node in plan.nodes:
        groups.setdefault(_family(node, together), []).append(node)
    return groups


def _family(node: Node, together: Collection[str]) -> str:
    """Return the name of the clusters of a node: of all n_sig of a declination, or of all declinations."""
    if node.task == SIG_TRIALS:
        return node.name.rsplit("_n", 1)[0]
    if node.task in together:
        begin = SHARED[node.task]
        return f"{node.name.partition(begin)[0]}{begin}all"  # collect_bg_p005 -> collect_bg_all, also after repair01_
    return node.name


def count(plan: Plan) -> int:
    """Return how many clusters `make` gives, without the lines of their jobs."""
    return sum(-(-n_jobs(nodes[0].task, nodes) // SIZE) for nodes in _families(plan).values())


def make(plan: Plan) -> Clusters:
    """Pack the processes of a plan into clusters."""
    clusters: list[Cluster] = []
    of_node: dict[str, tuple[str, ...]] = {}
    for group, nodes in _families(plan).items():
        parts = tuple(_split(group, nodes[0].task, nodes))
        clusters += parts
        names = tuple(cluster.name for cluster in parts)
        of_node.update(dict.fromkeys((node.name for node in nodes), names))
    return Clusters(tuple(clusters), of_node)
