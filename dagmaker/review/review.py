"""`dagmaker review`: verify a run directory and write a certificate."""

import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from dagmaker import interpreter, lock
from dagmaker.htcondor import dagjob, render
from dagmaker.htcondor.rounds import read_plan
from dagmaker.plan import sites
from dagmaker.review import certificate, fresh, verify_plan
from dagmaker.review.certificate import Certificate
from dagmaker.status import status_page
from worker.base.errors import DagmakerError, InputError, RefusedError, SpecError
from worker.base.finding import Finding
from worker.rundir import layout

Say = Callable[[Finding], None]
_RUN_EXIT_CODES = tuple(kind.exit_code for kind in (SpecError, InputError, RefusedError))
"""Exit codes of a worker that mean a fault of the run."""
_SHOWN = 8
_FOLDERS = (
    "batches", "collected", "logs", "openings", "prepared", "replay", "report", "results", "review", "rounds", "sealed",
    "trials", "unblinded",
)  # fmt: skip


def review(run: Path, sample: int, jobs: int, say: Say) -> Certificate:
    """Review in this environment; `say` is called with every finding.

    Raises
    ------
    InputError
        The path is not a run directory.
    """
    plan = read_plan(run)
    begin = time.monotonic()
    lines: list[Finding] = []
    token_state: dict[str, Any] = {"token": "", "why": "the review did not end", "real_sky_log": {}}
    for item in _findings(run, sample, jobs):
        if isinstance(item, Finding):
            lines.append(item)
            say(item)
        else:
            token_state = item
    if any(line.verdict == "fault" for line in lines):
        token_state |= {"token": "", "why": "the run was not reproduced"}
    return Certificate(
        name=plan.name, run=str(run.absolute()), spec_digest=plan.spec_digest,
        reviewed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        reviewer=f"{sites.user_variables()['USER']} on {platform.node()}",
        environment=os.environ.get(fresh.ENVIRONMENT_VARIABLE, _environment()),
        sample=sample, wall_s=round(time.monotonic() - begin, 1), lines=tuple(lines),
        token=str(token_state["token"]), no_token=str(token_state["why"]), real_sky_log=token_state["real_sky_log"],
    )  # fmt: skip


def _findings(run: Path, sample: int, jobs: int) -> Iterator[Finding | dict[str, Any]]:
    """Findings on the plan, then those of the worker, then its dict about the token."""
    yield from verify_plan.verify_plan(run)
    yield unknown_files(run)
    yield from _audit(run, sample, jobs)


def _audit(run: Path, sample: int, jobs: int) -> Iterator[Finding | dict[str, Any]]:
    """Findings of the worker, then its dict about the token.

    Raises
    ------
    DagmakerError
        The worker failed because of this machine or program, without finding a fault of the run.
    """
    command = [interpreter.python(), "-m", "worker", "audit", f"--run={run}", f"--sample={sample}", f"--jobs={jobs}"]
    faults = 0
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr:
        with subprocess.Popen(
            command, env=interpreter.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
            text=True,
        ) as worker:  # fmt: skip
            assert worker.stdout is not None
            for text in worker.stdout:
                raw = json.loads(text)
                faults += raw.get("verdict") == "fault"
                yield raw if "token" in raw else Finding(raw["verdict"], str(raw["what"]), str(raw["found"]))
        stderr.seek(0)
        messages = stderr.read().strip().splitlines()
    if worker.returncode == 0:
        return
    reason = messages[-1] if messages else f"it ended with exit code {worker.returncode}"
    if worker.returncode not in _RUN_EXIT_CODES and not faults:
        raise DagmakerError(f"the review did not get to its end, which says nothing of the run: {reason}")
    yield Finding("fault", "the run can be opened and compared to its end", reason)


def writable(run: Path, out: str | None) -> None:
    """Check before the review that the certificate can be written.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    folder = _folder(run, out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = f"the certificate cannot be written there ({error.strerror})"
        raise InputError(f"{folder}: {why}; say where with --out=DIR") from None


def _folder(run: Path, out: str | None) -> Path:
    return Path(out) if out else run / certificate.FOLDER


def write(run: Path, reviewed: Certificate, out: str | None) -> list[Path]:
    """Write the certificate into RUN/review, or into `out`.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    folder = _folder(run, out)
    try:
        return certificate.write(folder, reviewed)
    except (InputError, OSError) as error:
        raise InputError(f"{folder}: the certificate cannot be written: {error}; say where with --out=DIR") from None


def summary_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """Last lines of a review, from the certificate's data and `files`; none if the review failed."""
    if "error" in answer:
        return
    yield from (f"-> {path}" for path in answer["files"])
    yield f"{answer['name']}: {answer['outcome']} ({answer['wall_s']:.0f} s)"
    token = answer["token"]
    yield f"token for unblinding: {token}" if token else f"no token for unblinding: {answer['no_token']}"


def _environment() -> str:
    root = interpreter.import_path()
    where = f"the source tree {root}" if root else "the installed package"
    return f"not a fresh one: dagmaker {metadata.version('dagmaker')} of {where}, Python {platform.python_version()}"


def unknown_files(run: Path) -> Finding:
    """Files at the top of the run that neither dagmaker nor HTCondor wrote; others check the folders."""
    names = sorted(path.name for path in run.iterdir() if path.name not in set(_known()))
    dag_files = (str(layout.DAG), dagjob.REPAIR)  # verify-plan compares these and submit files
    unknown = [name for name in names if not (name.startswith(dag_files) or name.endswith((".sub", ".dot")))]
    what = "files at the top of the run directory that nothing knows"
    if not unknown:
        return Finding("same", what, "none")
    more = f"; and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
    return Finding("note", what, ", ".join(unknown[:_SHOWN]) + more)


def _known() -> Iterator[str]:
    yield from _FOLDERS
    yield from (lock.NAME, str(status_page.FILE), "dagman.config", str(render.SANDBOX))
    yield from map(str, (layout.SPEC, layout.PLAN, layout.BUILD, layout.CRATE))
