"""The section ``hypothesis`` of kind window: sources, each with one or several known windows in time."""

import math
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from worker.base.bounds import MAX_DECS, MAX_NAME
from worker.spec import levels
from worker.spec.fields import Affects, DecDeg, Model, Name, Number, refuse
from worker.spec.hypothesis_section import KIND, Fault, HypothesisSection
from worker.spec.point import Point, SourceModel, Window

if TYPE_CHECKING:
    from worker.spec.sections import Spec

UNITS = {"s": 86400, "min": 1440, "h": 24, "d": 1}
"""Units of lengths that are texts, by their number in a day."""
LONGEST = 40000.0  # days
SHORTEST = 1e-9  # days, 0.1 ms: times in MJD have 64 bits
WITHOUT_RUNS = frozenset({"ic86_2011", "icecube_3yr", "engine"})
"""Formats of data without good runs."""
WINDOWS = Affects("windows: files of the others stay")
_TEXT = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)\s*([a-z]+)\s*")


def _days(value: Any) -> Any:
    """A length in days from a text with a unit: ``1000 s``."""
    if not isinstance(value, str):
        return value
    match = _TEXT.fullmatch(value)
    if match is None or match[2] not in UNITS:
        refuse(
            ("", f"found {value[:40]!r}; write days as a number, or a number with its unit: 1000 s, 10 min, 2 h, 3 d")
        )
        return value
    return float(match[1]) / UNITS[match[2]]


def _ladder(value: Any) -> Any:
    """One length or several as a tuple; days."""
    return tuple(map(_days, value if isinstance(value, list | tuple) else (value,)))


_Days = Annotated[Number, Field(ge=SHORTEST, le=LONGEST)]
Lengths = Annotated[
    Annotated[tuple[_Days, ...], Field(min_length=1, max_length=100, strict=False)],
    BeforeValidator(_ladder, json_schema_input_type=float | str | list[float | str]),
]
Mjd = Annotated[Number, Field(ge=40000, le=100000)]


class WindowSource(Model):
    """A source with the times at which it may have emitted neutrinos."""

    name: Name
    ra_deg: Annotated[Number, Field(ge=0, le=360)]
    dec_deg: DecDeg
    start_mjd: Mjd | None = None
    centre_mjd: Mjd | None = None
    length_days: Lengths | None = None
    sigma_days: Lengths | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.start_mjd is None) == (self.centre_mjd is None):
            found = "neither start_mjd nor centre_mjd" if self.start_mjd is None else "both start_mjd and centre_mjd"
            refuse(("", f"{self.name}: found {found}; write one of them, e.g. start_mjd: 57000.5"))
        if self.length_days is not None and self.sigma_days is not None:
            text = "found length_days (a box) and sigma_days (a Gaussian); write one of them, or the source twice"
            refuse(("", f"{self.name}: {text}"))
        return self

    def windows(self, lengths: Sequence[float] | None) -> Iterator[tuple[str, float, Window]]:
        """Label, its value (days) and the window of each length; `lengths` for a source without its own."""
        if self.sigma_days is not None:
            for sigma in self.sigma_days:
                yield "sigma_days", sigma, Window("gaussian", self.centre_mjd or 0.0, sigma)
            return
        for length in self.length_days or lengths or ():
            middle = self.centre_mjd if self.start_mjd is None else self.start_mjd + 0.5 * length
            yield "length_days", length, Window("box", middle or 0.0, length)


