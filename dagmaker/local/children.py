"""Persistent worker processes, which run one argv after the other without starting again.

A child reads a JSON list (one argv) per line on its standard input and answers with one JSON object per line:
``rc out err wall_s cpu_s``. Its own standard error goes to a file, for the messages of a crash.
"""

import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO

from dagmaker import interpreter
from dagmaker.plan.processes import Process, Reply
from dagmaker.status import failures

COMMAND = ("-m", "worker", "serve")


class Child:
    """A worker process and its present task."""

    def __init__(self, command: Sequence[str]) -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, env=interpreter.environment(),
            start_new_session=True,  # the parent handles Ctrl-C
        )  # fmt: skip
        self._buffer = b""
        self.process: Process | None = None
        self.since = 0.0

    def fileno(self) -> int:
        """File descriptor of the child's output, for `select`."""
        assert self._popen.stdout is not None
        return self._popen.stdout.fileno()

    def give(self, process: Process, argv: Sequence[str]) -> None:
        """Start a process; if the child is dead, reading its reply reports it."""
        self.process, self.since = process, time.monotonic()
        assert self._popen.stdin is not None
        with suppress(BrokenPipeError):
            self._popen.stdin.write(json.dumps(list(argv)).encode() + b"\n")
            self._popen.stdin.flush()

    def read(self) -> Reply | None:
        """Read a reply; None if there is no complete line yet.

        End of file means that the child is dead; the reply then gives the cause.
        """
        raw = os.read(self.fileno(), 1 << 20)
        if not raw:
            return self._death()
        self._buffer += raw
        line, newline, rest = self._buffer.partition(b"\n")
        if not newline:
            return None
        self._buffer = rest
        process, self.process = self.process, None
        answer = json.loads(line)
        assert process is not None
        return Reply(process, answer["rc"], answer["err"], answer["wall_s"], answer["cpu_s"])

    @property
    def dead(self) -> bool:
        """Whether the process has ended."""
        return self._popen.poll() is not None

    def _death(self) -> Reply | None:
        code = self._popen.wait()
        self._stderr.seek(0)
        text = self._stderr.read().decode(errors="replace")
        process, self.process = self.process, None
        if process is None:
            return None
        cause = f"killed by {signal.Signals(-code).name}" if code < 0 else f"the worker process ended with {code}"
        cause += failures.crash_place(text)
        wall = time.monotonic() - self.since
        return Reply(process, code or 1, "\n".join(filter(None, (text[-4000:].strip(), cause))), wall, 0.0)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the child and its own children."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, number)

    def close(self) -> None:
        """Wait for the end of the child and close its streams."""
        self._popen.wait()
        for stream in (self._popen.stdin, self._popen.stdout, self._stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


class Children:
    """At most `jobs` children, started when needed and replaced when they die."""

    def __init__(self, jobs: int, command: Sequence[str] | None = None) -> None:
        self._jobs = jobs
        self._command = tuple(command or (interpreter.python(), *COMMAND))
        self._selector = selectors.DefaultSelector()
        self._all: list[Child] = []

    @property
    def busy(self) -> list[Child]:
        """Children that run a process."""
        return [child for child in self._all if child.process is not None]

    def idle(self) -> Child | None:
        """An idle child, started if fewer than `jobs` exist; None if all are busy."""
        for child in [child for child in self._all if child.process is None]:
            if not child.dead:
                return child
            self._forget(child)
        if len(self._all) >= self._jobs:
            return None
        child = Child(self._command)
        self._all.append(child)
        self._selector.register(child, selectors.EVENT_READ)
        return child

    def replies(self, timeout_s: float) -> Iterator[Reply]:
        """Replies that arrive within `timeout_s`."""
        for key, _ in self._selector.select(timeout_s):
            child = key.fileobj
            assert isinstance(child, Child)
            reply = child.read()
            if child.dead and child.process is None:
                self._forget(child)
            if reply is not None:
                yield reply

    def _forget(self, child: Child) -> None:
        self._selector.unregister(child)
        self._all.remove(child)
        child.close()

    def stop(self, grace_s: float) -> None:
        """End all children: SIGTERM, then SIGKILL after `grace_s`. Outputs appear by rename: none is partial."""
        for child in self._all:
            child.send_signal(signal.SIGTERM)
        until = time.monotonic() + grace_s
        while any(not child.dead for child in self._all) and time.monotonic() < until:
            time.sleep(0.02)
        for child in list(self._all):
            if not child.dead:
                child.send_signal(signal.SIGKILL)
            self._forget(child)
        self._selector.close()
