"""A run directory beside the real one, in which a task can be done again without touching what is there.

It has the same spec, plan and prepared data (as links), so every task does there what it did in the real one.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from inspect import signature
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any

from worker.base.errors import InputError, MachineError
from worker.base.task_rows import ROWS, SCAN_TRIALS
from worker.rundir import layout, store
from worker.rundir.ledger import Run, each_expected, of_node
from worker.tasks import context
from worker.tasks.table import TASKS


@contextmanager
def beside(run: Run, trials: bool = False, opened: bool = True) -> Iterator[Path]:
    """A scratch run directory, removed at the end; with links to all trials where they are to be collected again.

    With links to trials there is one to the results of the real sky too, unless `opened` is false.
    """
    with _folder() as name:
        root = Path(name) / "run"
        root.mkdir()
        for file in (layout.SPEC, layout.PLAN, layout.DATA.parent, layout.ROUNDS):
            if (run.path / file).exists():
                (root / file).symlink_to((run.path / file).absolute())
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
def not_the_run() -> Iterator[None]:
    """What cannot be written in a scratch directory is no fault of the run."""
    try:
        yield
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise MachineError(f"{error}; a scratch directory lies in TMPDIR: set it to a folder with space") from error
        raise


def _link_trials(run: Run, root: Path) -> None:
    for node in run.plan["nodes"]:
        if node["file"]:
            continue
        folder = root / node["dir"]
        if folder.parent.is_symlink():  # a part of a folder that is linked already
            continue
        folder.parent.mkdir(parents=True, exist_ok=True)
        real = (run.path / node["dir"]).absolute()
        if node["task"] != SCAN_TRIALS:  # the hottest spots are written beside skies
            if not folder.is_symlink():
                folder.symlink_to(real)
            continue
        folder.mkdir(exist_ok=True)
        for file in of_node(node):
            for path in (file.path, layout.record_name(file.path)):
                if (run.path / path).exists():
                    (root / path).symlink_to((run.path / path).absolute())


def again(root: Path, task: str, **args: Any) -> str:
    """Do a task in a scratch directory, on this core; returns what it printed."""
    said = StringIO()
    with redirect_stdout(said), context.no_device(), not_the_run():
        TASKS[task](run=str(root), **args)
    return said.getvalue()


def address_of(run: Run, rel: PurePosixPath) -> tuple[str, dict[str, Any]]:
    """Task and arguments that make a file: from the plan, or from its record where it was run by hand.

    Raises
    ------
    InputError
        If neither knows the file.
    """
    for node in run.plan["nodes"]:
        if PurePosixPath(node["dir"]) != rel.parent:
            continue
        if node["file"] == rel.name:
            return node["task"], _asked(node["task"], node["args"])
        for file in of_node(node):
            if file.path == rel:
                band = {} if file.band is None else _band(node["task"], *file.band)
                address = {**node["args"], "n": file.n, "seed": file.seed, "first": file.first, **band}
                return node["task"], _asked(node["task"], address)
    record = store.load_record(run.path, rel)
    if record.task not in TASKS:
        raise InputError(f"{run.path / rel}: its record names the task {record.task!r}, which there is not")
    return record.task, _asked(record.task, {**record.args, "n": record.n})


def _band(task: str, band: int, bands: int) -> dict[str, Any]:
    if ROWS[task].is_stream:
        return {"band": f"{band}of{bands}"}
    return {"band": band, "bands": bands} if bands > 1 else {}


def _asked(task: str, address: Any) -> dict[str, Any]:
    """The part of an address that the task takes."""
    return {key: address[key] for key in signature(TASKS[task]).parameters if key in address}


def n_expected(run: Run, task: str) -> int:
    """Files of a task in the plan; 0 where it has none."""
    try:
        return sum(1 for _ in each_expected(run, task))
    except InputError:
        return 0
