"""One writer per run directory."""

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
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
    handle, is_new = _opened(path)
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
    except BaseException:
        if is_new:  # a command that was refused leaves nothing behind
            path.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


def _opened(path: Path) -> tuple[int, bool]:
    """The lock file's descriptor, and whether it was made just now."""
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        try:
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644), True
        except FileExistsError:
            return os.open(path, flags), False
    except OSError as error:
        run = path.parent
        raise InputError(f"{run}: cannot be written: {error.strerror}; use another run directory") from error
