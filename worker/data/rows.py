"""Structured NumPy arrays in ``.npy`` files, as tables of numbers: with errors that say file, row and cure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from worker.arrays import BadFormatError, npy_header
from worker.data.table import Table
from worker.errors import InputError
from worker.specfile.messages import did_you_mean


def read_rows(path: Path, columns: Sequence[str]) -> Table:
    """Read the named columns of a structured array; the rest of the file is not touched.

    Parameters
    ----------
    columns : sequence of str
        Names of the fields, in the wanted order.

    Raises
    ------
    InputError
        Absent, empty or truncated file, no structured array, a missing column, text or NaN where a number belongs.
    """
    array = _mapped(path)
    names = array.dtype.names
    if names is None or array.ndim != 1:
        raise InputError(
            f"{path}: an array of shape {array.shape} and type {array.dtype}, not one row of named columns per event. "
            f"Save a structured array with {', '.join(columns)}"
        )
    for column in columns:
        _check_column(path, array.dtype, names, column)
    if not array.size:
        raise InputError(f"{path}: holds no rows. Was the selection empty? Get the file again")
    values = np.empty((array.size, len(columns)))
    for k, column in enumerate(columns):
        values[:, k] = array[column]
    table = Table(path, tuple(columns), values, np.arange(array.size), is_text=False)
    for column in columns:
        bad = ~np.isfinite(table.column(column))
        table.refuse(bad, f"{column} is not a finite number", "Remove that event, or get the file again")
    return table


def _mapped(path: Path) -> np.ndarray:
    """The array, read from the disk where it is used."""
    try:
        with path.open("rb") as file:
            header = npy_header(file, path.stat().st_size)
        if 0 in header.shape:  # nothing to map
            return np.empty(header.shape, header.dtype)
        return np.memmap(path, header.dtype, "r", header.start, header.shape, header.order)
    except FileNotFoundError:
        found = sorted(p.name for p in path.parent.glob("*.npy")) if path.parent.is_dir() else []
        there = f"its folder has {', '.join(found[:20])}" if found else "its folder is absent or has no .npy file"
        raise InputError(f"{path}: no such file; {there}. Check the path in `data`, or get the file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Check the path and its permissions") from None
    except BadFormatError as error:
        raise InputError(f"{path}: {error}. Get the file again, or save it again with numpy.save") from None


def _check_column(path: Path, dtype: np.dtype[np.void], names: tuple[str, ...], column: str) -> None:
    if column not in names:
        found = f"found {', '.join(names)}{did_you_mean(column, list(names)) or '.'}"
        raise InputError(f"{path}: no column {column!r}; {found} Rename it, or check that it is the right kind of file")
    kind = dtype[column]
    if kind.kind not in "fiu" or kind.shape:
        raise InputError(f"{path}: column {column!r} holds {kind}, not one number per row. Convert it to float64")
