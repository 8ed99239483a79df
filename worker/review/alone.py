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
from worker.base.finding import Finding
from worker.base.pools import mapped
from worker.base.task_rows import ROWS, SIG_TRIALS
from worker.engines.builtin import scan
from worker.engines.builtin import trials as engine
from worker.engines.builtin.sources import Sources, SourceScanner
from worker.review import decisive, replay
from worker.review.decisive import Chosen
from worker.rundir import store
from worker.rundir.ledger import Expected, Run, open_run
from worker.tasks import catalog, context, scans, trials

MOST_FILES = 10_000
"""Files of which rows are chosen by chance, at most."""
TRIALS, SKIES = 5, 1
"""Rows of a file that are chosen by chance: a sky costs a thousand times as much as a trial."""


def findings(run: Run, task: str, files: Sequence[Expected], whole: Sequence[Expected], jobs: int) -> Iterator[Finding]:
    """For one kind of trials; `whole` are the files that were made again as a whole."""
    if not ROWS[task].is_stream or not files:
        return
    of_sky = ROWS[task].of_sky
    n_rows = SKIES if of_sky else TRIALS
    is_map = of_sky and not catalog.is_catalog(run)
    found = decisive.skies(run, files) if of_sky else (list(decisive.trials(run, task, files)), 0)
    chosen, left_out = found
    by_chance = [] if is_map else _by_chance(files, n_rows)
    work = partial(_skies, run.path) if of_sky else partial(_trials, run.path, task)
    wrong = _all(work, _merged([*chosen, *by_chance]), jobs)
    rows = sum(len(one.rows) for one in chosen)
    right = f"{rows:,} that decide results{f' ({left_out:,} hotter skies were left out)' if left_out else ''}"
    right += f", and {n_rows} of {len(by_chance):,} files by chance" if by_chance else ""
    right += f"; {_power(files, len(whole), 0 if is_map else n_rows)}"
    yield finding.of(f"{task}: single {ROWS[task].unit} made again from the prepared data", wrong, right)
    if is_map:
        wrong = _all(partial(_at_pixels, run.path), [Chosen(file, tuple(range(file.n))) for file in files], jobs)
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


def _trials(path: Path, task: str, chosen: Chosen) -> str:
    run, file = open_run(path), chosen.file
    rows = store.load_array(path, file.path, file.n, engine.TRIAL_DTYPE)
    dec, gamma, injector = file.point["dec"], file.point.get("gamma"), None
    key = trials.bg_key(run, dec, file.seed)
    if task == SIG_TRIALS:
        n_sig = file.point["n_sig"]
        injector = trials.injector_at(run, dec, n_sig, gamma)
        key = trials.sig_key(run, dec, n_sig, file.seed, gamma)
    analysis, point = context.analysis(run), context.point(run, dec)
    again = (engine.run(analysis, point, key, file.first + row, 1, injector) for row in chosen.rows)
    return _compared(run, chosen, rows, again)


def _skies(path: Path, chosen: Chosen) -> str:
    run, file = open_run(path), chosen.file
    rows = store.load_array(path, file.path, file.n, scans.sky_dtype(run))
    key, analysis = scans.sky_key(run, file.seed), context.analysis(run)
    if catalog.is_catalog(run):
        scanner = SourceScanner(analysis, catalog.positions(run))
        found = (scanner.skies(key, file.first + row, 1).view(catalog.SOURCE_DTYPE)[..., 0] for row in chosen.rows)
        return _compared(run, chosen, rows, found)
    rings = _rings(run, file)
    scanner_of_rings = scan.Scanner(analysis, rings)
    turns = (scan.right_ascensions(analysis, key, file.first + row) for row in chosen.rows)
    return _compared(run, chosen, rows, (scans.maxima(scanner_of_rings, rings, turn)[None] for turn in turns))


def _at_pixels(path: Path, chosen: Chosen) -> str:
    """Each ring of each sky, fitted at the pixel that the file names: the same bits as in the scan."""
    run, file = open_run(path), chosen.file
    rows = store.load_array(path, file.path, file.n, scans.RING_DTYPE)
    rings, key, analysis = _rings(run, file), scans.sky_key(run, file.seed), context.analysis(run)
    place = rows["pixel"] - rings.first
    if rows.shape[1:] != rings.dec.shape or ((place < 0) | (place >= rings.n_pix)).any():
        return f"{file.path}: names pixels of other rings"
    scanner = SourceScanner(analysis, Sources(rings.dec, np.zeros(rings.dec.size)))

    def again() -> Iterator[NDArray[np.void]]:
        for row in chosen.rows:
            scanner.sources = Sources(rings.dec, (place[row] + rings.shift) * (1.0 / rings.n_pix))
            found = np.empty((1, rings.dec.size), scans.RING_DTYPE)
            values = scanner.skies(key, file.first + row, 1)
            found["pixel"] = rows["pixel"][row]
            for i, name in enumerate(("ts", "ns", "gamma")):
                found[name] = values[..., i]
            yield found

    return _compared(run, chosen, rows, again())


def _rings(run: Run, file: Expected) -> scan.Rings:
    whole = scans.rings(run, run.spec.healpix.nside)
    return whole if file.band is None else scan.band(whole, *file.band)


def _compared(run: Run, chosen: Chosen, rows: NDArray[np.void], again: Iterator[NDArray[np.void]]) -> str:
    for row, alone in zip(chosen.rows, again, strict=True):
        if not replay.agree(alone, rows[row : row + 1], run.spec.resources.gpu)[0]:
            return f"{chosen.file.path}: row {row} is {replay.shown(rows[row])}, made again {replay.shown(alone[0])}"
    return ""
