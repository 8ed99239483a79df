"""Several calls of the worker in one process: `worker bg_trials --dec=1 + bg_trials --dec=2 --run=RUN`.

A start takes half a second, and the trials of a declination less. The run directory of the last call is that of all:
HTCondor's jobs have `--run` at the end of the line.
"""

from collections.abc import Callable, Sequence

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

    A call that was stopped ends the process with `stopped`: what is finished is skipped by the next try.
    """
    codes = [0]
    for call in calls:
        codes.append(run_one(list(call)))
        if codes[-1] == stopped:
            return stopped
    return max(codes)
