"""The published track releases (10 and 14 years): a folder with events/, uptime/ and irfs/."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from worker.base.errors import InputError
from worker.data.check import Names, check_degrees, check_mjd
from worker.data.clean import clean_events, event_order
from worker.data.dataset import F64, Dataset, EffectiveArea, Position, Season, Smearing
from worker.data.duplicates import shared_notes, shared_run_notes
from worker.data.good_runs import good_runs
from worker.data.local import hour_angles
from worker.data.plausibility import Measured, event_notes, run_notes
from worker.data.response import read_area, read_smearing
from worker.data.table import Progress, Table, header_of, read_table
from worker.spec.season import ReleaseSeason, release_seasons
from worker.spec.season_files import other_form, response_of, shown

_EVENTS = ("MJD[days]", "log10(E/GeV)", "AngErr[deg]", "RA[deg]", "Dec[deg]")
_NAMES = Names(*_EVENTS)
_PLACE = (_NAMES.time, _NAMES.ra, _NAMES.dec)
_IDENTITY = ("run", "event", "subevent")
_UPTIME = ("MJD_start[days]", "MJD_stop[days]")

Response = tuple[EffectiveArea, Smearing, tuple[str, ...]]


def read_release(
    folder: Path,
    seasons: Iterable[str | ReleaseSeason],
    *,
    label: str,
    sigma_max_deg: float,
    progress: Progress | None = None,
) -> Dataset:
    """Read seasons of a release; a configuration that several seasons share is read once.

    Raises
    ------
    InputError
        A season or file that is not there, a damaged one, or events and good runs that do not go together.
    """
    by_name = {season.name: season.response for season in release_seasons(seasons)}
    _check_names(folder, tuple(by_name))
    choices = {name: response_of(folder, name, response) for name, response in by_name.items()}
    distinct = list(dict.fromkeys(choice.config for choice in choices.values()))
    responses: dict[str, Response] = {}
    for k, config in enumerate(distinct):
        responses[config] = read_response(folder, config, _part(progress, k, len(distinct)))
    tables = {name: _read_events(_event_file(folder, name)) for name in by_name}
    runs = {name: _read_uptime(folder / "uptime" / f"{name}_exp.csv") for name in by_name}
    shared = shared_notes({name: np.column_stack([t.column(c) for c in _PLACE]) for name, t in tables.items()})
    shared_runs = shared_run_notes({name: uptime for name, (uptime, _) in runs.items()})
    read = []
    for name, choice in choices.items():
        season = _season(folder, name, tables[name], runs[name], responses[choice.config], sigma_max_deg)
        taken = (*choice.notes, *_release_notes(tables[name], choice.config))
        read.append(replace(season, notes=(*taken, *season.notes, *shared[name], *shared_runs[name])))
    return Dataset(label, tuple(read))


def read_positions(
    folder: Path, seasons: Iterable[str | ReleaseSeason], *, sigma_max_deg: float
) -> tuple[Position, ...]:
    """Measured right ascensions and times of each season, in the order of `Season.events`: for unblinding only."""
    names = tuple(season.name for season in release_seasons(seasons))
    _check_names(folder, names)
    return tuple(_positions(_read_events(_event_file(folder, name)), sigma_max_deg) for name in names)


def _positions(table: Table, sigma_max_deg: float) -> Position:
    mjd, log_e, sigma_deg, ra_deg, dec_deg = (table.column(column) for column in _EVENTS)
    order = event_order(dec_deg, sigma_deg, log_e, sigma_max_deg=sigma_max_deg)
    return Position(np.asarray(np.deg2rad(ra_deg[order])), np.ascontiguousarray(mjd[order]))


def _check_names(folder: Path, names: tuple[str, ...]) -> None:
    """Refuse missing folders and files before reading."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder. Correct `data.dir`, or get the release")
    for name in names:
        _event_file(folder, name)


def _part(progress: Progress | None, k: int, n: int) -> Progress | None:
    return None if progress is None else lambda fraction: progress((k + fraction) / n)


