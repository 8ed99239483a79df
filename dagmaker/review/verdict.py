"""What was compared, and what came of it: the lines of a verification and of a certificate."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

Verdict = Literal["same", "note", "fault"]
MARKS: Mapping[str, str] = {"same": "ok", "note": "but", "fault": "NOT"}


class Line(NamedTuple):
    """One comparison.

    Attributes
    ----------
    verdict : str
        same; note: nothing contradicts the run, and a reader should know; fault: it is not what it says it is.
    what : str
        What was compared with what.
    found : str
    """

    verdict: Verdict
    what: str
    found: str


def from_json(raw: Mapping[str, Any]) -> Line:
    """A line that a worker printed."""
    return Line(raw["verdict"], str(raw["what"]), str(raw["found"]))


def faults(lines: Iterable[Line]) -> list[Line]:
    """Those that contradict the run."""
    return [line for line in lines if line.verdict == "fault"]


def text(lines: Iterable[Line]) -> Iterator[str]:
    """One line each, for a terminal."""
    for line in lines:
        yield f"{MARKS[line.verdict]:<5}{line.what}: {line.found}"
