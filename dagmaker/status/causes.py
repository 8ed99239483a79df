"""Failed and held processes grouped by cause, with their last lines of stderr and the change to make."""

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dagmaker.htcondor import holds
from dagmaker.htcondor.eventlog import Hold
from dagmaker.htcondor.jobs import HostCount, ProcessKey
from dagmaker.htcondor.submitfile import SubmitFile
from dagmaker.status import failures
from worker.base import shell
from worker.base.reading import text_or_empty

READ = 200  # most error files per task and exit code; further processes count as the commonest cause
TAIL_LINES = 4
TAIL_BYTES = 8192
_OTHER = re.compile(r"/\S+|[-+]?\d+(\.\d+)?")  # paths and numbers do not distinguish causes
BAD_HOST = 3  # failures on a machine without success, while tries elsewhere succeed

CURES = {
    1: "read the lines above; the line `by hand` shows it whole",
    2: "correct the spec, `dagmaker build SPEC --run=RUN` again",
    3: "what the last line says; `dagmaker repair RUN` finds and replaces missing and corrupt files",
    4: "`dagmaker repair RUN` makes what is missing",
    85: "submit again: it resumes where it stopped",
    -9: "killed from outside: out of memory? resources.request_memory_mb: {memory}  (now {now})",
    -11: "a crash of compiled code: run the line `by hand`; on one machine only, exclude it",
}


Submits = Mapping[str, SubmitFile]
"""Submit file of each task."""


class Problem(NamedTuple):
    """A process that failed or is held.

    Attributes
    ----------
    code : int or None
        Exit code, or minus the signal; None if it is held or was removed.
    argv : str
    removed : bool
        It was removed while held.
    gone : str
        Reason of a removal that was neither while held nor by DAGMan.
    lost : bool
        It succeeded, but its output is missing.
    id : str
        Process in the queue: ``326.0``.
    blocked : bool
        Another file or a folder is at the path of its output.
    """

    task: str
    code: int | None
    hold: Hold | None
    host: str
    process_key: ProcessKey
    argv: str
    removed: bool = False
    gone: str = ""
    lost: bool = False
    id: str = ""
    blocked: bool = False


@dataclass(frozen=True)
class Cause:
    """Processes with the same cause.

    Attributes
    ----------
    kind : str
        ``failed``, ``held``, ``removed`` (while held), ``gone`` (removed while not held), ``lost`` (success without
        output), ``node`` (DAGMan could not run it) or ``host``.
    what : str
        The cause in words.
    said : tuple of str
        Last lines of standard error of the first process, or HTCondor's reason.
    file : str
        Source of `said`, relative to the run directory if inside it.
    by_hand : str
        Command that runs the first process by hand.
    cure : str
    ids : tuple of str
        Processes in the queue, such as ``326.0``.
    code : int or None
        Exit code, or minus the signal, if they ended by themselves.
    hold : Hold or None
    """

    kind: str
    task: str
    count: int
    what: str
    said: tuple[str, ...]
    file: str
    by_hand: str
    cure: str
    ids: tuple[str, ...] = ()
    code: int | None = None
    hold: Hold | None = None


class SpecRequest(NamedTuple):
    """Requests of the spec, MB; 0 if the plan computes them."""

    memory_mb: int
    disk_mb: int


def tail(path: Path | None) -> tuple[str, ...]:
    """Last lines of a file; empty if it does not exist."""
    if path is None:
        return ()
    lines = text_or_empty(path, TAIL_BYTES).splitlines()
    return tuple(line.rstrip() for line in lines if line.strip())[-TAIL_LINES:]


