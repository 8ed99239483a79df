"""Check that every planned file exists, is valid and has its address, and that results match their records."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from worker.base import finding, reading
from worker.base.errors import InputError
from worker.base.finding import Finding
from worker.base.reading import MAX_JSON, file_bytes, json_value
from worker.base.task_rows import ROWS
from worker.review import verify
from worker.review.result_state import listed_files
from worker.rundir import layout, store
from worker.rundir.ledger import Run, files_of_node
from worker.rundir.record import from_json


def findings(run: Run, jobs: int, holes: set[str]) -> Iterator[Finding]:
    """Check all files.

    Parameters
    ----------
    holes : set of str
        Files that were missing, with permission, when results were made.
    """
    checked, wrong = 0, []
    for n, faults in verify.faults_of(run, jobs):
        checked += n
        wrong += [f"{fault.path}: {fault.why}" for fault in faults if fault.path not in holes]
    what = "every file of the plan: loads, and has the sha256, digest and address of its record"
    yield finding.of(what, wrong, f"{checked - len(holes):,} files")
    yield _results(run)


def _results(run: Run) -> Finding:
    """Check results without a record of their own; the stage that made them recorded their sha256."""
    wrong, n = [], 0
    for node in run.plan["nodes"]:
        result = PurePosixPath(node["dir"]) / node["file"] if node["file"].endswith(".json") else None
        if result is not None:
            recorded = _recorded_sha256(run, layout.timing_file(_stage(node)), result)
            wrong += [text for name, sha256 in recorded.items() if (text := _sha256_problem(run, name, sha256))]
            n += len(recorded)
    pages = _recorded_sha256(run, layout.REPORT_RECORD, None)
    wrong += [text for name, sha256 in pages.items() if (text := _sha256_problem(run, name, sha256))]
    wrong += [
        f"{layout.REPORT_RECORD}: names no {rel}" for rel in (layout.REPORT, layout.SUMMARY) if str(rel) not in pages
    ]
    what = "results and report pages: the sha256 that was kept when they were written"
    return finding.of(what, wrong, f"{n + len(pages):,} files")


def _stage(node: Mapping[str, Any]) -> str:
    """Name of the timing file of a node; `judge` has one per round."""
    return f"{node['task']}_{node['args']['round']}" if "round" in node["args"] else str(node["task"])


def _recorded_sha256(run: Run, record: PurePosixPath, result: PurePosixPath | None) -> dict[str, str]:
    try:
        stored = from_json(store.load_json(run.path, record))
    except (InputError, ValueError):
        return {str(record): ""}
    own = {str(result): stored.sha256} if result is not None and stored.sha256 else {}
    return own | dict(stored.outputs)


def _sha256_problem(run: Run, name: str, sha256: str) -> str:
    path = run.path / name
    if not sha256:
        return f"{name}: this record is missing, or is none"
    try:
        actual = reading.sha256(path)
    except OSError as error:
        return f"{name}: cannot be read ({error.strerror})"
    return "" if actual == sha256 else f"{name}: its bytes are not those that were written (sha256 differs)"


def holes(run: Run) -> set[str]:
    """Files that were missing when results were made with --allow_missing, from the lists of files."""
    absent: set[str] = set()
    for node in run.plan["nodes"]:
        if node["file"] or not ROWS[node["task"]].is_stream:
            continue
        for collected in _collected_files(run, node["name"]):
            if not _n_missing(run, collected):
                continue
            made_from = {item["path"] for item in listed_files(run, collected, {"path"})}
            absent |= {str(file.path) for file in files_of_node(node) if str(file.path) not in made_from}
    return absent


def _collected_files(run: Run, name: str) -> Iterator[PurePosixPath]:
    """Files collected from a node."""
    for node in run.plan["nodes"]:
        if node["file"] and name in node.get("parents", ()):
            yield PurePosixPath(node["dir"]) / node["file"]


def _n_missing(run: Run, rel: PurePosixPath) -> int:
    try:
        if rel.suffix == ".npz":
            return int(store.load_arrays(run.path, rel).get("n_missing", 0))
        return int(json_value(file_bytes(run.path / rel, MAX_JSON)).get("n_missing", 0))
    except (InputError, OSError, ValueError, TypeError, AttributeError):
        return 0
