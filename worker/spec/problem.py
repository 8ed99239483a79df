"""A problem of a spec, and the error made of a list of problems."""

from collections.abc import Iterable
from typing import NamedTuple

from worker.base.errors import SpecError

Path = tuple[str | int, ...]


class Problem(NamedTuple):
    """Path in the document, line (from 1; 0 if unknown), and message with the cure."""

    path: Path
    line: int
    text: str


def dotted(path: Path) -> str:
    """``signal.n_sig[3]``."""
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return parts.removeprefix(".")


def error(problems: Iterable[Problem], where: str) -> SpecError:
    """Return an error with all problems, one line each, in the order of the document."""
    lines = []
    entries: dict[Problem, dict[str, str | int | None]] = {}
    for problem in sorted(problems, key=lambda p: p.line):
        file = getattr(problem.line, "file", where)  # of an included line
        place = f"{file}:{problem.line}" if problem.line else file
        path = f"{dotted(problem.path)}: " if problem.path else ""
        lines.append(f"{place}: {path}{problem.text}")
        words = {"file": file, "line": int(problem.line) or None, "path": dotted(problem.path), "message": problem.text}
        entries[problem] = words
    return SpecError("\n".join(dict.fromkeys(lines)), tuple(entries.values()))
