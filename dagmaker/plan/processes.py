"""Arguments and output names of the processes of a node."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from dagmaker.plan.plan import Node
from worker.base.task_rows import ROWS
from worker.rundir import layout
from worker.rundir.cuts import Cut
from worker.spec.point import Value


class Process(NamedTuple):
    """A call of the worker.

    Attributes
    ----------
    node : str
    position : int
        Index among the processes of the node.
    argv : tuple of str
        Task and flags, without ``--run``.
    """

    node: str
    position: int
    argv: tuple[str, ...]


class Reply(NamedTuple):
    """How a process ended.

    Attributes
    ----------
    rc : int
        Exit code, or minus the signal.
    err : str
        Its standard error.
    wall_s, cpu_s : float, s
    """

    process: Process
    rc: int
    err: str
    wall_s: float
    cpu_s: float


def number(value: Value) -> str:
    """A number as text that reads back exactly: ``5`` for 5.0, ``0.4`` for 0.4; a text as it is."""
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else repr(value)


def flags(node: Node) -> tuple[str, ...]:
    """Task and flags that all processes of the node share."""
    return (node.task, *(f"--{key}={number(value)}" for key, value in node.args))


def _piece(node: Node, cut: Cut, band: int) -> Iterator[str]:
    """Flags of one process; defaults are left out, except the seed, as in `worker.cli.main.argv`."""
    first, n = cut
    if n:
        yield f"--n={n}"
        yield f"--seed={node.seed or 0}"
    if first:
        yield f"--first={first}"
    if node.bands > 1 and ROWS[node.task].is_stream:
        yield f"--band={band}of{node.bands}"
    elif node.bands > 1:
        if band:
            yield f"--band={band}"
        yield f"--bands={node.bands}"


def of(node: Node) -> Iterator[Process]:
    """The processes of a node in the order of cuts, then bands; only those in `node.only` if it is set."""
    head = flags(node)
    chosen = None if node.only is None else frozenset(node.only)
    for i, cut in enumerate(node.cuts or ((0, 0),)):
        for band in range(node.bands):
            position = i * node.bands + band
            if chosen is None or position in chosen:
                yield Process(node.name, position, (*head, *_piece(node, cut, band)))


def outputs(node: Node) -> Iterator[str]:
    """Output name in `node.dir` of every process of the node, ignoring `node.only`, in the order of `of`."""
    if node.file:
        return iter((node.file,))
    names = layout.names(node.task, PurePosixPath(node.dir), node.seed or 0, node.cuts, node.bands)
    return (name for name, *_ in names)
