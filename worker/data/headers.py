"""Header lines of tables: column names, and messages about names that differ from those of the releases."""

import re
from collections.abc import Sequence
from pathlib import Path

from worker.base.errors import InputError
from worker.spec.season_files import shown


def names_of(path: Path, line: bytes, columns: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names on a header line; InputError if there are none, or numbers; `columns` is for messages."""
    names = tuple(line.decode("utf-8-sig", errors="replace").lstrip("#").replace(",", " ").split())
    if not names:
        raise InputError(f"{path}:1: no header line. The file is empty or was cut off: get it again")
    if all(_is_number(name) for name in names):
        expected = f"'# {' '.join(columns)}'" if columns else "the names of the columns"
        if len(columns) != len(names):
            expected = f"the names of all {len(names)} columns, among them {expected}"
        raise InputError(
            f"{path}:1: numbers where the header with the column names should be. Restore the first line: {expected}"
        )
    if len(names) == 1 and ";" in names[0]:
        raise InputError(
            f"{path}:1: the columns are separated by semicolons, and must be by blanks or commas. Write: "
            f"sed -i 's/;/ /g' {path.name}"
        )
    return names


def place_of(path: Path, names: Sequence[str], columns: Sequence[str], column: str) -> int:
    """Return the index of a column in a header.

    Parameters
    ----------
    columns : sequence of str
        All columns of the reader, for messages.

    Raises
    ------
    InputError
        It is absent, there twice, or in another unit.
    """
    if list(names).count(column) == 1:
        return list(names).index(column)
    raise InputError(f"{path}:1: {_fault(names, columns, column)}")


def _fault(names: Sequence[str], columns: Sequence[str], column: str) -> str:
    if column in names:
        return f"two columns {column!r}; found {shown(names)}. Keep one of them, or correct the names on line 1"
    joined = _joined(names)
    if column in joined and len(joined) < len(names):
        text = f"the header has a blank inside the name {column!r}: {_with_blank(names, column)!r}"
        return f"{text}. Write line 1: {_line(joined)}"
    quantity, _, unit = column.partition("[")
    other = next((name for name in names if name.partition("[")[0] == quantity), None)
    if other is not None and "[" in other and unit:
        return f"column {other!r} has another unit than {'[' + unit}. Convert it and name it {column!r}"
    if other is not None:
        return (
            f"column {other!r} is to be named {column!r}, with its unit. "
            f"If it is in that unit, write line 1: {_line([column if n == other else n for n in names])}"
        )
    return (
        f"no column {column!r}; found {shown(names)}; wanted {', '.join(columns)}. Is it the right kind of file? "
        f"The names are those of the published releases{_line_to_write(names, columns)}"
    )


def _line_to_write(names: Sequence[str], columns: Sequence[str]) -> str:
    """Return advice with the header in published names, if the columns can be identified."""
    plain = {_plain(name): name for name in columns}
    renamed = [name if name in columns else plain.get(_plain(name), name) for name in names]
    if set(columns) <= set(renamed):
        return f"; write line 1: {_line(renamed)}"
    if len(names) == len(columns):
        return f"; if these are the same columns in this order, write line 1: {_line(columns)}"
    return "; name at least the wanted ones so on line 1, separated by blanks, in the order of the columns"


def _line(names: Sequence[str]) -> str:
    """A header line to copy."""
    return f"'# {shown(names, len(names)).replace(', ', ' ')}'"


def _plain(name: str) -> str:
    """Lower-case letters and digits of a name, without its unit."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"\[.*?\]", "", name).lower())


def _joined(names: Sequence[str]) -> list[str]:
    """Join each name with the unit that follows it after a blank."""
    joined: list[str] = []
    for name in names:
        if joined and name.startswith("[") and "[" not in joined[-1]:
            joined[-1] += name
        else:
            joined.append(name)
    return joined


def _with_blank(names: Sequence[str], column: str) -> str:
    at = list(names).index(column.partition("[")[0])
    return " ".join(names[at : at + 2])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
