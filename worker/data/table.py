"""Tables of numbers in text files: read in pieces, by column name, with errors that say file, line and cure."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from worker.base.errors import InputError
from worker.data.dataset import F64, I64
from worker.data.headers import names_of, place_of
from worker.data.open_data import open_data
from worker.data.parse import NOT_A_NUMBER, TOO_FEW, parse_lines

Progress = Callable[[float], None]

_CHUNK = 1 << 22
_LONGEST_LINE = 1 << 14


class Table(NamedTuple):
    """Named columns of a file.

    Attributes
    ----------
    values : ndarray (n, n_columns)
        In the order of `columns`.
    lines : ndarray (n,), int64
        Line in the file, counted from 1; row of the array, counted from 0.
    is_text : bool
        Whether the file has lines (else it is an array of rows).
    """

    path: Path
    columns: tuple[str, ...]
    values: F64
    lines: I64
    is_text: bool = True

    def column(self, name: str) -> F64:
        """One column, (n,)."""
        values: F64 = self.values[:, self.columns.index(name)]
        return values

    def refuse(self, bad: np.ndarray, what: str, cure: str) -> None:
        """Raise InputError with the first line at which ``bad`` (n,) is true, if there is one."""
        if not bad.any():
            return
        first = int(np.argmax(bad))
        more = int(np.count_nonzero(bad)) - 1
        word, mark = ("lines", ":") if self.is_text else ("rows", ": row ")
        others = f" (and {more} more {word})" if more else ""
        row = ", ".join(f"{n} {v:g}" for n, v in zip(self.columns, self.values[first], strict=True))
        raise InputError(f"{self.path}{mark}{self.lines[first]}: {what}{others}; found {row}. {cure}")


def header_of(path: Path, columns: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the column names on the first line, without the leading ``#``; `columns` is for messages."""
    with open_data(path) as file:
        return _header(file, path, columns)


def read_table(
    path: Path,
    columns: Sequence[str],
    *,
    header: bool = True,
    n_key: int = 0,
    progress: Progress | None = None,
) -> Table:
    """Read the named columns of a whitespace- or comma-separated table.

    Parameters
    ----------
    columns : sequence of str
        Names as in the header, with units. If ``header`` is false: the names of all columns, in order.
    n_key : int
        0 keeps all lines. Otherwise, if the file has these columns in this order, lines whose last field is 0 are
        dropped, except the first of each run of equal leading ``n_key`` fields, which keeps the grid complete.
    progress : callable, optional
        Called with the fraction of the file that has been read.

    Raises
    ------
    InputError
        Absent or empty file, missing column or other unit, text or NaN in a number, wrong number of
        fields, last line cut off.
    """
    with open_data(path) as file:
        names = _header(file, path, columns) if header else tuple(columns)
        places = [place_of(path, names, columns, name) for name in columns]
        if names[:n_key] != tuple(columns[:n_key]) or names[-1] != columns[-1]:
            n_key = 0  # another order of columns: no row is dropped
        size = max(path.stat().st_size, 1)
        parts, lines = [], []
        for rows, numbers, done in _pieces(file, path, len(names), 2 if header else 1, n_key):
            parts.append(rows[:, places])
            lines.append(numbers)
            if progress is not None:
                progress(min(done / size, 1.0))
    if not sum(len(part) for part in parts):
        raise InputError(f"{path}: holds no rows of numbers. The file is empty or was cut off: get it again")
    return Table(path, tuple(columns), np.concatenate(parts), np.concatenate(lines))


def _header(file: BinaryIO, path: Path, columns: Sequence[str]) -> tuple[str, ...]:
    start = file.read(_LONGEST_LINE) or b""
    line, end, _ = start.partition(b"\n")
    if not end and b"\r" in start:
        cure = f"Write them anew: tr '\\r' '\\n' < {path.name} > new, and rename it"
        raise InputError(f"{path}:1: its lines end as on old Macs, with CR alone. {cure}")
    if not end and len(start) == _LONGEST_LINE:
        raise InputError(f"{path}:1: no line end in {_LONGEST_LINE} bytes: this is no table. Get the file again")
    file.seek(len(line) + len(end))
    return names_of(path, line, columns)


def _pieces(file: BinaryIO, path: Path, n_columns: int, first_line: int, n_key: int) -> Iterator[tuple[F64, I64, int]]:
    """Rows (n, n_columns), their line numbers and the bytes read so far, piece by piece of whole lines."""
    view = memoryview(bytearray(_CHUNK))
    buf = np.frombuffer(view, np.uint8)
    rows = np.empty((_CHUNK // (2 * n_columns) + 1, n_columns))
    lines = np.empty(len(rows), np.int64)
    last = np.full(n_columns, math.nan)
    have, line = 0, first_line
    while read := file.readinto(view[have:]):  # type: ignore[attr-defined]
        have += read
        stop = _last_line_end(view, have)
        if stop == 0 and have == _CHUNK:
            raise InputError(f"{path}:{line}: a line of more than {_CHUNK} bytes: this is no table. Get the file again")
        kept, passed, code, place = parse_lines(buf, stop, n_key, last, rows, lines)
        if code:
            raise _damage(f"{path}:{line + passed}", code, bytes(view[:stop]), place, n_columns)
        yield rows[:kept].copy(), lines[:kept] + line, file.tell()
        line += passed
        have -= stop
        view[:have] = bytes(view[stop : stop + have])
    if bytes(view[:have]).strip():
        raise InputError(
            f"{path}:{line}: the last line has no line end: the file was cut off there. Get it again "
            "(if you know that it is whole, end it with a newline)"
        )


def _last_line_end(view: memoryview, have: int) -> int:
    """Return the bytes up to and including the last line end in view[:have]; 0 if there is none."""
    tail = max(have - _LONGEST_LINE, 0)
    found = bytes(view[tail:have]).rfind(b"\n")
    if found >= 0:
        return tail + found + 1
    return bytes(view[:have]).rfind(b"\n") + 1


def _damage(where: str, code: int, text: bytes, place: int, n_columns: int) -> InputError:
    start = text.rfind(b"\n", 0, place) + 1
    whole = text[start : text.find(b"\n", start)].decode("utf-8", errors="replace").replace(",", " ")
    fields = whole.split()
    if code == NOT_A_NUMBER:
        token = text[place : place + 40].replace(b",", b" ").split()[0].decode("utf-8", errors="replace")
        column = len(text[start:place].replace(b",", b" ").split()) + 1
        what = f"{token!r} in column {column} is not a finite number"
        cure = "Correct or remove that line, or get the file again"
    else:
        what = f"{len(fields)} fields where the header names {n_columns}"
        cure = "The line was cut off: get the file again" if code == TOO_FEW else "Remove what is too much"
    return InputError(f"{where}: {what}: {whole[:120]!r}. {cure}")
