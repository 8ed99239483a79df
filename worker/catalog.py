"""A list of sources as CSV text: name, ra_deg, dec_deg. Read with every problem told, written in one canonical form."""

import csv
import hashlib
import io
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

COLUMNS = ("name", "ra_deg", "dec_deg")
MAX_SOURCES = 100_000
SAME_DEG = 0.001
"""Two entries nearer than this are one source, written twice."""


class Source(NamedTuple):
    """One entry; right ascension in [0, 360), declination in [-90, 90], degrees."""

    name: str
    ra_deg: float
    dec_deg: float


class Fault(NamedTuple):
    """What is wrong, and on which line of the text (from 1)."""

    line: int
    text: str


def parse(text: str) -> tuple[tuple[Source, ...], list[Fault]]:
    """Sources in the order of the text, and every fault.

    Lines that are empty or begin with ``#`` are comments; columns may come in any order, others are passed over.
    """
    rows = [
        (i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip() and not line.lstrip().startswith("#")
    ]
    if not rows:
        return (), [Fault(1, f"there is no source in it; the first line is {','.join(COLUMNS)}")]
    head = [word.strip() for word in next(csv.reader([rows[0][1]]))]
    faults = list(_head_faults(rows[0][0], head))
    if faults:
        return (), faults
    at = {column: head.index(column) for column in COLUMNS}
    found: list[tuple[int, Source]] = []
    for line, row in rows[1:]:
        cells = [cell.strip() for cell in next(csv.reader([row], skipinitialspace=True))]
        if len(cells) != len(head):
            faults.append(Fault(line, f"found {len(cells)} columns; the first line has {len(head)}"))
            continue
        values = {column: cells[i] for column, i in at.items()}
        wrong = list(_row_faults(line, values))
        faults += wrong
        if not wrong:
            ra, dec = float(values["ra_deg"]) % 360.0, float(values["dec_deg"])
            found.append((line, Source(values["name"], ra + 0.0, dec + 0.0)))
    if not faults and not found:
        faults.append(Fault(rows[0][0], "there is no source below the column names"))
    if len(found) > MAX_SOURCES:
        faults.append(Fault(found[MAX_SOURCES][0], f"found {len(found):,} sources; at most {MAX_SOURCES:,} are read"))
    else:
        faults += _twice(found)
    return tuple(source for _, source in found), faults


def text_of(sources: Sequence[Source]) -> str:
    """Canonical CSV: what `parse` reads back as the same sources."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((source.name, repr(source.ra_deg), repr(source.dec_deg)) for source in sources)
    return out.getvalue()


def tag(sources: Sequence[Source]) -> str:
    """Eight hex digits of the positions: names the folder of their skies, so another list does not mix with them."""
    text = "\n".join(f"{source.ra_deg!r},{source.dec_deg!r}" for source in sources)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _head_faults(line: int, head: Sequence[str]) -> Iterator[Fault]:
    lost = [column for column in COLUMNS if column not in head]
    if lost:
        yield Fault(
            line,
            f"found the columns {', '.join(head)}; {', '.join(lost)} missing: the first line is {','.join(COLUMNS)}",
        )
    twice = sorted({word for word in head if word in COLUMNS and head.count(word) > 1})
    for word in twice:
        yield Fault(line, f"the column {word} is there twice; keep one")


def _row_faults(line: int, values: dict[str, str]) -> Iterator[Fault]:
    name = values["name"]
    if not name:
        yield Fault(line, "name: found nothing; every source has a name")
    elif len(name) > 64 or not name.isprintable():
        yield Fault(line, f"name: found {name[:40]!r}; at most 64 printable characters")
    for column, low, high in (("ra_deg", 0.0, 360.0), ("dec_deg", -90.0, 90.0)):
        text = values[column]
        try:
            value = float(text)
        except ValueError:
            hint = " (angles are decimal degrees, not hours or minutes)" if ":" in text or "h" in text.lower() else ""
            yield Fault(line, f"{column}: found {text[:40]!r}; must be a number{hint}")
            continue
        if not math.isfinite(value) or not low <= value <= high:
            yield Fault(line, f"{column}: found {text}; must be from {low:g} to {high:g} degrees")


def _twice(found: Sequence[tuple[int, Source]]) -> Iterator[Fault]:
    """The same name, or (nearly) the same place, on two lines."""
    names: dict[str, int] = {}
    for line, source in found:
        if source.name in names:
            yield Fault(line, f"name: found {source.name!r}, as on line {names[source.name]}; write each source once")
        names.setdefault(source.name, line)
    by_dec = sorted(found, key=lambda item: item[1].dec_deg)
    for i, (line, source) in enumerate(by_dec):
        for other_line, other in by_dec[i + 1 :]:
            if other.dec_deg - source.dec_deg > SAME_DEG:
                break
            apart = abs((source.ra_deg - other.ra_deg + 180.0) % 360.0 - 180.0)
            if apart * math.cos(math.radians(source.dec_deg)) <= SAME_DEG and source.name != other.name:
                first, second = sorted([line, other_line])
                yield Fault(second, f"{other.name!r} and {source.name!r} (line {first}) are the same place: keep one")
