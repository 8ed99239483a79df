"""A list of sources as CSV text: name, ra_deg, dec_deg; the reader reports every fault, the writer is canonical.

The name of a column gives its unit: ra_hours (decimal hours), ra_rad and dec_rad are converted to degrees.
"""

import csv
import hashlib
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

COLUMNS = ("name", "ra_deg", "dec_deg")
ANGLES: Mapping[str, tuple[str, float, float, float, str]] = {
    "ra_deg": ("ra_deg", 1.0, 0.0, 360.0, "degrees"),
    "ra_hours": ("ra_deg", 15.0, 0.0, 24.0, "hours"),
    "ra_rad": ("ra_deg", math.degrees(1.0), 0.0, 2 * math.pi, "radians"),
    "dec_deg": ("dec_deg", 1.0, -90.0, 90.0, "degrees"),
    "dec_rad": ("dec_deg", math.degrees(1.0), -math.pi / 2, math.pi / 2, "radians"),
}
"""Columns with angles: canonical name, factor, bounds, unit."""
MAX_SOURCES = 100_000
MAX_LINE = 10_000
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|nan|[-+]?inf", re.ASCII)
ROUNDED_RAD = 1e-6  # an angle of 2 pi or pi / 2 that was written with fewer digits
SAME_DEG = 0.001
"""Two entries nearer than this are the same source."""


class Source(NamedTuple):
    """One entry; right ascension in [0, 360), declination in [-90, 90], degrees."""

    name: str
    ra_deg: float
    dec_deg: float


class Fault(NamedTuple):
    """A fault and its line in the text (from 1)."""

    line: int
    text: str


@lru_cache(maxsize=2)
def parse(text: str) -> tuple[tuple[Source, ...], list[Fault]]:
    """Return the sources in the order of the text, and every fault.

    Empty lines and lines with ``#`` are skipped; columns may be in any order, further ones are ignored.
    """
    long = next((i for i, line in enumerate(text.splitlines(), 1) if len(line) > MAX_LINE), None)
    if long is not None:
        length = len(text.splitlines()[long - 1])
        return (), [Fault(long, f"found a line of {length:,} characters; at most {MAX_LINE:,} are read")]
    rows = _rows(text)
    if not rows:
        return (), [Fault(1, f"there is no source in it; the first line is {','.join(COLUMNS)}")]
    head = _cells(rows[0][1])
    faults = list(_head_faults(rows[0][0], head))
    if faults:
        return (), faults
    at = {ANGLES[word][0] if word in ANGLES else word: i for i, word in enumerate(head) if word in (*COLUMNS, *ANGLES)}
    sources: list[tuple[int, Source]] = []
    for line, row in rows[1:]:
        cells = _cells(row)
        if len(cells) != len(head):
            hint = "; columns are separated by commas" if ";" in row or "\t" in row else ""
            faults.append(Fault(line, f"found {len(cells)} columns; the first line has {len(head)}{hint}"))
            continue
        wrong = list(_row_faults(line, cells[at["name"]], {head[at[word]]: cells[at[word]] for word in COLUMNS[1:]}))
        faults += wrong
        if not wrong:
            ra, dec = (float(cells[at[word]]) * ANGLES[head[at[word]]][1] for word in COLUMNS[1:])
            sources.append((line, Source(cells[at["name"]], ra % 360.0 + 0.0, min(max(dec, -90.0), 90.0) + 0.0)))
    if not faults and not sources:
        faults.append(Fault(rows[0][0], "there is no source below the column names"))
    if len(sources) > MAX_SOURCES:
        faults.append(
            Fault(sources[MAX_SOURCES][0], f"found {len(sources):,} sources; at most {MAX_SOURCES:,} are read")
        )
    else:
        faults += _twice(sources)
    return tuple(source for _, source in sources), faults


def table(text: str) -> tuple[int, list[str], list[tuple[int, list[str]]]]:
    """Line and words of the column names, and line and cells of each source, of a text in which `parse` found no fault.

    For further columns, which `parse` ignores.
    """
    (line, head), *rows = _rows(text)
    return line, _cells(head), [(at, _cells(row)) for at, row in rows]


def number(text: str) -> float:
    """The number that a cell holds; NaN if it holds none."""
    return float(text) if NUMBER.fullmatch(text) else math.nan


def _rows(text: str) -> list[tuple[int, str]]:
    """Lines with something in them, by number."""
    lines = enumerate(text.splitlines(), 1)
    return [(i, line) for i, line in lines if line.strip() and not line.lstrip().startswith("#")]


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([row], skipinitialspace=True))]


