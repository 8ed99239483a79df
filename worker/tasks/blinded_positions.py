"""Measured right ascensions and times, in a separate file that only unblinding reads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from worker import data
from worker.base.errors import DagmakerError, InputError
from worker.data.dataset import F64, Position
from worker.rundir import layout, store
from worker.rundir.ledger import Run
from worker.rundir.record import measure
from worker.tasks import context


def seal(run: Run) -> None:
    """Write RUN/sealed/positions.npz, readable by its owner only, with the digest of the prepared data."""
    with measure("seal", {}, context.data_digest(run)) as meter:
        positions = data.read_positions(run.spec)
        arrays = {f"season{i}": season.ra for i, season in enumerate(positions)}
        arrays |= {f"time{i}": season.mjd for i, season in enumerate(positions)}
        n_events = sum(len(season.ra) for season in positions)
        record = replace(meter.record(n_events), args={"seasons": len(positions)})
    with _owner_only(run.path / layout.SEALED.parent):
        store.save_arrays(run.path, layout.SEALED, arrays, record)
    print(f"-> {layout.SEALED} (for unblinding only)")


@contextmanager
def _owner_only(folder: Path) -> Iterator[None]:
    """Create files with mode 0600 and their folder with 0700, if the file system has modes."""
    before = os.umask(0o077)
    try:
        with suppress(OSError):  # if the folder cannot be made, the write reports why
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
        yield
    finally:
        os.umask(before)


def open_positions(run: Run) -> F64:
    """Right ascensions (turns, 0 to 1) of all events with a usable sigma, as `Engine.observed` returns them.

    With times if the hypothesis is about time. Read from the raw data if the sealed file is missing.

    Raises
    ------
    InputError
        Both are missing, or they do not match the prepared data.
    """
    if run.spec.engine.kind == "plugin":
        from worker.engines.plugin.engine import token_as_sky

        return token_as_sky(str(store.load_json(run.path, layout.OPENED)["token"]))
    engine = context.skies(run)
    counts = [season.events.dec.size for season in context.dataset_of(run).seasons]
    seasons = _seasons(run)
    parts = [season.ra for season in seasons]
    if [len(part) for part in parts] != counts:
        raise InputError(
            f"{run.path / layout.SEALED}: positions of {[len(part) for part in parts]} events, the prepared data have "
            f"{counts}: they do not belong together; restore both, or prepare the run anew"
        )
    if not run.spec.hypothesis.timed:
        return engine.observed(parts)
    times = [season.mjd for season in seasons]
    if [len(part) for part in times] != counts:
        raise InputError(f"{run.path / layout.SEALED}: sealed before times were kept; prepare the run anew")
    return engine.observed(parts, times)


def compare_with_raw_data(run: Run) -> Literal["same", "other", "unknown"]:
    """Whether the sealed columns equal those of the raw data; unknown if one of them cannot be read.

    Raises
    ------
    InputError
        The sealed file is damaged.
    """
    if not (run.path / layout.SEALED).exists():
        return "unknown"
    parts = _seasons(run)
    try:
        raw = list(data.read_positions(run.spec))
    except DagmakerError:
        return "unknown"
    same = len(raw) == len(parts) and all(map(_equal, raw, parts))
    return "same" if same else "other"


def _equal(raw: Position, part: Position) -> bool:
    same_times = part.mjd.size == 0 or np.array_equal(raw.mjd, part.mjd)
    return np.array_equal(raw.ra, part.ra) and same_times


def _seasons(run: Run) -> list[Position]:
    """Return right ascensions and times of every season; a file sealed before times were kept has empty times."""
    if (run.path / layout.SEALED).exists():
        arrays = store.load_arrays(run.path, layout.SEALED, context.data_digest(run))
        n = sum(name.startswith("season") for name in arrays)
        ra, mjd = ([f"{column}{i}" for i in range(n)] for column in ("season", "time"))
        if set(arrays) not in (set(ra), {*ra, *mjd}):
            raise InputError(f"{run.path / layout.SEALED}: holds {', '.join(arrays)}; prepare the run anew")
        return [Position(arrays[a], arrays.get(t, np.empty(0))) for a, t in zip(ra, mjd, strict=True)]
    try:
        return list(data.read_positions(run.spec))
    except InputError as error:
        raise InputError(
            f"{run.path / layout.SEALED}: this file is missing, and the raw data cannot be read either: {error}"
        ) from None
