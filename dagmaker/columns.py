"""Tables that drop columns if the terminal is too narrow, and name the dropped ones."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class Column(NamedTuple):
    """Name, least width (0: that of its text, left-aligned) and drop order: the largest is dropped first, 0 never."""

    name: str
    width: int
    drop_order: int = 0


def terminal_width() -> int | None:
    """Width of the terminal on stdout in characters; None if stdout is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int | None) -> Iterator[str]:
    """Header and rows, the first column left-aligned; columns are dropped until the table fits into `width`."""
    lines = [[column.name for column in columns], *rows]
    widths = [
        max(column.width, (1 if column.width else 2) + max(map(len, texts)))
        for column, texts in zip(columns, zip(*lines, strict=True), strict=True)
    ]
    shown = list(range(len(columns)))
    for i in sorted(filter(lambda i: columns[i].drop_order, shown), key=lambda i: -columns[i].drop_order):
        if width is None or sum(widths[k] for k in shown) <= width:
            break
        shown.remove(i)
    for line in lines:
        yield "".join(_cell(columns[i], widths[i], line[i], i == 0) for i in shown).rstrip()
    if len(shown) < len(columns):
        names = ", ".join(column.name for i, column in enumerate(columns) if i not in shown)
        yield f"(left out, the terminal is narrow: {names}; --json has them)"


def _cell(column: Column, width: int, text: str, first: bool) -> str:
    if not column.width:
        return f"  {text}"
    return f"{text:<{width}}" if first else f"{text:>{width}}"