def _failed(
    problems: Iterable[Problem],
    hosts_of: Mapping[str, Collection[str]],
    submits: Submits,
    run: Path,
    asked: SpecRequest,
) -> Iterator[Cause]:
    """Group by task and exit code, then by the last line of stderr; `hosts_of` has the machines of each task."""
    by_code: dict[tuple[str, int], list[Problem]] = {}
    for item in problems:
        if item.code is not None:
            by_code.setdefault((item.task, item.code), []).append(item)
    for (task, code), items in by_code.items():
        groups: dict[str, list[Problem]] = {}
        for item in items[:READ]:
            message_lines = tail(submits[task].error_file(*item.process_key))
            groups.setdefault(_OTHER.sub("#", failures.last_line("\n".join(message_lines))), []).append(item)
        commonest = max(groups.values(), key=len)
        commonest.extend(items[READ:])
        for group in groups.values():
            first = group[0]
            file = submits[task].error_file(*first.process_key)
            message_lines = tail(file)
            if place := failures.crash_place(text_or_empty(file, TAIL_BYTES) if file else ""):
                message_lines = (f"the process ended{place}",)
            hosts = sorted({item.host for item in group})
            only = f", all on {hosts[0]}" if len(hosts) == 1 < min(len(group), len(hosts_of.get(task, ()))) else ""
            yield Cause(
                "failed", task, len(group), failures.cause(code) + only, message_lines or ("(it said nothing)",),
                relative_path(file, run), by_hand(first, run), _exit_cure(code, run, asked), code=code,
            )  # fmt: skip


def by_hand(problem: Problem, run: Path) -> str:
    """Command that runs a process by hand."""
    return shell.worker(*problem.argv.split(), f"--run={run}")


def _exit_cure(code: int, run: Path, asked: SpecRequest) -> str:
    text = CURES.get(code, "read the lines above")
    return text.format(memory=2 * asked.memory_mb, now=asked.memory_mb).replace("RUN", shlex.quote(str(run)))


def _held(problems: Iterable[Problem], submits: Submits, run: Path, asked: SpecRequest) -> Iterator[Cause]:
    groups: dict[tuple[str, int, int, bool], list[Problem]] = {}
    for item in problems:
        if item.code is None and item.hold is not None:
            key = item.task, item.hold.code, item.hold.subcode, item.removed
            groups.setdefault(key, []).append(item)
    for (task, _, _, removed), group in groups.items():
        first = group[0]
        hold = first.hold
        assert hold is not None
        submit = submits[task]
        code = holds.exit_code(hold, submit)
        if code is not None:
            yield _held_after_failure(group, code, submit, run, asked)
            continue
        yield Cause(
            "removed" if removed else "held", task, len(group), holds.description(hold), (hold.reason,),
            relative_path(submit.log, run), by_hand(first, run),
            holds.cure(hold, asked.memory_mb, asked.disk_mb, submit), _ids(group), hold=hold,
        )  # fmt: skip


def _held_after_failure(group: list[Problem], code: int, submit: SubmitFile, run: Path, asked: SpecRequest) -> Cause:
    """Cause of processes that are held after a final failure (`hold_failed_hours`)."""
    first = group[0]
    file = submit.error_file(*first.process_key)
    release = "then condor_release the held processes, before the site's hold_failed_hours are over"
    return Cause(
        "held", first.task, len(group), f"failed for good: {failures.cause(code)}", tail(file),
        relative_path(file, run), by_hand(first, run), f"{_exit_cure(code, run, asked)}; {release}", _ids(group), code,
    )  # fmt: skip


def _ids(group: Iterable[Problem]) -> tuple[str, ...]:
    return tuple(item.id for item in group if item.id)


def bad_hosts(hosts: Mapping[str, Mapping[str, HostCount]]) -> Iterator[Cause]:
    """Machines on which all processes of a task fail that succeed elsewhere."""
    for task, counts in hosts.items():
        well = sum(count.succeeded for count in counts.values())
        for host, count in counts.items():
            if count.failed >= BAD_HOST and not count.succeeded and well:
                yield Cause(
                    "host", task, count.failed, f"every try on {host} failed, elsewhere {well} went well", (), "", "",
                    f'in the site profile, commands: {{requirements: \'Machine != "{host}"\'}}',
                )  # fmt: skip


def relative_path(path: Path | None, run: Path) -> str:
    """A path relative to the run directory if inside it; empty for None."""
    if path is None:
        return ""
    return str(path.relative_to(run)) if path.is_relative_to(run) else str(path)


def group(
    problems: Iterable[Problem],
    hosts: Mapping[str, Mapping[str, HostCount]],
    submits: Submits,
    run: Path,
    asked: SpecRequest,
) -> tuple[Cause, ...]:
    """All causes, bad machines first, then by frequency."""
    problems = list(problems)
    causes = [*_failed(problems, hosts, submits, run, asked), *_held(problems, submits, run, asked)]
    return (*bad_hosts(hosts), *sorted(causes, key=lambda cause: -cause.count))
