"""`dagmaker unblind`: pass the token to the worker, which opens the real sky, and return its answer."""

import json
from pathlib import Path
from typing import Any

from dagmaker import interpreter, lock
from dagmaker.htcondor.rounds import read_plan


def unblind(run: Path, token: str | None, spec: str | None, jobs: int) -> dict[str, Any]:
    """Open the real sky, or compare with the first unblinding; the worker's answer.

    Raises
    ------
    RefusedError
        The token is missing or wrong, or another command works in the directory.
    InputError
        Not a run directory, a file is missing, or the result differs from the first unblinding.
    """
    run = run.absolute()
    read_plan(run)
    flags = [f"--{name}={value}" for name, value in (("token", token), ("spec", spec)) if value is not None]
    with lock.held(run):  # a refused command leaves no lock file
        printed = interpreter.answer("unblind", f"--run={run}", *flags, f"--jobs={jobs}", "--json")
    answer: dict[str, Any] = json.loads(printed)
    return answer
