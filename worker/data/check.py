"""Checks of the units of event columns: angles, energies, times, effective areas."""

from typing import NamedTuple

import numpy as np

from worker.base.errors import InputError
from worker.data.dataset import F64
from worker.data.table import Table

ENOUGH = 100
"""Fewer events may seem to be in another unit by chance."""
LEAST_AREA_CM2 = 1e5
LARGEST_AREA_CM2 = 1e11
"""Bounds of a neutrino telescope's largest effective area: 10 m^2, and ten times its own size."""
MOST_LOG_E = 20.0
LEAST_LOG_E = 1.0
"""Half of all events below 10 GeV: no neutrino telescope's selection."""
_LARGEST_MEDIAN = 7.0
_FIRST_MJD, _LAST_MJD = 40000.0, 100000.0
_TIMES = (
    (1900, 2101, "years", "MJD = (year - 2000) x 365.25 + 51544"),
    (1e4, 4e4, "days of another count", "MJD = TJD + 40000, where they are truncated Julian dates"),
    (2.4e6, 2.6e6, "full Julian dates", "MJD = JD - 2400000.5"),
    (1e8, 3e9, "unix seconds", "MJD = seconds / 86400 + 40587"),
    (3e9, 1e10, "seconds", "MJD = seconds / 86400"),
    (1e11, 3e12, "unix milliseconds", "MJD = milliseconds / 86400000 + 40587"),
)
"""Times in other units: smallest and largest value, unit, conversion."""


class Names(NamedTuple):
    """Names of the columns of an event in a file."""

    time: str
    log_e: str
    sigma: str
    ra: str
    dec: str


def check_degrees(table: Table, names: Names) -> None:
    """Refuse events whose columns are not MJD, log10(E / GeV) and degrees."""
    dec, ra, sigma = (table.column(name) for name in (names.dec, names.ra, names.sigma))
    _check_constant(table, names.ra, names.dec)
    if len(dec) > ENOUGH:
        # a hundred events of a real sky do not crowd into three degrees, nor into 24 of right ascension
        radians = [name for name, values, top in ((names.dec, dec, 1.6), (names.ra, ra, 6.3)) if _within(values, top)]
        if radians:
            raise InputError(
                f"{table.path}: every {' and every '.join(radians)} is as small as in radians (pi/2, 2 pi): these are "
                "radians under a header that says deg. Convert them to degrees"
            )
        if _within(ra, 24.0):
            raise InputError(
                f"{table.path}: every {names.ra} is between 0 and {ra.max():g}: these are hours. Multiply them by 15"
            )
    if len(dec) > ENOUGH and 0 < np.median(sigma) < 0.05:
        raise InputError(
            f"{table.path}: the median of {names.sigma} is {np.median(sigma):.3g}: better than any such detector "
            "measures in degrees, so these are radians. Convert them to degrees"
        )
    cure = "Are the columns in the order of the header, in deg?"
    zenith = " Is it the zenith? At the South Pole dec = zenith - 90" if dec.min() >= 0 else ""
    table.refuse(np.abs(dec) > 90, "a declination beyond 90 deg", cure + zenith)
    west = " Add 360 to the negative ones" if -180 <= ra.min() < 0 else ""
    table.refuse((ra < 0) | (ra > 360), "a right ascension outside 0 to 360 deg", cure + west)
    _check_scalars(table, names)


def check_radians(table: Table, names: Names) -> None:
    """Refuse events whose columns are not MJD, log10(E / GeV) and radians; single angular errors are not checked."""
    _check_constant(table, names.ra, names.dec)
    check_directions(table, names.ra, names.dec)
    sigma = table.column(names.sigma)
    if len(sigma) > ENOUGH and np.median(sigma) > 0.3:
        raise InputError(
            f"{table.path}: the median of {names.sigma} is {np.median(sigma):.3g}: worse than any detector of tracks "
            "measures in radians, so these are degrees. Convert them: numpy.deg2rad"
        )
    _check_scalars(table, names)


