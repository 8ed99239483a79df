"""What HTCondor's event logs say happened: who was started how often, and how it ended."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SUBMIT, EXECUTE, EVICTED, TERMINATED, ABORTED, HELD, RELEASED = 0, 1, 4, 5, 9, 12, 13

_HEAD = re.compile(r"^(\d{3}) \((\d+)\.(\d+)\.\d+\)")
# The first is how 23.9 writes it, the second 25.14.
_NODE = re.compile(r"""(?:DAG Node: |DAGNodeName = ")([^\s"]+)""")


class Event(NamedTuple):
    """One event of one process; `node` is the DAG node that its cluster belongs to."""

    kind: int
    cluster: int
    process: int
    node: str
    text: str


def read(log: Path) -> Iterator[Event]:
    """Events of a log, in order."""
    nodes: dict[int, str] = {}
    for block in log.read_text(errors="replace").split("\n...\n"):
        head = _HEAD.match(block)
        if head is None:
            continue
        kind, cluster, process = int(head[1]), int(head[2]), int(head[3])
        named = _NODE.search(block)
        if kind == SUBMIT and named:
            nodes[cluster] = named[1]
        yield Event(kind, cluster, process, nodes.get(cluster, ""), block)


def all_of(run: Path) -> list[Event]:
    """Events of all of a run's logs (not of DAGMan's own, which repeats them)."""
    return [event for log in sorted((run / "logs").glob("*.log")) if log.name != "nodes.log" for event in read(log)]


def starts(run: Path) -> Counter[tuple[str, int]]:
    """How often each (node, process) began to execute."""
    return Counter((event.node, event.process) for event in all_of(run) if event.kind == EXECUTE)


def submissions(run: Path) -> Counter[str]:
    """How often each node's cluster was submitted."""
    clusters = {(event.node, event.cluster) for event in all_of(run) if event.kind == SUBMIT}
    return Counter(node for node, _ in clusters)
