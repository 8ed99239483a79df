"""The source list of a catalog scan: read beside the spec, and frozen into it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worker import catalog
from worker.specfile.problem import Path as Place
from worker.specfile.problem import Problem

FILE: Place = ("scan", "file")
SHOWN = 10
DECIMALS = 3  # of declinations that are taken from sources: 3.6 arc seconds


def expand(data: dict[str, Any], lines: Mapping[Place, int]) -> list[Problem]:
    """Read scan.file into scan.sources, and write out `dec_deg: sources`; in place. Returns what was wrong.

    A list that is in the spec already is the one that counts: it is what `build` froze.
    """
    scan = data.get("scan")
    if not isinstance(scan, dict) or scan.get("kind") != "catalog":
        return []
    found: list[Problem] = []
    if isinstance(scan.get("file"), str) and scan.get("sources") is None:
        found = _read(scan, lines)
    if not found:
        _declinations(data, scan)
    return found


def _read(scan: dict[str, Any], lines: Mapping[Place, int]) -> list[Problem]:
    path, line = Path(scan["file"]), lines.get(FILE, 0)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return [
            Problem(
                FILE, line, f"{path} does not exist; write the path of a CSV file, relative to this file or absolute"
            )
        ]
    except (OSError, UnicodeDecodeError) as error:
        return [Problem(FILE, line, f"{path} cannot be read ({error}); save it as UTF-8 text")]
    sources, faults = catalog.parse(text)
    if not faults:
        scan["sources"] = catalog.text_of(sources)
        return []
    shown = [Problem(FILE, line, f"{path.name}:{fault.line}: {fault.text}") for fault in faults[:SHOWN]]
    if len(faults) > SHOWN:
        shown.append(Problem(FILE, line, f"{path.name}: and {len(faults) - SHOWN} more faults"))
    return shown


def _declinations(data: dict[str, Any], scan: Mapping[str, Any]) -> None:
    """`dec_deg: sources` becomes the declinations of the sources themselves."""
    background = data.get("background")
    if not isinstance(background, dict) or background.get("dec_deg") != "sources":
        return
    text = scan.get("sources")
    if isinstance(text, str):
        sources, faults = catalog.parse(text)
        if not faults:
            background["dec_deg"] = sorted({round(source.dec_deg, DECIMALS) + 0.0 for source in sources})
