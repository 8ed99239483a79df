"""Single trials and skies made again: those that decide results, and rows of every file by chance.

A forged file of trials is found by one of its rows; to make whole files again costs as much as the run.
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
from worker.base.pools import mapped
from worker.base.task_rows import ROWS
from worker.engines.table import engine_of
from worker.hypotheses.table import ensemble_of
from worker.review import decisive_rows, replay
from worker.review.decisive_rows import Chosen
from worker.rundir import store
from worker.rundir.ledger import Expected, Run, open_run
from worker.tasks import context, trials

MOST_FILES = 10_000
"""Files of which rows are chosen by chance, at most."""
TRIALS = 5
"""Trials of a file that are chosen by chance. Of skies the hypothesis says how many: one costs a thousand trials."""


def findings(run: Run, task: str, files: Sequence[Expected], whole: Sequence[Expected], jobs: int) -> Iterator[Finding]:
    """For one kind of trials; `whole` are the files that were made again as a whole."""
    if not ROWS[task].is_stream or not files or engine_of(run.spec).deterministic == "per-file":
        return
    of_sky = ROWS[task].of_sky
    n_rows = ensemble_of(run.spec).rows_by_chance if of_sky else TRIALS
    found = decisive_rows.skies(run, files) if of_sky else (list(decisive_rows.trials(run, task, files)), 0)
    chosen, left_out = found
    by_chance = _by_chance(files, n_rows) if n_rows else []
    work = partial(_skies if of_sky else _trials, run.path)
    wrong = _all(work, _merged([*chosen, *by_chance]), jobs)
    rows = sum(len(one.rows) for one in chosen)
    right = f"{rows:,} that decide results{f' ({left_out:,} hotter skies were left out)' if left_out else ''}"
    right += f", and {n_rows} of {len(by_chance):,} files by chance" if by_chance else ""
    right += f"; {_power(files, len(whole), n_rows)}"
    yield finding.of(f"{task}: single {ROWS[task].unit} made again from the prepared data", wrong, right)
    if not n_rows:
        wrong = _all(partial(_refitted, run.path), [Chosen(file, tuple(range(file.n))) for file in files], jobs)
        what = f"{task}: every sky fitted again at the pixels that it names"
        yield finding.of(what, wrong, f"the largest TS of every ring of all skies in {len(files):,} files")


def _power(files: Sequence[Expected], n_whole: int, rows: int) -> str:
    """With what probability forged files are found by chance."""
    n, length = len(files), sum(file.n for file in files) / len(files)
    found = {m: detected(n, n_whole, min(rows / length, 1.0), m) for m in (1, 10, 100) if m <= n}
    said = ", ".join(f"{p:.0%} (m = {m})" for m, p in found.items())
    always = "a file in which every row was changed is always found" if rows else "a changed value is always found"
    what = "one row that decides nothing is that of another trial" if rows else "a largest TS is another pixel's"
    return f"{always}; of m files in which {what}, one is found with a probability of {said}"


def detected(n_files: int, n_whole: int, share: float, m: int) -> float:
    """Probability to find one of `m` forged files, each with one row changed that decides nothing.

    Parameters
    ----------
    n_whole : int
        Files made again as a whole, by chance.
    share : float
        Of the rows of each file, those that are made again by chance.
    """
    unseen = 1.0
    for i in range(m):
        unseen *= max(n_files - n_whole - i, 0) / (n_files - i)
    return 1.0 - unseen * (1.0 - share) ** m


def _by_chance(files: Sequence[Expected], rows: int) -> list[Chosen]:
    chance = random.SystemRandom()
    some = files if len(files) <= MOST_FILES else chance.sample(files, MOST_FILES)
    return [Chosen(file, tuple(chance.sample(range(file.n), min(rows, file.n)))) for file in some]


def _merged(chosen: Sequence[Chosen]) -> list[Chosen]:
    """One entry for each file, neighbours of a point beside each other."""
    rows: dict[str, tuple[Expected, set[int]]] = {}
    for one in chosen:
        rows.setdefault(str(one.file.path), (one.file, set()))[1].update(one.rows)
    return [Chosen(file, tuple(sorted(mine))) for _, (file, mine) in sorted(rows.items())]


def _all(work: Callable[[Chosen], str], chosen: Sequence[Chosen], jobs: int) -> list[str]:
    return [text for text in mapped(work, chosen, min(jobs, len(chosen)), chunksize=4) if text]


def _trials(path: Path, chosen: Chosen) -> str:
    run, file = open_run(path), chosen.file
    rows = store.load_array(path, file.path, file.n, context.columns(run))
    point = file.point
    stream = trials.stream(run, point["dec"], file.seed, point.get("n_sig"), point.get("gamma"))
    engine = context.engine(run)
    again = (stream.trials(engine, file.first + row, 1) for row in chosen.rows)
    return _compared(run, chosen, rows, again)


def _skies(path: Path, chosen: Chosen) -> str:
    run, file = open_run(path), chosen.file
    ensemble = ensemble_of(run.spec)
    rows = store.load_array(path, file.path, file.n, ensemble.sky_dtype)
    return _compared(run, chosen, rows, ensemble.recompute(context.skies(run), file, chosen.rows))


def _refitted(path: Path, chosen: Chosen) -> str:
    """Every sky of a file, fitted again where the file says its TS is."""
    run, file = open_run(path), chosen.file
    ensemble = ensemble_of(run.spec)
    rows = store.load_array(path, file.path, file.n, ensemble.sky_dtype)
    try:
        again = ensemble.refitted(context.skies(run), file, rows)
    except InputError as error:
        return str(error)
    return "" if again is None else _compared(run, chosen, rows, again)


def _compared(run: Run, chosen: Chosen, rows: NDArray[np.void], again: Iterator[NDArray[np.void]]) -> str:
    tolerance = engine_of(run.spec).tolerance
    for row, alone in zip(chosen.rows, again, strict=True):
        if not replay.agree(alone, rows[row : row + 1], tolerance)[0]:
            return f"{chosen.file.path}: row {row} is {replay.shown(rows[row])}, made again {replay.shown(alone[0])}"
    return ""
