"""`worker TASK --name=value ...`: one task of an analysis, with an exit code that says how it ended."""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from worker.base.errors import SpecError
from worker.base.output import safe_streams
from worker.cli import document, help_text, outcome, several
from worker.cli.arguments import Parameter, argv, call, for_fire, parse, signature, typed
from worker.cli.tasks import TASKS

__all__ = ["TASKS", "Parameter", "argv", "call", "document", "for_fire", "main", "parse", "signature", "typed"]

STOPPED = 85
_STOPPED_TEXT = "interrupted; finished output is valid; run the same command again to resume"
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_HELP = ("-h", "--help", "help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one task; returns its exit code (see `worker.base.errors.EXIT_CODES`) and raises nothing.

    Parameters
    ----------
    argv : sequence of str, optional
        The task and its arguments; those of the process if None.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    with safe_streams() as out:
        code = several.exit_code(several.split(words), _main, STOPPED) if several.JOINT in words else _main(words)
    return document.exit_code(code, words, out)


def _main(words: Sequence[str]) -> int:
    if not words or words[0] in _HELP:
        print(_overview())
        return 0 if words else SpecError.exit_code
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"worker (dagmaker) {version('dagmaker')}")
        return 0
    task = words[0]
    if task in TASKS and any(word in _HELP[:2] for word in words[1:]):
        print(_help(task))
        return 0
    return outcome.exit_code(f"worker {task}", words[1:], lambda: _stoppable(task, words[1:]), _STOPPED_TEXT)


def _run(task: str, words: Sequence[str]) -> int:
    """Check the arguments, then let fire call the task."""
    values = parse(task, words)
    as_json = values.pop("json", False)
    _one_thread()
    if task == "serve":
        from worker.cli.serve import serve

        return serve(main)
    import fire

    answers: list[Any] = []
    try:
        with document.stdout_kept_free() if as_json else nullcontext() as captured:
            fire.Fire(
                lambda **given: answers.append(call(TASKS[task], given)),
                command=for_fire(values),
                name=f"worker {task}",
            )
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    if captured is not None:
        document.write({"task": task, "arguments": values, "result": answers[0], "printed": captured.lines()})
    return 0


def _stoppable(task: str, words: Sequence[str]) -> int:
    with _stop_on_sigterm():
        return _run(task, words)


@contextmanager
def _stop_on_sigterm() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt like Ctrl-C, so that temporary files are removed."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:  # another handler stays in place
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _one_thread() -> None:
    """One thread per process: libraries must not use more cores than the job has."""
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    if "numba" not in sys.modules:  # numba refuses a change once its threads run
        os.environ["NUMBA_NUM_THREADS"] = "1"


def _overview() -> str:
    return help_text.overview("worker", "task", TASKS, "TASK --run=RUN")


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
    more = f"\n\n{document.HELP}" if task != "serve" else ""
    return f"usage: {' '.join(['worker', task, *flags])}\n\n{help_text.full(TASKS[task])}{more}"
