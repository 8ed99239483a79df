"""Events that stand in two seasons: they would count twice."""

from collections.abc import Mapping

import numpy as np

from worker.data.dataset import F64, I64
from worker.errors import InputError

_MOST = 0.01


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
                "Leave one of them out"
            )
        notes[names[b]] += (f"{n} events of {names[b]} stand in {names[a]} too: kept",)
    return notes


def _pairs(earlier: I64, later: I64) -> list[tuple[int, int, int]]:
    """Pairs of different seasons, and how many events they share."""
    pairs = np.column_stack([earlier, later])[earlier != later]
    found, n = np.unique(pairs, axis=0, return_counts=True)
    return [(int(a), int(b), int(count)) for (a, b), count in zip(found, n, strict=True)]
