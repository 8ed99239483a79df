"""Whether a result is valid (loads, has its keys) and up to date (made from the present files)."""

from collections.abc import Mapping
from itertools import chain
from pathlib import PurePosixPath
from typing import Any

from worker.base.errors import InputError
from worker.base.reading import file_bytes, json_object
from worker.base.task_rows import COLLECT_SCAN, JUDGE, PREPARE, ROWS, TAIL_PILOT
from worker.hypotheses.table import ensemble_of
from worker.rundir import layout, store
from worker.rundir.ledger import Run, each_expected
from worker.tasks import adaptive_round, tail

_READS: dict[str, list[str]] = {}
for _task, _row in ROWS.items():
    if _row.is_stream:
        _READS.setdefault(_row.collected_by, []).append(_task)


def problem(run: Run, task: str, rel: PurePosixPath) -> str:
    """The problem with the output of a task that makes one result; empty if there is none."""
    try:
        if rel.suffix == ".npz":
            store.load_record(run.path, rel)
            store.load_arrays(run.path, rel, tail.pilot_digest(run) if task == TAIL_PILOT else None)
            if task == PREPARE and run.spec.engine.kind == "builtin":
                store.load_record(run.path, layout.TABLES)
                store.load_arrays(run.path, layout.TABLES)
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
    result = store.load_json(run.path, rel)
    missing = [key for key in ROWS[task].keys if not isinstance(result, dict) or key not in result]
    if missing:
        raise InputError(f"{run.path / rel}: has no {', '.join(missing)}")
    if ROWS[task].timed:
        store.load_json(run.path, layout.timing_file(task))
    if task == COLLECT_SCAN:
        _check_scan(run, result)


def _check_scan(run: Run, scan: Mapping[str, Any]) -> None:
    """Check the files beside scan.json: hottest spots of every region, maps."""
    for region in scan["regions"]:
        store.load_record(run.path, layout.skies_file(region))
        store.load_array(run.path, layout.skies_file(region), scan["n_skies"])
        if "patches" in scan:
            store.load_array(run.path, layout.patches_file(region))
    ensemble_of(run.spec).require_files(run, scan)


def _check_page(run: Run, rel: PurePosixPath) -> None:
    store.load_json(run.path, layout.SUMMARY)
    try:
        text = file_bytes(run.path / rel).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{run.path / rel}: cannot be read ({error})") from None
    if not text.rstrip().endswith("</html>"):
        raise InputError(f"{run.path / rel}: the page has no end")


def stale(run: Run, node: Mapping[str, Any], rel: PurePosixPath) -> str:
    """How the present files differ from those that a result was collected from; empty if they do not.

    A missing file is no difference here; it has a fault of its own.
    """
    if node["task"] == JUDGE:
        return _stale_decision(run, int(node["args"]["round"]))
    planned = {node["task"] for node in run.plan["nodes"]}
    reads = [task for task in _READS.get(node["task"], ()) if task in planned]
    made_from = {item["path"]: item["sha256"] for item in listed_files(run, rel, {"path", "sha256"})} if reads else {}
    files = (each_expected(run, task, **(node["args"] if ROWS[task].at_point else {})) for task in reads)
    for file in chain.from_iterable(files):
        path, sha256 = str(file.path), _recorded_sha256(run, file.path)
        if sha256 and path not in made_from:
            return f"was made without {path}"
        if sha256 and sha256 != made_from[path]:
            return f"was made from another {path}"
    return ""


def _stale_decision(run: Run, number: int) -> str:
    """Whether a decision was made for other goals or files; unknown (empty) if one of the files is missing."""
    try:
        run_before = adaptive_round.at_round(run, number)
        adaptive_round.inputs(run_before)
    except InputError:
        return ""
    return (
        "" if adaptive_round.valid_decision(run_before, number) else "was decided from other files, or for other goals"
    )


def listed_files(run: Run, rel: PurePosixPath, keys: set[str]) -> list[dict[str, str]]:
    """The files that a collected file was made from: items of its list with texts at `keys`; empty without a list."""
    try:
        content = store.load_json(run.path, layout.files_of(rel))
    except InputError:
        return []
    items = content if isinstance(content, list) else []
    return [item for item in items if isinstance(item, dict) and all(isinstance(item.get(key), str) for key in keys)]


def _recorded_sha256(run: Run, rel: PurePosixPath) -> str:
    """Sha256 in the record of a file; empty without a record."""
    try:
        return str(json_object(run.path / layout.record_name(rel), {"sha256": str})["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
