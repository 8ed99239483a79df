"""Lines of a verification and of a certificate: read from a worker, counted, shown."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from worker.base.finding import Finding

MARKS: Mapping[str, str] = {"same": "ok", "note": "but", "fault": "NOT"}


def from_json(raw: Mapping[str, Any]) -> Finding:
    """A line that a worker printed."""
    return Finding(raw["verdict"], str(raw["what"]), str(raw["found"]))


def faults(lines: Iterable[Finding]) -> list[Finding]:
    """Those that contradict the run."""
    return [line for line in lines if line.verdict == "fault"]


def text(lines: Iterable[Finding]) -> Iterator[str]:
    """One line each, for a terminal."""
    for line in lines:
        yield f"{MARKS[line.verdict]:<5}{line.what}: {line.found}"
