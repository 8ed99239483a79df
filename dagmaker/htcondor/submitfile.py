"""Reader of submit files: their commands, and the paths of event log and error files."""

import re
from pathlib import Path
from typing import NamedTuple

from worker.base.reading import text_or_empty

_COMMAND = re.compile(r"^\s*([A-Za-z_.+]\w*)\s*=\s*(.*?)\s*$", re.MULTILINE)
_MACRO = re.compile(r"\$\((\w+)\)")


class SubmitFile(NamedTuple):
    """Submit file of one task.

    Attributes
    ----------
    log : Path or None
        Event log.
    error : str
        Path of standard error, with $(node) and $(Process) in it; empty if there is none.
    commands : dict
        All commands, with names in lower case.
    """

    path: Path
    log: Path | None
    error: str
    commands: dict[str, str]

    def error_file(self, node: str, process: int) -> Path | None:
        """Standard error of one process."""
        if not self.error:
            return None
        values = {"node": node, "process": str(process), "procid": str(process), "dollar": "$"}
        text = _MACRO.sub(lambda macro: values.get(macro[1].lower(), macro[0]), self.error)
        return self.path.parent / text


def read(run: Path, task: str) -> SubmitFile:
    """The submit file of a task; without commands if it does not exist."""
    path = run / f"{task}.sub"
    commands = {name.lower(): value for name, value in _COMMAND.findall(text_or_empty(path))}
    log = commands.get("log", "").replace("$(DOLLAR)", "$")
    return SubmitFile(path, run / log if log else None, commands.get("error", ""), commands)
