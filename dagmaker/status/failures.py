"""Failures of `dagmaker run`: causes as text, and a log file for each failed process."""

import re
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dagmaker.plan.processes import Reply
from worker.base import shell
from worker.base.errors import EXIT_CODES

_CRASH = re.compile(r'most recent call first\):\s+File "([^"\n]+)", line (\d+) in ([^\n]+)')
"""The first line of a traceback of Python's faulthandler."""


class Failure(NamedTuple):
    """A process that will not be started again.

    Attributes
    ----------
    argv : sequence of str
    log : Path
        File with its whole standard error.
    """

    reply: Reply
    argv: Sequence[str]
    log: Path

    def as_json(self) -> dict[str, Any]:
        """Plain data for programs."""
        return {
            "node": self.reply.process.node, "position": self.reply.process.position, "argv": ["worker", *self.argv],
            "exit_code": self.reply.rc, "cause": cause(self.reply.rc), "said": last_line(self.reply.err),
            "log": str(self.log),
        }  # fmt: skip


def cause(code: int) -> str:
    """Meaning of an exit code, or of a signal if negative."""
    if code < 0:
        name = signal.Signals(-code).name
        hint = "; out of memory? lower --jobs or see dmesg" if code == -signal.SIGKILL else ""
        return f"killed by {name}{hint}"
    return EXIT_CODES.get(code, f"exit code {code}, which no task gives")


def write_log(run: Path, reply: Reply, argv: Sequence[str]) -> Path:
    """Write a failed process's standard error to RUN/logs, replacing that of an earlier failure."""
    path = run / "logs" / f"failed_{reply.process.node}_{reply.process.position}.log"
    text = f"{shell.worker(*argv)}\nexit code {reply.rc}: {cause(reply.rc)}\n\n{reply.err}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def last_line(text: str) -> str:
    """The line of an error output with the message: the last one, or the one before "(above)"."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    if len(lines) > 1 and "(above)" in lines[-1]:
        return lines[-2]
    return lines[-1] if lines else "(it said nothing)"


def table(failed: Sequence[Failure], run: Path, limit: int = 20) -> list[str]:
    """Failures grouped by cause, the most frequent first."""
    groups: dict[tuple[int, str, str], list[Failure]] = {}
    for failure in failed:
        key = failure.reply.rc, failure.argv[0], last_line(failure.reply.err)
        groups.setdefault(key, []).append(failure)
    lines = []
    for (code, task, message), group in sorted(groups.items(), key=lambda item: -len(item[1]))[:limit]:
        first = group[0]
        lines += [
            f"{len(group)} x {task}: {cause(code)}",
            f"    {message}",
            f"    by hand: {shell.worker(*first.argv)}",
            f"    log: {first.log.relative_to(run)}" + (f" and {len(group) - 1} more" if len(group) > 1 else ""),
        ]
    if len(groups) > limit:
        lines.append(f"... and {len(groups) - limit} more causes; see {run / 'logs'}")
    return lines


def crash_place(err: str) -> str:
    """`` in toy.py, line 87 (spoiled)``: where Python was when compiled code crashed or hung; empty if unknown."""
    found = _CRASH.findall(err)
    return "" if not found else " in {}, line {} ({})".format(Path(found[-1][0]).name, *found[-1][1:])
