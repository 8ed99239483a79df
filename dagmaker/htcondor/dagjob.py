"""The DAGMan job of a run directory, from the files that it leaves: in the queue, running, held, or how it ended."""

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
        DAGMan's exit code where it ended by itself.
    reason : str
        Of a hold or removal.
    rescue : str
        Newest rescue file; empty where there is none.
    host : str
        Submit node; empty where the log does not tell.
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


def _after(event: eventlog.Event) -> tuple[State, int | None, str] | None:
    """State, exit code and reason that an event leaves DAGMan in."""
    if event.kind == eventlog.TERMINATED:
        code = eventlog.ended(event)
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
    """The last submission of a DAG file; None where it was never submitted."""
    job: DagJob | None = None
    submitted = host = ""
    rescues = sorted(run.glob(f"{file}.rescue[0-9]*"))
    rescue = rescues[-1].name if rescues else ""
    for event in Log(run / f"{file}.dagman.log").new():
        found = _after(event)
        if found is not None:
            if job is None or event.kind == eventlog.SUBMIT:
                submitted, host = event.time, eventlog.submit_host(event)
            job = DagJob(file, event.cluster, found[0], submitted, event.time, found[1], found[2], rescue, host)
    return job


def all_of(run: Path) -> tuple[DagJob, ...]:
    """The last submissions of every DAG file, the latest last."""
    found = [job for file in FILES if (job := read(run, file)) is not None]
    return tuple(sorted(found, key=lambda job: job.submitted))


def last_error(run: Path, file: str) -> str:
    """What DAGMan said when it gave up; empty where it said nothing."""
    said = [line for line in _last_lines(run, file) if _ERROR.search(line) and "ERROR: the following" not in line]
    return _text(said[-1]) if said else ""


def said_of(run: Path, file: str, node: str, most: int = 4) -> tuple[str, ...]:
    """The last errors that DAGMan told, from the first that names a node on."""
    lines = _last_lines(run, file)
    begin = next((i for i, line in enumerate(lines) if node in line), len(lines))
    return tuple(_text(line) for line in lines[begin:] if "error" in line.lower() and not _NO_ERROR.search(line))[:most]


_ERROR = re.compile(r"\bERROR\b(?!:? *setting)")
_NO_ERROR = re.compile(r"STATUS_ERROR|D_ERROR|IS_ERROR|ERROR: the following")


def _last_lines(run: Path, file: str) -> list[str]:
    """The end of DAGMan's account."""
    return text_or_empty(run / f"{file}.dagman.out", 1 << 16).splitlines()


def _text(line: str) -> str:
    """A line without its date and time."""
    return line.partition(" ")[2].partition(" ")[2].strip()
