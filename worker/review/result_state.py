"""Whether a result can be trusted: it loads, has what it must have, and was made from the files that are there."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from worker.base.errors import InputError
from worker.base.reading import file_bytes, json_object
from worker.base.task_rows import COLLECT_SCAN, JUDGE, ROWS
from worker.hypotheses.table import ensemble_of
from worker.rundir import layout, store
from worker.rundir.ledger import Run, each_expected
from worker.tasks import adaptive_round

_READS = {row.collected_by: task for task, row in ROWS.items() if row.is_stream}


def problem(run: Run, task: str, rel: PurePosixPath) -> str:
    """What is wrong with the output of a task that makes one result; empty where nothing is."""
    try:
        if rel.suffix == ".npz":
            store.load_record(run.path, rel)
            store.load_arrays(run.path, rel)
        elif rel.suffix == ".json":
            _check_json(run, task, rel)
        else:
            _check_page(run, rel)
    except InputError as error:
        return str(error).partition(";")[0]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return f"{run.path / rel}: is not what {task} writes ({type(error).__name__}: {error})"
    return ""


def _check_json(run: Run, task: str, rel: PurePosixPath) -> None:
    found = store.load_json(run.path, rel)
    lost = [key for key in ROWS[task].keys if not isinstance(found, dict) or key not in found]
    if lost:
        raise InputError(f"{run.path / rel}: has no {', '.join(lost)}")
    if ROWS[task].timed:
        store.load_json(run.path, layout.timing_file(task))
    if task == COLLECT_SCAN:
        _check_scan(run, found)


def _check_scan(run: Run, found: Mapping[str, Any]) -> None:
    """The files beside scan.json: hottest spots of every region, maps."""
    for region in found["regions"]:
        store.load_record(run.path, layout.skies_file(region))
        store.load_array(run.path, layout.skies_file(region), found["n_skies"])
    ensemble_of(run.spec).require_files(run, found)


def _check_page(run: Run, rel: PurePosixPath) -> None:
    store.load_json(run.path, layout.SUMMARY)
    try:
        text = file_bytes(run.path / rel).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{run.path / rel}: cannot be read ({error})") from None
    if not text.rstrip().endswith("</html>"):
        raise InputError(f"{run.path / rel}: the page has no end")


def stale(run: Run, node: Mapping[str, Any], rel: PurePosixPath) -> str:
    """How the files that a collected one was made from differ from those that are there; empty where they do not.

    A file that is missing now is no difference: it is a fault of its own.
    """
    task = _READS.get(node["task"])
    if node["task"] == JUDGE:
        return _stale_decision(run, int(node["args"]["round"]))
    if task is None:
        return ""
    point = node["args"] if ROWS[task].at_point else {}
    made_from = {item["path"]: item["sha256"] for item in _list(run, rel)}
    for file in each_expected(run, task, **point):
        path, sha256 = str(file.path), _sha256(run, file.path)
        if sha256 and path not in made_from:
            return f"was made without {path}"
        if sha256 and sha256 != made_from[path]:
            return f"was made from another {path}"
    return ""


def _stale_decision(run: Run, number: int) -> str:
    """A decision holds for the goals of the spec and the files before it; where one of these is missing, who knows."""
    try:
        seen = adaptive_round.at_round(run, number)
        adaptive_round.inputs(seen)
    except InputError:
        return ""
    return "" if adaptive_round.valid_decision(seen, number) else "was decided from other files, or for other goals"


def _list(run: Run, rel: PurePosixPath) -> list[dict[str, Any]]:
    try:
        found = store.load_json(run.path, layout.files_of(rel))
    except InputError:
        return []
    items = found if isinstance(found, list) else []
    return [item for item in items if isinstance(item, dict) and {"path", "sha256"} <= set(item)]


def _sha256(run: Run, rel: PurePosixPath) -> str:
    """What the record beside a file says of its bytes; empty where there is none."""
    try:
        return str(json_object(run.path / layout.record_name(rel), {"sha256": str})["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
