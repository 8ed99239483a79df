"""Measured right ascensions, in a file of their own that no task of the DAG reads: only unblinding opens it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worker import data
from worker.base.errors import DagmakerError, InputError
from worker.rundir import layout, store
from worker.rundir.ledger import Run
from worker.rundir.record import measure
from worker.tasks import context

F64 = NDArray[np.float64]


def seal(run: Run) -> None:
    """Write RUN/sealed/positions.npz, bound to the prepared data by their digest; only its owner may read it."""
    with measure("seal", {}, context.data_digest(run)) as meter:
        positions = data.read_positions(run.spec)
        arrays = {f"season{i}": ra for i, ra in enumerate(positions)}
        record = replace(meter.record(sum(map(len, positions))), args={"seasons": len(positions)})
    with _for_the_owner(run.path / layout.SEALED.parent):
        store.save_arrays(run.path, layout.SEALED, arrays, record)
    print(f"-> {layout.SEALED} (for unblinding only)")


@contextmanager
def _for_the_owner(folder: Path) -> Iterator[None]:
    """Files that are written meanwhile have mode 0600, their folder 0700 where the disk has modes."""
    before = os.umask(0o077)
    try:
        with suppress(OSError):  # where the folder cannot be made, the write says why
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
        yield
    finally:
        os.umask(before)


def open_positions(run: Run) -> F64:
    """Right ascensions (turns, 0 to 1) of all events with a usable sigma, in the order of `Engine.scrambled`.

    Read again from the raw data where the sealed file is not there.

    Raises
    ------
    InputError
        If neither is there, or they do not belong to the prepared data.
    """
    engine = context.skies(run)
    counts = [season.events.dec.size for season in context.dataset_of(run).seasons]
    parts = _parts(run)
    if [len(part) for part in parts] != counts:
        raise InputError(
            f"{run.path / layout.SEALED}: positions of {[len(part) for part in parts]} events, the prepared data have "
            f"{counts}: they do not belong together; restore both, or prepare the run anew"
        )
    return engine.observed(parts)


def of_raw_data(run: Run) -> Literal["same", "other", "unknown"]:
    """Whether the sealed right ascensions are those of the raw data; unknown where one of them cannot be read.

    Raises
    ------
    InputError
        If the sealed file is damaged.
    """
    if not (run.path / layout.SEALED).exists():
        return "unknown"
    parts = _parts(run)
    try:
        raw = list(data.read_positions(run.spec))
    except DagmakerError:
        return "unknown"
    same = len(raw) == len(parts) and all(np.array_equal(one, other) for one, other in zip(raw, parts, strict=True))
    return "same" if same else "other"


def _parts(run: Run) -> list[F64]:
    if (run.path / layout.SEALED).exists():
        arrays = store.load_arrays(run.path, layout.SEALED, context.data_digest(run))
        if set(arrays) != {f"season{i}" for i in range(len(arrays))}:
            raise InputError(f"{run.path / layout.SEALED}: holds {', '.join(arrays)}; prepare the run anew")
        return [arrays[f"season{i}"] for i in range(len(arrays))]
    try:
        return list(data.read_positions(run.spec))
    except InputError as error:
        raise InputError(
            f"{run.path / layout.SEALED}: this file is missing, and the raw data cannot be read either: {error}"
        ) from None
