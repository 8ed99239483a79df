"""audit: all comparisons of `dagmaker review`; prints one line of JSON per comparison as soon as it is made."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from worker.base.errors import DagmakerError, InputError, RefusedError
from worker.base.finding import Finding
from worker.blinding import clearance, unblinding_log
from worker.review import (
    aggregates,
    files,
    pages,
    run_conditions,
    trial_files,
    unblinding,
    unknown_files,
)  # fmt: skip
from worker.rundir.ledger import Run, open_run
from worker.tasks import scratch_run

_DAMAGE_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Errors that a damaged file causes; an OSError or MemoryError is no fault of the run."""


def audit(path: Path, sample: int, jobs: int) -> dict[str, Any]:
    """Print all findings, then the token if nothing forbids unblinding; returns both."""
    run = open_run(path)
    findings: list[dict[str, Any]] = []
    for finding in _findings(run, sample, jobs):
        findings.append(finding._asdict())
        print(json.dumps(findings[-1]), flush=True)
    last = {**_token(run, sum(finding["verdict"] == "fault" for finding in findings)), "real_sky_log": _log(run)}
    print(json.dumps(last), flush=True)
    return {"findings": findings, **last}


def _findings(run: Run, sample: int, jobs: int) -> Iterator[Finding]:
    """All comparisons; if a damaged file prevents one, this is a fault and the others continue."""
    holes: set[str] = set()
    yield from guarded("files that were allowed to be missing", lambda: _holes(run, holes))
    yield from guarded("the plug-in", lambda: run_conditions.plugin(run))
    yield from guarded("the prepared data", lambda: [run_conditions.prepared(run)])
    yield from guarded("the tables of the engine", lambda: run_conditions.tables(run))
    yield from guarded("every file of the plan", lambda: files.findings(run, jobs, holes))
    yield from guarded("tilts chosen again", lambda: trial_files.tilts(run))
    yield from guarded("trials made again", lambda: trial_files.findings(run, sample, jobs, holes))
    with scratch_run.create(run, trials=True, opened=not unblinding.why_closed(run)) as root:
        yield from guarded("results made again", lambda: aggregates.findings(run, root, holes))
        yield from guarded("the summary", lambda: aggregates.summary_findings(run, root))
        yield from guarded("the report", lambda: pages.findings(run, root))
        yield from guarded("files that no plan knows", lambda: [unknown_files.finding(run, root)])
    yield from guarded("allowed holes", lambda: run_conditions.holes(holes))
    yield from guarded("the checks", lambda: run_conditions.checks(run))
    yield from guarded("versions and code", lambda: run_conditions.software(run))
    yield from guarded("origin of trials", lambda: run_conditions.origins(run))
    yield from guarded("the real sky", lambda: unblinding.findings(run, jobs))


def _holes(run: Run, holes: set[str]) -> Iterator[Finding]:
    holes |= files.holes(run)
    yield from ()


def guarded(what: str, compare: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Findings of a comparison, or a fault if a damaged file prevents it."""
    try:
        yield from compare()
    except (InputError, RefusedError) as error:
        yield Finding("fault", what, f"cannot be compared: {error}")
    except _DAMAGE_ERRORS as error:
        why = f"cannot be compared: a file is not what its task writes ({type(error).__name__}: {error})"
        yield Finding("fault", what, why)


def _token(run: Run, faults: int) -> dict[str, str]:
    """The token, or the reason for its absence."""
    if faults:
        return {"token": "", "why": "the run was not reproduced"}
    try:
        return {"token": clearance.of(run).token, "why": ""}
    except RefusedError as error:
        return {"token": "", "why": str(error)}


def _log(run: Run) -> dict[str, Any]:
    """State of the log of the real sky, for the certificate."""
    try:
        return unblinding_log.read(run).state()
    except DagmakerError:
        return {"lines": 0, "sha256": ""}
