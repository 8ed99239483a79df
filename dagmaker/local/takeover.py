"""`--from=OLD`: the worker takes over trials of another run that hold for this one."""

import json
from pathlib import Path

from dagmaker import interpreter
from worker.base.errors import DagmakerError, InputError


def take_over(run: Path, old: Path) -> list[str]:
    """Prepare the data of a run and take over what holds; returns lines for the terminal.

    Raises
    ------
    InputError
        The other folder is no run, or one of them cannot be read.
    DagmakerError
        The worker failed for another reason.
    """
    _worker("prepare", f"--run={run}")
    answer = json.loads(_worker("take_over", f"--run={run}", f"--old={old.absolute()}", "--json"))
    return list(answer["printed"])


def _worker(*words: str) -> str:
    done = interpreter.run_worker(*words)
    if done.returncode:
        said = [line.partition(": ")[2] for line in done.stderr.splitlines() if line.startswith("worker ")]
        text = "\n".join(said) or done.stderr.strip()[-500:]
        raise InputError(text) if done.returncode == InputError.exit_code else DagmakerError(text)
    return done.stdout
