"""Rounds of an adaptive analysis: trials, number of rounds and state of the goal per point."""

from collections.abc import Iterator, Mapping
from typing import Any

from worker.report import formats
from worker.report.results import Results
from worker.report.tables import Table
from worker.spec.point import Point

Row = Mapping[str, Any]


def table(results: Results) -> Table:
    """One row per point and spectrum; none if the analysis is not adaptive."""
    head = (
        results.points.title,
        "γ",
        "signal trials",
        "background trials",
        "rounds",
        "error of the sensitivity",
        "goal",
    )
    return Table(head, list(_rows(results)) if results.summary.get("rounds") else [])


def _rows(results: Results) -> Iterator[tuple[str, ...]]:
    points = results.points
    background = {points.of(row): row["n"] for row in results.summary.get("background") or []}
    goal = results.run.spec.goal.sensitivity_error
    for part in results.spectra:
        for row in points.sort(part.get("sensitivity")):
            at, gamma = points.of(row), row["gamma"]
            yield (
                points.text(at),
                f"{gamma:g}",
                formats.plain(_signal_trials(results, at, gamma)),
                formats.plain(background.get(at)),
                str(_rounds_of(results, at, gamma)),
                _error(row),
                _verdict(row, goal),
            )


def _rounds_at(results: Results, at: Point, gamma: float) -> Iterator[Row]:
    """Decisions of all rounds at a point."""
    for decision in results.summary["rounds"]:
        yield from (row for row in decision["points"] if (results.points.of(row), row["gamma"]) == (at, gamma))


def _rounds_of(results: Results, at: Point, gamma: float) -> int:
    return sum(bool(row["add"]) for row in _rounds_at(results, at, gamma))


def _signal_trials(results: Results, at: Point, gamma: float) -> int | None:
    last = list(_rounds_at(results, at, gamma))[-1:]
    return last[0]["n_trials"] + sum(add["n"] for add in last[0]["add"]) if last else None


def _relative(row: Row) -> float | None:
    return row["n_sig_error"] / row["n_sig"] if row.get("n_sig") and row.get("n_sig_error") else None


def _error(row: Row) -> str:
    error = _relative(row)
    return formats.NONE if error is None else f"{100 * error:.2g} %"


def _verdict(row: Row, goal: float | None) -> str:
    error = _relative(row)
    if goal is None:
        return formats.NONE
    return f"{100 * goal:g} %: " + ("reached" if error is not None and error <= goal else "not reached")