def check_directions(table: Table, ra_name: str, dec_name: str) -> None:
    """Refuse directions that are not in radians."""
    ra, dec = table.column(ra_name), table.column(dec_name)
    edge = 1e-6  # float32 of pi is above pi
    bad = (np.abs(dec) > np.pi / 2 + edge) | (ra < -edge) | (ra > 2 * np.pi + edge)
    # degrees put nearly all outside; one odd event is another matter
    beyond = np.abs(dec).max() > np.pi + edge or ra.max() > 24
    if bad.mean() > 0.1 and beyond and np.abs(dec).max() <= 90 and ra.min() >= 0 and ra.max() <= 360:
        raise InputError(
            f"{table.path}: {dec_name} reaches {np.abs(dec).max():g} and {ra_name} {ra.max():g}: these are degrees "
            "where radians belong. Convert them: numpy.deg2rad"
        )
    cure = "Both are in radians"
    if dec.min() >= 0 and dec.max() <= np.pi + edge and dec.max() > np.pi / 2 + edge:
        cure += f". Is {dec_name} the zenith? At the South Pole dec = zenith - pi/2"
    if ra.min() >= 0 and 2 * np.pi + edge < ra.max() <= 24:
        cure += f". Is {ra_name} in hours? Multiply it by pi/12"
    if -np.pi - edge <= ra.min() < -edge and ra.max() <= np.pi + edge:
        cure += f". Add 2 pi to each negative {ra_name}"
    table.refuse(bad, f"{dec_name} outside -pi/2 to pi/2, or {ra_name} outside 0 to 2 pi", cure)


def check_log_e(table: Table, name: str) -> None:
    """Refuse energies that are not log10(E / GeV)."""
    bad = np.abs(table.column(name)) > MOST_LOG_E
    table.refuse(bad, f"an impossible {name}", "Is the column in GeV rather than its log10?")
    median = np.median(table.column(name))
    if len(bad) > ENOUGH and median < LEAST_LOG_E:
        raise InputError(
            f"{table.path}: the median of {name} is {median:.3g}: below what a neutrino telescope sees. Is it the "
            "log10 of an energy in TeV? Add 3; it is the log10 of GeV"
        )
    if len(bad) > ENOUGH and median > _LARGEST_MEDIAN:
        raise InputError(
            f"{table.path}: the median of {name} is {median:.3g}: half of the events above 10 PeV. Is it the natural "
            "logarithm? Divide it by 2.302585; it is the log10 of GeV"
        )


def check_mjd(table: Table, name: str) -> None:
    """Refuse times that are no modified Julian dates."""
    mjd = table.column(name)
    median = float(np.median(mjd))
    guess, cure = next(((f": these are {u}", f": {c}") for low, high, u, c in _TIMES if low <= median < high), ("", ""))
    cure = f"It must be the modified Julian date in days{cure}"
    table.refuse((mjd < _FIRST_MJD) | (mjd > _LAST_MJD), f"an impossible {name}{guess}", cure)


def check_area(where: str, largest_cm2: float, high: str = "it may be in cm^2 where m^2 is expected") -> None:
    """Refuse an effective area that is not in cm^2, by its largest value; `high` explains a large one."""
    if LEAST_AREA_CM2 <= largest_cm2 <= LARGEST_AREA_CM2:
        return
    low = largest_cm2 < LEAST_AREA_CM2
    guess = "it may be in m^2 where cm^2 is expected" if low else high
    raise InputError(
        f"{where}: the largest effective area is {largest_cm2:.3g} cm^2, and that of a neutrino telescope lies between "
        f"{LEAST_AREA_CM2:g} and {LARGEST_AREA_CM2:g} cm^2: {guess}. Correct the unit"
    )


def count_outside(mjd: F64, runs: F64) -> int:
    """Return how many times (n,) are in no run; runs (m, 2) of start and stop, sorted by start."""
    at = np.searchsorted(runs[:, 0], mjd, side="right") - 1
    latest = np.maximum.accumulate(runs[:, 1])  # runs may overlap
    return int(np.count_nonzero((at < 0) | (mjd > latest[at])))


def _check_scalars(table: Table, names: Names) -> None:
    _check_constant(table, names.log_e)
    check_log_e(table, names.log_e)
    check_mjd(table, names.time)


def _within(values: F64, top: float) -> bool:
    return float(np.abs(values).max()) <= top


def _check_constant(table: Table, *chosen: str) -> None:
    """Refuse a column that has the same value for every event."""
    for name in chosen:
        values = table.column(name)
        if len(values) > ENOUGH and np.ptp(values) == 0:
            raise InputError(
                f"{table.path}: {name} is {values[0]:g} in every one of {len(values)} rows: nobody measured that. "
                "Get the file again, or give the column its values"
            )
