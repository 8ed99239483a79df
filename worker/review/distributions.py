"""Trials of an engine with random numbers of its own: new trials against stored ones, by distribution."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from worker.base import finding
from worker.base.errors import InputError, SpecError
from worker.base.finding import Finding
from worker.base.task_rows import ROWS
from worker.engines.plugin.calls import PluginError
from worker.rundir import store
from worker.rundir.ledger import Expected, Run
from worker.stats import two_samples
from worker.tasks import context, scratch_run

Rows = NDArray[np.void]
F64 = NDArray[np.float64]

FALSE_ALARM = 1e-3
"""Probability that a review finds a difference of one kind of trials although there is none."""


def finding_of(run: Run, task: str, files: Sequence[Expected], chosen: Sequence[Expected]) -> Finding:
    """Make `chosen` files again, and compare every column of each by Kolmogorov-Smirnov tests.

    A fault if a p-value is below `FALSE_ALARM`, divided by the number of tests; else a note with the power of the test.
    """
    what = f"{task}: files made again with other random numbers, distributions compared"
    if not chosen:
        return Finding("note", what, f"none of {len(files):,} files: the sample is 0")
    columns = context.columns(run).names or ()
    per_file = len(run.spec.all_points) if ROWS[task].scans_skies else 1
    limit = FALSE_ALARM / (len(chosen) * len(columns) * per_file)
    wrong, smallest, power = [], 1.0, 0.0
    for file, found in _remade(run, task, chosen):
        if isinstance(found, str):
            wrong.append(f"{file.path}: {found}")
            continue
        stored, remade = found
        power = max(power, two_samples.detectable(len(stored), len(remade), limit))
        for column, old, new in _samples(stored, remade):
            compared = two_samples.compare(old, new)
            smallest = min(smallest, compared.p)
            if compared.p < limit:
                wrong.append(
                    f"{file.path}: {column} is distributed otherwise: Kolmogorov-Smirnov distance "
                    f"{compared.distance:.3f}, p = {compared.p:.1e}, below {limit:.1e}"
                )
    if wrong:
        return finding.of(what, wrong, "")
    return Finding(
        "note",
        what,
        f"no bits were compared, since the engine never makes the same trials again. {len(chosen):,} of {len(files):,} "
        f"files by Kolmogorov-Smirnov tests of {', '.join(columns)}: smallest p = {smallest:.2g} (a fault below "
        f"{limit:.1e}). Such a test finds a cumulative distribution that is {power:.2f} or more off with a probability "
        f"of at least {two_samples.POWER:.0%}; a smaller change, or single changed trials, would not be found",
    )


def _samples(stored: Rows, remade: Rows) -> Iterator[tuple[str, F64, F64]]:
    """Every column of trials, or of skies (n, n_points) at each point."""
    for column in stored.dtype.names or ():
        old, new = (rows[column].reshape(len(rows), -1) for rows in (stored, remade))
        for i in range(old.shape[1]):
            yield column if old.shape[1] == 1 else f"{column} of point {i}", old[:, i], new[:, i]


def _remade(run: Run, task: str, files: Sequence[Expected]) -> Iterator[tuple[Expected, tuple[Rows, Rows] | str]]:
    """Each file with its stored and new trials, or with the reason why there are none."""
    columns = context.columns(run)
    with scratch_run.create(run) as root:
        for file in files:
            try:
                stored = store.load_array(run.path, file.path, file.n, columns)
                _, args = scratch_run.task_and_arguments(run, file.path)
                scratch_run.run_task(root, task, **args)
                yield file, (stored, store.load_array(root, file.path, file.n, columns))
            except (InputError, SpecError, PluginError) as error:
                yield file, str(error)
