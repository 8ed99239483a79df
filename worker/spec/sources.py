"""The source list of a catalog scan: read with the spec, and frozen into it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from worker.spec import catalog, characters
from worker.spec.problem import Path as Place
from worker.spec.problem import Problem
from worker.spec.text import NotTextError, read_text

FILE: Place = ("scan", "file")
SHOWN = 10
DECIMALS = 3  # of declinations that are taken from sources: 3.6 arc seconds


def expand(data: dict[str, Any], lines: Mapping[Place, int], unknown: bool = False) -> list[Problem]:
    """Read scan.file into scan.sources, and expand `dec_deg: sources`, in place; return the problems.

    A list that is already in the spec (frozen by `build`) is used as it is. `unknown`: the path of the file is invalid,
    which has its own message.
    """
    scan = data.get("scan")
    if not isinstance(scan, dict) or scan.get("kind") != "catalog":
        return []
    problems: list[Problem] = []
    if isinstance(scan.get("file"), str) and scan.get("sources") is None and not unknown:
        problems = _read(scan, lines)
    _declinations(data, scan)
    return problems


def _read(scan: dict[str, Any], lines: Mapping[Place, int]) -> list[Problem]:
    path, line = Path(scan["file"]), lines.get(FILE, 0)
    try:
        text = read_text(path, "utf-8-sig")
    except FileNotFoundError:
        return [
            Problem(
                FILE, line, f"{path} does not exist; write the path of a CSV file, relative to this file or absolute"
            )
        ]
    except NotTextError as error:
        return [Problem(FILE, line, f"{path} {error}")]
    sources, faults = catalog.parse(text)
    if not faults:
        scan["sources"] = catalog.text_of(sources)
        return []
    rows = text.splitlines()
    shown = [Problem(FILE, line, f"{path.name}:{fault.line}: {_words(fault, rows)}") for fault in faults[:SHOWN]]
    if len(faults) > SHOWN:
        shown.append(Problem(FILE, line, f"{path.name}: and {len(faults) - SHOWN} more faults"))
    return shown


def _words(fault: catalog.Fault, rows: Sequence[str]) -> str:
    """Return the fault of a line, with the invisible character in it, if there is one."""
    odd = characters.sentence(rows[fault.line - 1]) if fault.line <= len(rows) else None
    return fault.text if odd is None else f"{odd}; {fault.text}"


def _declinations(data: dict[str, Any], scan: Mapping[str, Any]) -> None:
    """Replace `dec_deg: sources` by the declinations of the sources, or any grid if the list has faults."""
    background = data.get("background")
    if not isinstance(background, dict) or background.get("dec_deg") != "sources":
        return
    text = scan.get("sources")
    sources, faults = catalog.parse(text) if isinstance(text, str) else ((), [])
    decs = {round(source.dec_deg, DECIMALS) + 0.0 for source in sources} if not faults else set()
    background["dec_deg"] = sorted(decs) or [0.0]
