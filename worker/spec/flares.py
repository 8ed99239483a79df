"""The section ``hypothesis`` of kind flare: sources that may have one flare each, at an unknown time."""

import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from worker.base.bounds import MAX_DECS, MAX_NAME
from worker.spec import levels
from worker.spec.fields import Affects, DecDeg, Model, Name, Number
from worker.spec.hypothesis_section import KIND, Fault, HypothesisSection
from worker.spec.point import Point, SourceModel
from worker.spec.windows import WITHOUT_RUNS

if TYPE_CHECKING:
    from worker.spec.sections import Spec

FIT = Affects("the fit of a flare: all trials", identity=True)
Days = Annotated[Number, Field(ge=1, le=5000)]
"""From one day on, right ascensions of the background are even; below, the detector's azimuth would count."""


def _several(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


Widths = Annotated[
    Annotated[tuple[Days, ...], Field(min_length=1, max_length=100, strict=False)],
    BeforeValidator(_several, json_schema_input_type=float | list[float]),
]


class FlareSource(Model):
    """A source that may have a flare."""

    name: Name
    ra_deg: Annotated[Number, Field(ge=0, le=360)]
    dec_deg: DecDeg


FIT_S, TRY_S = 9e-3, 1.3e-8
"""CPU time of a fit, and of trying one width at all times, for each event of all seasons."""


class FlareHypothesis(HypothesisSection):
    """Signal during one flare of each source: ns, gamma, time and width are fitted."""

    timed: ClassVar[bool] = True
    scans: ClassVar[tuple[str, ...]] = ("none", "points")
    affects = Affects("flares: files of other sources and injected widths stay")
    kind: Annotated[Literal["flare"], KIND]
    sources: Annotated[tuple[FlareSource, ...], Field(min_length=1, max_length=MAX_DECS, strict=False)]
    profile: Annotated[Literal["gaussian", "box"], FIT] = "gaussian"
    min_days: Annotated[Days, FIT] = 1.0
    max_days: Annotated[Days, FIT]
    time_penalty: Annotated[bool, FIT] = True
    inject_days: Widths

    def trial_cost(self, n_events: int) -> tuple[float, float]:
        """All times are tried with every width, in steps of a factor sqrt(2)."""
        widths = 1.0 + 2.0 * max(math.log2(self.max_days / self.min_days), 0.0)
        return FIT_S + TRY_S * n_events * widths, 0.0

    def points(self, spec: "Spec") -> tuple[Point, ...]:
        """Every source with every injected width, in the order of the spec."""
        return _points(self, spec.signal.extension_deg)

    def words(self, spec: "Spec") -> str:
        """Numbers of sources and injected widths, and the widths that are searched."""
        sources = f"{len(self.sources):,} source{'s' if len(self.sources) > 1 else ''}"
        widths = ", ".join(f"{days:g}" for days in self.inject_days[:5])
        more = ", ..." if len(self.inject_days) > 5 else ""
        what = "sigma" if self.profile == "gaussian" else "length"
        return (
            f"flares of {sources} ({self.profile}, {what} {self.min_days:g} to {self.max_days:g} days; "
            f"injected: {widths}{more} days)"
        )

    def named(self, spec: "Spec", name: str) -> Point | None:
        """The source, with the injected width, of this name."""
        return _by_name(self, spec.signal.extension_deg).get(name)

    def faults(self, spec: "Spec") -> Iterator[Fault]:
        """Equal names, and parts of the spec that do not go with flares."""
        yield from super().faults(spec)
        if self.max_days <= self.min_days:
            text = f"found {self.max_days:g}; must be larger than min_days = {self.min_days:g}"
            yield "hypothesis.max_days", f"{text}; write e.g. max_days: {2 * self.min_days:g}"
        yield from self._equal_names(spec)
        if spec.scan.has_skies and len(self.inject_days) > 1:
            yield (
                "hypothesis.inject_days",
                f"found {len(self.inject_days)} widths; with scan: {{kind: points}} every source is fitted once: write "
                "one width, and the others in an analysis of their own, without scan",
            )
        yield from _not_for_flares(spec)

    def _equal_names(self, spec: "Spec") -> Iterator[Fault]:
        seen: set[str] = set()
        for at in self.points(spec):
            name = at.folder.name
            if levels.word(name) in seen:
                yield "hypothesis", f"found {name} twice in sources and inject_days; write each source and width once"
                return
            if len(name) > MAX_NAME:
                yield "hypothesis.sources", f"the point {name} has a name of {len(name)} characters; shorten the source"
                return
            seen.add(levels.word(name))


def _not_for_flares(spec: "Spec") -> Iterator[Fault]:
    """Parts of the spec that the likelihood of a flare does not have."""
    if spec.points:
        yield "points", "found a list; hypothesis.kind is flare, whose points are its sources: leave it out"
    if spec.engine.kind != "builtin":
        text = f"found {spec.engine.kind}; hypothesis.kind is flare, which the built-in engine tests: leave it out"
        yield "engine", f"{text}, or list points with labels of the plug-in (hypothesis: {{kind: points}})"
    if spec.data.format in WITHOUT_RUNS:
        text = f"found {spec.data.format}, which has no good runs: no flare can be tested with it; write e.g. "
        yield "data.format", f"{text}format: icetracks"
    if spec.background.tail != "none":
        text = f"found {spec.background.tail}; trials of flares are counted: write tail: none, or leave it out"
        yield "background.tail", text
    if spec.resources.gpu:
        yield "resources.gpu", "found true; flares are fitted on the CPU: write gpu: false, or leave it out"


@lru_cache(maxsize=4)
def _points(section: FlareHypothesis, extension_deg: float) -> tuple[Point, ...]:
    return tuple(
        _point(source, days, len(section.inject_days) > 1, extension_deg)
        for source in section.sources
        for days in section.inject_days
    )


@lru_cache(maxsize=4)
def _by_name(section: FlareHypothesis, extension_deg: float) -> dict[str, Point]:
    return {at.folder.name: at for at in _points(section, extension_deg)}


def _point(source: FlareSource, days: float, several: bool, extension_deg: float) -> Point:
    """The address has the place, the injected width and the name: equal trials have equal addresses."""
    address = ("flare", source.name, source.dec_deg + 0.0, source.ra_deg + 0.0, days)
    name = f"{source.name}__{levels.exact(days)}d" if several else source.name
    labels: dict[str, str | float] = {
        "source": source.name,
        "dec_deg": source.dec_deg + 0.0,
        "ra_deg": source.ra_deg + 0.0,
        "inject_days": days,
    }
    model = SourceModel((math.radians(source.dec_deg),), (math.radians(extension_deg),))
    return Point(address, PurePosixPath("flare") / name, {"point": name}, labels, model)
