"""Source lists of a catalog scan and of stacking: read with the spec, and frozen into it."""

from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from worker.spec import catalog, catalogue, characters, paths
from worker.spec.problem import Path as Place
from worker.spec.problem import Problem
from worker.spec.text import NotTextError, read_text

FILE: Place = ("scan", "file")
SHOWN = 10
DECIMALS = 3  # of declinations that are taken from sources: 3.6 arc seconds


def expand(data: dict[str, Any], lines: Mapping[Place, int], unknown: Container[Place] = ()) -> list[Problem]:
    """Read the files of scan and catalogues into their `sources`, and expand `dec_deg: sources`, in place.

    Returns the problems. A list that is already in the spec (frozen by `build`) is used as it is. `unknown`: paths of
    files that are invalid, which has its own message.
    """
    problems: list[Problem] = []
    for name, one in paths.catalogues(data):
        place: Place = ("hypothesis", "catalogues", name, "file")
        weights = one.get("weights", catalogue.EQUAL)
        if isinstance(weights, str) and place not in unknown:
            parse, text_of = partial(catalogue.parse, weights=weights), partial(catalogue.text_of, weights=weights)
            problems += _read(one, place, lines.get(place, 0), parse, text_of)
    scan = data.get("scan")
    if not isinstance(scan, dict) or scan.get("kind") != "catalog":
        return problems
    if FILE not in unknown:
        problems += _read(scan, FILE, lines.get(FILE, 0), catalog.parse, catalog.text_of)
    _declinations(data, scan)
    return problems


def _read(
    section: dict[str, Any], place: Place, line: int, parse: Callable[[str], Any], text_of: Callable[[Any], str]
) -> list[Problem]:
    """Read the file of a section into its `sources`, unless it has them or no file."""
    if not isinstance(section.get("file"), str) or section.get("sources") is not None:
        return []
    path = Path(section["file"])
    try:
        text = read_text(path, "utf-8-sig")
    except FileNotFoundError:
        cure = "write the path of a CSV file, relative to this file or absolute"
        return [Problem(place, line, f"{path} does not exist; {cure}")]
    except NotTextError as error:
        return [Problem(place, line, f"{path} {error}")]
    sources, faults = parse(text)
    if not faults:
        section["sources"] = text_of(sources)
        return []
    rows = text.splitlines()
    shown = [Problem(place, line, f"{path.name}:{fault.line}: {_words(fault, rows)}") for fault in faults[:SHOWN]]
    if len(faults) > SHOWN:
        shown.append(Problem(place, line, f"{path.name}: and {len(faults) - SHOWN} more faults"))
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
