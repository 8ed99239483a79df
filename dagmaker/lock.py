"""Lock of a run directory: one writer at a time."""

import fcntl
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worker.base.errors import InputError, RefusedError

NAME = ".dagmaker.lock"


def is_held(run: Path) -> bool:
    """Whether another process holds the lock of a run directory now."""
    try:
        handle = os.open(run / NAME, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
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
    """Hold the lock of a run directory; the system releases it if the process dies.

    Raises
    ------
    RefusedError
        Another dagmaker works in this directory; the text says which.
    """
    path = run / NAME
    handle, is_new = _locked(path)
    try:
        with suppress(OSError):  # for the message of a refused command; a full disk is reported by later writes
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"dagmaker, process {os.getpid()} on {platform.node()},".encode(), 0)
        yield
    except BaseException:
        if is_new:  # a refused command leaves no file
            path.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


def _locked(path: Path) -> tuple[int, bool]:
    """The lock file's descriptor, locked, and whether the file is new.

    A refused command removes a file that it made. A process that had opened that file before locks a deleted file;
    it then opens the lock file again.
    """
    while True:
        handle, is_new = _opened(path)
        try:
            _lock(handle, path.parent)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.stat()):
                    return handle, is_new
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, run: Path) -> None:
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


def _opened(path: Path) -> tuple[int, bool]:
    """The lock file's descriptor, and whether the file is new."""
    flags = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        try:
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644), True
        except FileExistsError:
            return os.open(path, flags | os.O_CREAT, 0o644), False
    except IsADirectoryError:
        raise InputError(f"{path}: a folder lies where the lock belongs; move it away") from None
    except OSError as error:
        run = path.parent
        raise InputError(f"{run}: cannot be written: {error.strerror}; use another run directory") from error
