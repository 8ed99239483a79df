"""Single trials and skies recomputed: those that decide results, and random rows of every file.

One wrong row is enough to find a forged file; recomputing whole files would cost as much as the run.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worker.base import finding
from worker.base.errors import InputError
from worker.base.finding import Finding
from worker.base.pools import map_in_processes
from worker.base.task_rows import PATCH_TRIALS, ROWS
from worker.engines.protocol import PATCH_DTYPE
from worker.hypotheses.table import ensemble_of
from worker.review import decisive_rows, replay
from worker.review.decisive_rows import ChosenRows
from worker.rundir import store
from worker.rundir.ledger import Expected, Run, open_run
from worker.tasks import context, file_kinds, patches, tail

MAX_FILES = 10_000
"""Largest number of files with randomly chosen rows."""
N_TRIALS = 5
"""Randomly chosen trials per file. For skies the hypothesis has the number: a sky costs as much as 1000 trials."""

N_PATCHES = 2
"""Randomly chosen patches per file."""


def findings(run: Run, task: str, files: Sequence[Expected], whole: Sequence[Expected], jobs: int) -> Iterator[Finding]:
    """Findings of one kind of trials; `whole`: files that were recomputed as a whole."""
    if not ROWS[task].is_stream or not files:
        return
    if context.engine_facts(run).deterministic != "per-trial":
        text = "left out, those that decide results too: this engine makes the same trials again only as a whole file"
        yield Finding("note", f"{task}: rows made again alone", text)
        return
    if task == PATCH_TRIALS:
        yield _of_patches(run, files, jobs)
        return
    of_sky = ROWS[task].scans_skies
    n_rows = ensemble_of(run.spec).rows_by_chance if of_sky else N_TRIALS
    decisive = decisive_rows.skies(run, files) if of_sky else (list(decisive_rows.trials(run, task, files)), 0)
    chosen, left_out = decisive
    by_chance = _random_rows(files, n_rows) if n_rows else []
    work = partial(_skies, run.path) if of_sky else partial(_trials, run.path, task)
    wrong = _problems(work, _one_per_file([*chosen, *by_chance]), jobs)
    rows = sum(len(one.rows) for one in chosen)
    right = f"{rows:,} that decide results{f' ({left_out:,} hotter skies were left out)' if left_out else ''}"
    right += f", and {n_rows} of {len(by_chance):,} files by chance" if by_chance else ""
    right += f"; {_detection_text(files, len(whole), n_rows)}"
    yield finding.of(f"{task}: single {ROWS[task].unit} made again from the prepared data", wrong, right)
    if not n_rows:
        wrong = _problems(
            partial(_refitted, run.path), [ChosenRows(file, tuple(range(file.n))) for file in files], jobs
        )
        what = f"{task}: every sky fitted again at the pixels that it names"
        yield finding.of(what, wrong, f"the largest TS of every ring of all skies in {len(files):,} files")


def _of_patches(run: Run, files: Sequence[Expected], jobs: int) -> Finding:
    """Finding of the patches that decide p-values, and of random ones."""
    try:
        decisive = decisive_rows.patches(run, files)
    except InputError:  # another comparison reports the damaged file
        decisive = []
    wrong = _problems(partial(_patches, run.path), _one_per_file([*decisive, *_random_rows(files, N_PATCHES)]), jobs)
    right = f"{sum(len(one.rows) for one in decisive)} that decide p-values, and {N_PATCHES} of each file by chance"
    return finding.of(f"{PATCH_TRIALS}: single patches made again from the prepared data", wrong, right)


def _patches(path: Path, chosen: ChosenRows) -> str:
    run, file = open_run(path), chosen.file
    rows = store.load_array(path, file.path, file.n, PATCH_DTYPE)
    return _difference(run, chosen, rows, map(patches.recompute(run, file.seed, file.first), chosen.rows))


def _detection_text(files: Sequence[Expected], n_whole: int, rows: int) -> str:
    """Sentence with the probability to find forged files by random rows."""
    n, length = len(files), sum(file.n for file in files) / len(files)
    probability = {m: detected(n, n_whole, min(rows / length, 1.0), m) for m in (1, 10, 100) if m <= n}
    probabilities = ", ".join(f"{p:.0%} (m = {m})" for m, p in probability.items())
    always = "a file in which every row was changed is always found" if rows else "a changed value is always found"
    what = "one row that decides nothing is that of another trial" if rows else "a largest TS is another pixel's"
    return f"{always}; of m files in which {what}, one is found with a probability of {probabilities}"


def detected(n_files: int, n_whole: int, share: float, m: int) -> float:
    """Probability to find at least one of `m` forged files, each with one changed row that is not decisive.

    Parameters
    ----------
    n_whole : int
        Randomly chosen files that are recomputed as a whole.
    share : float
        Fraction of randomly chosen rows in each file.
    """
    unseen = 1.0
    for i in range(m):
        unseen *= max(n_files - n_whole - i, 0) / (n_files - i)
    return 1.0 - unseen * (1.0 - share) ** m


def _random_rows(files: Sequence[Expected], rows: int) -> list[ChosenRows]:
    chance = random.SystemRandom()
    some = files if len(files) <= MAX_FILES else chance.sample(files, MAX_FILES)
    return [ChosenRows(file, tuple(chance.sample(range(file.n), min(rows, file.n)))) for file in some]


def _one_per_file(chosen: Sequence[ChosenRows]) -> list[ChosenRows]:
    """One entry per file; files of one point are adjacent."""
    rows: dict[str, tuple[Expected, set[int]]] = {}
    for one in chosen:
        rows.setdefault(str(one.file.path), (one.file, set()))[1].update(one.rows)
    return [ChosenRows(file, tuple(sorted(indices))) for _, (file, indices) in sorted(rows.items())]


def _problems(work: Callable[[ChosenRows], str], chosen: Sequence[ChosenRows], jobs: int) -> list[str]:
    return [text for text in map_in_processes(work, chosen, min(jobs, len(chosen)), chunksize=4) if text]


def _trials(path: Path, task: str, chosen: ChosenRows) -> str:
    run, file = open_run(path), chosen.file
    rows = store.load_array(path, file.path, file.n, file_kinds.KINDS[task].dtype(run))
    stream = tail.stream_of(run, task, file.point, file.seed)
    engine = context.engine(run)
    again = (stream.trials(engine, file.first + row, 1) for row in chosen.rows)
    return _difference(run, chosen, rows, again)


def _skies(path: Path, chosen: ChosenRows) -> str:
    run, file = open_run(path), chosen.file
    ensemble = context.ensemble(run)
    rows = store.load_array(path, file.path, file.n, ensemble.sky_dtype)
    return _difference(run, chosen, rows, ensemble.recompute(context.skies(run), file, chosen.rows))


def _refitted(path: Path, chosen: ChosenRows) -> str:
    """Refit every sky of a file at the pixels named in the file."""
    run, file = open_run(path), chosen.file
    ensemble = context.ensemble(run)
    rows = store.load_array(path, file.path, file.n, ensemble.sky_dtype)
    try:
        again = ensemble.refitted(context.skies(run), file, rows)
    except InputError as error:
        return str(error)
    if again is None:
        again = ensemble.recompute(context.skies(run), file, chosen.rows)
    return _difference(run, chosen, rows, again)


def _difference(run: Run, chosen: ChosenRows, rows: NDArray[np.void], again: Iterator[NDArray[np.void]]) -> str:
    tolerance = context.engine_facts(run).tolerance
    for row, alone in zip(chosen.rows, again, strict=True):
        if not replay.equal_rows(alone, rows[row : row + 1], tolerance)[0]:
            return (
                f"{chosen.file.path}: row {row} is {replay.row_text(rows[row])}, made again {replay.row_text(alone[0])}"
            )
    return ""
