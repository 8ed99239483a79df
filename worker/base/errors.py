"""Errors that end a task, each with its exit code; the same table drives retries and explanations.

The text of an error says what was found, where, why it is wrong and what to do.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

EXIT_CODES: dict[int, str] = {
    0: "done (also: was already done)",
    1: "unexpected error: see the log",
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
    """A lack of disk, memory or semaphores on this machine; in a review it is no fault of the run."""


class SpecError(DagmakerError):
    """A bad spec or argument; never retried.

    Attributes
    ----------
    problems : sequence of mapping
        File, line, path and message of each fault of a spec file; empty for other errors.
    """

    exit_code = 2

    def __init__(self, message: str = "", problems: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class InputError(DagmakerError):
    """A missing, corrupt or foreign file, or a file that cannot be written."""

    exit_code = 3


class RefusedError(DagmakerError):
    """A refused action: aggregation with missing files, or access to the real sky."""

    exit_code = 4


class StoppedError(DagmakerError):
    """A clean stop; finished work is saved and the same command resumes it."""

    exit_code = 85
