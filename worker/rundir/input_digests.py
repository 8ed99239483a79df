"""Sha256 of the files from which a result was computed."""

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
    """Return one sha256 for many files (``path``, ``sha256``): that of the sorted lines that `sha256sum` prints."""
    lines = sorted(f"{item['sha256']}  {item['path']}\n" for item in items)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def listed(run: Run, collected: PurePosixPath) -> dict[str, str]:
    """Return one entry for the files of a collected result: the path of their list, and its digest."""
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
    """Return the sha256 in the records of files; loading the files compared them."""
    return {str(rel): store.load_record(run.path, rel).sha256 for rel in files}


def hashed(run: Run, files: Iterable[PurePosixPath]) -> dict[str, str]:
    """Return the sha256 of those files that exist, from their bytes."""
    digests = {}
    for rel in files:
        if (run.path / rel).is_file():
            digests[str(rel)] = reading.sha256(run.path / rel)
    return digests


def result(path: Path, task: str) -> Any:
    """Load the JSON result of a task if its bytes are those that the task wrote, so that its keys are valid.

    Raises
    ------
    InputError
        It is missing, damaged, or was changed.
    """
    cure = f"run `{shell.worker(task, f'--run={path}')}` again"
    rel = PurePosixPath(ROWS[task].file)
    document = store.load_json(path, rel)
    try:
        record = from_json(store.load_json(path, layout.timing_file(task)))
    except ValueError as error:
        raise InputError(f"{path / layout.timing_file(task)}: {error}; {cure}") from None
    if reading.sha256(path / rel) not in (record.sha256, record.outputs.get(str(rel))):
        raise InputError(f"{path / rel}: its bytes are not those that {task} wrote; {cure}")
    return document


def data(run: Run) -> dict[str, str]:
    """Return the digest of the prepared data's content, which does not depend on the file format."""
    return {f"{layout.DATA} (content)": store.load_record(run.path, layout.DATA).digest}


def scan(run: Run) -> dict[str, str]:
    """Return the digests of the hottest spots of the observed sky and of all background skies."""
    results = store.load_json(run.path, layout.SCAN)
    files = [layout.skies_file(region) for region in results["regions"]]
    files += [layout.patches_file(region) for region in results["regions"] if "patches" in results]
    files += [layout.binomial_file(region) for region in results.get("binomial", ())]
    files += [layout.sums_file()] if results.get("sums") else []
    more = {"warm_spots": layout.WARM_SPOTS, "priors": layout.PRIORS}
    files += [file for key, file in more.items() if key in results]
    files += [layout.PRIOR_SIGNAL] if run.spec.scan.kind == "healpix" and run.spec.healpix.prior_n_sig else []
    return recorded(run, files) | hashed(run, [layout.SCAN])


def collected(run: Run, *tasks: str) -> dict[str, str]:
    """Return the sha256 of the outputs of `collect_bg` or `collect_sig` at every point of the plan."""
    collectors = [node for node in run.plan["nodes"] if node["task"] in tasks]
    return recorded(run, [PurePosixPath(node["dir"]) / node["file"] for node in collectors])
