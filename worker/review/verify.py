"""verify: load every file of a run and list those that are missing or invalid."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from worker.base.errors import InputError
from worker.base.pools import map_in_processes
from worker.base.task_rows import ROWS
from worker.review import result_state
from worker.rundir import store
from worker.rundir.ledger import Expected, Run, files_of_node, open_run, wrong_address
from worker.tasks import file_kinds

PIECE = 500  # files per unit of work of a process


class Fault(NamedTuple):
    """An output that must be made again; `state` is absent, corrupt, foreign or stale.

    `position` is the index of its process in the node.
    """

    node: str
    position: int
    path: str
    state: str
    why: str


class _Piece(NamedTuple):
    """Some files of one node and their digest; no files if the node makes a single result."""

    node: Mapping[str, Any]
    begin: int
    files: tuple[Expected, ...]
    digest: str | None


def verify(path: Path, jobs: int) -> dict[str, Any]:
    """Print every fault as a line of JSON, then the number of checked files; returns both."""
    run = _cached_run(path)
    checked = 0
    faults: list[dict[str, Any]] = []
    for n, piece_faults in faults_of(run, jobs):
        checked += n
        for fault in piece_faults:
            faults.append(fault._asdict())
            print(json.dumps(faults[-1]))
    print(json.dumps({"checked": checked, "faults": len(faults)}))
    return {"checked": checked, "faults": faults}


def faults_of(run: Run, jobs: int) -> Iterator[tuple[int, list[Fault]]]:
    """(files checked, faults) of every piece, in the order of the plan."""
    yield from map_in_processes(partial(_check, run.path), _pieces(run), jobs, chunksize=4)


def _pieces(run: Run) -> Iterator[_Piece]:
    for node in run.plan["nodes"]:
        if node["file"]:
            yield _Piece(node, 0, (), None)
            continue
        files = tuple(files_of_node(node))
        size = PIECE if ROWS[node["task"]].is_stream else 1  # files of a stream share a digest
        for begin in range(0, len(files), size):
            yield _Piece(node, begin, files[begin : begin + size], _digest(run, node["task"], files[begin]))


@lru_cache(maxsize=1)
def _cached_run(path: Path) -> Run:
    return open_run(path)


def _digest(run: Run, task: str, file: Expected) -> str | None:
    """Expected digest in the record of a file; None if the data are not prepared."""
    try:
        return file_kinds.KINDS[task].digest(run, file)
    except InputError:
        return None


def _check(path: Path, piece: _Piece) -> tuple[int, list[Fault]]:
    task, name = piece.node["task"], piece.node["name"]
    if piece.node["file"]:
        return 1, _result_faults(_cached_run(path), piece.node)
    faults = []
    dtype, digest = file_kinds.KINDS[task].dtype(_cached_run(path)), piece.digest
    for position, file in enumerate(piece.files, piece.begin):
        n = file.n or None  # the plan does not say how many pixels a map has
        state = store.state(path, file.path, n, dtype, digest)
        if state != "done":
            faults.append(Fault(name, position, str(file.path), state, _why(path, file.path, n, dtype, digest)))
        elif address := wrong_address(file, store.load_record(path, file.path).args):
            why = f"this file holds other trials than its name says ({address})"
            faults.append(Fault(name, position, str(file.path), "corrupt", why))
    return len(piece.files), faults


def _why(path: Path, rel: PurePosixPath, n: int | None, dtype: Any, digest: str | None) -> str:
    try:
        store.load_array(path, rel, n, dtype, digest)
    except InputError as error:
        return str(error).partition(": ")[2].partition(";")[0]
    return "it has just changed"


def _result_faults(run: Run, node: Mapping[str, Any]) -> list[Fault]:
    """Faults of a node that makes one result."""
    rel = PurePosixPath(node["dir"]) / node["file"]
    if not (run.path / rel).exists():
        return [Fault(node["name"], 0, str(rel), "absent", "this file is missing")]
    problems = {"corrupt": result_state.problem(run, node["task"], rel), "stale": result_state.stale(run, node, rel)}
    return [Fault(node["name"], 0, str(rel), state, why) for state, why in problems.items() if why][:1]