def text_of(sources: Sequence[Source]) -> str:
    """Return canonical CSV, which `parse` reads back as the same sources."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((source.name, repr(source.ra_deg), repr(source.dec_deg)) for source in sources)
    return out.getvalue()


def tag(sources: Sequence[Source]) -> str:
    """Return eight hex digits of the positions; they name the folder of skies, so that lists do not mix."""
    text = "\n".join(f"{source.ra_deg!r},{source.dec_deg!r}" for source in sources)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _head_faults(line: int, head: Sequence[str]) -> Iterator[Fault]:
    first = f"the first line is {','.join(COLUMNS)}"
    written = [ANGLES[word][0] if word in ANGLES else word for word in head]
    lost = [column for column in COLUMNS if column not in written]
    mark = _separator(head) if lost else None
    if mark:
        yield Fault(line, f"found columns with {mark} between them; they are separated by commas: {first}")
    elif lost:
        yield Fault(line, f"found the columns {_listed(head)}; {', '.join(lost)} missing: {first}")
    for column in sorted({word for word in written if word in COLUMNS and written.count(word) > 1}):
        names = dict.fromkeys(word for word, means in zip(head, written, strict=True) if means == column)
        yield Fault(line, f"the column {' or '.join(names)} is there twice; keep one")


def _separator(head: Sequence[str]) -> str | None:
    """Return the name of the separator used instead of commas, if splitting there gives known column names."""
    for mark, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"), (None, "blanks")):
        words = [word.strip() for word in " ".join(head).split(mark)]
        if len(words) > len(head) and {*words} & {*COLUMNS, *ANGLES}:
            return name
    return None


def _listed(words: Sequence[str]) -> str:
    """Return at most twelve short words, without control characters."""
    shown = [word[:30] if word.isprintable() else ascii(word[:30]) for word in words[:12]]
    return ", ".join(shown) + (f" and {len(words) - 12} more" if len(words) > 12 else "")


def _row_faults(line: int, name: str, angles: Mapping[str, str]) -> Iterator[Fault]:
    if not name:
        yield Fault(line, "name: found nothing; every source has a name")
    elif len(name) > 64 or not name.isprintable():
        yield Fault(line, f"name: found {name[:40]!r}; at most 64 printable characters")
    for column, text in angles.items():
        _, _, low, high, unit = ANGLES[column]
        if not NUMBER.fullmatch(text):
            hint = " (angles are decimal degrees, not hours or minutes)" if ":" in text or "h" in text.lower() else ""
            yield Fault(line, f"{column}: found {text[:40]!r}; must be a number{hint}")
            continue
        value = float(text)
        edge = ROUNDED_RAD if column.endswith("_rad") else 0.0
        if not math.isfinite(value) or not low - edge <= value <= high + edge:
            cure = "; add 360" if column == "ra_deg" and -180 <= value < 0 else ""
            yield Fault(line, f"{column}: found {text[:40]}; must be from {low:.4g} to {high:.4g} {unit}{cure}")


def _twice(sources: Sequence[tuple[int, Source]]) -> Iterator[Fault]:
    """Faults: the same name, or nearly the same position, on two lines."""
    names: dict[str, int] = {}
    for line, source in sources:
        if source.name in names:
            yield Fault(line, f"name: found {source.name!r}, as on line {names[source.name]}; write each source once")
        names.setdefault(source.name, line)
    for (first, earlier), (second, later) in _near(sources):
        if earlier.name != later.name:
            yield Fault(second, f"{later.name!r} and {earlier.name!r} (line {first}) are the same place: keep one")


def _near(sources: Sequence[tuple[int, Source]]) -> Iterator[tuple[tuple[int, Source], tuple[int, Source]]]:
    """Yield each entry with the first earlier one within `SAME_DEG`; uses cells of that size in space."""
    cells: dict[tuple[int, int, int], list[tuple[int, Source]]] = {}
    for line, source in sources:
        ra, dec = math.radians(source.ra_deg), math.radians(source.dec_deg)
        place = (math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec))
        x, y, z = (math.floor(part / math.radians(SAME_DEG)) for part in place)
        steps = (-1, 0, 1)
        cell = ((x + i, y + j, z + k) for i in steps for j in steps for k in steps)
        near = [entry for at in cell for entry in cells.get(at, ()) if _is_same(entry[1], source)]
        if near:
            yield min(near), (line, source)
        else:
            cells.setdefault((x, y, z), []).append((line, source))


def _is_same(one: Source, other: Source) -> bool:
    apart = abs((one.ra_deg - other.ra_deg + 180.0) % 360.0 - 180.0) * math.cos(math.radians(one.dec_deg))
    return apart <= SAME_DEG and abs(one.dec_deg - other.dec_deg) <= SAME_DEG
