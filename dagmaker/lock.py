"""One writer per run directory."""

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.errors import InputError, RefusedError

NAME = ".dagmaker.lock"


def taken(run: Path) -> bool:
    """Whether another process holds the lock of a run directory now."""
    try:
        handle = os.open(run / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Hold the lock of a run directory; it goes with the process, however that ends.

    Raises
    ------
    RefusedError
        Another dagmaker works in this directory; the text says which.
    """
    path = run / NAME
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise InputError(f"{run}: cannot be written: {error.strerror}; use another run directory") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(handle, 200).decode(errors="replace").strip() or "another process"
            raise RefusedError(
                f"{run}: {holder} is working in this directory; wait for it, stop it, or use another directory"
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"dagmaker, process {os.getpid()} on {platform.node()},".encode(), 0)
        yield
    finally:
        os.close(handle)
