"""Several calls of the worker in one process: `worker bg_trials --dec=1 + bg_trials --dec=2 --run=RUN`.

A start takes half a second, and the trials of a declination less. The run directory of the last call is that of all:
HTCondor's jobs have `--run` at the end of the line.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

JOINT = "+"
"""Between two calls."""
SHARED = "--run="


def split(words: Sequence[str]) -> list[list[str]]:
    """Return the words of each call, with the run directory of the last one."""
    calls: list[list[str]] = [[]]
    for word in words:
        if word == JOINT:
            calls.append([])
        else:
            calls[-1].append(word)
    run = [word for word in calls[-1] if word.startswith(SHARED)]
    return [call + [word for word in run if word not in call] for call in calls]


def exit_code(calls: Sequence[Sequence[str]], run_one: Callable[[list[str]], int], stopped: int) -> int:
    """Make every call; return the largest exit code, which is one without a retry if there is any.

    A call that was stopped ends the process with `stopped`: what is finished is skipped by the next try. So does the
    time limit, which all calls share, between two calls; if a call failed, with its code, since that may be all that
    a next start does again.
    """
    codes = [0]
    with _one_limit() as is_over:
        for i, call in enumerate(calls):
            if i and is_over():
                return max(codes) or stopped
            codes.append(run_one(list(call)))
            if codes[-1] == stopped:
                return stopped
    return max(codes)


@contextmanager
def _one_limit() -> Iterator[Callable[[], bool]]:
    """Whether the time limit of the process is over; each call gets what remains of it.

    It is not over before a file was made: a start that finds all files of its first calls must get further.
    """
    from worker.tasks import resume

    begin, before, given = time.monotonic(), resume.n_made(), os.environ.get(resume.TIME_LIMIT)

    def is_over() -> bool:
        try:
            left = float(given or "inf") - (time.monotonic() - begin)
        except ValueError:
            return False  # the call itself says so
        if given:
            os.environ[resume.TIME_LIMIT] = f"{max(left, 0.0):.3f}"
        return left <= 0 and resume.n_made() > before

    try:
        yield is_over
    finally:
        if given:
            os.environ[resume.TIME_LIMIT] = given
