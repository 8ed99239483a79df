"""Paths of the data section: ``${VAR}`` replaced, made absolute, and found to be there."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worker.specfile.messages import did_you_mean
from worker.specfile.problem import Path as Place
from worker.specfile.problem import Problem

KEYS: tuple[Place, ...] = (("data", "dir"), ("data", "irfs"))
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def expand(data: dict[str, Any], lines: Mapping[Place, int], base: Path) -> list[Problem]:
    """Replace the path keys of `data` in place by absolute paths; returns what was wrong with them."""
    found: list[Problem] = []
    section = data.get("data")
    if not isinstance(section, dict):
        return found
    for place in KEYS:
        text = section.get(str(place[-1]))
        if not isinstance(text, str):
            continue
        unset = [name for name in _VARIABLE.findall(text) if not os.environ.get(name)]
        found.extend(
            Problem(
                place, lines.get(place, 0), f"found {text!r}; the environment variable {name} is not set: export it"
            )
            for name in dict.fromkeys(unset)
        )
        if unset:
            continue
        path = _VARIABLE.sub(lambda match: os.environ[match.group(1)], text)
        if "$" in path or path.startswith("~") or not path:
            text = f"found {text!r}; must be a path: a variable is written ${{HOME}}, and nothing else is replaced"
            found.append(Problem(place, lines.get(place, 0), text))
            continue
        section[str(place[-1])] = os.path.abspath(base / path)  # noqa: PTH100 (keeps symbolic links, as Path.resolve does not)
    return found


def missing(spec_data: Any, lines: Mapping[Place, int]) -> list[Problem]:
    """What is not there of the files that the data section (a model of `worker.spec`) needs."""
    check = {"icetracks": _icetracks, "ic86_2011": _ic86_2011}.get(spec_data.format)
    if check is None:
        return []
    return [Problem(place, lines.get(place, 0), text) for place, text in check(spec_data)]


def _icetracks(data: Any) -> list[tuple[Place, str]]:
    folder = Path(data.dir)
    absent = _absent_folder(("data", "dir"), folder) or _absent_parts(folder, ("events", "uptime", "irfs"))
    if absent:
        return absent
    there = sorted(path.name.removesuffix("_exp.csv") for path in (folder / "events").glob("*_exp.csv"))
    found: list[tuple[Place, str]] = []
    for i, season in enumerate(data.seasons):
        if season not in there:
            have = f"{folder / 'events'} has {', '.join(there) or 'no season'}"
            found.append((("data", "seasons", i), f"found {season!r}; {have}{did_you_mean(season, there)}"))
        elif not (folder / "uptime" / f"{season}_exp.csv").is_file():
            found.append((("data", "seasons", i), f"{folder / 'uptime' / (season + '_exp.csv')} does not exist"))
    return found


def _ic86_2011(data: Any) -> list[tuple[Place, str]]:
    folder = Path(data.dir)
    files = ("AngRes.txt", "TabulatedAeff.txt", "downgoing_events.txt", "upgoing_events.txt")
    found = _absent_folder(("data", "dir"), folder) or _absent_parts(folder, files)
    if data.irfs is not None:
        irfs = Path(data.irfs)
        absent = _absent_folder(("data", "irfs"), irfs)
        if not absent and not (irfs / f"{data.irfs_config}_smearing.csv").is_file():
            there = sorted(path.name.removesuffix("_smearing.csv") for path in irfs.glob("*_smearing.csv"))
            meant = f"{irfs} has {', '.join(there) or 'no *_smearing.csv'}{did_you_mean(data.irfs_config, there)}"
            absent = [(("data", "irfs_config"), f"found {data.irfs_config!r}; {meant}")]
        found = [*found, *absent]
    return found


def _absent_folder(place: Place, folder: Path) -> list[tuple[Place, str]]:
    if folder.is_dir():
        return []
    what = "is a file, not a folder" if folder.exists() else "does not exist"
    return [(place, f"{folder} {what}; write the folder of the release, relative to this file or absolute")]


def _absent_parts(folder: Path, names: tuple[str, ...]) -> list[tuple[Place, str]]:
    absent = [name for name in names if not (folder / name).exists()]
    return (
        [(("data", "dir"), f"{folder} has no {', '.join(absent)}: it is not a folder of this format")] if absent else []
    )
