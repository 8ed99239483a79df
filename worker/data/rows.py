"""Structured NumPy arrays in ``.npy`` files, as tables of numbers: with errors that say file, row and cure."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from worker.base.arrays import BadFormatError, npy_header
from worker.base.errors import InputError
from worker.data.open_data import NPY, open_data
from worker.data.table import Table
from worker.spec.season_files import shown

NO_NAMES: Mapping[str, str] = {}
_KNOWN_AS = {
    "sigma": ("angErr", "ang_err", "angerr", "sigma_rad"),
    "logE": ("log_energy", "logenergy", "log10E", "log_e"),
    "livetime": ("length", "duration"),
    "time": ("mjd", "MJD"),
    "trueE": ("true_energy", "trueEnergy"),
    "ow": ("oneweight", "OneWeight", "weight"),
}
"""Other names of our columns, for messages only."""


def read_rows(
    path: Path, columns: Sequence[str], theirs: Mapping[str, str] = NO_NAMES, season: str = "SEASON"
) -> Table:
    """Read the named columns of a structured array; the rest of the file is not touched.

    Parameters
    ----------
    columns : sequence of str
        Our names of the fields, in the wanted order.
    theirs : mapping of str to str
        Our names by those of the file, if they differ; names that the file does not have are ignored.

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
    fields = [_field(path, names, column, theirs, season) for column in columns]
    for field in fields:
        _check_kind(path, array.dtype, field)
    if not array.size:
        raise InputError(f"{path}: holds no rows. Was the selection empty? Get the file again")
    values = np.empty((array.size, len(columns)))
    for k, field in enumerate(fields):
        values[:, k] = array[field]
    table = Table(path, tuple(columns), values, np.arange(array.size), is_text=False)
    for column, field in zip(columns, fields, strict=True):
        bad = ~np.isfinite(table.column(column))
        table.refuse(bad, f"{field} is not a finite number", "Remove that event, or get the file again")
    return table


def names_in(path: Path) -> tuple[str, ...]:
    """Names of the columns of a file."""
    return _mapped(path).dtype.names or ()


def _field(path: Path, names: Sequence[str], column: str, theirs: Mapping[str, str], season: str) -> str:
    """Return the name of a column in the file: that of the spec, else ours."""
    given = [name for name, ours in theirs.items() if ours == column and name in names]
    if len(given) > 1:
        raise InputError(f"{path}: {' and '.join(given)} are both {column} by data.seasons: keep one under columns")
    if given or column in names:
        return given[0] if given else column
    alike = next((name for name in _KNOWN_AS.get(column, ()) if name in names), None)
    close = shown([alike or next(iter(get_close_matches(column, names, n=1)), "THEIRS")])
    raise InputError(
        f"{path}: no column {column!r}; found {shown(names)}. If one of them is it, name it in data.seasons: "
        f"{{name: {season}, columns: {{{close}: {column}}}}}; else check that it is the right kind of file"
    )


def _mapped(path: Path) -> np.ndarray:
    """Return the array, mapped from the disk."""
    try:
        with open_data(path, NPY) as file:
            header = npy_header(file, path.stat().st_size)
        if 0 in header.shape:  # nothing to map
            return np.empty(header.shape, header.dtype)
        return np.memmap(path, header.dtype, "r", header.start, header.shape, header.order)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Check the path and its permissions") from None
    except BadFormatError as error:
        raise InputError(f"{path}: {error}. Get the file again, or save it again with numpy.save") from None


def _check_kind(path: Path, dtype: np.dtype[np.void], field: str) -> None:
    kind = dtype[field]
    if kind.kind not in "fiu" or kind.shape:
        raise InputError(f"{path}: column {field!r} holds {kind}, not one number per row. Convert it to float64")
