"""The hypothesis ``stacking`` of the spec: catalogues whose sources are fitted together, with one ns and one gamma."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from worker.base.errors import SpecError
from worker.spec import units
from worker.spec.catalogue import Catalogue
from worker.spec.fields import Affects, Positive, refuse
from worker.spec.hypothesis_section import KIND, Fault, HypothesisSection
from worker.spec.point import Point

if TYPE_CHECKING:
    from worker.spec.sections import Spec

MAX_CATALOGUES = 100
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
SOURCES_TO_COVER = 10
"""Sources that have most events near them; measured like the following (benchmarks/stacking.py)."""
EVENT_S, PAIR_S = 2.7e-8, 3.5e-10
EVENT_MB = 1.6e-3
DIFFUSE = Affects("the diffuse flux that limits are compared with: the report alone", decides="nothing")


class StackingHypothesis(HypothesisSection):
    """Catalogues of sources; each is a point of the analysis, with trials of the whole sky."""

    scans: ClassVar[tuple[str, ...]] = ("none", "points")
    kind: Annotated[Literal["stacking"], KIND]
    catalogues: Annotated[
        dict[str, Catalogue],
        Field(min_length=1, max_length=MAX_CATALOGUES),
        Affects("catalogues: files of the others stay"),
    ]
    diffuse_flux: Annotated[Positive | None, DIFFUSE] = None

    @model_validator(mode="after")
    def _named(self) -> "StackingHypothesis":
        rule = "must be at most 40 letters, digits and _ -, beginning with a letter"
        wrong = [name for name in self.catalogues if not NAME.fullmatch(name)]
        refuse(*(("catalogues", f"found the name {name[:60]!r}; it {rule}: it names a folder") for name in wrong))
        return self

    def words(self, spec: "Spec") -> str:  # noqa: ARG002 (the interface)
        """The catalogues and their numbers of sources."""
        each = [f"{name} ({len(one.entries):,} sources)" for name, one in self.catalogues.items()]
        shown = ", ".join(each[:5]) + (", ..." if len(each) > 5 else "")
        return f"{len(each)} catalogue{'s' if len(each) > 1 else ''}: {shown}"

    def trial_cost(self, n_events: int) -> tuple[float, float]:
        """Mean over the catalogues: events near a source are rows of the fit, and pairs are summed for it."""
        sizes = [len(one.entries) for one in self.catalogues.values()]
        near = [n_events * min(n / SOURCES_TO_COVER, 1.0) for n in sizes]
        seconds = sum(EVENT_S * few + PAIR_S * n * n_events for few, n in zip(near, sizes, strict=True)) / len(sizes)
        return seconds, EVENT_MB * max(near)

    def points(self, spec: "Spec") -> tuple[Point, ...]:  # noqa: ARG002 (the interface)
        """The catalogues, in the order of the spec."""
        return tuple(one.point(name) for name, one in self.catalogues.items())

    def named(self, spec: "Spec", name: str) -> Point | None:
        """The point of a catalogue, by its own name or by that of its folder."""
        return next((at for at in self.points(spec) if name in (at.folder.name, at.labels["catalogue"])), None)

    def faults(self, spec: "Spec") -> Iterator[Fault]:
        """Sections that a stack does not read, and angles that seem not to be in degrees."""
        yield from super().faults(spec)
        if spec.points:
            yield "points", f"found {len(spec.points)} points; hypothesis.kind is stacking: leave them out"
        if spec.engine.kind != "builtin":
            text = "found stacking; a plug-in is told points by their labels, not catalogues: "
            yield "hypothesis.kind", f"{text}write hypothesis: {{kind: points}}, or leave engine out"
        if spec.background.tail != "none":
            text = f"found {spec.background.tail}; catalogues have no tilted trials, p is counted and fitted beyond: "
            yield "background.tail", f"{text}write tail: none, or leave it out"
        if spec.resources.gpu:
            yield "resources.gpu", "found true; catalogues are fitted on CPUs: write gpu: false, or leave it out"
        if spec.signal.dec_deg is not None:
            yield "signal.dec_deg", "found a grid; signal is injected at the sources of a catalogue: leave it out"
        for section, value in (("signal", spec.signal), ("likelihood", spec.likelihood)):
            if value.extension_deg:
                text = f"found {value.extension_deg:g}; each source of a catalogue has its own: leave it out, "
                yield f"{section}.extension_deg", f"{text}and add the column extension_deg to the catalogue"
        for name, one in self.catalogues.items():
            fault = None if spec.small_angles else units.source_fault(one.positions)
            if fault:
                yield f"hypothesis.catalogues.{name}.{'sources' if one.file is None else 'file'}", fault


def catalogues_of(spec: "Spec") -> dict[str, Catalogue]:
    """Catalogues of an analysis by name; SpecError if it has none."""
    if isinstance(spec.hypothesis, StackingHypothesis):
        return spec.hypothesis.catalogues
    raise SpecError(f"this analysis has no catalogues; hypothesis.kind is {spec.hypothesis.kind}")
