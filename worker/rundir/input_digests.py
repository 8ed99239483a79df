"""Which files a result was computed from, by sha256."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from worker.base import reading, shell
from worker.base.errors import InputError
from worker.base.task_rows import ROWS
from worker.rundir import layout, store
from worker.rundir.ledger import Run
from worker.rundir.record import from_json


def listing_digest(items: Iterable[Mapping[str, Any]]) -> str:
    """One sha256 for many files: that of the lines ``sha256  path`` that `sha256sum` prints, sorted.

    Parameters
    ----------
    items : iterable of mappings with ``path`` and ``sha256``
    """
    lines = sorted(f"{item['sha256']}  {item['path']}\n" for item in items)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def listed(run: Run, collected: PurePosixPath) -> dict[str, str]:
    """The files behind a collected result, as one entry: their list, and the digest of it."""
    name = layout.files_of(collected)
    items = store.load_json(run.path, name)
    if not isinstance(items, list) or not all(_is_item(item) for item in items):
        raise InputError(
            f"{run.path / name}: is not a list of files with their sha256; run the task that makes it again"
        )
    return {str(name): listing_digest(items)}


def _is_item(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("path"), str) and isinstance(item.get("sha256"), str)


def recorded(run: Run, files: Iterable[PurePosixPath]) -> dict[str, str]:
    """Sha256 of files with a record, from it: it was compared when they were loaded."""
    return {str(rel): store.load_record(run.path, rel).sha256 for rel in files}


def hashed(run: Run, files: Iterable[PurePosixPath]) -> dict[str, str]:
    """Sha256 of files that are there, from their bytes."""
    found = {}
    for rel in files:
        if (run.path / rel).is_file():
            found[str(rel)] = reading.sha256(run.path / rel)
    return found


def result(path: Path, task: str) -> Any:
    """The result of a task in JSON, if its bytes are those that the task wrote: then its keys and kinds are right.

    Raises
    ------
    InputError
        It is missing, damaged, or was changed.
    """
    cure = f"run `{shell.worker(task, f'--run={path}')}` again"
    rel = PurePosixPath(ROWS[task].file)
    found = store.load_json(path, rel)
    try:
        made = from_json(store.load_json(path, layout.timing_file(task)))
    except ValueError as error:
        raise InputError(f"{path / layout.timing_file(task)}: {error}; {cure}") from None
    if reading.sha256(path / rel) not in (made.sha256, made.outputs.get(str(rel))):
        raise InputError(f"{path / rel}: its bytes are not those that {task} wrote; {cure}")
    return found


def data(run: Run) -> dict[str, str]:
    """The digest of the prepared data's content, which does not depend on how their file was packed."""
    return {f"{layout.DATA} (content)": store.load_record(run.path, layout.DATA).digest}


def scan(run: Run) -> dict[str, str]:
    """What the post-trial p-value is read from: the hottest spots of the observed sky and of all background skies."""
    found = store.load_json(run.path, layout.SCAN)
    files = [layout.skies_file(region) for region in found["regions"]]
    files += [layout.binomial_file(region) for region in found.get("binomial", ())]
    return recorded(run, files) | hashed(run, [layout.SCAN])


def collected(run: Run, *tasks: str) -> dict[str, str]:
    """Sha256 of what `collect_bg` or `collect_sig` made at every point of the plan."""
    mine = [node for node in run.plan["nodes"] if node["task"] in tasks]
    return recorded(run, [PurePosixPath(node["dir"]) / node["file"] for node in mine])
