"""The first-year release (IC86-2011): events, effective area and median angular resolution, no smearing.

Its folder holds upgoing_events.txt, downgoing_events.txt, TabulatedAeff.txt (m^2 in bins of the energy
in GeV and of cos(zenith)) and AngRes.txt (median angular resolution in deg, log10 of the energy in GeV).
"""

from pathlib import Path

import numpy as np

from worker.base.errors import InputError
from worker.data import detector
from worker.data.check import MOST_LOG_E, Names, check_area, check_degrees
from worker.data.clean import clean_events, event_order
from worker.data.dataset import F64, Dataset, EffectiveArea, Events, Position, Season, Smearing
from worker.data.grid import grid_of, values_on
from worker.data.icetracks import read_response
from worker.data.parametric import RAYLEIGH_MEDIAN, Model, build_smearing
from worker.data.plausibility import Measured, check_given_livetime, event_notes
from worker.data.table import Progress, read_table
from worker.spec.season_files import whole_configs

NAME = "IC86_2011"
EVENT_FILES = ("upgoing_events.txt", "downgoing_events.txt")
_EVENTS = ("MJD", "log10(E)", "ang_err", "RA", "Dec")
_NAMES = Names(*_EVENTS)
_AREA = ("E_min[GeV]", "E_max[GeV]", "cos(zenith)_min", "cos(zenith)_max", "Aeff[m^2]")
_RESOLUTION = ("median resolution [deg]", "log10(E)")
_CM2_PER_M2 = 1e4
_SIGMA_WIDTH = 0.6
_GAUSSIAN_SHAPE = 50.0
_NO_TIMES = (
    "the times are whole days and there are no good runs: no window and no flare can be tested with this release"
)


