"""The response or simulation of a season: its own, a shared one, or one that the spec names.

Nothing here opens a file, so `dagmaker check` gives the messages of the readers.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from worker.base.errors import InputError
from worker.spec.season import NumpySeason

AREA, SMEARING = "_effectiveArea", "_smearing"
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XV")
_TEN_YEARS = {f"IC86_{year}": "IC86_II" for year in _ROMAN[2:7]}
"""Seasons of the 10-year release that share the response of IC86_II (doi 10.7910/DVN/VKL316, its README)."""


class Choice(NamedTuple):
    """A configuration (of irfs/, or of a simulation), and a sentence that names it if it is not the season's own."""

    config: str
    notes: tuple[str, ...] = ()


def response_of(folder: Path, season: str, named: str | None = None) -> Choice:
    """Return the configuration in ``folder/irfs`` whose response a season of a track release uses.

    The one that the spec names; else the season's own; else the one that the release shares: IC86_II for IC86_III to
    VII in the 10-year release, the whole detector in the 14-year release. Never another one.

    Raises
    ------
    InputError
        There is none, half of it is missing, or the folder holds the responses of two releases.
    """
    irfs = folder / "irfs"
    files = _pieces(irfs)
    if named is not None:
        _refuse_half(irfs, season, named, files)
        own = named == season
        return Choice(named, () if own else (f"takes the response of {named}, which data.seasons names",))
    detector = season.partition("_")[0]
    _refuse_two_releases(irfs, season, detector, files)
    for config in dict.fromkeys((season, _TEN_YEARS.get(season, detector), detector)):
        if config in files:
            _refuse_half(irfs, season, config, files)
            shared = f"takes the response of {config}: the published release has one for several seasons"
            return Choice(config, () if config == season else (shared,))
    whole = _whole(files)
    raise InputError(
        f"{irfs}: no response for season {season!r}: both files ({AREA}.csv and {SMEARING}.csv) are there for "
        f"{', '.join(whole) or 'nothing'}. {_cure(season, whole)}"
    )


def whole_configs(folder: Path) -> tuple[str, ...]:
    """Configurations with both response files in ``folder/irfs``."""
    return tuple(_whole(_pieces(folder / "irfs")))


def _pieces(irfs: Path) -> dict[str, list[str]]:
    """Return the names of response files by configuration, unfinished downloads included."""
    names_by_config: dict[str, list[str]] = {}
    for name in _names(irfs):
        for kind in (AREA, SMEARING):
            config, mark, _ = name.partition(kind)
            if mark and config:
                names_by_config.setdefault(config, []).append(name)
    return names_by_config


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}). Check its permissions") from None


def _whole(files: dict[str, list[str]]) -> list[str]:
    return [config for config, names in files.items() if not _lacking(config, names)]


def _lacking(config: str, names: Iterable[str]) -> list[str]:
    return [name for name in (f"{config}{AREA}.csv", f"{config}{SMEARING}.csv") if name not in names]


def _refuse_half(irfs: Path, season: str, config: str, files: dict[str, list[str]]) -> None:
    names = files.get(config, [])
    lacking = _lacking(config, names)
    if not lacking:
        return
    others = [name for name in _whole(files) if name != config]
    found = f"there is {', '.join(names)}" if names else "there is nothing of it"
    unfinished = " (a download that is not finished)" if any(name.endswith(".part") for name in names) else ""
    packed = "" if unfinished else "".join(other_form(irfs / name) for name in lacking)
    raise InputError(
        f"{irfs}: the response {config} of season {season} lacks {' and '.join(lacking)}; {found}{unfinished}{packed}. "
        f"{_cure(season, others)}"
    )


def _refuse_two_releases(irfs: Path, season: str, detector: str, files: dict[str, list[str]]) -> None:
    parts = [config for config in files if config.startswith(f"{detector}_")]
    if detector in files and parts:
        raise InputError(
            f"{irfs}: responses of two releases: {detector} is that of the 14-year release, {', '.join(parts)} of the "
            f"10-year release. Which one belongs to season {season}? Give each release a folder of its own, or write "
            f"in data.seasons: {{name: {season}, response: {detector}}}"
        )


def _cure(season: str, whole: Sequence[str]) -> str:
    alike = [config for config in whole if config.partition("_")[0] == season.partition("_")[0]]
    fetch = "Get the whole release (the same `dagmaker data fetch` goes on where it stopped)"
    if not alike:
        return f"{fetch}, or take the season out of data.seasons"
    named = f"{{name: {season}, response: {alike[-1]}}}"
    return f"{fetch}; or, if the season is to take another response, write in data.seasons: {named}"


