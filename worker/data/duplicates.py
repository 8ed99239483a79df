"""Events and good runs that are in two seasons and would count twice."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError
from worker.data.dataset import F64, I64

_MOST = 0.01
_LEAST_DAYS = 1e-3


def shared_notes(measured: Mapping[str, F64]) -> dict[str, tuple[str, ...]]:
    """Sentences, by season, about its events that an earlier season has too.

    Parameters
    ----------
    measured : mapping of season to ndarray (n, 3)
        Time, right ascension and declination of its events, as in the file.

    Raises
    ------
    InputError
        More than 1 % of a season's events stand in another: one is a copy of the other, or they are of two releases.
    """
    names = list(measured)
    rows = np.concatenate(list(measured.values()))
    season = np.repeat(np.arange(len(names)), [len(part) for part in measured.values()])
    order = np.lexsort((season, *rows.T))
    same = (np.diff(rows[order], axis=0) == 0).all(axis=1)
    earlier, later = season[order][:-1][same], season[order][1:][same]
    notes: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
    for a, b, n in _pairs(earlier, later):
        if n > _MOST * min(len(measured[names[a]]), len(measured[names[b]])):
            raise InputError(
                f"data.seasons: {n} events of {names[b]} stand in {names[a]} too (equal in time, right ascension and "
                "declination): they would count twice. Is one file a copy of the other, or are they of two releases? "
                "Leave one of them out; if the two seasons only overlap, take the shared events and runs out of one"
            )
        notes[names[b]] += (f"{n} events of {names[b]} stand in {names[a]} too: kept, and counted in both",)
    return notes


def shared_run_notes(runs: Mapping[str, F64]) -> dict[str, tuple[str, ...]]:
    """Return notes, by season, about good runs (m, 2; disjoint, sorted) that overlap those of an earlier season."""
    notes: dict[str, tuple[str, ...]] = dict.fromkeys(runs, ())
    for earlier, later in combinations(runs, 2):
        days = _overlap(runs[earlier], runs[later])
        if days > _LEAST_DAYS:
            notes[later] += (f"{days:.3g} days of good runs of {later} are in those of {earlier} too: counted in both",)
    return notes


def _overlap(a: F64, b: F64) -> float:
    """Return the time (days) that two lists of disjoint runs share."""
    edges = np.sort(np.concatenate([a.ravel(), b.ravel()]))
    middle = (edges[1:] + edges[:-1]) / 2
    inside = _covers(a, middle) & _covers(b, middle)
    return float(np.diff(edges)[inside].sum())


def _covers(runs: F64, mjd: F64) -> NDArray[np.bool_]:
    at = np.searchsorted(runs[:, 0], mjd, side="right") - 1
    return np.asarray((at >= 0) & (mjd < np.maximum.accumulate(runs[:, 1])[at]))


def _pairs(earlier: I64, later: I64) -> list[tuple[int, int, int]]:
    """Return pairs of different seasons, with the number of events that they share."""
    pairs = np.column_stack([earlier, later])[earlier != later]
    distinct, n = np.unique(pairs, axis=0, return_counts=True)
    return [(int(a), int(b), int(count)) for (a, b), count in zip(distinct, n, strict=True)]
