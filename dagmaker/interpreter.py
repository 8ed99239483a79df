"""Interpreter, import path and environment of worker processes, and a call of the worker."""

import os
import subprocess
import sys
from pathlib import Path

import worker
from worker.base.errors import DagmakerError, InputError, RefusedError, SpecError

_ERRORS: dict[int, type[DagmakerError]] = {kind.exit_code: kind for kind in (SpecError, InputError, RefusedError)}
THREADS = ("MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def python() -> str:
    """Absolute path of the interpreter; links are kept, since a venv is recognised by its link."""
    return str(Path(sys.executable).absolute())


def import_path() -> str | None:
    """Folder for PYTHONPATH if the packages run from a source tree; None if they are installed."""
    root = Path(worker.__file__).resolve().parent.parent
    return None if root.name in ("site-packages", "dist-packages") else str(root)


def environment() -> dict[str, str]:
    """Environment of a local worker process: one thread, this source tree."""
    env = dict(os.environ)
    env |= dict.fromkeys(THREADS, "1")
    if root := import_path():
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (root, env.get("PYTHONPATH"))))
    return env


def run_worker(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run `worker ARGV` to its end; its output is captured as text."""
    command = [python(), "-m", "worker", *argv]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def answer(task: str, *flags: str) -> str:
    """What a task of the worker printed on stdout.

    Raises
    ------
    DagmakerError
        The task failed: the error that its exit code stands for, with its own message.
    """
    done = run_worker(task, *flags)
    if code := done.returncode:
        own = [line.partition(": ")[2] for line in done.stderr.splitlines() if line.startswith(f"worker {task}: ")]
        text = "\n".join(own) or done.stderr.strip()[-500:] or f"worker {task} ended with exit code {code}"
        raise _ERRORS.get(code, DagmakerError)(text)
    return done.stdout
