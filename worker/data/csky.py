"""NumPy data sets as csky and skylab have them: measured events, simulation and good runs of each season.

DIR/<season>_exp.npy        run time ra dec sigma logE ...                (radians, MJD, log10(E / GeV))
DIR/<season>_MC.npy         ra dec sigma logE trueRa trueDec trueE ow ... (GeV, GeV cm^2 sr)
DIR/GRL/<season>_exp.npy    run start stop livetime ...                   (MJD, days)
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from worker.data.check import Names, check_radians, outside
from worker.data.clean import clean_events, event_order, repeated_note
from worker.data.copies import shared_notes
from worker.data.dataset import F64, Dataset, EffectiveArea, Season, Simulation
from worker.data.rows import read_rows
from worker.data.seasons import closest
from worker.data.simulation import read_simulation
from worker.data.table import Progress, Table
from worker.errors import InputError

_NAMES = Names("time", "logE", "sigma", "ra", "dec")
_PLACE = (_NAMES.time, _NAMES.ra, _NAMES.dec)
_RUNS = ("run", "start", "stop", "livetime")

Simulated = tuple[Simulation, EffectiveArea, tuple[str, ...]]


def read_seasons(
    folder: Path,
    seasons: Iterable[str],
    *,
    label: str,
    sigma_max_deg: float,
    band_sin_dec: float,
    progress: Progress | None = None,
) -> Dataset:
    """Seasons of a folder; a simulation that several seasons share is read once and shared.

    Parameters
    ----------
    sigma_max_deg : float
        See `worker.data.clean.clean_events`.
    band_sin_dec : float
        See `worker.data.simulation.read_simulation`.

    Raises
    ------
    InputError
        A season or file that is not there, or a damaged one.
    """
    names = tuple(seasons)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder. Correct `data.dir`, or get the data")
    configs = {name: config_of(folder, name) for name in names}
    simulated: dict[str, Simulated] = {}
    tables = {name: _read_events(folder, name) for name in names}
    notes = shared_notes({name: np.column_stack([t.column(c) for c in _PLACE]) for name, t in tables.items()})
    read = []
    for k, name in enumerate(names):
        config = configs[name]
        if config not in simulated:
            simulated[config] = read_simulation(folder / f"{config}_MC.npy", band_sin_dec)
        season = _season(folder, name, tables[name], simulated[config], sigma_max_deg)
        read.append(replace(season, notes=season.notes + notes[name]))
        if progress is not None:
            progress((k + 1) / len(names))
    return Dataset(label, tuple(read))


def read_positions(folder: Path, seasons: Iterable[str], *, sigma_max_deg: float) -> tuple[F64, ...]:
    """Measured right ascensions (rad) of each season, in the order of `Season.events`: for unblinding only."""
    tables = [_read_events(folder, name) for name in seasons]
    return tuple(table.column("ra")[_order(table, sigma_max_deg)] for table in tables)


def config_of(folder: Path, season: str) -> str:
    """Find the season whose simulation belongs to a season, among the files that exist (see `closest`)."""
    configs = sorted(path.name.removesuffix("_MC.npy") for path in folder.glob("*_MC.npy"))
    found = closest(configs, season)
    if found is not None:
        return found
    raise InputError(
        f"{folder}: no simulation for season {season!r}: there is _MC.npy for {', '.join(configs) or 'nothing'}. "
        "Put it there, or take the season out of `data.seasons`"
    )


def _read_events(folder: Path, season: str) -> Table:
    table = read_rows(folder / f"{season}_exp.npy", _NAMES)
    check_radians(table, _NAMES)
    return table


def _order(table: Table, sigma_max_deg: float) -> np.ndarray:
    dec, sigma, log_e = (table.column(name) for name in ("dec", "sigma", "logE"))
    return event_order(np.rad2deg(dec), np.rad2deg(sigma), log_e, sigma_max_deg=sigma_max_deg)


def _season(folder: Path, name: str, table: Table, simulated: Simulated, sigma_max_deg: float) -> Season:
    simulation, area, simulation_notes = simulated
    runs, run_notes = _read_runs(folder / "GRL" / f"{name}_exp.npy")
    dec, sigma, log_e = (table.column(column) for column in ("dec", "sigma", "logE"))
    events, cleaning = clean_events(np.rad2deg(dec), np.rad2deg(sigma), log_e, sigma_max_deg=sigma_max_deg)
    again = repeated_note([np.ascontiguousarray(c) for c in table.values.T], "time, energy, sigma and direction")
    n = outside(table.column("time"), np.column_stack([runs.column("start"), runs.column("stop")]))
    lost = (f"{n} of {len(table.values)} events lie outside the good runs of GRL/{name}_exp.npy: kept",) if n else ()
    livetime = float(runs.column("livetime").sum())
    return Season(name, livetime, events, area, simulation, (*cleaning, *again, *lost, *run_notes, *simulation_notes))


def _read_runs(path: Path) -> tuple[Table, tuple[str, ...]]:
    """Good runs by their start; a run given twice counts once."""
    table = read_rows(path, _RUNS)
    start, stop, livetime = (table.column(name) for name in _RUNS[1:])
    table.refuse(stop <= start, "a run that does not end after it starts", "Correct or remove that row")
    table.refuse(livetime <= 0, "a livetime that is not above 0", "Correct or remove that row")
    longer = livetime > (stop - start) * (1 + 1e-6) + 1e-5
    table.refuse(longer, "a livetime longer than its run", "start and stop are MJD, livetime is in days, not seconds")
    values, first = np.unique(table.values, axis=0, return_index=True)
    runs = table._replace(values=values[np.argsort(values[:, 1], kind="stable")], lines=table.lines[first])
    notes = []
    if len(values) < len(table.values):
        notes.append(f"{len(table.values) - len(values)} runs of GRL/{path.name} are given twice: counted once")
    overlap = np.maximum.accumulate(runs.column("stop"))[:-1] - runs.column("start")[1:]
    if (overlap > 1e-9).any():
        notes.append(
            f"{np.count_nonzero(overlap > 1e-9)} runs of GRL/{path.name} overlap earlier ones by "
            f"{overlap[overlap > 0].sum():.3g} days: the livetimes are summed as they are given"
        )
    return runs, tuple(notes)
