"""Tables that leave columns out where a terminal is too narrow for them, and say which."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class Column(NamedTuple):
    """Its name, its least width (0: of its text, set left) and, above 0, how early it may be left out: 1 is last."""

    name: str
    width: int
    spare: int = 0


def terminal() -> int | None:
    """Columns of the terminal that is written to; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], wide: int | None) -> Iterator[str]:
    """Head and rows, the first column set left and the others right, at most `wide` if columns can be spared for it."""
    lines = [[column.name for column in columns], *rows]
    widths = [
        max(column.width, (1 if column.width else 2) + max(map(len, texts)))
        for column, texts in zip(columns, zip(*lines, strict=True), strict=True)
    ]
    kept = list(range(len(columns)))
    for i in sorted(filter(lambda i: columns[i].spare, kept), key=lambda i: -columns[i].spare):
        if wide is None or sum(widths[k] for k in kept) <= wide:
            break
        kept.remove(i)
    for line in lines:
        yield "".join(_cell(columns[i], widths[i], line[i], i == 0) for i in kept).rstrip()
    if len(kept) < len(columns):
        names = ", ".join(column.name for i, column in enumerate(columns) if i not in kept)
        yield f"(left out, the terminal is narrow: {names}; --json has them)"


def _cell(column: Column, width: int, text: str, first: bool) -> str:
    if not column.width:
        return f"  {text}"
    return f"{text:<{width}}" if first else f"{text:>{width}}"
