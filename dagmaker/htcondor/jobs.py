"""State of all processes of a task, from its event log: idle, running, held or failed."""

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
# Reasons of removals by DAGMan: another process of the node failed, or the DAG ends.
BY_DAGMAN = ("Node Error", "DAG ", "DAGMan", "removed because <OtherJobRemoveRequirements")

ProcessKey = tuple[str, int]
"""Name of a DAG node, and number of a process in it."""


@dataclass(slots=True)
class Job:
    """A process in the queue: its state since its last event."""

    state: Literal["idle", "running", "held"] = "idle"
    host: str = ""
    hold: Hold | None = None
    since: str = ""


class Failure(NamedTuple):
    """How a process failed.

    Attributes
    ----------
    code : int or None
        Exit code, or minus the signal; None if it was removed while held.
    """

    code: int | None
    host: str
    hold: Hold | None


@dataclass
class HostCount:
    """Numbers of processes that ended on a machine."""

    succeeded: int = 0
    failed: int = 0


@dataclass
class Jobs:
    """All processes of one task that were ever submitted.

    Attributes
    ----------
    live : dict of (cluster, process) to Job
    failed : dict of (node, process) to Failure
        Last failures; dropped when the process is submitted again.
    removed : dict of (node, process) to str
        Reasons of removals that were neither by DAGMan nor while held; dropped like `failed`.
    ended : dict of (node, process) to str
        Time of the last failure or removal.
    ended_well : dict of node to set of int
        Processes whose last end was successful.
    wall_times_s : list of float, s
        Wall times of successful processes.
    repeated : int
        Failed tries that HTCondor started again.
    succeeded : int
        Ends with exit code 0.
    ends : Counter of str
        Number of successful ends per second of the log.
    first_start : str
    """

    live: dict[tuple[int, int], Job] = field(default_factory=dict)
    failed: dict[ProcessKey, Failure] = field(default_factory=dict)
    removed: dict[ProcessKey, str] = field(default_factory=dict)
    ended: dict[ProcessKey, str] = field(default_factory=dict)
    ended_well: dict[str, set[int]] = field(default_factory=dict)
    wall_times_s: list[float] = field(default_factory=list)
    hosts: dict[str, HostCount] = field(default_factory=dict)
    repeated: int = 0
    succeeded: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    first_start: str = ""
    last: str = ""
    _names: dict[int, str] = field(default_factory=dict)

    def add_event(self, event: Event) -> None:
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
            self._ended(event, eventlog.exit_code(event))
        elif event.kind == eventlog.ABORTED:
            self._removed(event)
        else:
            self._requeued(event)

    def process_key(self, key: tuple[int, int]) -> ProcessKey:
        """Node and number of a process, from its cluster and process id."""
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
        self._drop_last_end(self.process_key((event.cluster, event.process)))

    def _drop_last_end(self, process_key: ProcessKey) -> None:
        """Drop the record of the last end of a process that starts again."""
        self.failed.pop(process_key, None)
        self.removed.pop(process_key, None)
        self.ended.pop(process_key, None)
        self.ended_well.get(process_key[0], set()).discard(process_key[1])

    def _ended(self, event: Event, code: int | None) -> None:
        job = self.live.pop((event.cluster, event.process), Job())
        process_key = self.process_key((event.cluster, event.process))
        count = self.hosts.setdefault(job.host, HostCount())
        self._drop_last_end(process_key)
        if code == 0:
            count.succeeded += 1
            self.succeeded += 1
            self.ends[event.time] += 1
            self.ended_well.setdefault(process_key[0], set()).add(process_key[1])
            if job.state == "running":
                self.wall_times_s.append(seconds(event.time) - seconds(job.since))
        else:
            count.failed += 1
            self.failed[process_key] = Failure(code, job.host, None)
            self.ended[process_key] = event.time

    def _removed(self, event: Event) -> None:
        key = event.cluster, event.process
        job, process_key, why = self.live.pop(key, None), self.process_key(key), eventlog.reason(event)
        if job is not None and job.state == "held":
            self.failed[process_key] = Failure(None, job.host, job.hold)
        elif not why.startswith(BY_DAGMAN):
            self.removed[process_key] = why
        else:
            return
        self.ended[process_key] = event.time

    def _requeued(self, event: Event) -> None:
        key = event.cluster, event.process
        code = eventlog.exit_code(event) if event.kind == eventlog.EVICTED else None
        if code not in (None, 0):
            self.repeated += 1
            self.hosts.setdefault(self._host(key), HostCount()).failed += 1
        self.live[key] = Job(since=event.time)

    def per_second(self, now: float | None = None) -> float | None:
        """Successful ends per second in the last ten minutes that had any; None without any.

        Parameters
        ----------
        now : float, optional, s
            Present time if processes are at work: the rate falls while none ends.
        """
        if not self.ends:
            return None
        last = seconds(max(self.ends))
        begin = max(last - RATE_OVER_S, min(last, seconds(self.first_start)))
        until = last if now is None else max(now, last)
        return sum(n for text, n in self.ends.items() if seconds(text) >= begin) / max(until - begin, 1.0)

    def add_held(self, held: Iterable[tuple[int, int, Hold]], at: float) -> None:
        """Mark processes as held that the schedd reported as held, if the log has no later event."""
        for cluster, process, why in held:
            job = self.live.get((cluster, process))
            if job is not None and job.state != "held" and seconds(job.since) < at:
                self.live[cluster, process] = Job("held", job.host, why, job.since)

    def drop_before(self, time: str) -> None:
        """Drop processes whose last event is older: their queue was lost."""
        for key in [key for key, job in self.live.items() if job.since < time]:
            del self.live[key]


@lru_cache(maxsize=4096)
def seconds(text: str) -> float:
    """Time of an event, s since 1970, from local time of the submit host; 0 if the text is no time."""
    try:
        if "-" in text:
            return datetime.fromisoformat(text).timestamp()
        return datetime.strptime(f"{datetime.now().year}/{text}", "%Y/%m/%d %H:%M:%S").timestamp()
    except (ValueError, OverflowError):
        return 0.0


class Tracker:
    """The jobs of a task, updated from its event log."""

    def __init__(self, path: Path) -> None:
        self._log = Log(path)
        self.jobs = Jobs()

    def follow(self) -> Jobs:
        """Read new events; the jobs."""
        if self._log.restarted():
            self.jobs = Jobs()
        for event in self._log.new():
            self.jobs.add_event(event)
        return self.jobs
