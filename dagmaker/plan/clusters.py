"""Pack the processes of a plan into clusters, the nodes of the DAG.

DAGMan submits about 20 clusters per second of any size, so all n_sig of a declination share a cluster; nodes with more
than `SIZE` processes are split.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from dagmaker.plan import processes
from dagmaker.plan.plan import Node, Plan
from worker.base.task_rows import SIG_TRIALS

SIZE = 1000  # most processes of a cluster: each has an error file in the cluster's folder


class Cluster(NamedTuple):
    """One node of the DAG: `lines` of argv, one per process."""

    name: str
    task: str
    lines: tuple[str, ...]


def _split(group: str, task: str, nodes: list[Node]) -> Iterator[Cluster]:
    lines = (" ".join(process.argv) for node in nodes for process in processes.of(node))
    total = sum(node.n_processes for node in nodes)
    width = len(str((total - 1) // SIZE))
    for number in range((total + SIZE - 1) // SIZE):
        suffix = f"_c{number:0{width}d}" if total > SIZE else ""
        yield Cluster(group + suffix, task, tuple(islice(lines, SIZE)))


class Clusters(NamedTuple):
    """All clusters, and the clusters that make up each node of the plan."""

    clusters: tuple[Cluster, ...]
    of_node: dict[str, tuple[str, ...]]


def _families(plan: Plan) -> dict[str, list[Node]]:
    groups: dict[str, list[Node]] = {}
    for node in plan.nodes:
        group = node.name.rsplit("_n", 1)[0] if node.task == SIG_TRIALS else node.name  # all n_sig of a declination
        groups.setdefault(group, []).append(node)
    return groups


def count(plan: Plan) -> int:
    """Return how many clusters `make` gives, without the lines of their processes."""
    return sum(-(-sum(node.n_processes for node in nodes) // SIZE) for nodes in _families(plan).values())


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
