"""Consistency of a season's events with each other, with their good runs and with the simulation.

A few odd events give a note; many, as from a wrong file or unit, give an error.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from worker.base.errors import InputError
from worker.data.check import count_outside
from worker.data.clean import count_repeated
from worker.data.dataset import F64

FEW = 10
SHARE = 0.01
"""Up to FEW events, or this share of all, may be odd."""
LOST = 0.1
"""This share may lie outside the good runs (with a note): the livetime is then too short by as much at most."""
MOST_DAYS = 7305.0
"""Twenty years: longer than any neutrino telescope has taken one season."""
ENOUGH = 1000
"""Events needed to estimate the length of a season from their times."""
_LONGER = 1.1
MOST_RATIO = 2.0
"""Largest ratio of the median angular errors of events and simulation, whose spectra may differ."""


class Measured(NamedTuple):
    """Events of a season as in its files.

    Attributes
    ----------
    path : Path
        The file named in messages.
    mjd : ndarray (n,), days
    sigma_deg : ndarray (n,), deg
    columns : sequence of ndarray (n,)
        All columns that distinguish two events.
    """

    path: Path
    mjd: F64
    sigma_deg: F64
    columns: Sequence[F64]


def is_many(count: int, n: int, share: float = SHARE) -> bool:
    """Whether `count` odd events of n are too many."""
    return count > max(share * n, min(FEW, 0.3 * n))


def event_notes(measured: Measured, sigma_max_deg: float, what: str) -> tuple[str, ...]:
    """Return a note about the repeated events of a season, if there are any.

    Parameters
    ----------
    what : str
        The compared columns.

    Raises
    ------
    InputError
        Nearly no event has a usable angular error, or many events are given twice.
    """
    path, n = measured.path, len(measured.mjd)
    usable = int(np.count_nonzero((measured.sigma_deg > 0) & (measured.sigma_deg <= sigma_max_deg)))
    if usable < max(1, SHARE * n):
        raise InputError(
            f"{path}: {usable} of {n} events have a usable angular error, above 0 and up to likelihood.sigma_max_deg: "
            f"{sigma_max_deg:g} deg (the median is {np.median(measured.sigma_deg):.3g} deg): no event could carry "
            "signal. Is it the right column, in the right unit? Correct the file, or raise likelihood.sigma_max_deg"
        )
    n_repeated = count_repeated(measured.columns)
    if is_many(n_repeated, n):
        raise InputError(
            f"{path}: {n_repeated} of {n} events repeat another one in {what}: they would count twice. Was a file "
            "appended to itself, or are two releases in one file? Keep each event once, or get the file again"
        )
    return (f"{n_repeated} of {n} events repeat another one in {what}: kept",) if n_repeated else ()


def sigma_notes(measured_deg: F64, simulated_deg: F64) -> tuple[str, ...]:
    """Return a note if the median angular errors of events and simulation differ, and there are enough of both."""
    if min(len(measured_deg), len(simulated_deg)) < ENOUGH:
        return ()
    measured_median, simulated_median = float(np.median(measured_deg)), float(np.median(simulated_deg))
    if simulated_median / MOST_RATIO <= measured_median <= simulated_median * MOST_RATIO:
        return ()
    return (
        f"the median angular error of the events is {measured_median:.3g} deg, and that of the simulation "
        f"{simulated_median:.3g} deg: are both in the same unit, and of the same reconstruction and selection?",
    )


def check_livetime(where: str, livetime_days: float) -> None:
    """Refuse a livetime that no season has."""
    if livetime_days > MOST_DAYS:
        raise InputError(
            f"{where}: the livetime is {livetime_days:,.0f} days, which is {livetime_days / 365.25:,.0f} years: "
            "no season is so long. Is it in seconds or hours, or are these runs of everything? Write it in days"
        )


def check_given_livetime(measured: Measured, livetime_days: float) -> None:
    """Refuse a livetime from the spec that is longer than the time which the events span."""
    check_livetime("data.livetime_days", livetime_days)
    span = float(np.ptp(measured.mjd)) + 1
    if len(measured.mjd) >= ENOUGH and livetime_days > _LONGER * span:
        raise InputError(
            f"data.livetime_days: {livetime_days:g} days, but the events of {measured.path} span {span:,.0f} days: a "
            "livetime cannot be longer. Write the livetime of these events in days"
        )


def run_notes(measured: Measured, runs: F64, livetime_days: float, path: Path) -> tuple[str, ...]:
    """Return a note about events outside the good runs, if there are any.

    Parameters
    ----------
    runs : ndarray (m, 2), days
        Start and stop of the good runs, by their start.
    path : Path
        Their file.

    Raises
    ------
    InputError
        Many events lie outside the good runs, or the runs are those of a much longer time.
    """
    check_livetime(str(path), livetime_days)
    mjd, n = measured.mjd, count_outside(measured.mjd, runs)
    first, last = float(mjd.min()), float(mjd.max())
    spans = (
        f"the runs span MJD {runs[0, 0]:.2f} to {runs[:, 1].max():.2f}, the events of {measured.path} span MJD "
        f"{first:.2f} to {last:.2f}"
    )
    cure = "Give the good runs of the same season and selection: the livetime is their sum"
    if n == len(mjd) or is_many(n, len(mjd), LOST):
        raise InputError(f"{path}: {n} of {len(mjd)} events lie outside these good runs: {spans}. {cure}")
    inside = np.clip(np.minimum(runs[:, 1], last + 1) - np.maximum(runs[:, 0], first - 1), 0, None).sum()
    total = float((runs[:, 1] - runs[:, 0]).sum())
    if len(mjd) >= ENOUGH and total > _LONGER * inside:
        raise InputError(
            f"{path}: {total - inside:,.1f} of {total:,.1f} days of good runs lie before the first or after the last "
            f"event: {spans}. {cure}"
        )
    where = f"{path.parent.name}/{path.name}"
    return (f"{n} of {len(mjd)} events lie outside the good runs of {where}: kept",) if n else ()
