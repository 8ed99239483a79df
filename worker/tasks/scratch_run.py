"""Temporary run directory in which a task can be repeated without changing the real run.

It links to the spec, plan and prepared data of the run, so a task gives the same output as in the real run.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from inspect import signature
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any

from worker.base.errors import InputError, MachineError
from worker.base.task_rows import ROWS, SCAN_TRIALS, TAIL_PILOT
from worker.rundir import layout, store
from worker.rundir.ledger import Run, files_of_node
from worker.tasks import context
from worker.tasks.table import TASKS


@contextmanager
def create(run: Run, trials: bool = False, opened: bool = True) -> Iterator[Path]:
    """A scratch run directory, removed at the end; `trials` adds links to all trials.

    With `trials` the results of the real sky are linked too, unless `opened` is false.
    """
    with _folder() as name:
        root = Path(name) / "run"
        root.mkdir()
        for file in (layout.SPEC, layout.PLAN, layout.DATA.parent, layout.ROUNDS):
            if (run.path / file).exists():
                (root / file).symlink_to((run.path / file).absolute())
        for node in run.plan["nodes"]:
            if node["task"] == TAIL_PILOT:
                _link_tilts(run, root, PurePosixPath(node["dir"]) / node["file"])
        if trials:
            _link_trials(run, root)
            if opened and (run.path / layout.UNBLINDED).is_dir():
                (root / layout.UNBLINDED).symlink_to((run.path / layout.UNBLINDED).absolute())
        yield root


def _folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="dagmaker-")
    except OSError as error:
        raise MachineError(f"no scratch directory can be made ({error}): set TMPDIR to a folder with space") from None


@contextmanager
def disk_errors_as_machine_errors() -> Iterator[None]:
    """Raise MachineError if a file cannot be written in the scratch directory."""
    try:
        yield
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise MachineError(f"{error}; a scratch directory lies in TMPDIR: set it to a folder with space") from error
        raise


def _link_tilts(run: Run, root: Path, rel: PurePosixPath) -> None:
    (root / rel.parent).mkdir(parents=True, exist_ok=True)
    for file in (rel, layout.record_name(rel)):
        if (run.path / file).exists():
            (root / file).symlink_to((run.path / file).absolute())


def _link_trials(run: Run, root: Path) -> None:
    for node in run.plan["nodes"]:
        if node["file"]:
            continue
        folder = root / node["dir"]
        if folder.parent.is_symlink():  # its parent folder is linked already
            continue
        folder.parent.mkdir(parents=True, exist_ok=True)
        real = (run.path / node["dir"]).absolute()
        if node["task"] != SCAN_TRIALS:  # the hottest spots are written beside skies
            if not folder.is_symlink():
                folder.symlink_to(real)
            continue
        folder.mkdir(exist_ok=True)
        for file in files_of_node(node):
            for path in (file.path, layout.record_name(file.path)):
                if (run.path / path).exists():
                    (root / path).symlink_to((run.path / path).absolute())


def run_task(root: Path, task: str, **args: Any) -> str:
    """Run a task in a scratch directory, on this core; returns its output text."""
    output = StringIO()
    with redirect_stdout(output), context.no_device(), disk_errors_as_machine_errors():
        TASKS[task](run=str(root), **args)
    return output.getvalue()


def task_and_arguments(run: Run, rel: PurePosixPath) -> tuple[str, dict[str, Any]]:
    """Task and arguments that make a file: from the plan, or from its record if it is not in the plan.

    Raises
    ------
    InputError
        The file is in neither.
    """
    for node in run.plan["nodes"]:
        if PurePosixPath(node["dir"]) != rel.parent:
            continue
        if node["file"] == rel.name:
            return node["task"], _task_arguments(node["task"], node["args"])
        for file in files_of_node(node):
            if file.path == rel:
                band = {} if file.band is None else _band(node["task"], *file.band)
                address = {**node["args"], "n": file.n, "seed": file.seed, "first": file.first, **band}
                return node["task"], _task_arguments(node["task"], address)
    record = store.load_record(run.path, rel)
    if record.task not in TASKS:
        raise InputError(f"{run.path / rel}: its record names the task {record.task!r}, which there is not")
    return record.task, _task_arguments(record.task, {**record.args, "n": record.n})


def _band(task: str, band: int, bands: int) -> dict[str, Any]:
    if ROWS[task].is_stream:
        return {"band": f"{band}of{bands}"}
    return {"band": band, "bands": bands} if bands > 1 else {}


def _task_arguments(task: str, address: Any) -> dict[str, Any]:
    """The items of an address that are parameters of the task."""
    return {key: address[key] for key in signature(TASKS[task]).parameters if key in address}
