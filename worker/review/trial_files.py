"""Files of trials made again: some of every kind by chance, those that carry the hottest spots, then single rows."""

import random
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from worker.base import finding
from worker.base.errors import InputError, RefusedError, SpecError
from worker.base.finding import Finding
from worker.base.pools import mapped
from worker.engines.table import engine_of
from worker.review import replay, single_rows
from worker.rundir import store
from worker.rundir.ledger import Expected, Run, each_expected, open_run
from worker.tasks import scratch_run


def findings(run: Run, sample: int, jobs: int, absent: set[str]) -> Iterator[Finding]:
    """Findings of each kind of trials, as soon as they are made."""
    kinds = dict.fromkeys(node["task"] for node in run.plan["nodes"] if not node["file"])
    for task in kinds:
        there = [file for file in each_expected(run, task) if str(file.path) not in absent]
        by_chance = _by_chance(there, sample)
        chosen = list({file.path: file for file in [*_hottest(run, there), *by_chance]}.values())
        wrong, done = [], 0
        for text in _replayed(run.path, [file.path for file in chosen], jobs):
            done += 1
            wrong += [text] if text else []
        names = ", ".join(str(PurePosixPath(*file.path.parts[2:])) for file in chosen[:3])
        names += ", ..." if len(chosen) > 3 else ""
        tolerance = engine_of(run.spec).tolerance
        how = f"without the device, TS within {tolerance:g}" if tolerance else "bit by bit"
        what = f"{task}: files made again from the prepared data, {how}"
        yield finding.of(what, wrong, f"{done:,} of {len(there):,} files the same ({names})")
        try:
            yield from single_rows.findings(run, task, there, by_chance, jobs)
        except InputError as error:
            yield Finding("fault", f"{task}: single rows made again", str(error))


def _by_chance(files: Sequence[Expected], sample: int) -> list[Expected]:
    """Chosen anew in every review: nobody can know beforehand which."""
    return random.SystemRandom().sample(files, min(sample, len(files)))


def _hottest(run: Run, files: Iterable[Expected]) -> list[Expected]:
    """The file with the largest TS of a kind (of each map)."""
    best: dict[object, tuple[float, Expected]] = {}
    for file in files:
        try:
            ts = store.load_array(run.path, file.path)["ts"]
        except (InputError, ValueError, IndexError):
            continue
        top = float(np.max(ts)) if ts.size else -1.0
        group = file.point.get("nside")
        if group not in best or top > best[group][0]:
            best[group] = top, file
    return [file for _, file in best.values()]


def _replayed(path: Path, files: Sequence[PurePosixPath], jobs: int) -> Iterator[str]:
    """What is wrong with each file, empty where nothing is; neighbours of a point by the same process."""
    ordered = sorted(files, key=str)
    n = max(min(jobs, len(ordered)), 1)
    parts = [[ordered[int(i)] for i in part] for part in np.array_split(np.arange(len(ordered)), n)]
    for texts in mapped(partial(_some, path), parts, n):
        yield from texts


def _some(path: Path, files: Sequence[PurePosixPath]) -> list[str]:
    run, found = open_run(path), []
    with scratch_run.create(run) as root:
        for rel in files:
            try:
                text = replay.difference(run, rel, root)
            except (InputError, RefusedError, SpecError) as error:
                text = str(error)
            except OSError as error:
                text = f"cannot be read ({error.strerror})"
            found.append(f"{rel}: {text}" if text else "")
    return found
