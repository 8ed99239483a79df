"""What the event log of one kind of task adds up to: which processes wait, run, are held or have failed."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from dagmaker.condor import eventlog
from dagmaker.condor.eventlog import Event, Hold, Log

RATE_OVER_S = 600.0

Where = tuple[str, int]
"""Name of a DAG node and number of a process in it."""


@dataclass(slots=True)
class Job:
    """A process in the queue, as its last event leaves it."""

    state: Literal["idle", "running", "held"] = "idle"
    host: str = ""
    hold: Hold | None = None


class Failure(NamedTuple):
    """How a process ended, if not well.

    Attributes
    ----------
    code : int or None
        Exit code, or minus the signal; None where it was removed while held.
    """

    code: int | None
    host: str
    hold: Hold | None


@dataclass
class HostCount:
    """Tries that ended on a machine."""

    well: int = 0
    badly: int = 0


@dataclass
class Jobs:
    """All processes of one kind of task that HTCondor was ever given.

    Attributes
    ----------
    live : dict of (cluster, process) to Job
    failed : dict of (node, process) to Failure
        Last ends that were not good; forgotten when the process is submitted again.
    repeated : int
        Tries that failed and were started again by HTCondor.
    well : int
        Ends with exit code 0.
    ends : Counter of str
        Good ends by the second.
    first_start : str
    """

    live: dict[tuple[int, int], Job] = field(default_factory=dict)
    failed: dict[Where, Failure] = field(default_factory=dict)
    hosts: dict[str, HostCount] = field(default_factory=dict)
    repeated: int = 0
    well: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    first_start: str = ""
    last: str = ""
    _names: dict[int, str] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Add one event."""
        self.last = event.time
        key = event.cluster, event.process
        if event.kind in (eventlog.SUBMIT, eventlog.FACTORY_SUBMIT):
            self._submitted(event)
        elif event.kind == eventlog.EXECUTE:
            self.first_start = self.first_start or event.time
            self.live[key] = Job("running", eventlog.host(event))
        elif event.kind == eventlog.HELD:
            self.live[key] = Job("held", self._host(key), eventlog.hold(event))
        elif event.kind == eventlog.TERMINATED:
            self._ended(event, eventlog.ended(event))
        elif event.kind == eventlog.ABORTED:
            self._removed(key)
        else:
            self._back_to_the_queue(event)

    def where(self, key: tuple[int, int]) -> Where:
        """Node and number of a process in the queue."""
        return self._names.get(key[0], "?"), key[1]

    def _host(self, key: tuple[int, int]) -> str:
        job = self.live.get(key)
        return job.host if job else ""

    def _submitted(self, event: Event) -> None:
        name = eventlog.node(event)
        if name is not None:
            self._names[event.cluster] = name
        if event.process < 0:
            return
        self.live[event.cluster, event.process] = Job()
        self.failed.pop((self._names.get(event.cluster, "?"), event.process), None)

    def _ended(self, event: Event, code: int | None) -> None:
        job = self.live.pop((event.cluster, event.process), Job())
        where = self.where((event.cluster, event.process))
        count = self.hosts.setdefault(job.host, HostCount())
        if code == 0:
            count.well += 1
            self.well += 1
            self.ends[event.time] += 1
            self.failed.pop(where, None)
        else:
            count.badly += 1
            self.failed[where] = Failure(code, job.host, None)

    def _removed(self, key: tuple[int, int]) -> None:
        job = self.live.pop(key, None)
        if job is not None and job.state == "held":
            self.failed[self.where(key)] = Failure(None, job.host, job.hold)

    def _back_to_the_queue(self, event: Event) -> None:
        key = event.cluster, event.process
        code = eventlog.ended(event) if event.kind == eventlog.EVICTED else None
        if code not in (None, 0):
            self.repeated += 1
            self.hosts.setdefault(self._host(key), HostCount()).badly += 1
        self.live[key] = Job()

    def per_second(self) -> float | None:
        """Good ends per second in the last minutes that had any; None where there were none."""
        if not self.ends:
            return None
        last = seconds(max(self.ends))
        begin = max(last - RATE_OVER_S, min(last, seconds(self.first_start)))
        return sum(n for text, n in self.ends.items() if seconds(text) >= begin) / max(last - begin, 1.0)


def seconds(text: str) -> float:
    """Time of an event as seconds since 1970, from the submit host's local time."""
    if "-" in text:
        return datetime.fromisoformat(text).timestamp()
    return datetime.strptime(f"{datetime.now().year}/{text}", "%Y/%m/%d %H:%M:%S").timestamp()


class Tracker:
    """The log of a kind of task, followed."""

    def __init__(self, path: Path) -> None:
        self._log = Log(path)
        self.jobs = Jobs()

    def follow(self) -> Jobs:
        """Take in what is new."""
        if self._log.restarted():
            self.jobs = Jobs()
        for event in self._log.new():
            self.jobs.take(event)
        return self.jobs
