"""Readers for files of unknown origin: they open regular files only and accept strict JSON only."""

import errno
import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

MAX_JSON = 200_000_000
"""Bytes of a JSON file: ten times the plan of a million processes, the largest that we write."""
Kinds = Mapping[str, type | tuple[type, ...]]
NUMBER = (int, float)
_DIGITS = 300  # of an integer: each is also a finite float


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file for reading.

    Raises
    ------
    OSError
        It cannot be opened, or is no regular file (reading a pipe or a device might never end).
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.ENXIO, "a pipe, a socket or a device, not a file", str(path))
        yield file


def file_bytes(path: Path, most: int | None = None) -> bytes:
    """Return the bytes of a regular file; raise OSError as `opened` does, or if it is longer than `most`."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise OSError(errno.EFBIG, f"{size:,} bytes, more than any such file has", str(path))
        return file.read()


def text_or_empty(path: Path, last: int | None = None) -> str:
    """Return a file's text, or that of its `last` bytes; empty if it cannot be read."""
    try:
        with opened(path) as file:
            if last is not None:
                file.seek(max(0, file.seek(0, 2) - last))
            return file.read(MAX_JSON).decode(errors="replace").replace("\0", "?")
    except OSError:
        return ""


def sha256(path: Path) -> str:
    """Return the sha256 of a regular file, read piece by piece. Raises OSError as `opened`."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_value(raw: bytes | str) -> Any:
    """Return the value of a JSON text; ValueError also for repeated keys, infinite numbers and deep nesting."""
    try:
        return json.loads(
            raw, parse_constant=_number, parse_float=_number, parse_int=_integer, object_pairs_hook=_object
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def json_object(path: Path, kinds: Kinds) -> dict[str, Any]:
    """Return the object in a JSON file.

    Parameters
    ----------
    kinds : mapping
        Keys that it must have, and the type of each value.

    Raises
    ------
    OSError
        See `file_bytes`.
    ValueError
        It is not JSON, or not such an object.
    """
    document = json_value(file_bytes(path, MAX_JSON))
    if not isinstance(document, dict):
        raise ValueError(f"found a {type(document).__name__} where an object belongs")
    check(document, kinds)
    return document


def check(document: Mapping[str, Any], kinds: Kinds) -> None:
    """Raise ValueError if a key is missing, or its value is of another type."""
    for key, kind in kinds.items():
        if key not in document:
            raise ValueError(f"the key {key} is missing")
        if not isinstance(document[key], kind) or isinstance(document[key], bool):
            raise ValueError(f"{key} is a {type(document[key]).__name__}")


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"{text[:9]}... is an integer of {len(text)} digits")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key is there twice")
    return document
