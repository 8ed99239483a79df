"""Findings: filtered, as text."""

from collections.abc import Iterable, Iterator, Mapping

from worker.base.finding import Finding

MARKS: Mapping[str, str] = {"same": "ok", "note": "but", "fault": "NOT"}


def faults(lines: Iterable[Finding]) -> list[Finding]:
    """Findings with verdict `fault`."""
    return [line for line in lines if line.verdict == "fault"]


def text(lines: Iterable[Finding]) -> Iterator[str]:
    """One line per finding, for the terminal."""
    for line in lines:
        yield f"{MARKS[line.verdict]:<5}{line.what}: {line.found}"