def read_first_year(
    folder: Path,
    livetime_days: float,
    *,
    sigma_max_deg: float,
    irfs: tuple[Path, str] | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read the season, with a smearing from formulas or from a track release.

    Parameters
    ----------
    livetime_days : float
        The release does not carry it.
    irfs : tuple of folder and configuration, optional
        A track release whose smearing to use; its effective area is not used.

    Returns
    -------
    Dataset
        Labelled "semi-real": the events are real, their smearing is not that of their selection.
    """
    events, notes = _read_events(folder, livetime_days, sigma_max_deg)
    area = read_area(folder / "TabulatedAeff.txt")
    if irfs is None:
        smearing, source = _parametrised(folder / "AngRes.txt")
    else:
        smearing, source = _borrowed(*irfs, progress)
    return Dataset("semi-real", (Season(NAME, livetime_days, events, area, smearing, (*source, *notes)),))


def read_positions(folder: Path, *, sigma_max_deg: float) -> tuple[Position]:
    """Measured right ascensions and days of the season, in the order of `Season.events`: for unblinding only."""
    mjd, log_e, sigma_deg, ra_deg, dec_deg = _columns(folder)
    order = event_order(dec_deg, sigma_deg, log_e, sigma_max_deg=sigma_max_deg)
    return (Position(np.asarray(np.deg2rad(ra_deg[order])), mjd[order]),)


def _columns(folder: Path) -> list[F64]:
    """Columns of both event files, one after the other, (n,) each."""
    tables = [read_table(folder / name, _EVENTS) for name in EVENT_FILES]
    for table in tables:
        check_degrees(table, _NAMES)
    return [np.concatenate([table.column(name) for table in tables]) for name in _EVENTS]


def _read_events(folder: Path, livetime_days: float, sigma_max_deg: float) -> tuple[Events, tuple[str, ...]]:
    columns = _columns(folder)
    mjd, log_e, sigma_deg, _, dec_deg = columns
    measured = Measured(folder / EVENT_FILES[0], mjd, sigma_deg, columns)
    check_given_livetime(measured, livetime_days)
    repeat_notes = event_notes(measured, sigma_max_deg, "every published column (all rounded)")
    events, notes = clean_events(dec_deg, sigma_deg, log_e, sigma_max_deg=sigma_max_deg)
    return events, (*notes, *repeat_notes, _NO_TIMES)


def read_area(path: Path) -> EffectiveArea:
    """Effective area in cm^2 and sin(dec): at the South Pole sin(dec) = -cos(zenith)."""
    table = read_table(path, _AREA)
    area = table.column("Aeff[m^2]")
    table.refuse(area < 0, "a negative effective area", "Get the file again")
    check_area(str(path), float(area.max()) * _CM2_PER_M2)
    table.refuse(table.column("E_max[GeV]") > 10**MOST_LOG_E, "an impossible energy", "It is in GeV")
    grid = grid_of(table)
    if grid.first[0] <= 0 or grid.second[0] != -1 or grid.second[-1] != 1:
        raise InputError(
            f"{path}: energies from {grid.first[0]:g} GeV, cos(zenith) from {grid.second[0]:g} to {grid.second[-1]:g}: "
            "energies must be positive, and cos(zenith) must span -1 to 1. Get the file again"
        )
    by_sin_dec = np.ascontiguousarray(values_on(table, grid, area * _CM2_PER_M2)[:, ::-1])
    # rounded: the last bit of a logarithm differs between processors and C libraries
    log_e = np.asarray(np.round(np.log10(grid.first), 9), dtype=np.float64)
    return EffectiveArea(log_e, -grid.second[::-1] + 0.0, by_sin_dec)


def _borrowed(folder: Path, config: str, progress: Progress | None) -> tuple[Smearing, tuple[str, ...]]:
    configs = whole_configs(folder)
    if config not in configs:
        raise InputError(
            f"{folder / 'irfs'}: no response {config!r} (both _effectiveArea.csv and _smearing.csv); "
            f"there are: {', '.join(configs) or 'none'}. Correct `data.irfs` or `data.irfs_config`"
        )
    _, smearing, notes = read_response(folder, config, progress)
    return smearing, (f"smearing of {config} of a track release, another selection of the detector", *notes)


def _parametrised(path: Path) -> tuple[Smearing, tuple[str, ...]]:
    table = read_table(path, _RESOLUTION, header=False)
    median_deg, log_e = table.values.T
    table.refuse((median_deg <= 0) | (median_deg > 180), "a median resolution that is none", "In deg, above 0")
    odd = (log_e < 1) | (log_e > MOST_LOG_E)
    table.refuse(odd, "an impossible log10(E)", "The columns are the median resolution in deg, then log10(E / GeV)")
    return smearing_around(log_e, median_deg)


def smearing_around(log_e: F64, median_deg: F64) -> tuple[Smearing, tuple[str, ...]]:
    """Parametrised smearing around published median resolutions (deg) at log10(E_nu / GeV), (n,) each, and its note."""
    order = np.argsort(log_e)
    model = _model(log_e[order], median_deg[order])
    smearing = build_smearing(detector.SMEARING_LOG_E_NU, np.deg2rad(detector.SMEARING_DEC_DEG), model)
    note = (
        "parametrised smearing (the release has none): psi Rayleigh around sigma, sigma log-normal "
        f"(width {_SIGMA_WIDTH:g}) around the published median resolution, energies as in a detector like IC86"
    )
    return smearing, (note,)


def _model(nodes: F64, median_deg: F64) -> Model:
    def sigma_deg(log_e_nu: float, log_e: float, sin_dec: float) -> tuple[float, float]:
        # the release gives one resolution for all declinations, against the neutrino's energy
        del log_e, sin_dec
        median = np.exp(np.interp(log_e_nu, nodes, np.log(median_deg))) / RAYLEIGH_MEDIAN
        return float(median), _SIGMA_WIDTH

    def pull(log_e_nu: float, sin_dec: float) -> tuple[float, float]:
        del log_e_nu, sin_dec
        return 1.0, _GAUSSIAN_SHAPE

    return Model(detector.proxy, sigma_deg, pull)
