"""`worker TASK --name=value ...`: one task of an analysis, with an exit code that says how it ended."""

import inspect
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from worker.arguments import Parameter, argv, for_fire, parse, parse_band, signature
from worker.errors import EXIT_CODES, DagmakerError, SpecError
from worker.tasks import TASKS

__all__ = ["TASKS", "Parameter", "argv", "for_fire", "main", "nobody_reads", "parse", "parse_band", "say", "signature"]

STOPPED = 85
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_HELP = ("-h", "--help", "help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one task; returns its exit code (see `worker.errors.EXIT_CODES`) and raises nothing.

    Parameters
    ----------
    argv : sequence of str, optional
        The task and its arguments; those of the process if None.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in _HELP:
        say(_overview())
        return 0 if words else SpecError.exit_code
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"worker (dagmaker) {version('dagmaker')}")
        return 0
    task = words[0]
    if task in TASKS and any(word in _HELP[:2] for word in words[1:]):
        say(_help(task))
        return 0
    return _guarded(task, lambda: _run(task, words[1:]))


def say(text: str) -> None:
    """Print a text that its reader may stop reading (``| head``)."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        nobody_reads()


def nobody_reads() -> None:
    """The reader of stdout has gone: what python still writes when it ends goes nowhere, instead of a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(task: str, words: Sequence[str]) -> int:
    """Check the arguments, then let fire call the task."""
    values = parse(task, words)
    _one_thread()
    import fire

    try:
        fire.Fire(TASKS[task], command=for_fire(values), name=f"worker {task}")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _guarded(task: str, action: Callable[[], int]) -> int:
    """Turn every way to end into an exit code and, where it helps, a sentence on stderr."""
    try:
        with _stop_on_sigterm():
            return action()
    except DagmakerError as error:
        for line in str(error).splitlines() or [type(error).__name__]:
            print(f"worker {task}: {line}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"worker {task}: stopped; what is written is whole: run again to resume", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        nobody_reads()
        return 1
    except Exception:  # the last line of defence: an exit code for everything, with the traceback for whoever mends it
        traceback.print_exc()
        print(f"worker {task}: unexpected error (above); please report it", file=sys.stderr)
        return 1


@contextmanager
def _stop_on_sigterm() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that temporary files are removed."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:  # somebody's own handler stays
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _one_thread() -> None:
    """One thread per process: the batch system counts cores, and the libraries must not."""
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    if "numba" not in sys.modules:  # numba refuses a change once its threads run
        os.environ["NUMBA_NUM_THREADS"] = "1"


def _overview() -> str:
    width = max(map(len, TASKS))
    tasks = "\n".join(f"  {name:<{width}}  {_summary(name)}" for name in TASKS)
    codes = "\n".join(f"  {code:>2}  {meaning}" for code, meaning in EXIT_CODES.items())
    usage = "usage: worker TASK --run=RUN ...\n\n`worker TASK --help` explains one."
    return f"{usage}\n\ntasks:\n{tasks}\n\nexit codes:\n{codes}"


def _summary(task: str) -> str:
    return (inspect.getdoc(TASKS[task]) or "").partition("\n")[0]


def _help(task: str) -> str:
    flags = []
    for parameter in signature(task).values():
        flag = f"--{parameter.name}={parameter.name.upper()}"
        if parameter.kind is bool:
            flag = f"[--{parameter.name}]"
        elif not parameter.required:
            shown = parameter.name.upper() if parameter.default is None else parameter.default
            flag = f"[--{parameter.name}={shown}]"
        flags.append(flag)
    return f"usage: {' '.join(['worker', task, *flags])}\n\n{inspect.getdoc(TASKS[task])}"
