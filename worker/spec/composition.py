"""``include`` and ``vary``: a document becomes the complete one before anything else reads it.

Neither is a key of `worker.spec.sections.Spec`: the frozen spec has what they stand for.
"""

from pathlib import Path
from typing import Any

from worker.spec.problem import Path as Place
from worker.spec.problem import Problem
from worker.spec.reader import UnreadableError, read
from worker.spec.text import NotTextError, read_text

INCLUDE, VARY = "include", "vary"
KEYS = {INCLUDE: "string", VARY: "object"}
"""The keys, and their types in the schema."""
_GAMMA: Place = ("signal", "gamma")
MAX_FILE_NAME = 255
"""Of common file systems."""


class IncludedLine(int):
    """A line of the included file; `file` is its path."""

    file: str

    @classmethod
    def of(cls, line: int, file: Path) -> "IncludedLine":
        """Line `line` of `file`."""
        made = cls(line)
        made.file = str(file)
        return made


def complete(data: dict[str, Any], lines: dict[Place, int], base: Path) -> list[Problem]:
    """Merge the included file into `data` and write out what varies, in place; return the problems.

    Parameters
    ----------
    data : dict
        The document. Its own values win; sections are merged key by key, lists are taken whole.
    lines : dict
        Line of each place; included places get an `IncludedLine`.
    base : Path
        Folder of the spec.
    """
    problems = _vary(data, lines)
    if INCLUDE not in data:
        return problems
    name, line = data.pop(INCLUDE), lines.get((INCLUDE,), 0)
    if not isinstance(name, str) or not 0 < len(name) <= MAX_FILE_NAME or Path(name).name != name:
        text = (
            f"found {name!r:.60}; must be the name of a file in the folder of this one, where relative paths begin: "
            "write e.g. include: base.yaml"
        )
        return [*problems, Problem((INCLUDE,), line, text)]
    return [*problems, *_merge_file(data, lines, base / name, line)]


def _merge_file(data: dict[str, Any], lines: dict[Place, int], file: Path, line: int) -> list[Problem]:
    try:
        document = read(read_text(file))
    except FileNotFoundError:
        return [Problem((INCLUDE,), line, f"{file} does not exist; write the name of a spec in this folder")]
    except (NotTextError, UnreadableError) as error:
        at = f":{error.problem.line}" if isinstance(error, UnreadableError) else ""
        return [Problem((INCLUDE,), line, f"{file}{at}: {error}")]
    theirs = {place: IncludedLine.of(number, file) for place, number in document.lines.items()}
    problems = [fault._replace(line=IncludedLine.of(fault.line, file)) for fault in document.problems]
    for key in KEYS:
        if key in document.data:
            del document.data[key]
            problems.append(
                Problem((key,), theirs[key,], f"an included file has no {key}; write it in the spec that includes it")
            )
    _merge(data, document.data, lines, theirs, ())
    return problems


def _merge(
    own: dict[str, Any], other: dict[str, Any], lines: dict[Place, int], theirs: dict[Place, IncludedLine], at: Place
) -> None:
    for key, value in other.items():
        place = (*at, key)
        if key not in own:
            own[key] = value
            lines.update({inner: line for inner, line in theirs.items() if inner[: len(place)] == place})
        elif isinstance(own[key], dict) and isinstance(value, dict):
            lines.setdefault(place, theirs[place])  # a section that `vary` made
            _merge(own[key], value, lines, theirs, place)


def _vary(data: dict[str, Any], lines: dict[Place, int]) -> list[Problem]:
    """Write ``vary: {signal.gamma: [...]}`` as the spectra of the run; nothing else can vary within one run."""
    if VARY not in data:
        return []
    given, line = data.pop(VARY), lines.get((VARY,), 0)
    if not isinstance(given, dict) or not given:
        return [Problem((VARY,), line, f"found {given!r:.60}; write e.g. vary: {{signal.gamma: [2, 2.5, 3]}}")]
    problems = []
    for key, values in given.items():
        place = (VARY, key)
        if key != "signal.gamma":
            text = (
                "one run can vary signal.gamma only, since background trials and skies serve all spectra; make a run "
                f"for each value: dagmaker run SPEC --set {key!s:.60}=VALUE --run=RUN"
            )
        elif not isinstance(values, list):
            text = f"found {values!r:.60}; must be a list of values: [2, 2.5, 3]"
        elif not isinstance(data.setdefault("signal", {}), dict):
            continue  # which has its own message
        elif "gamma" in data["signal"]:
            text = f"signal.gamma is written too (line {lines.get(_GAMMA, 0)}); keep one of them"
        else:
            data["signal"]["gamma"] = values
            lines |= {(*_GAMMA, *inner[2:]): number for inner, number in lines.items() if inner[:2] == place}
            continue
        problems.append(Problem(place, lines.get(place, line), text))
    return problems
