"""Long tasks in small steps: after a time limit or a signal the finished part is kept, and the next start resumes.

The finished part is in RUN/partial/ under the name of the output. A task stops with exit code 85 after
WORKER_TIME_LIMIT_S seconds (environment variable).
"""

import os
import time
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError, SpecError, StoppedError
from worker.rundir import store
from worker.rundir.ledger import Run
from worker.rundir.record import Meter, measure

AnyArray = NDArray[Any]
TIME_LIMIT = "WORKER_TIME_LIMIT_S"
PARTIAL = PurePosixPath("partial")
_made: list[PurePosixPath] = []


class Output(NamedTuple):
    """A file that a task makes: its path in the run directory, its record and its rows.

    `args` is the address; a finished part of another `digest` is not used. `n` counts trials, skies or pixels.
    """

    task: str
    rel: PurePosixPath
    args: dict[str, Any]
    digest: str
    n: int
    dtype: np.dtype[np.void]


class Work(NamedTuple):
    """``make(first, count)`` returns the units [first, first + count) of `n` trials, skies or rings.

    A compiled loop cannot be interrupted: the clock is checked every `step` units.
    """

    n: int
    step: int
    make: Callable[[int, int], AnyArray]


def produce(run: Run, output: Output, set_up: Callable[[], Work]) -> None:
    """Make a file in steps, unless it exists: a corrupt file is replaced, a file of another analysis refused.

    Raises
    ------
    InputError
        A valid file of another analysis exists.
    StoppedError
        At the time limit, or on SIGINT or SIGTERM; the finished part is kept.
    """
    task, rel, args, digest, n, dtype = output
    state = store.state(run.path, rel, n, dtype, digest)
    if state == "foreign":
        store.load_array(run.path, rel, n, dtype, digest)  # raises an error with the owner and the remedy
        raise InputError(f"{run.path / rel}: this file belongs to another analysis; move it away")
    if state == "done":
        print(f"already done: {rel}")
        return
    with measure(task, args, digest) as meter:
        store.save_array(run.path, rel, _in_steps(run, output, meter, set_up()), meter.record(n))
    store.remove(run.path, PARTIAL / rel)
    _made.append(rel)
    print(f"-> {rel}")


def n_made() -> int:
    """Number of files that this process has made."""
    return len(_made)


def _in_steps(run: Run, output: Output, meter: Meter, work: Work) -> AnyArray:
    rel = output.rel
    parts, done = _load(run, rel, output.digest)
    deadline = _deadline()
    try:
        while done < work.n:
            count = min(work.step, work.n - done)
            parts.append(work.make(done, count))
            done += count
            if done < work.n and time.monotonic() >= deadline:
                raise StoppedError(f"time limit ({TIME_LIMIT}) reached")
    except (KeyboardInterrupt, StoppedError) as stop:
        if parts:
            store.save_array(run.path, PARTIAL / rel, np.concatenate(parts), meter.record(done))
        kept = f"{done} of {work.n} kept in {PARTIAL / rel}" if parts else "nothing was finished yet"
        raise StoppedError(f"{str(stop) or 'stopped by a signal'}: {kept}; run again to resume") from None
    return np.concatenate(parts) if parts else np.empty(0, output.dtype)


def _load(run: Run, rel: PurePosixPath, digest: str) -> tuple[list[AnyArray], int]:
    """The finished part of an earlier start; none if it is missing or invalid."""
    if store.state(run.path, PARTIAL / rel, None, None, digest) != "done":
        return [], 0
    try:
        part = store.load_array(run.path, PARTIAL / rel, None, None, digest)
        done = store.load_record(run.path, PARTIAL / rel).n
    except InputError:
        return [], 0
    print(f"resuming after {done}: {rel}")
    return [part], done


def _deadline() -> float:
    text = os.environ.get(TIME_LIMIT, "")
    if not text:
        return float("inf")
    try:
        seconds = float(text)
    except ValueError:
        raise SpecError(f"{TIME_LIMIT}={text} in the environment: not a number of seconds") from None
    return time.monotonic() + seconds
