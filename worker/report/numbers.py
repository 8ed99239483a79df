"""The numbers behind a figure, in a file beside it: a table as CSV, anything else as npz."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from worker.rundir import store

SUFFIXES = (".csv", ".npz")
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # full-width ones are taken as formulas too


def save(run: Path, stem: PurePosixPath, numbers: Mapping[str, Any], mark: str) -> PurePosixPath:
    """Write columns of one length as CSV, arrays of several shapes as npz; removes a file of the other kind.

    Parameters
    ----------
    stem : PurePosixPath
        Relative to `run`, without a suffix.
    numbers : mapping of str to array_like
        Columns, or arrays of any shape; not empty. Names carry their unit (``dec_deg``).
    mark : str
        Name of the data: the first line of the CSV, or the array ``mark``.
    """
    arrays = {name: np.asarray(values) for name, values in numbers.items()}
    is_table = len({array.shape for array in arrays.values()}) == 1 and next(iter(arrays.values())).ndim == 1
    file, other = (stem.with_suffix(suffix) for suffix in (SUFFIXES if is_table else SUFFIXES[::-1]))
    if is_table:
        store.save_text(run, file, _csv(arrays, mark))
    else:
        store.save_file(run, file, lambda path: np.savez_compressed(path, mark=np.array(mark), **_small(arrays)))
    (run / other).unlink(missing_ok=True)
    return file


def remove(run: Path, stem: PurePosixPath) -> None:
    """Remove the numbers of a figure that cannot be drawn."""
    for suffix in SUFFIXES:
        (run / stem.with_suffix(suffix)).unlink(missing_ok=True)


def columns(names: tuple[str, ...], rows: Any) -> dict[str, list[Any]]:
    """Columns from rows."""
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _csv(arrays: Mapping[str, Any], mark: str) -> str:
    """A comment line, a line of names, and rows; floats read back exactly."""
    out = io.StringIO()
    out.write(f"# {mark}\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(arrays)
    writer.writerows(
        [_cell(value) for value in row] for row in zip(*(a.tolist() for a in arrays.values()), strict=True)
    )
    return out.getvalue()


def _cell(value: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would execute as a formula."""
    return f"'{value}" if isinstance(value, str) and value.lstrip()[:1] in _FORMULA else value


def _small(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Large arrays as float32; drawings need fewer digits."""
    return {n: a.astype(np.float32) if a.dtype == np.float64 and a.size > 4096 else a for n, a in arrays.items()}
