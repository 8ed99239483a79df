"""take_over: files of trials of another run that hold for this one too, linked or copied with their records."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from worker.base.errors import DagmakerError, InputError
from worker.base.task_rows import multi_file_tasks
from worker.rundir import address, layout, store
from worker.rundir.ledger import Expected, Run, files_of_node, open_run
from worker.tasks import context, tail
from worker.tasks.file_kinds import KINDS

Key = tuple[Any, ...]


def take_over(path: Path, old: Path) -> dict[str, Any]:
    """Take over every file of trials whose address and digest are the same; returns counts by task.

    The digest has data, likelihood, engine, seed and signal; the address is the key of the random stream and the
    trials of it. Names of files may differ. Each record tells the origin.

    Raises
    ------
    InputError
        One of the folders is no run directory, or their data are not prepared.
    """
    new_run, old_run = open_run(path), open_run(old)
    if path.resolve() == old.resolve():
        raise InputError(f"{old}: is this run itself; write --from=DIR with another one")
    counts: dict[str, dict[str, int]] = {}
    if context.data_digest(new_run) != context.data_digest(old_run):
        print(f"{old}: its data are others: nothing can be taken over")
        return {"from": str(old), "tasks": counts}
    _take_tilts(new_run, old_run)
    for task in multi_file_tasks():
        there = {key: file for file, key in _keyed(old_run, task)}
        files = list(_keyed(new_run, task))
        if not files:
            continue
        taken = sum(_take(new_run, old_run, task, file, there.get(key)) for file, key in files)
        counts[task] = {"taken": taken, "files": len(files)}
        print(f"{task}: {taken:,} of {len(files):,} files taken over from {old}")
    return {"from": str(old), "tasks": counts}


def _keyed(run: Run, task: str) -> Iterator[tuple[Expected, Key]]:
    """Files of a task with what their numbers are made of: key of the stream (of a map: its point), trials, band."""
    for node in run.plan["nodes"]:
        if node["task"] == task:
            key = address.of_node(run.spec, node) or tuple(sorted(node["args"].items()))
            for file in files_of_node(node):
                yield file, (key, file.first, file.n, file.band)


def _take(new: Run, old: Run, task: str, file: Expected, origin: Expected | None) -> bool:
    """Take over one file, unless it exists, or its origin is missing, damaged or of another analysis."""
    if origin is None or (new.path / file.path).exists():
        return False
    try:
        digest = KINDS[task].digest(new, file)
        store.load_array(old.path, origin.path, file.n or None, KINDS[task].dtype(new), digest)
        record = store.load_record(old.path, origin.path)
    except DagmakerError:
        return False
    args = {**{key: value for key, value in record.args.items() if key not in origin.point}, **file.point}
    _link(new, old, file.path, origin.path, replace(record, args=args))
    return True


def _take_tilts(new: Run, old: Run) -> None:
    """Tilts first: the digest of tilted trials contains them."""
    if new.spec.background.tail == "none" or old.spec.background.tail == "none":
        return
    theirs = {at.address: at for at in old.spec.all_points}
    for at in new.spec.all_points:
        other = theirs.get(at.address)
        rel = tail.tilts_file(new, at)
        if other is None or (new.path / rel).exists():
            continue
        try:
            store.load_arrays(old.path, tail.tilts_file(old, other), tail.pilot_digest(new))
            record = store.load_record(old.path, tail.tilts_file(old, other))
        except DagmakerError:
            continue
        _link(new, old, rel, tail.tilts_file(old, other), replace(record, args=dict(at.args)))


def _link(new: Run, old: Run, rel: PurePosixPath, origin: PurePosixPath, record: Any) -> None:
    """Write the record with its origin, then link the file, or copy it where links cannot be made."""
    target, source = new.path / rel, old.path / origin
    target.parent.mkdir(parents=True, exist_ok=True)
    first = record.origin or {"run": str(old.path.resolve()), "file": str(origin)}
    store.save_json(new.path, layout.record_name(rel), replace(record, origin=first).as_json())
    temporary = target.with_name(f".{target.name}.taken")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
    temporary.replace(target)
