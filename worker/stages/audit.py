"""audit: what `dagmaker review` asks a worker to compare, one line of JSON per comparison as soon as it is made."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worker.audit import aggregates, circumstances, files, pages, replays
from worker.audit.finding import Finding
from worker.errors import RefusedError
from worker.ledger import Run, open_run
from worker.stages import clearance, scratch, unblind


def audit(path: Path, sample: int, jobs: int) -> dict[str, Any]:
    """Print findings, and at the end the token where nothing speaks against unblinding; returns all of it."""
    run = open_run(path)
    told: list[dict[str, Any]] = []
    for found in _findings(run, sample, jobs):
        told.append(found._asdict())
        print(json.dumps(told[-1]), flush=True)
    token = _token(run, sum(found["verdict"] == "fault" for found in told))
    print(json.dumps(token), flush=True)
    return {"findings": told, **token}


def _findings(run: Run, sample: int, jobs: int) -> Iterator[Finding]:
    holes = files.holes(run)
    yield circumstances.prepared(run)
    yield from files.findings(run, jobs, holes)
    yield from replays.findings(run, sample, jobs, holes)
    with scratch.beside(run, trials=True) as root:
        yield from aggregates.findings(run, root, holes)
        yield from aggregates.summary_findings(run, root)
        yield from pages.findings(run, root)
    yield from circumstances.holes(holes)
    yield from circumstances.checks(run)
    yield from circumstances.software(run)
    yield from unblind.findings(run, jobs)


def _token(run: Run, faults: int) -> dict[str, str]:
    """The token, or why there is none."""
    if faults:
        return {"token": "", "why": "the run was not reproduced"}
    try:
        return {"token": clearance.of(run).token, "why": ""}
    except RefusedError as error:
        return {"token": "", "why": str(error)}
