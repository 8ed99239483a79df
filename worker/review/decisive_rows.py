"""Which trials and skies decide a result: whoever forges a p-value or a threshold has to touch these, or hide them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError
from worker.base.task_rows import BG_TRIALS
from worker.hypotheses import hottest_spots
from worker.rundir import layout, store
from worker.rundir.ledger import Expected, Run
from worker.stats.chi2 import TooFewTrialsError
from worker.tasks import context

F64 = NDArray[np.float64]

TAIL = 0.00135
"""Of background trials, those with the largest TS: beyond 3 sigma, one-sided."""
AT_LEAST, AT_MOST = 10, 200
"""Trials of a tail, whatever its fraction."""
NEAR = 3
"""Trials on each side of a threshold."""
MOST_SKIES, SKIES_BELOW = 100, 10
"""Skies that are made again: at least as hot as the observed one, and the nearest below it."""


class Chosen(NamedTuple):
    """Entries of a file.

    Attributes
    ----------
    file : Expected
    rows : tuple of int
        Increasing.
    """

    file: Expected
    rows: tuple[int, ...]


def trials(run: Run, task: str, files: Iterable[Expected]) -> Iterator[Chosen]:
    """Background trials in the tail and at the median; signal trials nearest to their thresholds."""
    by_point: dict[tuple[tuple[str, float], ...], list[Expected]] = {}
    for file in files:
        by_point.setdefault(tuple(sorted(file.point.items())), []).append(file)
    for point, mine in by_point.items():
        ts = [store.load_array(run.path, file.path, file.n, context.columns(run))["ts"] for file in mine]
        together = np.concatenate(ts)
        chosen = _background(together) if task == BG_TRIALS else _signal(run, dict(point)["dec"], together)
        yield from _by_file(mine, [len(part) for part in ts], chosen)


def _background(ts: F64) -> NDArray[np.int64]:
    n = min(max(int(np.ceil(TAIL * len(ts))), AT_LEAST), AT_MOST)
    return np.union1d(np.argsort(ts, kind="stable")[-n:], nearest(ts, float(np.median(ts))))


def _signal(run: Run, dec: float, ts: F64) -> NDArray[np.int64]:
    chosen = np.empty(0, np.int64)
    for threshold in _thresholds(run, dec):
        chosen = np.union1d(chosen, nearest(ts, threshold))
    return chosen


def _thresholds(run: Run, dec: float) -> Iterator[float]:
    try:
        tsd = hottest_spots.load_tsd(run, dec)
        yield tsd.median()
        for n_sigma in run.spec.sensitivity.nsigmas:
            yield float(tsd.isf_nsigma(n_sigma))
    except (InputError, TooFewTrialsError):  # what is wrong with the collected file is told where it is compared
        return


def nearest(values: F64, threshold: float, n: int = NEAR) -> NDArray[np.int64]:
    """Indices of the `n` smallest values that reach a threshold and of the `n` largest below it."""
    order = np.argsort(values, kind="stable")
    at = int(np.searchsorted(values[order], threshold))
    return np.sort(order[max(at - n, 0) : at + n])


def skies(run: Run, files: Sequence[Expected]) -> tuple[list[Chosen], int]:
    """Skies at least as hot as the observed one of a region, and the nearest below it; how many are left out."""
    firsts = {file.first: file.n for file in sorted(files, key=lambda file: file.first)}
    wanted: set[int] = set()
    left_out = 0
    for region, observed in _observed(run):
        heat = store.load_array(run.path, layout.skies_file(region), sum(firsts.values()), hottest_spots.SPOT_DTYPE)[
            "mlog10p"
        ]
        hotter = int((heat >= observed).sum())
        left_out += max(hotter - MOST_SKIES, 0)
        order = np.argsort(heat, kind="stable")
        at = len(heat) - hotter
        wanted |= set(order[max(at - SKIES_BELOW, 0) : at + MOST_SKIES].tolist())
    rows = np.array(sorted(wanted), np.int64)
    begin, chosen = 0, []
    for first, n in firsts.items():
        mine = tuple(int(row) - begin for row in rows[(rows >= begin) & (rows < begin + n)])
        chosen += [Chosen(file, mine) for file in files if file.first == first and mine]
        begin += n
    return chosen, left_out


def _observed(run: Run) -> Iterator[tuple[str, float]]:
    """Region and -log10 p of the hottest spots of the observed sky, and of the real one once it was opened."""
    for rel in (layout.SCAN, layout.UNBLINDED_RESULTS):
        if rel == layout.UNBLINDED_RESULTS and not (run.path / rel).exists():
            continue
        try:
            found = store.load_json(run.path, rel)
            spots = [(region, float(spot["mlog10p"])) for region, spot in found["regions"].items()]
        except (InputError, AttributeError, KeyError, TypeError, ValueError):  # told where the file is compared
            continue
        yield from ((region, heat) for region, heat in spots if region in hottest_spots.REGIONS)


def _by_file(files: Sequence[Expected], lengths: Sequence[int], rows: NDArray[np.int64]) -> Iterator[Chosen]:
    begin = 0
    for file, n in zip(files, lengths, strict=True):
        mine = rows[(rows >= begin) & (rows < begin + n)] - begin
        if len(mine):
            yield Chosen(file, tuple(mine.tolist()))
        begin += n
