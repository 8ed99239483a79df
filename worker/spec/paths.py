"""Paths of the spec: ``${VAR}`` replaced, made absolute, and checked for existence."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from worker.base.errors import InputError
from worker.spec.messages import did_you_mean
from worker.spec.problem import Path as Place
from worker.spec.problem import Problem
from worker.spec.season_files import no_such_file, other_form, response_of, simulation_of, whole_configs

KEYS: tuple[tuple[str, str], ...] = (("data", "dir"), ("data", "irfs"), ("scan", "file"))
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def expand(data: dict[str, Any], lines: Mapping[Place, int], base: Path) -> list[Problem]:
    """Replace the path keys of `data` by absolute paths, in place; return their problems."""
    problems: list[Problem] = []
    for place, section, key in _sections(data):
        text = section.get(key)
        if not isinstance(text, str):
            continue
        path, faults = absolute(text, base)
        problems.extend(Problem(place, lines.get(place, 0), fault) for fault in faults)
        if not faults:
            section[key] = path
    return problems


def _sections(data: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any], str]]:
    """Yield the place of each path, the section that holds it, and its key there."""
    for name, key in KEYS:
        section = data.get(name)
        if isinstance(section, dict):
            yield (name, key), section, key
    scan = data.get("scan")
    priors = scan.get("priors") if isinstance(scan, dict) else None
    if isinstance(priors, dict):
        yield from ((("scan", "priors", key), priors, key) for key in priors)
    for name, catalogue in catalogues(data):
        yield ("hypothesis", "catalogues", name, "file"), catalogue, "file"


def catalogues(data: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Catalogues of a raw spec that is one of stacking, by name."""
    hypothesis = data.get("hypothesis")
    found = hypothesis.get("catalogues") if isinstance(hypothesis, dict) else None
    return [(name, one) for name, one in found.items() if isinstance(one, dict)] if isinstance(found, dict) else []


def absolute(text: str, base: Path) -> tuple[str, list[str]]:
    """Return a path with its variables replaced, relative to `base`, and its faults."""
    unset = [name for name in _VARIABLE.findall(text) if not os.environ.get(name)]
    if unset:
        names = dict.fromkeys(unset)
        return "", [f"found {text!r}; the environment variable {name} is not set: export it" for name in names]
    path = _VARIABLE.sub(lambda match: os.environ[match.group(1)], text)
    if "\0" in path:
        return "", [f"found {text!r}; no path has the character U+0000"]
    if "$" in path or path.startswith("~") or not path:
        fault = f"found {text!r}; must be a path: a variable is written ${{HOME}}, and nothing else is replaced"
        return "", [fault]
    return os.path.abspath(base / path), []  # noqa: PTH100 (keeps symbolic links, as Path.resolve does not)


def missing(spec_data: Any, lines: Mapping[Place, int]) -> list[Problem]:
    """Return problems for missing files of the data section (a model of `worker.spec.sections`)."""
    check = {"icetracks": _icetracks, "ic86_2011": _ic86_2011, "icecube_3yr": _icecube_3yr, "numpy": _numpy}.get(
        spec_data.format
    )
    if check is None:
        return []
    return [Problem(place, lines.get(place, 0), text) for place, text in check(spec_data)]


def _icetracks(data: Any) -> list[tuple[Place, str]]:
    folder = Path(data.dir)
    absent = _absent_folder(("data", "dir"), folder)
    absent = absent or _absent_parts(("data", "dir"), folder, ("events", "uptime", "irfs"))
    return absent or [fault for i, season in enumerate(data.entries) for fault in _season(folder, i, season)]


