"""Persistent worker: one process runs many tasks, with start-up and compilation only once."""

import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import IO, Any

from worker.base.errors import SpecError


def serve(run_task: Callable[[list[str]], int]) -> int:
    """Answer requests until the input ends; returns the exit code of the process.

    Protocol: see `worker.cli.tasks.serve`. Whatever a task prints is in its answer; what compiled code prints past
    Python goes to stderr, never into the protocol. Ctrl-C is left to the parent; SIGTERM stops the task at hand,
    answers 85 and ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopped: list[int] = []

    def note_and_stop(number: int, frame: object) -> None:  # noqa: ARG001 (the interface of handlers)
        stopped.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, note_and_stop)  # `main` leaves it in place
    requests, answers = _take_over_stdio()
    with requests, answers:
        for line in requests:
            if not line.strip():
                continue
            answer = _answer(line, run_task)
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
            if stopped:
                return 85
    return 0


def _take_over_stdio() -> tuple[IO[str], IO[str]]:
    """Keep the real stdin and stdout for the protocol; tasks see an empty stdin, and stderr as stdout."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _answer(line: str, run_task: Callable[[list[str]], int]) -> dict[str, Any]:
    """Run one request with its output captured."""
    out, err = io.StringIO(), io.StringIO()
    wall, cpu = time.perf_counter(), time.process_time()
    with redirect_stdout(out), redirect_stderr(err):
        words = _words(line)
        if words is None:
            print(f"worker serve: not a JSON list of words: {line.strip()[:200]}", file=sys.stderr)
            code = SpecError.exit_code
        elif words[:1] == ["serve"]:
            print("worker serve: a server does not serve within itself", file=sys.stderr)
            code = SpecError.exit_code
        else:
            code = run_task(words)
    return {
        "rc": code,
        "out": out.getvalue(),
        "err": err.getvalue(),
        "wall_s": round(time.perf_counter() - wall, 4),
        "cpu_s": round(time.process_time() - cpu, 4),
    }


def _words(line: str) -> list[str] | None:
    try:
        words = json.loads(line)
    except ValueError:
        return None
    ok = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return words if ok else None
