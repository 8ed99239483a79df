"""What a finished run looked like, so that `dagmaker run` on an unchanged one ends at once."""

import hashlib
import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath

from worker.base.atomic import Written, write_all
from worker.base.reading import file_bytes
from worker.rundir.revision import revision

FILE = PurePosixPath("logs/finished")
_NOT_WATCHED = frozenset({"logs", "openings", "review", "sandbox"})


def save(run: Path) -> None:
    """Remember sizes and times of all files of a complete run."""
    write_all(run, [Written(FILE, _state(run))])


def is_unchanged(run: Path) -> bool:
    """Whether no file was added, removed or written since the run was complete, and the program is the same."""
    try:
        return file_bytes(run / FILE) == _state(run)
    except OSError:
        return False


def _state(run: Path) -> bytes:
    total = hashlib.sha256(f"{metadata.version('dagmaker')} {sorted(revision().items())}\n".encode())
    for line in sorted(_files(str(run), "")):
        total.update(line)
    return f"{total.hexdigest()}\n".encode()


def _files(folder: str, rel: str) -> Iterator[bytes]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{rel}{entry.name}"
            if name in _NOT_WATCHED or entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, f"{name}/")
            else:
                stat = entry.stat(follow_symlinks=False)
                yield f"{name} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}\n".encode("utf-8", "surrogateescape")
