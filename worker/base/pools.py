"""The same work in several processes, or in this one if the machine has no semaphores."""

import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from worker.base.errors import MachineError

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_processes(
    work: Callable[[Item], Result], items: Iterable[Item], jobs: int, chunksize: int = 1
) -> Iterator[Result]:
    """Yield `work` of every item, in order, from `jobs` forked processes; raise MachineError if one is killed."""
    pool = _pool(jobs) if jobs > 1 else None
    if pool is None:
        yield from map(work, items)
        return
    try:
        with pool:
            yield from pool.map(work, items, chunksize=chunksize)
    except BrokenProcessPool:
        raise MachineError(
            f"one of {jobs} processes was killed, perhaps for want of memory: try again with fewer --jobs"
        ) from None


def _pool(jobs: int) -> ProcessPoolExecutor | None:
    """Return None if semaphores cannot be made: /dev/shm is missing, full or read-only."""
    try:
        return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("fork"))
    except (OSError, ImportError, NotImplementedError) as error:
        print(
            f"--jobs={jobs}: this machine has no semaphores ({error}; look at /dev/shm): one process", file=sys.stderr
        )
        return None
