"""How a command line ends: every exception becomes an exit code and a message on standard error."""

import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from worker.base.atomic import reason
from worker.base.errors import DagmakerError, InputError, StoppedError
from worker.cli import document


def exit_code(name: str, words: Sequence[str], run: Callable[[], int], stopped: str) -> int:
    """Run a command; with ``--json`` among its words, an error is also a document on stdout.

    Parameters
    ----------
    name : str
        What begins each line of a message: program and command.
    words : sequence of str
        Its arguments.
    run : callable
        The command; returns its exit code.
    stopped : str
        Message after Ctrl-C.

    Returns
    -------
    int
        That of the command, or of `worker.base.errors.EXIT_CODES`.
    """
    problems: Sequence[Any] = ()
    try:
        return run()
    except DagmakerError as error:
        code, message, problems = error.exit_code, str(error) or type(error).__name__, error.problems
        shown = message
    except KeyboardInterrupt:
        code, message = StoppedError.exit_code, stopped
        shown = message
    except OSError as error:  # no file descriptors, no memory for a process, a path that is too long
        code, message = InputError.exit_code, f"{error.filename or 'this machine'}: {reason(error)}"
        shown = message
    except Exception as error:  # a bug: the traceback helps to find it
        traceback.print_exc()
        code, message = 1, f"unexpected: {type(error).__name__}: {error}"
        shown = "unexpected error (above); please report it"
    for line in shown.splitlines():
        print(f"{name}: {line}", file=sys.stderr)
    if document.is_wanted(words):
        document.write(document.of_error(code, message, problems))
    return code