def simulation_of(folder: Path, season: str) -> Choice:
    """Return the season whose ``_MC.npy`` a season of NumPy files uses, see `closest`.

    Raises
    ------
    InputError
        There is none, or the season's own is not finished.
    """
    names = _names(folder)
    own = [name for name in names if name.startswith(f"{season}_MC.")]
    example = f"{{name: {season}, mc: FILE.npy}}"
    if own and f"{season}_MC.npy" not in own:
        raise InputError(
            f"{folder}: no {season}_MC.npy, but {', '.join(own)}: a download or conversion that is not finished? "
            f"Finish it, or write in data.seasons the file to take: {example}"
        )
    configs = [name.removesuffix("_MC.npy") for name in names if name.endswith("_MC.npy")]
    config = closest(configs, season)
    if config is None:
        raise InputError(
            f"{folder}: no simulation for season {season!r}: there is _MC.npy for {', '.join(configs) or 'nothing'}. "
            f"Put it there, take the season out of data.seasons, or write there the file to take: {example}"
        )
    other = f"takes the simulation of {config} ({config}_MC.npy): there is no {season}_MC.npy"
    return Choice(config, () if config == season else (other,))


def no_such_file(path: Path, season: str, kind: str) -> str:
    """Return the message for an absent file of a season; `kind` is the key of the spec: exp, mc or grl."""
    arrays = [name for name in _names(path.parent) if name.endswith(".npy")]
    own = [name for name in arrays if name.startswith(season) and ("MC" in name) == (kind == "mc")]
    folder = f"{path.parent.name}/" if kind == "grl" else ""
    return (
        f"{path}: no such file; its folder has {shown(arrays) or 'no .npy file'}. Put it there, or name the file in "
        f"data.seasons: {{name: {season}, {kind}: {folder}{(own or ['FILE.npy'])[0]}}}"
    )


def other_form(path: Path) -> str:
    """Return ``; there is x.csv.gz: unpack it`` if another form of an absent file exists; else an empty text."""
    names = [name for name in _names(path.parent) if name.startswith(f"{path.name}.")]
    if not names:
        return ""
    cure = "finish the download" if names[0].endswith(".part") else "unpack it, or give it its name"
    return f"; there is {shown(names)}: {cure}"


def shown(names: Sequence[str], most: int = 20) -> str:
    """Return at most `most` names, separated by commas, without control characters."""
    clean = ["".join(c if c.isprintable() else "?" for c in name[:60]) for name in names[:most]]
    return ", ".join(clean) + (f", ... ({len(names) - most} more)" if len(names) > most else "")


def simulation_files(folder: Path, season: NumpySeason) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the files of a season's simulation, and a sentence that names them if they are not its own."""
    if season.mc is None:
        choice = simulation_of(folder, season.name)
        return (f"{choice.config}_MC.npy",), choice.notes
    several = "; their weights are summed as they are" if len(season.mc) > 1 else ""
    return season.mc, (f"takes the simulation of {', '.join(season.mc)}, which data.seasons names{several}",)


def taken(data: Any) -> list[str]:
    """Return sentences about the seasons of a data section that use the response or simulation of another one."""
    sentences: list[str] = []
    for season in getattr(data, "entries", ()):
        folder = Path(data.dir)
        if isinstance(season, NumpySeason):
            _, notes = simulation_files(folder, season)
        else:
            _, notes = response_of(folder, season.name, season.response)
        sentences += [f"{season.name} {note}" for note in notes]
    return sentences


def closest(configs: Sequence[str], season: str) -> str | None:
    """Return the season itself, else the latest earlier one of its detector (IC86_2012 for IC86_2014), else IC86."""
    if season in configs:
        return season
    detector, _, year = season.partition("_")
    years = {_number(c.partition("_")[2]): c for c in configs if c.startswith(f"{detector}_")}
    earlier = [number for number in years if 0 < number <= _number(year)]
    if earlier:
        return years[max(earlier)]
    return detector if detector in configs else None


def _number(year: str) -> int:
    """VII is 7, 2014 is 2014, anything else 0."""
    if year in _ROMAN:
        return _ROMAN.index(year) + 1
    return int(year) if year.isdecimal() else 0
