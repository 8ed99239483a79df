"""Good runs of a season with the number of events in each."""

import numpy as np

from worker.data.dataset import F64, I64, GoodRuns


def good_runs(start: F64, stop: F64, livetime: F64, mjd: F64) -> GoodRuns:
    """Return the runs, sorted by start, with their events counted.

    Parameters
    ----------
    start, stop : ndarray (m,), MJD
    livetime : ndarray (m,), days
    mjd : ndarray (n,)
        Times of all events of the season. Only how many are in each run is kept.
    """
    order = np.lexsort((stop, start))
    start, stop, livetime = (np.ascontiguousarray(column[order]) for column in (start, stop, livetime))
    run = run_of(start, stop, mjd)
    n_events = np.bincount(run[run >= 0], minlength=len(start)).astype(np.int64)
    return GoodRuns(start, stop, livetime, n_events)


def run_of(start: F64, stop: F64, mjd: F64) -> I64:
    """Return the index of the run that holds each time, (n,); -1 outside all runs, the later run where two overlap."""
    run = np.searchsorted(start, mjd, side="right") - 1
    inside = (run >= 0) & (mjd <= stop[run])
    return np.where(inside, run, -1).astype(np.int64)
