"""`--from=OLD`: the worker takes over trials of another run that hold for this one."""

import json
from pathlib import Path

from dagmaker import interpreter


def take_over(run: Path, old: Path) -> list[str]:
    """Prepare the data of a run and take over what holds; returns lines for the terminal.

    Raises
    ------
    InputError
        The other folder is no run, or one of them cannot be read.
    DagmakerError
        The worker failed for another reason.
    """
    interpreter.answer("prepare", f"--run={run}")
    answer = json.loads(interpreter.answer("take_over", f"--run={run}", f"--old={old.absolute()}", "--json"))
    return list(answer["printed"])
