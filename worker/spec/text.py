"""Reader of text files named by a user: regular files of limited size only."""

from pathlib import Path

from worker.base.reading import opened

MOST_BYTES = 16_000_000
"""A frozen spec with 100,000 sources has ten million bytes."""
_PIPES = ("/dev/fd/", "/dev/stdin", "/proc/")


class NotTextError(Exception):
    """The file is not readable as text; the message gives reason and cure, without the file's name."""


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Text of a file.

    Raises
    ------
    FileNotFoundError
    NotTextError
        It cannot be read, is too large, is a folder, pipe or device, or is not UTF-8.
    """
    try:
        shell = str(path).startswith(_PIPES) and path.is_fifo()  # check <(...)
        with path.open("rb") if shell else opened(path) as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise
    except IsADirectoryError:
        raise NotTextError("is a folder; write the path of a file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise NotTextError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > MOST_BYTES:
        raise NotTextError(f"has more than {MOST_BYTES:,} bytes; that is no such file: write the path of another")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NotTextError("is UTF-16; save the file as UTF-8 text")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as failure:
        raise NotTextError(f"byte {failure.start} is not UTF-8; save the file as UTF-8 text") from None
