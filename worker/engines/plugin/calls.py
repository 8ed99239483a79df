"""Calls of a plug-in's code: output to the log, a time limit, and the state of the process as it was before.

What a plug-in does wrong ends the task with a message that names the plug-in and the point, before a file is written.
"""

import faulthandler
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from worker.base.errors import DagmakerError, SpecError

Result = TypeVar("Result")
_PATIENCE = 1.5
"""A call that cannot be interrupted, in compiled code, ends the process after this many time limits."""


class PluginError(DagmakerError):
    """A plug-in raised an error, or hangs: the next try may succeed."""


class ContractError(SpecError):
    """A plug-in breaks the protocol: no other try can succeed."""


class CannotError(ValueError):
    """A plug-in says with a ValueError that it cannot do this: inject such a signal, for example."""


class _HangError(Exception):
    """The time limit of a call is over."""


def call(label: str, where: str, limit_minutes: float, function: Callable[..., Result], *args: Any) -> Result:
    """Return what a function of a plug-in returns.

    Parameters
    ----------
    label : str
        Name of the plug-in.
    where : str
        Which call, with its point: ``trials at dec_deg = 5, n_sig = 10``.

    Raises
    ------
    PluginError
        The plug-in raised an error (whose traceback goes to stderr), or hangs.
    CannotError
        The plug-in raised a ValueError.
    ContractError
        It changed the working directory, or numpy's global random numbers.
    """
    who = f"the plug-in {label}, {where}"
    cwd, random = Path.cwd(), np.random.get_state(legacy=False)
    try:
        with _output_to_log(), _limited(limit_minutes):
            result = function(*args)
    except _HangError:
        traceback.print_exc()
        text = f"no answer after {limit_minutes:g} minutes (engine.limit_minutes): it hangs, or the limit is too short"
        raise PluginError(f"{who}: {text}") from None
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        text = f"{who}: {type(error).__name__}: {error}"
        if isinstance(error, ValueError):
            raise CannotError(text) from None
        raise PluginError(f"{text} (its traceback is above)") from None
    finally:
        moved, drew = _moved(cwd), _restored(random)
    if moved:
        text = f"it changed the working directory (to {moved}): relative paths of other code would break; "
        raise ContractError(f"{who}: {text}open files by absolute paths, below its `folder`")
    if drew:
        text = "it used numpy's global random numbers, which belong to no trial: draw from a generator that is made "
        raise ContractError(f"{who}: {text}from the trial's key, such as np.random.default_rng(key)")
    return result


def _moved(cwd: Path) -> str:
    """Go back to the working directory; the one that the plug-in went to, empty if it did not."""
    try:
        now = str(Path.cwd())
    except OSError:
        now = "a folder that does not exist any more"
    if now == str(cwd):
        return ""
    os.chdir(cwd)
    return now


def _restored(before: Any) -> bool:
    """Restore numpy's global generator; whether it had been used."""
    now = np.random.get_state(legacy=False)
    old, new = before["state"], now["state"]
    same = now["bit_generator"] == before["bit_generator"] and all(np.array_equal(old[key], new[key]) for key in old)
    if not (same and now["has_gauss"] == before["has_gauss"]):
        np.random.set_state(before)
        return True
    return False


@contextmanager
def _output_to_log() -> Iterator[None]:
    """Send what Python and compiled code print to stdout to stderr: stdout belongs to the task's answer."""
    with redirect_stdout(sys.stderr):
        try:
            saved = os.dup(1)
        except OSError:  # closed
            yield
            return
        try:
            with suppress(OSError):
                os.dup2(2, 1)
            yield
        finally:
            os.dup2(saved, 1)
            os.close(saved)


@contextmanager
def _limited(minutes: float) -> Iterator[None]:
    """Raise `_HangError` in Python code after the limit; later, end the process with the line where it hangs.

    If compiled code crashes, the line of Python that called it is written to stderr.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seconds = 60.0 * minutes
    armed = _tracebacks_of_crashes(_PATIENCE * seconds + 1.0)
    before = signal.signal(signal.SIGALRM, _raise_hang)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        if armed:
            faulthandler.cancel_dump_traceback_later()


def _tracebacks_of_crashes(seconds: float) -> bool:
    try:
        if not faulthandler.is_enabled():
            faulthandler.enable(file=2)
        faulthandler.dump_traceback_later(seconds, exit=True, file=2)
    except (OSError, ValueError, RuntimeError):  # no stderr
        return False
    return True


def _raise_hang(number: int, frame: object) -> None:  # noqa: ARG001 (the interface of handlers)
    raise _HangError
