"""One writer per run directory."""

import fcntl
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worker.errors import InputError, RefusedError

NAME = ".dagmaker.lock"


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
        except (BlockingIOError, PermissionError) as error:
            holder = os.read(handle, 200).decode(errors="replace").strip() or "another process"
            raise RefusedError(
                f"{run}: {holder} is working in this directory; wait for it, stop it, or use another directory"
            ) from error
        except OSError as error:  # a network or FUSE disk: every file is complete or absent without locks, too
            print(
                f"note: {run}: this file system has no file locks ({error.strerror}): do not start a second dagmaker "
                "in this directory while this one works",
                file=sys.stderr,
            )
        with suppress(OSError):  # who holds it, for whoever finds it held: a full disk is told where work is written
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"dagmaker, process {os.getpid()} on {platform.node()},".encode(), 0)
        yield
    finally:
        os.close(handle)
