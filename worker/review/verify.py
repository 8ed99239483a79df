"""verify: what of a run is missing or cannot be trusted, file by file, by loading every one."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from worker.base.errors import InputError
from worker.base.pools import mapped
from worker.review import soundness
from worker.rundir import store
from worker.rundir.ledger import Expected, Run, of_node, open_run, wrong_address
from worker.tasks import context, scans

PIECE = 500  # files that a process checks between two turns


class Fault(NamedTuple):
    """One output that has to be made again.

    Attributes
    ----------
    node : str
    position : int
        Among the processes of the node.
    state : str
        absent, corrupt, foreign or stale.
    """

    node: str
    position: int
    path: str
    state: str
    why: str


class _Piece(NamedTuple):
    """Some files of one node, with what they must be; no files where the node makes a single result."""

    node: Mapping[str, Any]
    begin: int
    files: tuple[Expected, ...]
    digest: str | None


def verify(path: Path, jobs: int) -> dict[str, Any]:
    """Print every fault as a line of JSON, and at last how many files were checked; returns all of it."""
    run = _opened(path)
    checked = 0
    faults: list[dict[str, Any]] = []
    for n, found in faults_of(run, jobs):
        checked += n
        for fault in found:
            faults.append(fault._asdict())
            print(json.dumps(faults[-1]))
    print(json.dumps({"checked": checked, "faults": len(faults)}))
    return {"checked": checked, "faults": faults}


def faults_of(run: Run, jobs: int) -> Iterator[tuple[int, list[Fault]]]:
    """(files checked, faults) of every piece, in the order of the plan."""
    yield from mapped(partial(_check, run.path), _pieces(run), jobs, chunksize=4)


def _pieces(run: Run) -> Iterator[_Piece]:
    for node in run.plan["nodes"]:
        if node["file"]:
            yield _Piece(node, 0, (), None)
            continue
        digest = None if node["task"] == "scan_map" else _digest(run, node["task"], node["args"].get("gamma"))
        files = tuple(of_node(node))
        for begin in range(0, len(files), PIECE):
            yield _Piece(node, begin, files[begin : begin + PIECE], digest)


@lru_cache(maxsize=1)
def _opened(path: Path) -> Run:
    return open_run(path)


def _digest(run: Run, task: str, gamma: float | None) -> str | None:
    """What the records of a task's files must carry; None where the data are not there to tell."""
    try:
        if task == "scan_trials":
            return scans.scan_digest(run)
        if task == "sig_trials":
            return context.signal_digest(run, gamma)
        return context.trial_digest(run, task)
    except InputError:
        return None


def _map_digest(run: Run, file: Expected) -> str | None:
    band, bands = file.band or (0, 1)
    try:
        return scans.map_digest(run, int(file.point.get("nside", 0)), band, bands)
    except InputError:
        return None


def _dtype(run: Run, task: str) -> np.dtype[np.void]:
    of_skies = {"scan_trials": scans.sky_dtype, "scan_map": scans.map_dtype}
    return of_skies.get(task, context.columns)(run)


def _check(path: Path, piece: _Piece) -> tuple[int, list[Fault]]:
    task, name = piece.node["task"], piece.node["name"]
    if piece.node["file"]:
        return 1, _single(_opened(path), piece.node)
    found = []
    dtype = _dtype(_opened(path), task)
    for position, file in enumerate(piece.files, piece.begin):
        is_map = task == "scan_map"
        n, digest = (None, _map_digest(_opened(path), file)) if is_map else (file.n, piece.digest)
        state = store.state(path, file.path, n, dtype, digest)
        if state == "done":
            address = wrong_address(file, store.load_record(path, file.path).args)
            if address:
                why = f"this file holds other trials than its name says ({address})"
                found.append(Fault(name, position, str(file.path), "corrupt", why))
        else:
            why = _why(path, file.path, n, dtype, digest)
            found.append(Fault(name, position, str(file.path), state, why))
    return len(piece.files), found


def _why(path: Path, rel: PurePosixPath, n: int | None, dtype: Any, digest: str | None) -> str:
    try:
        store.load_array(path, rel, n, dtype, digest)
    except InputError as error:
        return str(error).partition(": ")[2].partition(";")[0]
    return "it has just changed"


def _single(run: Run, node: Mapping[str, Any]) -> list[Fault]:
    """A node that makes one result, most from the files of others."""
    rel = PurePosixPath(node["dir"]) / node["file"]
    if not (run.path / rel).exists():
        return [Fault(node["name"], 0, str(rel), "absent", "this file is missing")]
    for state, why in (
        ("corrupt", soundness.problem(run, node["task"], rel)),
        ("stale", soundness.stale(run, node, rel)),
    ):
        if why:
            return [Fault(node["name"], 0, str(rel), state, why)]
    return []
