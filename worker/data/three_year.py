"""The 3-year release (IC79-2010, IC86-2011, IC86-2012): events, effective areas, median resolutions; no smearing.

Its folder holds SEASON-events.txt, SEASON-TabulatedAeff.txt (m^2 in bins of the energy in GeV and of cos(zenith)) and
SEASON-AngRes.txt (median angular resolution in deg in bins of the energy in GeV).
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from worker.data.check import MOST_LOG_E, Names, check_degrees
from worker.data.clean import clean_events, event_order
from worker.data.dataset import Dataset, Position, Season, Smearing
from worker.data.duplicates import shared_notes
from worker.data.ic86_first import read_area, smearing_around
from worker.data.plausibility import Measured, check_given_livetime, event_notes
from worker.data.table import Table, read_table
from worker.spec.season import TimedSeason

EVENTS, AREA, RESOLUTION = "-events.txt", "-TabulatedAeff.txt", "-AngRes.txt"
_EVENTS = ("MJD[days]", "log10(E/GeV)", "AngErr[deg]", "RA[deg]", "Dec[deg]")
_NAMES = Names(*_EVENTS)
_NO_RUNS = "there are no good runs: no window and no flare can be tested with this release"
_RESOLUTION = ("E_min[GeV]", "E_max[GeV]", "Med.Resolution[deg]")


def read_three_years(folder: Path, seasons: Iterable[TimedSeason], *, sigma_max_deg: float) -> Dataset:
    """Read seasons of the release; their livetimes are in the spec, since the release has no good runs.

    Returns
    -------
    Dataset
        Labelled "semi-real": the events and effective areas are real, the smearing is a stated parametrisation.

    Raises
    ------
    InputError
        A file is missing or damaged, or the events last longer than the livetime allows.
    """
    tables = {season.name: _events(folder, season.name) for season in seasons}
    place = (_NAMES.time, _NAMES.ra, _NAMES.dec)
    shared = shared_notes({name: np.column_stack([t.column(c) for c in place]) for name, t in tables.items()})
    read = tuple(_season(folder, season, tables[season.name], sigma_max_deg, shared[season.name]) for season in seasons)
    return Dataset("semi-real", read)


def read_positions(folder: Path, seasons: Iterable[TimedSeason], *, sigma_max_deg: float) -> tuple[Position, ...]:
    """Measured right ascensions and times of each season, in the order of `Season.events`: for unblinding only."""
    return tuple(_positions(_events(folder, season.name), sigma_max_deg) for season in seasons)


def _positions(table: Table, sigma_max_deg: float) -> Position:
    mjd, log_e, sigma_deg, ra_deg, dec_deg = (table.column(name) for name in _EVENTS)
    order = event_order(dec_deg, sigma_deg, log_e, sigma_max_deg=sigma_max_deg)
    return Position(np.asarray(np.deg2rad(ra_deg[order])), np.ascontiguousarray(mjd[order]))


def _events(folder: Path, name: str) -> Table:
    table = read_table(folder / f"{name}{EVENTS}", _EVENTS)
    check_degrees(table, _NAMES)
    return table


def _season(folder: Path, season: TimedSeason, table: Table, sigma_max_deg: float, shared: tuple[str, ...]) -> Season:
    mjd, log_e, sigma_deg, _, dec_deg = (table.column(name) for name in _EVENTS)
    measured = Measured(table.path, mjd, sigma_deg, [np.ascontiguousarray(column) for column in table.values.T])
    check_given_livetime(measured, season.livetime_days)
    repeated = event_notes(measured, sigma_max_deg, "every published column")
    events, cleaning = clean_events(dec_deg, sigma_deg, log_e, sigma_max_deg=sigma_max_deg)
    smearing, source = _smearing(folder / f"{season.name}{RESOLUTION}")
    area = read_area(folder / f"{season.name}{AREA}")
    notes = (*source, *cleaning, *repeated, *shared, _NO_RUNS)
    return Season(season.name, season.livetime_days, events, area, smearing, notes)


def _smearing(path: Path) -> tuple[Smearing, tuple[str, ...]]:
    """Smearing around the median resolution at the centre of each bin of log10(E_nu)."""
    table = read_table(path, _RESOLUTION)
    low, high, median_deg = (table.column(name) for name in _RESOLUTION)
    table.refuse((median_deg <= 0) | (median_deg > 180), "a median resolution that is none", "In deg, above 0")
    table.refuse(
        (low <= 0) | (high <= low) | (high > 10**MOST_LOG_E), "a bin that is none", "E_min < E_max, in GeV, above 0"
    )
    # rounded: the last bit of a logarithm differs between processors and C libraries
    return smearing_around(np.asarray(np.round(0.5 * np.log10(low * high), 9)), median_deg)
