"""Trials and skies that decide a result: a forged p-value or threshold needs a change of these rows."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError
from worker.base.task_rows import BG_TRIALS
from worker.hypotheses import hottest_spots
from worker.hypotheses.table import ensemble_of
from worker.rundir import layout, store
from worker.rundir.ledger import Expected, Run
from worker.spec.point import Point
from worker.stats.chi2 import TooFewTrialsError
from worker.tasks import file_kinds
from worker.tasks.post_trial import spots

F64 = NDArray[np.float64]

TAIL = 0.00135
"""Fraction of background trials with the largest TS: beyond 3 sigma, one-sided."""
MIN_TAIL, MAX_TAIL = 10, 200
"""Limits on the number of trials in the tail."""
N_NEAREST = 3
"""Trials on each side of a threshold."""
MAX_PATCHES = 20
"""Recomputed patches of a region."""
MAX_SKIES, SKIES_BELOW = 100, 10
"""Recomputed skies: at least as hot as the observed sky, and the nearest cooler ones."""


class ChosenRows(NamedTuple):
    """A file, and indices of some of its rows in increasing order."""

    file: Expected
    rows: tuple[int, ...]


def trials(run: Run, task: str, files: Iterable[Expected]) -> Iterator[ChosenRows]:
    """Background trials in the tail and at the median; signal and tilted trials nearest to the thresholds."""
    by_point: dict[tuple[tuple[str, float], ...], list[Expected]] = {}
    for file in files:
        by_point.setdefault(tuple(sorted(file.point.items())), []).append(file)
    for point, point_files in by_point.items():
        dtype = file_kinds.KINDS[task].dtype(run)
        ts = [store.load_array(run.path, file.path, file.n, dtype)["ts"] for file in point_files]
        all_ts = np.concatenate(ts)
        at = run.spec.point_of(dict(point))
        chosen = _background(all_ts) if task == BG_TRIALS else _near_thresholds(run, at, all_ts)
        yield from _by_file(point_files, [len(part) for part in ts], chosen)


def _background(ts: F64) -> NDArray[np.int64]:
    n = min(max(int(np.ceil(TAIL * len(ts))), MIN_TAIL), MAX_TAIL)
    return np.union1d(np.argsort(ts, kind="stable")[-n:], nearest(ts, float(np.median(ts))))


def _near_thresholds(run: Run, at: Point, ts: F64) -> NDArray[np.int64]:
    chosen = np.empty(0, np.int64)
    for threshold in _thresholds(run, at):
        chosen = np.union1d(chosen, nearest(ts, threshold))
    return chosen


def _thresholds(run: Run, at: Point) -> Iterator[float]:
    try:
        tsd = hottest_spots.load_tsd(run, at)
        yield tsd.median()
        for n_sigma in run.spec.sensitivity.nsigmas:
            yield float(tsd.isf_nsigma(n_sigma))
    except (InputError, TooFewTrialsError):  # another comparison reports the damaged file
        return


def nearest(values: F64, threshold: float, n: int = N_NEAREST) -> NDArray[np.int64]:
    """Indices of the `n` smallest values at or above a threshold and of the `n` largest below it."""
    order = np.argsort(values, kind="stable")
    at = int(np.searchsorted(values[order], threshold))
    return np.sort(order[max(at - n, 0) : at + n])


def skies(run: Run, files: Sequence[Expected]) -> tuple[list[ChosenRows], int]:
    """Skies at least as hot as the observed one of a region, and the nearest cooler ones; how many are left out."""
    firsts = {file.first: file.n for file in sorted(files, key=lambda file: file.first)}
    decisive: set[int] = set()
    left_out = 0
    for heat, observed in _statistics(run, sum(firsts.values())):
        hotter = int((heat >= observed).sum())
        left_out += max(hotter - MAX_SKIES, 0)
        order = np.argsort(heat, kind="stable")
        at = len(heat) - hotter
        decisive |= set(order[max(at - SKIES_BELOW, 0) : at + MAX_SKIES].tolist())
    rows = np.array(sorted(decisive), np.int64)
    begin, chosen = 0, []
    for first, n in firsts.items():
        file_rows = tuple(int(row) - begin for row in rows[(rows >= begin) & (rows < begin + n)])
        chosen += [ChosenRows(file, file_rows) for file in files if file.first == first and file_rows]
        begin += n
    return chosen, left_out


def patches(run: Run, files: Sequence[Expected]) -> list[ChosenRows]:
    """The patches with the largest weights in the post-trial p-value of a region."""
    decisive: set[int] = set()
    for region, observed in _observed(run):
        sums = spots(run, region).sums(observed)
        order = np.argsort(-sums, kind="stable")[:MAX_PATCHES]
        decisive |= set(order[sums[order] > 0].tolist())
    return list(_by_file(files, [file.n for file in files], np.array(sorted(decisive), np.int64)))


def _statistics(run: Run, n: int) -> Iterator[tuple[F64, float]]:
    """Statistics of all background skies and of an observed one: hottest spots by region, and further tests."""
    for region, observed in _observed(run):
        spots_of_skies = store.load_array(run.path, layout.skies_file(region), n, hottest_spots.SPOT_DTYPE)
        yield spots_of_skies["mlog10p"], observed
    for result in _results(run):
        try:
            yield from ensemble_of(run.spec).further_statistics(run.path, result)
        except (InputError, AttributeError, KeyError, TypeError, ValueError):  # another comparison reports it
            continue


def _observed(run: Run) -> Iterator[tuple[str, float]]:
    """Region and -log10 p of the hottest spots of the observed sky, and of the real sky after unblinding."""
    for result in _results(run):
        try:
            found = [(region, float(spot["mlog10p"])) for region, spot in result["regions"].items()]
        except (AttributeError, KeyError, TypeError, ValueError):  # another comparison reports it
            continue
        yield from ((region, heat) for region, heat in found if region in hottest_spots.REGIONS)


def _results(run: Run) -> Iterator[Any]:
    """Readable results of the observed sky, and of the real sky after unblinding."""
    for rel in (layout.SCAN, layout.UNBLINDED_RESULTS):
        if rel == layout.UNBLINDED_RESULTS and not (run.path / rel).exists():
            continue
        try:
            yield store.load_json(run.path, rel)
        except InputError:  # another comparison reports it
            continue


def _by_file(files: Sequence[Expected], lengths: Sequence[int], rows: NDArray[np.int64]) -> Iterator[ChosenRows]:
    begin = 0
    for file, n in zip(files, lengths, strict=True):
        file_rows = rows[(rows >= begin) & (rows < begin + n)] - begin
        if len(file_rows):
            yield ChosenRows(file, tuple(file_rows.tolist()))
        begin += n
