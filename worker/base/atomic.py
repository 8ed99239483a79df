"""Files that are complete or absent: written under a temporary name, synced, renamed."""

import errno
import os
import platform
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from worker.base import shell
from worker.base.errors import InputError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space, or use another disk",
    errno.EDQUOT: "your disk quota is used up; free some space, or ask for more",
    errno.EFBIG: "the file is larger than the limit set for this process (ulimit -f); raise the limit",
    errno.EACCES: "you may not write there; check the permissions of the run directory",
    errno.EPERM: "you may not write there; check the permissions of the run directory",
    errno.EROFS: "the disk is mounted read-only; use another run directory",
    errno.ENOTDIR: "a part of this path is a file where a folder is needed; move it away",
    errno.EISDIR: "there is a folder of this name; move it away",
    errno.EEXIST: "there is a file of this name where a folder is needed; move it away",
    errno.ENAMETOOLONG: "the path is too long for this disk; use a shorter run directory or analysis name",
    errno.EIO: "the disk reports an error (EIO); look at the machine's log",
    errno.ESTALE: "the network disk lost the folder (ESTALE); mount it again",
    errno.EMFILE: "too many files are open; raise `ulimit -n`",
    errno.ENFILE: "too many files are open on this machine; try again later",
    errno.EAGAIN: "there is no room for another process (ulimit -u); raise the limit, or lower --jobs",
    errno.ENOMEM: "there is no memory left; lower --jobs, or use another machine",
    errno.ELOOP: "symbolic links go round in a circle; remove them",
    errno.ENXIO: "this is a device or a pipe that cannot be read as a file; move it away",
    errno.ENOENT: "the folder disappeared while writing; is somebody deleting the run directory?",
}

_ABANDONED_S = 3600.0


class Written(NamedTuple):
    """One file to write: its path below the run directory, and its bytes or a callback that writes them."""

    rel: PurePosixPath
    content: bytes | Callable[[Path], object]


def write_all(run: Path, files: Sequence[Written]) -> None:
    """Write files in the given order; each is complete as soon as it exists.

    All are written under temporary names before the first is renamed. If the last one exists, it is removed first, so
    that an old output never lies beside a new record.

    Raises
    ------
    InputError
        With the reason in words; nothing half-written is left.
    """
    if not run.is_dir():
        raise InputError(
            f"{run}: this run directory does not exist; make it with "
            f"`{shell.dagmaker('build', 'SPEC', f'--run={run}')}`"
        )
    temporary: list[Path] = []
    target = run / files[-1].rel
    try:
        for file in files:
            target = run / _inside(file.rel)
            target.parent.mkdir(parents=True, exist_ok=True)
            temp = target.with_name(temporary_name(target.name))
            temporary.append(temp)
            _write(temp, file.content)
        if len(files) > 1:
            target.unlink(missing_ok=True)
        for file, temp in zip(files, temporary, strict=True):
            target = run / file.rel
            temp.replace(target)
        _sync_dir(target.parent)
        with suppress(OSError):
            remove_abandoned(target.parent)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {reason(error)}") from error
    finally:
        for temp in temporary:
            with suppress(OSError):
                temp.unlink(missing_ok=True)


def reason(error: OSError) -> str:
    """Return the meaning of an operating-system error in words, with the cure."""
    return _REASONS.get(error.errno or 0) or f"{error.strerror or error}; look at the disk and its permissions"


def temporary_name(name: str) -> str:
    """Return a hidden name with the same extension that contains the writing machine and process."""
    stem, dot, extension = name.rpartition(".")
    base, ending = (stem, dot + extension) if dot else (name, "")
    return f".{base}.part-{_here()}-{os.getpid()}-{uuid.uuid4().hex[:8]}{ending}"


def remove_abandoned(folder: Path) -> list[Path]:
    """Remove temporary files of processes that no longer run, and return them; called after every write.

    Processes of another machine or container cannot be seen: their files are removed an hour after the last write.
    """
    removed = []
    marker = f".part-{_here()}-"
    for path in sorted(folder.glob(".*.part-*-*-*")) if folder.is_dir() else []:
        _, same_space, rest = path.name.partition(marker)
        pid = rest.partition("-")[0]
        with suppress(OSError, ValueError):  # another process may remove it too
            abandoned = not _alive(int(pid)) if same_space else path.stat().st_mtime < time.time() - _ABANDONED_S
            if abandoned:
                path.unlink()
                removed.append(path)
    return removed


@cache
def _here() -> str:
    """Return the names of this machine and its process namespace: process numbers are unique within them."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    return f"{platform.node()}-{namespace}"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _inside(rel: PurePosixPath) -> PurePosixPath:
    if rel.is_absolute() or ".." in rel.parts or not rel.name:
        raise ValueError(f"{rel} is not a place inside the run directory")
    return rel


def _write(temp: Path, content: bytes | Callable[[Path], object]) -> None:
    if callable(content):
        content(temp)
        with temp.open("rb+") as file:
            os.fsync(file.fileno())
        return
    with temp.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_dir(folder: Path) -> None:
    """Sync a folder, so that renames survive a power cut; network disks that cannot do this raise no error."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(handle)
