"""Errors that end a task, each with its exit code; the same table drives retries and explanations.

The text of an error says what was found, where, why it is wrong and what to do.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

EXIT_CODES: dict[int, str] = {
    0: "done (also: was already done)",
    1: "unexpected error: see the log; of review and verify-plan: not reproduced",
    2: "bad spec or argument: correct it; retrying cannot help",
    3: "missing or corrupt input: make or repair the named file",
    4: "refused: holes in the inputs, or blindness",
    85: "stopped cleanly at a checkpoint or time limit: run again to resume",
}


class DagmakerError(Exception):
    """Base of all errors that a user is told about without a traceback."""

    exit_code: ClassVar[int] = 1
    problems: Sequence[Mapping[str, Any]] = ()


class MachineError(DagmakerError):
    """Something that this machine lacks (disk, memory, semaphores): it says nothing of the run that is reviewed."""


class SpecError(DagmakerError):
    """A bad spec or argument; never retried.

    Attributes
    ----------
    problems : sequence of mapping
        Of a spec file: file, line, path and message of each thing that is wrong; empty where it is no such file.
    """

    exit_code = 2

    def __init__(self, message: str = "", problems: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class InputError(DagmakerError):
    """A missing, corrupt or foreign file, or a file that cannot be written."""

    exit_code = 3


class RefusedError(DagmakerError):
    """Something that must not be done: aggregate over holes, touch the real sky."""

    exit_code = 4


class StoppedError(DagmakerError):
    """A clean stop with everything finished so far saved: run again to resume."""

    exit_code = 85
