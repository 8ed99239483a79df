"""State of the DAGMan job of a run directory, from DAGMan's log files."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dagmaker.htcondor import eventlog
from dagmaker.htcondor.eventlog import Log
from worker.base.reading import text_or_empty
from worker.rundir import layout

REPAIR = "repair.dag"
FILES = (str(layout.DAG), REPAIR)

State = Literal["idle", "running", "held", "done", "failed", "removed", "lost"]
ACTIVE = ("idle", "running", "held")


@dataclass(frozen=True)
class DagJob:
    """The last submission of one DAG file.

    Attributes
    ----------
    file : str
        ``analysis.dag`` or ``repair.dag``.
    cluster : int
    since : str
        Local time of the last event.
    code : int or None
        DAGMan's exit code if it ended by itself.
    reason : str
        Reason of a hold or removal.
    rescue : str
        Newest rescue file; empty if there is none.
    host : str
        Submit node; empty if the log does not name it.
    """

    file: str
    cluster: int
    state: State
    submitted: str
    since: str
    code: int | None = None
    reason: str = ""
    rescue: str = ""
    host: str = ""

    @property
    def active(self) -> bool:
        """Whether it is in the queue."""
        return self.state in ACTIVE


def _state_after(event: eventlog.Event) -> tuple[State, int | None, str] | None:
    """State, exit code and reason of DAGMan after an event; None if the event does not change them."""
    if event.kind == eventlog.TERMINATED:
        code = eventlog.exit_code(event)
        return ("done" if code == 0 else "failed"), code, ""
    if event.kind == eventlog.HELD:
        return "held", None, eventlog.hold(event).reason
    if event.kind == eventlog.ABORTED:
        return "removed", None, eventlog.reason(event)
    if event.kind == eventlog.EXECUTE:
        return "running", None, ""
    if event.kind in (eventlog.SUBMIT, eventlog.RELEASED, eventlog.EVICTED):
        return "idle", None, ""
    return None


def read(run: Path, file: str) -> DagJob | None:
    """The last submission of a DAG file; None if it was never submitted."""
    job: DagJob | None = None
    submitted = host = ""
    rescues = sorted(run.glob(f"{file}.rescue[0-9]*"))
    rescue = rescues[-1].name if rescues else ""
    for event in Log(run / f"{file}.dagman.log").new():
        change = _state_after(event)
        if change is not None:
            if job is None or event.kind == eventlog.SUBMIT:
                submitted, host = event.time, eventlog.submit_host(event)
            job = DagJob(file, event.cluster, change[0], submitted, event.time, change[1], change[2], rescue, host)
    return job


def last_submissions(run: Path) -> tuple[DagJob, ...]:
    """The last submission of each DAG file, the latest last."""
    jobs = [job for file in FILES if (job := read(run, file)) is not None]
    return tuple(sorted(jobs, key=lambda job: job.submitted))


def last_error(run: Path, file: str) -> str:
    """Last error line of DAGMan's output; empty if there is none."""
    errors = [line for line in _last_lines(run, file) if _ERROR.search(line) and "ERROR: the following" not in line]
    return _without_time(errors[-1]) if errors else ""


def node_errors(run: Path, file: str, node: str, most: int = 4) -> tuple[str, ...]:
    """Error lines of DAGMan's output, from the first line that names a node on."""
    lines = _last_lines(run, file)
    begin = next((i for i, line in enumerate(lines) if node in line), len(lines))
    return tuple(
        _without_time(line) for line in lines[begin:] if "error" in line.lower() and not _NO_ERROR.search(line)
    )[:most]


_ERROR = re.compile(r"\bERROR\b(?!:? *setting)")
_NO_ERROR = re.compile(r"STATUS_ERROR|D_ERROR|IS_ERROR|ERROR: the following")


def _last_lines(run: Path, file: str) -> list[str]:
    """Last 64 kB of DAGMan's output."""
    return text_or_empty(run / f"{file}.dagman.out", 1 << 16).splitlines()


def _without_time(line: str) -> str:
    """A line without its date and time."""
    return line.partition(" ")[2].partition(" ")[2].strip()
