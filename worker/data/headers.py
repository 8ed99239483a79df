"""Header lines of tables: the names on them, and what to say where one is not as the releases write it."""

import re
from collections.abc import Sequence
from pathlib import Path

from worker.base.errors import InputError
from worker.spec.season_files import shown


def names_of(path: Path, line: bytes, columns: Sequence[str] = ()) -> tuple[str, ...]:
    """Column names on a header line, without the leading ``#``.

    Parameters
    ----------
    columns : sequence of str
        Some that are wanted, for messages.

    Raises
    ------
    InputError
        No names, or numbers in their place.
    """
    names = tuple(line.decode("utf-8-sig", errors="replace").lstrip("#").replace(",", " ").split())
    if not names:
        raise InputError(f"{path}:1: no header line. The file is empty or was cut off: get it again")
    if all(_is_number(name) for name in names):
        wanted = f"'# {' '.join(columns)}'" if columns else "the names of the columns"
        if len(columns) != len(names):
            wanted = f"the names of all {len(names)} columns, among them {wanted}"
        raise InputError(
            f"{path}:1: numbers where the header with the column names should be. Restore the first line: {wanted}"
        )
    if len(names) == 1 and ";" in names[0]:
        raise InputError(
            f"{path}:1: the columns are separated by semicolons, and must be by blanks or commas. Write: "
            f"sed -i 's/;/ /g' {path.name}"
        )
    return names


def place_of(path: Path, names: Sequence[str], columns: Sequence[str], wanted: str) -> int:
    """Place of a column among the names of a header.

    Parameters
    ----------
    columns : sequence of str
        All columns that the reader takes, for the line that a message tells to write.

    Raises
    ------
    InputError
        It is not there, there twice, or there in another unit.
    """
    if list(names).count(wanted) == 1:
        return list(names).index(wanted)
    raise InputError(f"{path}:1: {_fault(names, columns, wanted)}")


def _fault(names: Sequence[str], columns: Sequence[str], wanted: str) -> str:
    if wanted in names:
        return f"two columns {wanted!r}; found {shown(names)}. Keep one of them, or correct the names on line 1"
    joined = _joined(names)
    if wanted in joined and len(joined) < len(names):
        whole = f"the header has a blank inside the name {wanted!r}: {_with_blank(names, wanted)!r}"
        return f"{whole}. Write line 1: {_line(joined)}"
    quantity, _, unit = wanted.partition("[")
    other = next((name for name in names if name.partition("[")[0] == quantity), None)
    if other is not None and "[" in other and unit:
        return f"column {other!r} has another unit than {'[' + unit}. Convert it and name it {wanted!r}"
    if other is not None:
        return (
            f"column {other!r} is to be named {wanted!r}, with its unit. "
            f"If it is in that unit, write line 1: {_line([wanted if n == other else n for n in names])}"
        )
    return (
        f"no column {wanted!r}; found {shown(names)}; wanted {', '.join(columns)}. Is it the right kind of file? "
        f"The names are those of the published releases{_line_to_write(names, columns)}"
    )


def _line_to_write(names: Sequence[str], columns: Sequence[str]) -> str:
    """The header with the published names, where it can be told which column is which."""
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
    """Names with the unit that follows each of them after a blank."""
    joined: list[str] = []
    for name in names:
        if joined and name.startswith("[") and "[" not in joined[-1]:
            joined[-1] += name
        else:
            joined.append(name)
    return joined


def _with_blank(names: Sequence[str], wanted: str) -> str:
    at = list(names).index(wanted.partition("[")[0])
    return " ".join(names[at : at + 2])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
