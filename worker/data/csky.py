"""NumPy data sets as csky and skylab have them: measured events, simulation and good runs of each season.

DIR/<season>_exp.npy        time ra dec sigma logE ...                    (radians, MJD, log10(E / GeV))
DIR/<season>_MC.npy         ra dec sigma logE trueRa trueDec trueE ow ... (GeV, GeV cm^2 sr)
DIR/GRL/<season>_exp.npy    start stop livetime ...                       (MJD, days)

Other names of files and columns are those that `data.seasons` gives (`worker.spec.season.NumpySeason`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from worker.base.errors import InputError
from worker.data.check import Names, check_mjd, check_radians
from worker.data.clean import clean_events, event_order
from worker.data.dataset import F64, Dataset, EffectiveArea, Position, Season, Simulation
from worker.data.duplicates import shared_notes, shared_run_notes
from worker.data.good_runs import good_runs
from worker.data.local import hour_angles
from worker.data.plausibility import SHARE, Measured, event_notes, run_notes, sigma_notes
from worker.data.rows import names_in, read_rows
from worker.data.simulation import COLUMNS, read_simulation
from worker.data.table import Progress, Table
from worker.spec.season import NumpySeason, numpy_seasons
from worker.spec.season_files import no_such_file, shown, simulation_files

_NAMES = Names("time", "logE", "sigma", "ra", "dec")
_PLACE = (_NAMES.time, _NAMES.ra, _NAMES.dec)
_RUNS = ("start", "stop", "livetime")
_LEAST_ALIVE = 0.05

Simulated = tuple[Simulation, EffectiveArea, tuple[str, ...]]
Runs = tuple[Table, tuple[str, ...]]


def read_seasons(
    folder: Path,
    seasons: Iterable[str | NumpySeason],
    *,
    label: str,
    sigma_max_deg: float,
    band_sin_dec: float,
    progress: Progress | None = None,
) -> Dataset:
    """Read seasons of a folder; a simulation that several seasons share is read once.

    `sigma_max_deg`: see `worker.data.clean.clean_events`; `band_sin_dec`: `worker.data.simulation.read_simulation`.

    Raises
    ------
    InputError
        A season or file that is not there, a damaged one, or events and good runs that do not go together.
    """
    by_name = {season.name: season for season in numpy_seasons(seasons)}
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder. Correct `data.dir`, or get the data")
    sources = {name: simulation_files(folder, season) for name, season in by_name.items()}
    for name, season in by_name.items():
        _check_names(folder, season, sources[name][0])
    tables = {name: _read_events(folder, season) for name, season in by_name.items()}
    shared = shared_notes({name: np.column_stack([t.column(c) for c in _PLACE]) for name, t in tables.items()})
    runs = {name: _read_runs(folder, season) for name, season in by_name.items()}
    shared_runs = shared_run_notes({name: _ends(table) for name, (table, _) in runs.items()})
    simulated: dict[object, Simulated] = {}
    read = []
    for k, (name, (files, taken)) in enumerate(sources.items()):
        columns = {theirs: ours for theirs, ours in by_name[name].columns.items() if ours in COLUMNS}
        kind = (files, tuple(sorted(columns.items())))
        if kind not in simulated:
            paths = [folder / file for file in files]
            simulated[kind] = read_simulation(paths, band_sin_dec, sigma_max_deg, columns, name)
        season_ = _season(name, tables[name], runs[name], simulated[kind], sigma_max_deg)
        read.append(replace(season_, notes=(*taken, *season_.notes, *shared[name], *shared_runs[name])))
        if progress is not None:
            progress((k + 1) / len(sources))
    return Dataset(label, tuple(read))


def read_positions(folder: Path, seasons: Iterable[str | NumpySeason], *, sigma_max_deg: float) -> tuple[Position, ...]:
    """Measured right ascensions and times of each season, in the order of `Season.events`: for unblinding only."""
    tables = [_read_events(folder, season) for season in numpy_seasons(seasons)]
    return tuple(_positions(table, sigma_max_deg) for table in tables)


def _positions(table: Table, sigma_max_deg: float) -> Position:
    order = _order(table, sigma_max_deg)
    return Position(table.column("ra")[order], table.column("time")[order])


def _check_names(folder: Path, season: NumpySeason, simulation: Sequence[str]) -> None:
    """Refuse an absent file, and a column of the spec that no file has."""
    files = [
        *((kind, file) for kind in ("exp", "grl") for file in season.files(kind)),
        *(("mc", f) for f in simulation),
    ]
    for kind, file in files:
        if not (folder / file).exists():
            raise InputError(no_such_file(folder / file, season.name, kind))
    columns = {name for _, file in files for name in names_in(folder / file)} if season.columns else set()
    absent = [name for name in season.columns if name not in columns]
    if absent:
        raise InputError(
            f"data.seasons: columns of {season.name} names {', '.join(absent)}, which no file of the season has: they "
            f"have {shown(sorted(columns))}. Correct the name, or take it out"
        )


def _read_events(folder: Path, season: NumpySeason) -> Table:
    tables = [read_rows(folder / file, _NAMES, season.columns, season.name) for file in season.files("exp")]
    for table in tables:
        check_radians(table, _NAMES)
    return _joined(tables)


def _joined(tables: Sequence[Table]) -> Table:
    """Concatenate the rows of several files; the table has the path of the first."""
    values, lines = np.concatenate([t.values for t in tables]), np.concatenate([t.lines for t in tables])
    return tables[0]._replace(values=values, lines=lines)


def _order(table: Table, sigma_max_deg: float) -> np.ndarray:
    dec, sigma, log_e = (table.column(name) for name in ("dec", "sigma", "logE"))
    return event_order(np.rad2deg(dec), np.rad2deg(sigma), log_e, sigma_max_deg=sigma_max_deg)


def _season(name: str, table: Table, published_runs: Runs, simulated: Simulated, sigma_max_deg: float) -> Season:
    simulation, area, simulation_notes = simulated
    runs, notes = published_runs
    dec, sigma, log_e = (table.column(column) for column in ("dec", "sigma", "logE"))
    columns = [np.ascontiguousarray(column) for column in table.values.T]
    measured = Measured(table.path, table.column("time"), np.rad2deg(sigma), columns)
    repeat_notes = event_notes(measured, sigma_max_deg, "time, energy, sigma and direction")
    livetime = float(runs.column("livetime").sum())
    sigma_texts = sigma_notes(np.rad2deg(sigma), np.rad2deg(simulation.events[:, 4]))
    run_texts = run_notes(measured, _ends(runs), livetime, runs.path)
    events, cleaning = clean_events(np.rad2deg(dec), np.rad2deg(sigma), log_e, sigma_max_deg=sigma_max_deg)
    return Season(
        name,
        livetime,
        events,
        area,
        simulation,
        (*cleaning, *repeat_notes, *sigma_texts, *run_texts, *notes, *simulation_notes),
        good_runs(runs.column("start"), runs.column("stop"), runs.column("livetime"), table.column("time")),
        hour_angles(table.column("time"), table.column("ra")),
    )


def _ends(runs: Table) -> F64:
    return np.column_stack([runs.column("start"), runs.column("stop")])


def _read_runs(folder: Path, season: NumpySeason) -> Runs:
    """Read good runs, sorted by start; a run given twice counts once."""
    tables = [read_rows(folder / file, _RUNS, season.columns, season.name) for file in season.files("grl")]
    for each in tables:
        _check_runs(each)
    table = _joined(tables)
    values, first = np.unique(table.values, axis=0, return_index=True)
    runs = table._replace(values=values, lines=table.lines[first])
    start, stop, livetime = runs.values.T
    where, length = f"{table.path.parent.name}/{table.path.name}", float((stop - start).sum())
    notes = []
    if len(values) < len(table.values):
        notes.append(f"{len(table.values) - len(values)} runs of {where} are given twice: counted once")
    overlap = np.clip(np.minimum(np.maximum.accumulate(stop)[:-1], stop[1:]) - start[1:], 0, None)
    if overlap.sum() > SHARE * length:
        raise InputError(
            f"{table.path}: {np.count_nonzero(overlap > 1e-9)} runs overlap earlier ones, by {overlap.sum():,.3g} of "
            f"{length:,.3g} days: this livetime would count twice. Give each run once"
        )
    if (overlap > 1e-9).any():
        notes.append(
            f"{np.count_nonzero(overlap > 1e-9)} runs of {where} overlap earlier ones by "
            f"{overlap.sum():.3g} days: the livetimes are summed as they are given"
        )
    if livetime.sum() < _LEAST_ALIVE * length:
        raise InputError(
            f"{table.path}: the livetimes sum to {livetime.sum():,.3g} days, and the runs last {length:,.3g} days: no "
            "detector is dead so long. Is the livetime in another unit than days? Convert it"
        )
    return runs, tuple(notes)


def _check_runs(table: Table) -> None:
    start, stop, livetime = (table.column(name) for name in _RUNS)
    for name in ("start", "stop"):
        check_mjd(table, name)
    table.refuse(stop <= start, "a run that does not end after it starts", "Correct or remove that row")
    table.refuse(livetime <= 0, "a livetime that is not above 0", "Correct or remove that row")
    longer = livetime > (stop - start) * (1 + 1e-6) + 1e-5
    table.refuse(longer, "a livetime longer than its run", "start and stop are MJD, livetime is in days, not seconds")
