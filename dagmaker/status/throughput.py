"""Ends of processes over time, from HTCondor's logs or from modification times of outputs."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from dagmaker.plan import processes
from dagmaker.plan.plan import Plan

WIDTHS_S = (1, 5, 15, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 86400, 7 * 86400)
MAX_BINS = 72


class Throughput(NamedTuple):
    """Ends of processes over time.

    Attributes
    ----------
    begin : float, s
        Left edge of the first bin, since 1970.
    width_s : float, s
        Width of a bin.
    counts : dict of str to tuple of int
        Ends in each bin, by task; all of the same length.
    """

    begin: float
    width_s: float
    counts: dict[str, tuple[int, ...]]

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return max(map(len, self.counts.values()), default=0)

    @property
    def totals(self) -> tuple[int, ...]:
        """Ends of all tasks in each bin."""
        return tuple(sum(column) for column in zip(*self.counts.values(), strict=True))


def output_times(run: Path, plan: Plan) -> dict[str, list[float]]:
    """Modification times of the outputs of each task, s since 1970."""
    times: dict[str, list[float]] = {}
    folders: dict[str, dict[str, float]] = {}
    for node in plan.nodes:
        if node.dir not in folders:
            folders[node.dir] = _listed(run / node.dir)
        mtimes = folders[node.dir]
        if mtimes:
            times.setdefault(node.task, []).extend(mtimes[name] for name in processes.outputs(node) if name in mtimes)
    return times


def _listed(folder: Path) -> dict[str, float]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_mtime for entry in entries}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def binned(times: Mapping[str, Iterable[float]]) -> Throughput:
    """Histogram with the narrowest width of `WIDTHS_S` that needs fewer than `MAX_BINS` bins.

    Examples
    --------
    >>> binned({"bg_trials": [100.0, 100.4, 103.2]}).counts
    {'bg_trials': (2, 0, 0, 1)}
    """
    listed = {task: list(values) for task, values in times.items()}
    every = [value for values in listed.values() for value in values]
    if not every:
        return Throughput(0.0, 1.0, {})
    low, high = min(every), max(every)
    width = next((w for w in WIDTHS_S if (high - low) / w < MAX_BINS - 1), WIDTHS_S[-1])
    begin = low // width * width
    n = int((high - begin) // width) + 1
    counts = {}
    for task, values in listed.items():
        bins = [0] * n
        for value in values:
            bins[int((value - begin) // width)] += 1
        if any(bins):
            counts[task] = tuple(bins)
    return Throughput(begin, float(width), counts)
