"""The published track releases (10 and 14 years): a folder with events/, uptime/ and irfs/."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from worker.data.check import Names, check_degrees, outside
from worker.data.clean import clean_events, event_order, repeated_note
from worker.data.copies import shared_notes
from worker.data.dataset import F64, Dataset, EffectiveArea, Season, Smearing
from worker.data.response import read_area, read_smearing
from worker.data.seasons import closest
from worker.data.table import Progress, Table, header_of, read_table
from worker.errors import InputError, SpecError

_EVENTS = ("MJD[days]", "log10(E/GeV)", "AngErr[deg]", "RA[deg]", "Dec[deg]")
_NAMES = Names(*_EVENTS)
_PLACE = (_NAMES.time, _NAMES.ra, _NAMES.dec)
_IDENTITY = ("run", "event", "subevent")
_UPTIME = ("MJD_start[days]", "MJD_stop[days]")

Response = tuple[EffectiveArea, Smearing, tuple[str, ...]]


def read_release(
    folder: Path, seasons: Iterable[str], *, label: str, sigma_max_deg: float, progress: Progress | None = None
) -> Dataset:
    """Seasons of a release; a configuration that several seasons share is read once and shared.

    Raises
    ------
    InputError
        A season or file that is not there, or a damaged one.
    """
    names = tuple(seasons)
    _check_names(folder, names)
    configs = {name: config_of(folder, name) for name in names}
    distinct = list(dict.fromkeys(configs.values()))
    responses: dict[str, Response] = {}
    for k, config in enumerate(distinct):
        responses[config] = read_response(folder, config, _part(progress, k, len(distinct)))
    tables = {name: _read_events(_event_file(folder, name)) for name in names}
    notes = shared_notes({name: np.column_stack([t.column(c) for c in _PLACE]) for name, t in tables.items()})
    read = tuple(_season(folder, name, tables[name], responses[configs[name]], sigma_max_deg) for name in names)
    return Dataset(label, tuple(replace(season, notes=season.notes + notes[season.name]) for season in read))


def read_positions(folder: Path, seasons: Iterable[str], *, sigma_max_deg: float) -> tuple[F64, ...]:
    """Measured right ascensions (rad) of each season, in the order of `Season.events`: for unblinding only."""
    names = tuple(seasons)
    _check_names(folder, names)
    return tuple(_right_ascensions(_read_events(_event_file(folder, name)), sigma_max_deg) for name in names)


def _right_ascensions(table: Table, sigma_max_deg: float) -> F64:
    order = event_order(
        table.column("Dec[deg]"),
        table.column("AngErr[deg]"),
        table.column("log10(E/GeV)"),
        sigma_max_deg=sigma_max_deg,
    )
    return np.asarray(np.deg2rad(table.column("RA[deg]")[order]))


def _check_names(folder: Path, names: tuple[str, ...]) -> None:
    """Refuse what can be refused before anything is read."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder. Correct `data.dir`, or get the release")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SpecError(f"data.seasons: {', '.join(twice)} given more than once: its events would count twice")
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


def available_configs(folder: Path) -> tuple[str, ...]:
    """Detector configurations that have both response files."""
    areas = {p.name.removesuffix("_effectiveArea.csv") for p in (folder / "irfs").glob("*_effectiveArea.csv")}
    smearings = {p.name.removesuffix("_smearing.csv") for p in (folder / "irfs").glob("*_smearing.csv")}
    return tuple(sorted(areas & smearings))


def config_of(folder: Path, season: str) -> str:
    """Find the configuration whose response belongs to a season, among the files that exist.

    The season's own name; otherwise the latest configuration of the same detector that is not later
    than the season (10 years: IC86_II for IC86_V); otherwise one for the whole detector (14 years: IC86).
    """
    configs = available_configs(folder)
    found = closest(configs, season)
    if found is not None:
        return found
    raise InputError(
        f"{folder / 'irfs'}: no response for season {season!r}: both files (_effectiveArea.csv and "
        f"_smearing.csv) are there for {', '.join(configs) or 'nothing'}. "
        "Put them there, or take the season out of `data.seasons`"
    )


def _event_file(folder: Path, season: str) -> Path:
    path = folder / "events" / f"{season}_exp.csv"
    if not path.is_file():
        there = ", ".join(available_seasons(folder)) or "none"
        raise InputError(
            f"{path}: no events of season {season!r}; seasons there: {there}. Correct `data.seasons` or `data.dir`"
        )
    return path


def _season(folder: Path, name: str, table: Table, response: Response, sigma_max_deg: float) -> Season:
    area, smearing, response_notes = response
    uptime, uptime_notes = _read_uptime(folder / "uptime" / f"{name}_exp.csv")
    events, cleaning = clean_events(
        table.column("Dec[deg]"),
        table.column("AngErr[deg]"),
        table.column("log10(E/GeV)"),
        sigma_max_deg=sigma_max_deg,
    )
    again = repeated_note([np.ascontiguousarray(c) for c in table.values.T], "every published column")
    outside = _outside_note(table, uptime)
    livetime = float(np.sum(uptime[:, 1] - uptime[:, 0]))
    notes = cleaning + again + outside + uptime_notes + response_notes
    return Season(name, livetime, events, area, smearing, notes)


def _read_uptime(path: Path) -> tuple[F64, tuple[str, ...]]:
    """Good runs (n, 2), increasing and disjoint: time that two runs share counts once."""
    table = read_table(path, _UPTIME)
    table.refuse(
        table.column(_UPTIME[1]) <= table.column(_UPTIME[0]),
        "a run that does not end after it starts",
        "Correct or remove that line",
    )
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
    present = header_of(path)
    table = read_table(path, (*(name for name in _IDENTITY if name in present), *_EVENTS))
    check_degrees(table, _NAMES)
    return table


def _outside_note(table: Table, uptime: np.ndarray) -> tuple[str, ...]:
    mjd = table.column("MJD[days]")
    n = outside(mjd, uptime)
    return (f"{n} of {len(mjd)} events lie outside the good runs of the uptime file: kept",) if n else ()
