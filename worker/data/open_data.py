"""Opening of data files: only regular files in the expected format."""

import os
import shlex
import stat
from pathlib import Path
from typing import BinaryIO

from worker.base.errors import InputError
from worker.spec.season_files import other_form, shown

NPY = b"\x93NUMPY"
_AGAIN = "Get the file again"
_FORMATS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "compressed with gzip", "Unpack it: mv {0} {0}.gz && gunzip {0}.gz"),
    (b"\xfd7zXZ\x00", "compressed with xz", "Unpack it: mv {0} {0}.xz && unxz {0}.xz"),
    (b"BZh", "compressed with bzip2", "Unpack it: mv {0} {0}.bz2 && bunzip2 {0}.bz2"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Unpack it: mv {0} {0}.zst && unzstd {0}.zst"),
    (b"PK\x03\x04", "a zip archive", "Unpack it (unzip {0}), and put the file of this name here"),
    (b"version https://git-lfs", "a pointer of Git LFS", "Fetch the data: git lfs pull"),
    (b"/annex/objects/", "a pointer of git-annex", "Fetch the data: git annex get {0}"),
    (b"<!doctype", "a web page", _AGAIN + ": the server sent a page (of a login?) in its place"),
    (b"<html", "a web page", _AGAIN + ": the server sent a page (of a login?) in its place"),
    (b"<?xml", "an XML document", _AGAIN),
    (b"{", "a JSON document", _AGAIN + ": the server may have sent an error in its place"),
    (b"%pdf", "a PDF document", _AGAIN),
    (b"\x89HDF", "an HDF5 file", "Convert it to the format that docs/data.md describes"),
    (b"SIMPLE  =", "a FITS file", "Convert it to the format that docs/data.md describes"),
    (b"\xff\xfe", "text in UTF-16", "Save it as UTF-8: iconv -f UTF-16 -t UTF-8 {0}"),
    (b"\xfe\xff", "text in UTF-16", "Save it as UTF-8: iconv -f UTF-16 -t UTF-8 {0}"),
    (NPY, "a NumPy file", "Save it as text, or move it to its place and read it with `format: numpy`"),
)


def open_data(path: Path, begins: bytes = b"") -> BinaryIO:
    """Open a regular file for reading, unbuffered, at its start.

    Parameters
    ----------
    begins : bytes
        First bytes of the expected format; empty for text.

    Raises
    ------
    InputError
        It is absent, no regular file, unreadable, or in another known format.
    """
    try:
        file = open(path, "rb", buffering=0, opener=_without_waiting)  # noqa: SIM115 (returned; needs opener)
    except (FileNotFoundError, NotADirectoryError):
        listing = f"its folder holds: {shown(_folder(path))}" if _folder(path) else "its folder is absent or empty"
        raise InputError(
            f"{path}: no such file; {listing}{other_form(path)}. Check the path in `data`, or get the file"
        ) from None
    except IsADirectoryError:
        raise InputError(f"{path}: this is a folder, not a file. Put the file of this name in its place") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Check the path and its permissions") from None
    try:
        _refuse_what_is_no_file(path, os.fstat(file.fileno()).st_mode)
        _refuse_other_format(path, file.read(512), begins)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _without_waiting(name: str, flags: int) -> int:
    # otherwise opening a pipe waits for a writer
    return os.open(name, flags | os.O_NONBLOCK)


def _folder(path: Path) -> list[str]:
    return sorted(p.name for p in path.parent.glob("*")) if path.parent.is_dir() else []


def _refuse_what_is_no_file(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kinds = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    what = next((name for is_kind, name in kinds if is_kind(mode)), "a device")
    raise InputError(f"{path}: this is {what}, not a file. Put the file of this name in its place")


def _refuse_other_format(path: Path, start: bytes, begins: bytes) -> None:
    if begins and start.startswith(begins):
        return
    lower = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for magic, what, cure in _FORMATS:
        if start.startswith(magic) or lower.startswith(magic.lower()):
            raise InputError(f"{path}: this is {what}, not {_wanted(begins)}. {cure.format(shlex.quote(path.name))}")
    if not begins and b"\0" in start.partition(b"\n")[0]:
        raise InputError(f"{path}: this is a binary file, not {_wanted(begins)}. {_AGAIN}")


def _wanted(begins: bytes) -> str:
    return "a .npy file" if begins == NPY else "a table of numbers in text"
