"""Long tasks in small steps: a time limit or a signal keeps what is finished, and the next start goes on from there.

The finished part lies in RUN/partial/ under the name of the output. WORKER_TIME_LIMIT_S in the environment is
the number of seconds after which a task stops by itself with exit code 85.
"""

import os
import time
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError, SpecError, StoppedError
from worker.rundir import store
from worker.rundir.ledger import Run
from worker.rundir.record import Meter

AnyArray = NDArray[Any]
TIME_LIMIT = "WORKER_TIME_LIMIT_S"
PARTIAL = PurePosixPath("partial")


def in_steps(
    run: Run, rel: PurePosixPath, meter: Meter, n: int, step: int, make: Callable[[int, int], AnyArray]
) -> AnyArray:
    """The output `rel` of `n` units, made `step` units at a time.

    Parameters
    ----------
    meter : Meter
        Its digest must be that of the output: a part made for another one is not used.
    n : int
        Units: trials, skies or rings.
    step : int
        Units between two looks at the clock; a compiled loop cannot be interrupted.
    make : callable
        ``make(first, count)`` gives the units [first, first + count).

    Raises
    ------
    StoppedError
        At the time limit, or on SIGINT or SIGTERM; what is finished is kept.
    """
    parts, done = _load(run, rel, meter.digest)
    deadline = _deadline()
    try:
        while done < n:
            count = min(step, n - done)
            parts.append(make(done, count))
            done += count
            if done < n and time.monotonic() >= deadline:
                raise StoppedError(f"time limit ({TIME_LIMIT}) reached")
    except (KeyboardInterrupt, StoppedError) as stop:
        if parts:
            store.save_array(run.path, PARTIAL / rel, np.concatenate(parts), meter.record(done))
        kept = f"{done} of {n} kept in {PARTIAL / rel}" if parts else "nothing was finished yet"
        raise StoppedError(f"{str(stop) or 'stopped by a signal'}: {kept}; run again to resume") from None
    return np.concatenate(parts)


def forget(run: Run, rel: PurePosixPath) -> None:
    """Remove the finished part: the output is complete."""
    store.remove(run.path, PARTIAL / rel)


def _load(run: Run, rel: PurePosixPath, digest: str) -> tuple[list[AnyArray], int]:
    """The finished part of an earlier start; none if there is none, or if it cannot be trusted."""
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
