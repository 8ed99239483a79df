"""Tables that leave columns out where a terminal is too narrow for them, and say which."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class Column(NamedTuple):
    """Its name, its width (0: as wide as its text, set left) and, above 0, how early it may be left out: 1 is last."""

    name: str
    width: int
    spare: int = 0


def terminal() -> int | None:
    """Columns of the terminal that is written to; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], wide: int | None) -> Iterator[str]:
    """Head and rows, the first column set left and the others right, at most `wide` if columns can be spared for it."""
    table_rows = list(rows)
    left_out: set[int] = set()
    for i in sorted((i for i, column in enumerate(columns) if column.spare), key=lambda i: -columns[i].spare):
        if (
            wide is None
            or sum(_width(columns, table_rows, k) for k in range(len(columns)) if k not in left_out) <= wide
        ):
            break
        left_out.add(i)
    kept = [i for i in range(len(columns)) if i not in left_out]
    for row in ([column.name for column in columns], *table_rows):
        yield "".join(_cell(columns[i], row[i], i == 0) for i in kept).rstrip()
    if left_out:
        names = ", ".join(columns[i].name for i in sorted(left_out))
        yield f"(left out, the terminal is narrow: {names}; --json has them)"


def _cell(column: Column, text: str, first: bool) -> str:
    if not column.width:
        return f"  {text}"
    return f"{text:<{column.width}}" if first else f"{text:>{column.width}}"


def _width(columns: Sequence[Column], rows: Sequence[Sequence[str]], i: int) -> int:
    column = columns[i]
    return column.width or 2 + max(len(column.name), *(len(row[i]) for row in rows), 0)