class WindowHypothesis(HypothesisSection):
    """Signal at known times: each source and each of its windows is a point."""

    timed: ClassVar[bool] = True
    scans: ClassVar[tuple[str, ...]] = ("none", "points")
    affects = WINDOWS
    kind: Annotated[Literal["window"], KIND]
    sources: Annotated[tuple[WindowSource, ...], Field(min_length=1, max_length=MAX_DECS, strict=False)]
    length_days: Lengths | None = None

    def points(self, spec: "Spec") -> tuple[Point, ...]:
        """Every window of every source, in the order of the spec."""
        return _points(self, spec.signal.extension_deg)

    def words(self, spec: "Spec") -> str:
        """Numbers of windows and sources, and the range of times."""
        spans = [at.model.window.span for at in self.points(spec) if at.model.window is not None]
        first, last = min(start for start, _ in spans), max(stop for _, stop in spans)
        sources = f"{len(self.sources):,} source{'s' if len(self.sources) > 1 else ''}"
        return f"{len(spans):,} windows of {sources} (MJD {first:.3f} to {last:.3f})"

    def named(self, spec: "Spec", name: str) -> Point | None:
        """The window of this name."""
        return _by_name(self, spec.signal.extension_deg).get(name)

    def faults(self, spec: "Spec") -> Iterator[Fault]:
        """Sources without a window, equal names, and parts of the spec that do not go with windows."""
        yield from super().faults(spec)
        for i, source in enumerate(self.sources):
            yield from self._of_source(f"hypothesis.sources.{i}", source)
        yield from self._equal_names(spec)
        if spec.points:
            yield "points", "found a list; hypothesis.kind is window, whose points are its sources: leave it out"
        yield from _not_for_windows(spec)

    def _of_source(self, place: str, source: WindowSource) -> Iterator[Fault]:
        if source.sigma_days is not None and source.centre_mjd is None:
            yield f"{place}.sigma_days", f"{source.name}: a Gaussian has a centre; write centre_mjd, not start_mjd"
        elif source.sigma_days is None and source.length_days is None and self.length_days is None:
            text = f"{source.name}: missing; write e.g. length_days: 10, or length_days: [1000 s, 1, 100]"
            yield f"{place}.length_days", f"{text} (for all sources: hypothesis.length_days)"

    def _equal_names(self, spec: "Spec") -> Iterator[Fault]:
        seen: set[str] = set()
        for at in self.points(spec):
            name = at.folder.name
            if levels.word(name) in seen:
                text = f"found {name} twice; write each window once, and each source with a name of its own"
                yield "hypothesis.sources", text
                return
            if len(name) > MAX_NAME:
                yield "hypothesis.sources", f"the point {name} has a name of {len(name)} characters; shorten the source"
                return
            seen.add(levels.word(name))


def _not_for_windows(spec: "Spec") -> Iterator[Fault]:
    """Parts of the spec that the likelihood of a window does not have."""
    if spec.engine.kind != "builtin":
        text = f"found {spec.engine.kind}; hypothesis.kind is window, which the built-in engine tests: leave it out"
        yield "engine", f"{text}, or list points with labels of the plug-in (hypothesis: {{kind: points}})"
    if spec.data.format in WITHOUT_RUNS:
        text = f"found {spec.data.format}, which has no good runs: no window can be tested with it; write e.g. "
        yield "data.format", f"{text}format: icetracks"
    if spec.background.tail != "none":
        text = f"found {spec.background.tail}; trials of windows are counted: write tail: none, or leave it out"
        yield "background.tail", text
    if spec.resources.gpu:
        yield "resources.gpu", "found true; windows are tested on the CPU: write gpu: false, or leave it out"


def _name(source: WindowSource, label: str, value: float) -> str:
    """``GRB130427A__10d``, ``GRB130427A__1000s`` or ``GRB130427A__sigma_10d``."""
    seconds = round(value * UNITS["s"], 6)
    text = f"{seconds:.0f}s" if value < 1 and seconds.is_integer() and seconds else f"{levels.exact(value)}d"
    return f"{source.name}__{'' if label == 'length_days' else 'sigma_'}{text}"


@lru_cache(maxsize=4)
def _points(section: WindowHypothesis, extension_deg: float) -> tuple[Point, ...]:
    return tuple(
        _point(source, label, value, window, extension_deg)
        for source in section.sources
        for label, value, window in source.windows(section.length_days)
    )


@lru_cache(maxsize=4)
def _by_name(section: WindowHypothesis, extension_deg: float) -> dict[str, Point]:
    return {at.folder.name: at for at in _points(section, extension_deg)}


def _point(source: WindowSource, label: str, value: float, window: Window, extension_deg: float) -> Point:
    """The address has all that decides trials and skies, and the name, so that no two points are equal."""
    address = ("window", source.name, source.dec_deg + 0.0, source.ra_deg + 0.0, *window)
    name = _name(source, label, value)
    labels: dict[str, str | float] = {
        "source": source.name,
        "dec_deg": source.dec_deg + 0.0,
        "ra_deg": source.ra_deg + 0.0,
        label: value,
    }
    model = SourceModel((math.radians(source.dec_deg),), (math.radians(extension_deg),), window=window)
    return Point(address, PurePosixPath("window") / name, {"point": name}, labels, model)
