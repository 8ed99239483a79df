"""Writer and checking reader of files in the run directory.

A file is complete or absent: it is renamed after fsync. Its record (`name.json`) is renamed first, so an output that
exists has the record of its bytes beside it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from worker.base.arrays import BadFormatError, npy_bytes, npz_bytes, parse_npy, parse_npz
from worker.base.atomic import Written, write_all
from worker.base.errors import InputError
from worker.base.reading import MAX_JSON, file_bytes, json_value
from worker.rundir import layout
from worker.rundir.record import Record, from_json

AnyArray = NDArray[Any]
State = Literal["done", "absent", "corrupt", "foreign"]


class _ForeignError(Exception):
    """An undamaged file of another analysis."""


def save_array(run: Path, rel: PurePosixPath, array: AnyArray, record: Record) -> None:
    """Write an array and its record.

    Parameters
    ----------
    run : Path
        The run directory; it must exist. Missing folders below it are made.
    rel : PurePosixPath
        Path relative to `run`; ends in ``.npy``.
    array : ndarray
        No object arrays.

    Raises
    ------
    InputError
        If the file cannot be written; no partial file is left.
    """
    _save_with_record(run, rel, npy_bytes(array), record)


def save_arrays(
    run: Path, rel: PurePosixPath, arrays: Mapping[str, AnyArray], record: Record, compress: bool = False
) -> None:
    """Write several arrays as one ``.npz`` with its record.

    The same arrays give the same bytes; if compressed, only with the same build of zlib.
    """
    _save_with_record(run, rel, npz_bytes(arrays, compress), record)


def save_json(run: Path, rel: PurePosixPath, obj: Any) -> None:
    """Write plain data and numpy values as sorted, indented JSON; ValueError for NaN and infinity."""
    write_all(run, [Written(rel, json_bytes(obj))])


def save_text(run: Path, rel: PurePosixPath, text: str) -> None:
    """Write a text file (UTF-8)."""
    write_all(run, [Written(rel, text.encode("utf-8"))])


def save_file(run: Path, rel: PurePosixPath, writer: Callable[[Path], object]) -> None:
    """Write a file through `writer(path)`, for libraries that need a path; `path` has the extension of `rel`."""
    write_all(run, [Written(rel, writer)])


def json_bytes(obj: Any) -> bytes:
    """Return canonical JSON of `obj`: sorted keys, two spaces, a newline at the end."""
    text = json.dumps(obj, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False, default=_plain)
    return (text + "\n").encode("utf-8")


def load_array(
    run: Path, rel: PurePosixPath, n: int | None = None, dtype: DTypeLike | None = None, digest: str | None = None
) -> AnyArray:
    """Read an array and check it.

    Parameters
    ----------
    n : int, optional
        Expected length.
    dtype : optional
        Expected type, with the names and order of columns.
    digest : str, optional
        Trial digest that the record must have. None: the file may have no record (csky's own).

    Raises
    ------
    InputError
        If the file is missing, corrupt, truncated or foreign; the text says which, where, and the cure.
    """
    raw = _read(run, rel)
    try:
        _check_record(run, rel, raw, digest)
        array = parse_npy(raw)
        _check_promise(array, n, dtype)
    except _ForeignError as error:
        raise _foreign(run, rel, error) from None
    except BadFormatError as error:
        raise _corrupt(run, rel, error) from None
    return array


def load_arrays(run: Path, rel: PurePosixPath, digest: str | None = None) -> dict[str, AnyArray]:
    """Read the arrays of an ``.npz``; checks and errors as in `load_array`."""
    raw = _read(run, rel)
    try:
        _check_record(run, rel, raw, digest)
        return parse_npz(raw)
    except _ForeignError as error:
        raise _foreign(run, rel, error) from None
    except BadFormatError as error:
        raise _corrupt(run, rel, error) from None


def load_json(run: Path, rel: PurePosixPath) -> Any:
    """Read a JSON file of the run directory; InputError if it is missing or not JSON."""
    try:
        return json_value(_read(run, rel))
    except ValueError as error:
        raise _corrupt(run, rel, error) from None


def load_record(run: Path, rel: PurePosixPath) -> Record:
    """Return the record of the output `rel`; InputError if there is none or it is invalid."""
    side = layout.record_name(rel)
    try:
        return from_json(json_value(_read(run, side)))
    except ValueError as error:
        raise _corrupt(run, side, error) from None


def state(run: Path, rel: PurePosixPath, n: int | None, dtype: DTypeLike | None, digest: str | None) -> State:
    """Return the state of the file `rel`: done if it is complete, with the expected length, type and digest.

    foreign is an undamaged file of another analysis; corrupt is any other file.
    """
    path = run / rel
    try:
        raw = file_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    except OSError:
        return "corrupt"
    try:
        _check_record(run, rel, raw, digest)
        if rel.suffix == ".npz":
            parse_npz(raw)
        else:
            _check_promise(parse_npy(raw), n, dtype)
    except _ForeignError:
        return "foreign"
    except BadFormatError:
        return "corrupt"
    return "done"


def remove(run: Path, rel: PurePosixPath) -> None:
    """Remove an output and its record, in this order, if they are there."""
    for name in (rel, layout.record_name(rel)):
        (run / name).unlink(missing_ok=True)


def _save_with_record(run: Path, rel: PurePosixPath, raw: bytes, record: Record) -> None:
    sealed = record.with_sha256(hashlib.sha256(raw).hexdigest())
    write_all(run, [Written(layout.record_name(rel), json_bytes(sealed.as_json())), Written(rel, raw)])


def _read(run: Path, rel: PurePosixPath) -> bytes:
    path = run / rel
    try:
        return file_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: this file is missing; run the task that makes it, or `dagmaker repair`") from None
    except OSError as error:
        raise InputError(
            f"{path}: this file cannot be read ({error.strerror}); check its permissions and the disk"
        ) from None


def _check_record(run: Path, rel: PurePosixPath, raw: bytes, digest: str | None) -> None:
    """Compare the bytes with their record, and the record with the digest of this analysis."""
    try:
        side = file_bytes(run / layout.record_name(rel), MAX_JSON)
    except OSError:
        if digest is None:
            return
        raise _ForeignError(f"there is no record ({layout.record_name(rel).name}) beside it") from None
    try:
        record = from_json(json_value(side))
    except ValueError as error:
        raise BadFormatError(f"its record {layout.record_name(rel).name} cannot be read ({error})") from None
    if record.sha256 != hashlib.sha256(raw).hexdigest():
        raise BadFormatError("its bytes are not those that its record was written for (sha256 differs)")
    if digest is not None and record.digest != digest:
        raise _ForeignError(f"its digest is {record.digest[:12]}, this analysis has {digest[:12]}")


def _check_promise(array: AnyArray, n: int | None, dtype: DTypeLike | None) -> None:
    if dtype is not None and array.dtype != np.dtype(dtype):
        raise BadFormatError(f"its type is {array.dtype}, not {np.dtype(dtype)}")
    if n is not None and (array.ndim == 0 or len(array) != n):
        raise BadFormatError(f"its shape is {array.shape}, not the {n} entries that were promised")


def _corrupt(run: Path, rel: PurePosixPath, why: Exception) -> InputError:
    return InputError(
        f"{run / rel}: this file is corrupt: {why}; delete it and run the task that makes it, or `dagmaker repair`"
    )


def _foreign(run: Path, rel: PurePosixPath, why: Exception) -> InputError:
    return InputError(
        f"{run / rel}: this file belongs to another analysis: {why}; "
        "move it away and run the task that makes it, or use a new run directory"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, (Path, PurePosixPath)):
        return str(value)
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")