def _season(folder: Path, i: int, season: Any) -> list[tuple[Place, str]]:
    place, name = ("data", "seasons", i), season.name
    seasons = sorted(path.name.removesuffix("_exp.csv") for path in (folder / "events").glob("*_exp.csv"))
    if name not in seasons:
        have = f"{folder / 'events'} has {', '.join(seasons) or 'no season'}"
        other = other_form(folder / "events" / f"{name}_exp.csv")
        return [(place, f"found {name!r}; {have}{other or did_you_mean(name, seasons)}")]
    uptime = folder / "uptime" / f"{name}_exp.csv"
    if not uptime.exists():
        absent = f"{uptime} does not exist{other_form(uptime)}"
        return [(place, f"found {name!r}; {absent}: get the whole release, or leave the season out")]
    return _refused(place, lambda: response_of(folder, name, season.response))


def _refused(place: Place, choose: Callable[[], object]) -> list[tuple[Place, str]]:
    try:
        choose()
    except InputError as error:
        return [(place, str(error))]
    return []


def _numpy(data: Any) -> list[tuple[Place, str]]:
    folder = Path(data.dir)
    absent = _absent_folder(("data", "dir"), folder)
    return absent or [fault for i, season in enumerate(data.entries) for fault in _numpy_season(folder, i, season)]


def _numpy_season(folder: Path, i: int, season: Any) -> list[tuple[Place, str]]:
    place, name = ("data", "seasons", i), season.name
    for kind in ("exp", "grl", *(("mc",) if season.mc else ())):
        for file in season.files(kind):
            if not (folder / file).exists():
                seasons = sorted(path.name.removesuffix("_exp.npy") for path in folder.glob("*_exp.npy"))
                meant = "" if name in seasons else did_you_mean(name, seasons)
                return [(place, f"found {name!r}; {no_such_file(folder / file, name, kind)}{meant}")]
    return [] if season.mc else _refused(place, lambda: simulation_of(folder, name))


def _ic86_2011(data: Any) -> list[tuple[Place, str]]:
    folder = Path(data.dir)
    files = ("AngRes.txt", "TabulatedAeff.txt", "downgoing_events.txt", "upgoing_events.txt")
    faults = _absent_folder(("data", "dir"), folder) or _absent_parts(("data", "dir"), folder, files)
    return [*faults, *_borrowed(Path(data.irfs), data.irfs_config)] if data.irfs is not None else faults


def _icecube_3yr(data: Any) -> list[tuple[Place, str]]:
    folder = Path(data.dir)
    faults = _absent_folder(("data", "dir"), folder)
    seasons = sorted(path.name.removesuffix("-events.txt") for path in folder.glob("*-events.txt"))
    for i, season in enumerate(() if faults else data.seasons):
        place, files = ("data", "seasons", i), ("events", "TabulatedAeff", "AngRes")
        if season.name not in seasons:
            have = f"{folder} has {', '.join(seasons) or 'no season'}"
            faults.append((place, f"found {season.name!r}; {have}{did_you_mean(season.name, seasons)}"))
        else:
            faults += _absent_parts(place, folder, tuple(f"{season.name}-{file}.txt" for file in files))
    return faults


def _borrowed(release: Path, config: str) -> list[tuple[Place, str]]:
    """Return the faults of the track release whose smearing the first year uses."""
    place = ("data", "irfs")
    absent = _absent_folder(place, release) or _absent_parts(place, release, ("irfs",))
    configs = list(whole_configs(release))
    if absent or config in configs:
        return absent
    have = f"{release / 'irfs'} has both response files of {', '.join(configs) or 'nothing'}"
    return [(("data", "irfs_config"), f"found {config!r}; {have}{did_you_mean(config, configs)}")]


def _absent_folder(place: Place, folder: Path) -> list[tuple[Place, str]]:
    if folder.is_dir():
        return []
    what = "is a file, not a folder" if folder.exists() else "does not exist"
    return [(place, f"{folder} {what}; write the folder of the release, relative to this file or absolute")]


def _absent_parts(place: Place, folder: Path, names: tuple[str, ...]) -> list[tuple[Place, str]]:
    absent = [name for name in names if not (folder / name).exists()]
    return [(place, f"{folder} has no {', '.join(absent)}: it is not the folder of such a release")] if absent else []
