"""A catalogue of the stacking hypothesis: sources with weights, from CSV text or a file, as points of an analysis."""

import csv
import hashlib
import io
import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from worker.spec import catalog
from worker.spec.catalog import Fault
from worker.spec.fields import Affects, Model, refuse
from worker.spec.point import Point, SourceModel

MAX_SOURCES = 3000
MAX_EXTENSIONS = 8
"""Different extensions: each has its own tables of the point-spread function."""
MAX_EXTENSION_DEG = 10.0
EQUAL = "equal"
EXTENSION = "extension_deg"
ANGLES = frozenset({*catalog.COLUMNS, *catalog.ANGLES})


class Stacked(NamedTuple):
    """One source of a catalogue; the weight is that of its flux, in any unit."""

    name: str
    ra_deg: float
    dec_deg: float
    weight: float
    extension_deg: float


class Catalogue(Model):
    """Sources that are tested together: CSV text, or a file of it, and the column of their weights."""

    affects = Affects("the sources of a catalogue and their weights: other trials, other files; other catalogues stay")
    file: Annotated[str | None, Affects(decides="nothing")] = None  # what was in it is in sources
    sources: str | None = None
    weights: Annotated[str, Field(min_length=1, max_length=64)] = EQUAL

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if self.sources is None:
            refuse(("file", "missing; write e.g. file: sources.csv (columns name, ra_deg, dec_deg and the weight)"))
        faults = parse(self.sources or "", self.weights)[1]
        refuse(*(("sources", f"line {fault.line}: {fault.text}") for fault in faults[:10]))
        return self

    @property
    def entries(self) -> tuple[Stacked, ...]:
        """The sources, in the order of the file."""
        return parse(self.sources or "", self.weights)[0]

    @property
    def positions(self) -> tuple[catalog.Source, ...]:
        """Where its sources are."""
        return tuple(catalog.Source(*source[:3]) for source in self.entries)

    @property
    def tag(self) -> str:
        """Eight hex digits of positions, weights and extensions: part of the name of its point."""
        text = "\n".join(",".join(map(repr, source[1:])) for source in self.entries)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def point(self, name: str) -> Point:
        """The point that is this catalogue; another catalogue of the same name is another point."""
        return _point(name, self.tag, self.entries)


@lru_cache(maxsize=16)
def _point(name: str, tag: str, entries: tuple[Stacked, ...]) -> Point:
    model = SourceModel(
        tuple(math.radians(source.dec_deg) for source in entries),
        tuple(math.radians(source.extension_deg) for source in entries),
        tuple(math.radians(source.ra_deg) for source in entries),
        tuple(source.weight for source in entries),
    )
    own = f"{name}-{tag}"
    return Point(("catalogue", name, tag), PurePosixPath("catalogue") / own, {"point": own}, {"catalogue": name}, model)


@lru_cache(maxsize=16)
def parse(text: str, weights: str = EQUAL) -> tuple[tuple[Stacked, ...], list[Fault]]:
    """Return the sources in the order of the text, and every fault.

    Parameters
    ----------
    text : str
        As `worker.spec.catalog.parse`, with the columns of the weight and, if sources are extended, ``extension_deg``.
    weights : str
        ``equal``, or the name of a column.
    """
    sources, faults = catalog.parse(text)
    if faults:
        return (), list(faults)
    line, head, rows = catalog.table(text)
    faults = list(_head_faults(line, head, weights))
    if faults:
        return (), faults
    out = []
    for source, (at, cells) in zip(sources, rows, strict=True):
        values = dict(zip(head, cells, strict=True))
        weight = 1.0 if weights == EQUAL else catalog.number(values[weights])
        extension = catalog.number(values.get(EXTENSION) or "0")
        if not 0 < weight < math.inf:
            text = f"{weights}: found {values[weights][:40]!r}; must be a number above 0"
            faults.append(Fault(at, f"{text}: leave out sources without a weight"))
        if not 0 <= extension <= MAX_EXTENSION_DEG:
            text = f"{EXTENSION}: found {values[EXTENSION][:40]!r}; must be from 0 (a point) to {MAX_EXTENSION_DEG:g}"
            faults.append(Fault(at, f"{text} degrees"))
        out.append(Stacked(*source, weight, extension + 0.0))
    return tuple(out), faults or list(_all_faults(line, out))


def text_of(sources: tuple[Stacked, ...], weights: str) -> str:
    """Return canonical CSV, which `parse` reads back as the same sources."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    own = [] if weights == EQUAL else [weights]
    writer.writerow([*catalog.COLUMNS, *own, EXTENSION])
    for source in sources:
        weight = [] if weights == EQUAL else [repr(source.weight)]
        writer.writerow([source.name, repr(source.ra_deg), repr(source.dec_deg), *weight, repr(source.extension_deg)])
    return out.getvalue()


def _head_faults(line: int, head: list[str], weights: str) -> Iterator[Fault]:
    others = [word for word in head if word not in ANGLES and word != EXTENSION]
    cure = f"write weights: {others[0] if others else EQUAL}"
    if weights in ANGLES or weights == EXTENSION:
        yield Fault(line, f"weights: found {weights}, which is no weight; {cure}")
    elif weights != EQUAL and weights not in head:
        known = f"its other columns are {', '.join(others[:12])}" if others else "it has no column of weights"
        yield Fault(line, f"weights: found no column {weights}; {known}: {cure}")
    for word in sorted({weights, EXTENSION} - {EQUAL}):
        if head.count(word) > 1:
            yield Fault(line, f"the column {word} is there twice; keep one")


def _all_faults(line: int, sources: list[Stacked]) -> Iterator[Fault]:
    extensions = sorted({source.extension_deg for source in sources})
    if len(sources) > MAX_SOURCES:
        yield Fault(
            line, f"found {len(sources):,} sources; a catalogue has at most {MAX_SOURCES:,}: keep the brightest"
        )
    if len(extensions) > MAX_EXTENSIONS:
        text = f"found {len(extensions)} different extensions; at most {MAX_EXTENSIONS}, since each has its own tables"
        yield Fault(line, f"{text}: round them, e.g. to 0, 0.5, 1 and 2 degrees")
