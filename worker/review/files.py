"""Every file of the plan is there, whole, and of its address; every result is the one of its record."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from worker.base import finding, reading
from worker.base.errors import InputError
from worker.base.finding import Finding
from worker.base.reading import MAX_JSON, file_bytes, json_value
from worker.base.task_rows import ROWS
from worker.review import verify
from worker.rundir import layout, store
from worker.rundir.ledger import Run, files_of_node
from worker.rundir.record import from_json


def findings(run: Run, jobs: int, holes: set[str]) -> Iterator[Finding]:
    """Load everything.

    Parameters
    ----------
    holes : set of str
        Files that were allowed to be missing when results were made.
    """
    checked, wrong = 0, []
    for n, faults in verify.faults_of(run, jobs):
        checked += n
        wrong += [f"{fault.path}: {fault.why}" for fault in faults if fault.path not in holes]
    what = "every file of the plan: loads, and has the sha256, digest and address of its record"
    yield finding.of(what, wrong, f"{checked - len(holes):,} files")
    yield _results(run)


def _results(run: Run) -> Finding:
    """Results that carry no record of their own: the stage that made them kept their sha256."""
    wrong, n = [], 0
    for node in run.plan["nodes"]:
        made = PurePosixPath(node["dir"]) / node["file"] if node["file"].endswith(".json") else None
        if made is not None:
            told = _told(run, layout.timing_file(_stage(node)), made)
            wrong += [text for name, sha256 in told.items() if (text := _wrong(run, name, sha256))]
            n += len(told)
    pages = _told(run, layout.REPORT_RECORD, None)
    wrong += [text for name, sha256 in pages.items() if (text := _wrong(run, name, sha256))]
    wrong += [
        f"{layout.REPORT_RECORD}: names no {rel}" for rel in (layout.REPORT, layout.SUMMARY) if str(rel) not in pages
    ]
    what = "results and report pages: the sha256 that was kept when they were written"
    return finding.of(what, wrong, f"{n + len(pages):,} files")


def _stage(node: Mapping[str, Any]) -> str:
    """Under which name the cost of a result is kept: there is a judge for every round."""
    return f"{node['task']}_{node['args']['round']}" if "round" in node["args"] else str(node["task"])


def _told(run: Run, record: PurePosixPath, made: PurePosixPath | None) -> dict[str, str]:
    try:
        kept = from_json(store.load_json(run.path, record))
    except (InputError, ValueError):
        return {str(record): ""}
    own = {str(made): kept.sha256} if made is not None and kept.sha256 else {}
    return own | dict(kept.outputs)


def _wrong(run: Run, name: str, sha256: str) -> str:
    path = run.path / name
    if not sha256:
        return f"{name}: this record is missing, or is none"
    try:
        found = reading.sha256(path)
    except OSError as error:
        return f"{name}: cannot be read ({error.strerror})"
    return "" if found == sha256 else f"{name}: its bytes are not those that were written (sha256 differs)"


def holes(run: Run) -> set[str]:
    """Files that were not there when results were made with --allow_missing, by their lists."""
    found: set[str] = set()
    for node in run.plan["nodes"]:
        if node["file"] or not ROWS[node["task"]].is_stream:
            continue
        for collected in _collected(run, node["name"]):
            if not _n_missing(run, collected):
                continue
            made_from = {item["path"] for item in _list(run, collected)}
            found |= {str(file.path) for file in files_of_node(node) if str(file.path) not in made_from}
    return found


def _collected(run: Run, name: str) -> Iterator[PurePosixPath]:
    """What is collected from a node."""
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


def _list(run: Run, rel: PurePosixPath) -> list[dict[str, Any]]:
    try:
        found = store.load_json(run.path, layout.files_of(rel))
    except InputError:
        return []
    return [item for item in found if isinstance(item, dict) and "path" in item] if isinstance(found, list) else []
