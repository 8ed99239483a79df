"""Files of trials recomputed: random ones of every kind, those with the largest TS, then single rows; and the tilts."""

import random
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from worker.base import finding
from worker.base.errors import InputError, RefusedError, SpecError
from worker.base.finding import Finding
from worker.base.pools import map_in_processes
from worker.base.task_rows import TAIL_PILOT
from worker.engines.plugin.calls import PluginError
from worker.review import distributions, replay, single_rows
from worker.rundir import store
from worker.rundir.ledger import Expected, Run, each_expected, open_run
from worker.tasks import context, scratch_run, tail


def findings(run: Run, sample: int, jobs: int, absent: set[str]) -> Iterator[Finding]:
    """Findings of each kind of trials, each as soon as it is known."""
    kinds = dict.fromkeys(node["task"] for node in run.plan["nodes"] if not node["file"])
    for task in kinds:
        present = [file for file in each_expected(run, task) if str(file.path) not in absent]
        random_files = _random_files(present, sample)
        if context.engine_facts(run).deterministic == "no":
            yield distributions.finding_of(run, task, present, random_files)
            continue
        chosen = list({file.path: file for file in [*_files_with_largest_ts(run, present), *random_files]}.values())
        texts = list(_replayed(run.path, [file.path for file in chosen], jobs))
        names = ", ".join(str(PurePosixPath(*file.path.parts[2:])) for file in chosen[:3])
        names += ", ..." if len(chosen) > 3 else ""
        tolerance = context.engine_facts(run).tolerance
        how = f"TS within {tolerance:g}" if tolerance else "bit by bit"
        what = f"{task}: files made again from the prepared data, {how}"
        yield finding.of(
            what, list(filter(None, texts)), f"{len(texts):,} of {len(present):,} files the same ({names})"
        )
        try:
            yield from single_rows.findings(run, task, present, random_files, jobs)
        except InputError as error:
            yield Finding("fault", f"{task}: single rows made again", str(error))


def _random_files(files: Sequence[Expected], sample: int) -> list[Expected]:
    """Random files, different in every review, so that nobody knows the choice beforehand."""
    return random.SystemRandom().sample(files, min(sample, len(files)))


def _files_with_largest_ts(run: Run, files: Iterable[Expected]) -> list[Expected]:
    """The file with the largest TS (one per map resolution)."""
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
    """The difference of each file, empty if there is none; files of one point go to the same process."""
    ordered = sorted(files, key=str)
    n = max(min(jobs, len(ordered)), 1)
    parts = [[ordered[int(i)] for i in part] for part in np.array_split(np.arange(len(ordered)), n)]
    for texts in map_in_processes(partial(_replay_files, path), parts, n):
        yield from texts


def _replay_files(path: Path, files: Sequence[PurePosixPath]) -> list[str]:
    run, texts = open_run(path), []
    with scratch_run.create(run) as root:
        for rel in files:
            try:
                text = replay.difference(run, rel, root)
            except (InputError, PluginError, RefusedError, SpecError) as error:
                text = str(error)
            except OSError as error:
                text = f"cannot be read ({error.strerror})"
            texts.append(f"{rel}: {text}" if text else "")
    return texts


def tilts(run: Run) -> Iterator[Finding]:
    """Compare the tilts of the run with those that the pilot chooses now; nothing without tilted trials.

    A p-value is right for any tilts, but tilts that somebody chose after a look at results would be a hidden choice.
    """
    if run.spec.background.tail == "none":
        return
    wrong, points = [], run.spec.all_points
    with context.no_device():
        for at in points:
            rel = tail.tilts_file(run, at)
            try:
                if not (run.path / rel).exists():
                    wrong.append(f"{rel}: this file is missing")
                elif tail.load(run, at) != tail.choose(run, at):
                    wrong.append(f"{rel}: the pilot chooses other tilts")
            except (InputError, SpecError) as error:
                wrong.append(str(error))
    yield finding.of(f"{TAIL_PILOT}: tilts chosen again", wrong, f"the same at {len(points):,} points")
