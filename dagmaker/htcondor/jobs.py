"""What the event log of one kind of task adds up to: which processes wait, run, are held or have failed."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from dagmaker.htcondor import eventlog
from dagmaker.htcondor.eventlog import Event, Hold, Log

RATE_OVER_S = 600.0
# Why DAGMan itself removes processes: another of their node has failed, or the DAG ends. That is no fault of theirs.
BY_DAGMAN = ("Node Error", "DAG ", "DAGMan", "removed because <OtherJobRemoveRequirements")

Where = tuple[str, int]
"""Name of a DAG node and number of a process in it."""


@dataclass(slots=True)
class Job:
    """A process in the queue, as its last event leaves it since that event's time."""

    state: Literal["idle", "running", "held"] = "idle"
    host: str = ""
    hold: Hold | None = None
    since: str = ""


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
    removed : dict of (node, process) to str
        Why a process was removed from the queue, if neither by DAGMan nor while held; forgotten as `failed` is.
    ended : dict of (node, process) to str
        When a process last ended badly or was removed.
    went_well : dict of node to set of int
        Processes whose last end was good.
    took : list of float, s
        Wall times of good ends.
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
    removed: dict[Where, str] = field(default_factory=dict)
    ended: dict[Where, str] = field(default_factory=dict)
    went_well: dict[str, set[int]] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
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
            self.live[key] = Job("running", eventlog.host(event), since=event.time)
        elif event.kind == eventlog.HELD:
            self.live[key] = Job("held", self._host(key), eventlog.hold(event), event.time)
        elif event.kind == eventlog.TERMINATED:
            self._ended(event, eventlog.ended(event))
        elif event.kind == eventlog.ABORTED:
            self._removed(event)
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
        self.live[event.cluster, event.process] = Job(since=event.time)
        self._forget(self.where((event.cluster, event.process)))

    def _forget(self, where: Where) -> None:
        """What was known of the last end of a process that is tried anew."""
        self.failed.pop(where, None)
        self.removed.pop(where, None)
        self.ended.pop(where, None)
        self.went_well.get(where[0], set()).discard(where[1])

    def _ended(self, event: Event, code: int | None) -> None:
        job = self.live.pop((event.cluster, event.process), Job())
        where = self.where((event.cluster, event.process))
        count = self.hosts.setdefault(job.host, HostCount())
        self._forget(where)
        if code == 0:
            count.well += 1
            self.well += 1
            self.ends[event.time] += 1
            self.went_well.setdefault(where[0], set()).add(where[1])
            if job.state == "running":
                self.took.append(seconds(event.time) - seconds(job.since))
        else:
            count.badly += 1
            self.failed[where] = Failure(code, job.host, None)
            self.ended[where] = event.time

    def _removed(self, event: Event) -> None:
        key = event.cluster, event.process
        job, where, why = self.live.pop(key, None), self.where(key), eventlog.reason(event)
        if job is not None and job.state == "held":
            self.failed[where] = Failure(None, job.host, job.hold)
        elif not why.startswith(BY_DAGMAN):
            self.removed[where] = why
        else:
            return
        self.ended[where] = event.time

    def _back_to_the_queue(self, event: Event) -> None:
        key = event.cluster, event.process
        code = eventlog.ended(event) if event.kind == eventlog.EVICTED else None
        if code not in (None, 0):
            self.repeated += 1
            self.hosts.setdefault(self._host(key), HostCount()).badly += 1
        self.live[key] = Job(since=event.time)

    def per_second(self, now: float | None = None) -> float | None:
        """Good ends per second in the last minutes that had any; None where there were none.

        Parameters
        ----------
        now : float, optional, s
            Time that the minutes without an end reach to, where processes are at work: the longer none ends, the lower.
        """
        if not self.ends:
            return None
        last = seconds(max(self.ends))
        begin = max(last - RATE_OVER_S, min(last, seconds(self.first_start)))
        until = last if now is None else max(now, last)
        return sum(n for text, n in self.ends.items() if seconds(text) >= begin) / max(until - begin, 1.0)

    def take_held(self, held: Iterable[tuple[int, int, Hold]], at: float) -> None:
        """Take the schedd's word on processes that were on hold at a time, where the log tells of nothing later."""
        for cluster, process, why in held:
            job = self.live.get((cluster, process))
            if job is not None and job.state != "held" and seconds(job.since) < at:
                self.live[cluster, process] = Job("held", job.host, why, job.since)

    def forget_before(self, time: str) -> None:
        """Drop processes in the queue whose last event is older: they belonged to a queue that was lost."""
        for key in [key for key, job in self.live.items() if job.since < time]:
            del self.live[key]


@lru_cache(maxsize=4096)
def seconds(text: str) -> float:
    """Time of an event as seconds since 1970, from the submit host's local time; 0 for what is no time."""
    try:
        if "-" in text:
            return datetime.fromisoformat(text).timestamp()
        return datetime.strptime(f"{datetime.now().year}/{text}", "%Y/%m/%d %H:%M:%S").timestamp()
    except (ValueError, OverflowError):
        return 0.0


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