def read_response(folder: Path, config: str, progress: Progress | None = None) -> Response:
    """Effective area, smearing and notes of one detector configuration."""
    area = read_area(folder / "irfs" / f"{config}_effectiveArea.csv")
    smearing, notes = read_smearing(folder / "irfs" / f"{config}_smearing.csv", progress)
    return area, smearing, notes


def available_seasons(folder: Path) -> tuple[str, ...]:
    """Seasons that have an event file."""
    return tuple(sorted(p.name.removesuffix("_exp.csv") for p in (folder / "events").glob("*_exp.csv")))


def _event_file(folder: Path, season: str) -> Path:
    path = folder / "events" / f"{season}_exp.csv"
    if not path.exists():
        seasons = shown(available_seasons(folder)) or "none"
        raise InputError(
            f"{path}: no events of season {season!r}; seasons there: {seasons}{other_form(path)}. "
            "Correct `data.seasons` or `data.dir`"
        )
    return path


def _season(
    folder: Path,
    name: str,
    table: Table,
    published_runs: tuple[F64, tuple[str, ...]],
    response: Response,
    sigma_max_deg: float,
) -> Season:
    area, smearing, response_notes = response
    uptime, uptime_notes = published_runs
    mjd, log_e, sigma_deg, ra_deg, dec_deg = (table.column(column) for column in _EVENTS)
    measured = Measured(table.path, mjd, sigma_deg, [np.ascontiguousarray(column) for column in table.values.T])
    repeat_notes = event_notes(measured, sigma_max_deg, "every published column")
    livetime = float(np.sum(uptime[:, 1] - uptime[:, 0]))
    run_texts = run_notes(measured, uptime, livetime, folder / "uptime" / f"{name}_exp.csv")
    events, cleaning = clean_events(dec_deg, sigma_deg, log_e, sigma_max_deg=sigma_max_deg)
    notes = cleaning + repeat_notes + run_texts + uptime_notes + response_notes
    start, stop = uptime.T
    runs = good_runs(start, stop, stop - start, mjd)
    return Season(name, livetime, events, area, smearing, notes, runs, hour_angles(mjd, np.deg2rad(ra_deg)))


def _release_notes(table: Table, config: str) -> tuple[str, ...]:
    """Return a note if the events have the columns of one release, and the response the name of another."""
    fourteen = all(name in table.columns for name in _IDENTITY)
    if fourteen == (config in ("IC86_I", "IC86_II")) and config.startswith("IC86"):
        events, response = (14, 10) if fourteen else (10, 14)
        return (
            f"the events have the columns of the {events}-year release, and the response {config} is named as in the "
            f"{response}-year release: if they are of two selections, no flux is right",
        )
    return ()


def _read_uptime(path: Path) -> tuple[F64, tuple[str, ...]]:
    """Return good runs (n, 2), increasing and disjoint, and notes; time in two runs counts once."""
    table = read_table(path, _UPTIME)
    for name in _UPTIME:
        check_mjd(table, name)
    start, stop = (table.column(name) for name in _UPTIME)
    table.refuse(stop <= start, "a run that does not end after it starts", "Correct or remove that line")
    runs = table.values[np.lexsort(table.values.T[::-1])]
    ended = np.maximum.accumulate(np.concatenate([runs[:1, 0], runs[:-1, 1]]))
    shared = np.clip(np.minimum(ended, runs[:, 1]) - runs[:, 0], 0, None)
    if not shared.any():
        return runs, ()
    note = (
        f"{np.count_nonzero(shared)} runs of {path.name} overlap earlier ones by {shared.sum():.3g} days: counted once"
    )
    runs = np.column_stack([np.maximum(runs[:, 0], ended), runs[:, 1]])
    return runs[runs[:, 1] > runs[:, 0]], (note,)


def _read_events(path: Path) -> Table:
    present = header_of(path, _EVENTS)
    table = read_table(path, (*(name for name in _IDENTITY if name in present), *_EVENTS))
    check_degrees(table, _NAMES)
    return table
