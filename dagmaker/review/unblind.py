"""unblind: hand the token to the worker, which alone can open positions, and tell what it said."""

import json
import subprocess
from pathlib import Path
from typing import Any

from dagmaker import interpreter, lock
from dagmaker.htcondor.rounds import read_plan
from worker.base.errors import DagmakerError, InputError, RefusedError, SpecError

_ERRORS: dict[int, type[DagmakerError]] = {kind.exit_code: kind for kind in (SpecError, InputError, RefusedError)}


def unblind(run: Path, token: str | None, spec: str | None, jobs: int) -> dict[str, Any]:
    """Open the real sky, or compare with what was opened before; what the worker answers.

    Raises
    ------
    RefusedError
        Without a token that opens this run, or while somebody works in the directory.
    InputError
        It is no run directory, a file is missing, or the result is not that of the first unblinding.
    """
    run = run.absolute()
    read_plan(run)
    flags = [f"--{name}={value}" for name, value in (("token", token), ("spec", spec)) if value is not None]
    command = [interpreter.python(), "-m", "worker", "unblind", f"--run={run}", *flags, f"--jobs={jobs}", "--json"]
    with lock.held(run):
        process = subprocess.run(
            command, env=interpreter.environment(), capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    if process.returncode != 0:
        text = process.stderr.replace("worker unblind: ", "").strip()
        raise _ERRORS.get(process.returncode, DagmakerError)(
            text or f"the worker ended with exit code {process.returncode}"
        )
    answer: dict[str, Any] = json.loads(process.stdout)
    return answer
