"""The section ``hypothesis`` of the spec: its kinds, the points that each has, and the choice of a kind."""

from collections.abc import Iterator, Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, GetCoreSchemaHandler, Tag
from pydantic_core import CoreSchema

from worker.spec import free_points
from worker.spec.flares import FlareHypothesis
from worker.spec.hypothesis_section import KIND, Fault, HypothesisSection
from worker.spec.point import Point
from worker.spec.stacking import StackingHypothesis
from worker.spec.windows import WindowHypothesis

if TYPE_CHECKING:
    from worker.spec.sections import Spec

EXAMPLE = "points: [{dec_deg: 5}, {dec_deg: 30}]"


class SkyHypothesis(HypothesisSection):
    """A grid of declinations, with a scan of the sky or of a list of sources."""

    lists_points: ClassVar[bool] = False
    kind: Annotated[Literal["sky"], KIND] = "sky"

    def words(self, spec: "Spec") -> str:
        """The declinations and their range."""
        decs = spec.background.decs
        return f"{len(decs)} declinations from {decs[0]:g} to {decs[-1]:g} deg"

    def points(self, spec: "Spec") -> tuple[Point, ...]:
        """The declinations of the background section."""
        return spec.scan.points(spec.background.decs, spec.signal.extension_deg)

    def faults(self, spec: "Spec") -> Iterator[Fault]:
        """Points that belong to another kind, or a missing grid."""
        if spec.points:
            text = f"found {len(spec.points)} points; they belong to hypothesis: {{kind: points}}: write that, or "
            yield "points", f"{text}leave them out"
        elif spec.background.dec_deg is None:
            yield "background.dec_deg", "found nothing; write e.g. dec_deg: {start: -85, stop: 85, step: 10}"
        if spec.scan.kind == "points":
            yield (
                "scan.kind",
                f"found points, and the spec lists none; write hypothesis: {{kind: points}} and {EXAMPLE}",
            )


class PointsHypothesis(HypothesisSection):
    """The list ``points`` of the spec."""

    scans: ClassVar[tuple[str, ...]] = ("none", "points")
    kind: Annotated[Literal["points"], KIND]

    def words(self, spec: "Spec") -> str:
        """How many points."""
        return f"{len(spec.points)} points"

    def points(self, spec: "Spec") -> tuple[Point, ...]:
        """Those of the list."""
        return free_points.all_points(spec.points, spec.signal.extension_deg)

    def named(self, spec: "Spec", name: str) -> Point | None:
        """That of the list."""
        return free_points.named(spec.points, name, spec.signal.extension_deg)

    def faults(self, spec: "Spec") -> Iterator[Fault]:
        """A missing list, a grid or a scan beside it, and faults of the list."""
        if not spec.points:
            yield "points", f"missing; hypothesis.kind is points: write e.g. {EXAMPLE}"
        yield from super().faults(spec)
        yield from free_points.faults(spec.points, spec.engine.kind, spec.scan.has_skies)


KINDS: dict[str, type[HypothesisSection]] = {
    "sky": SkyHypothesis,
    "points": PointsHypothesis,
    "window": WindowHypothesis,
    "stacking": StackingHypothesis,
    "flare": FlareHypothesis,
}


def without_grid(document: Any) -> Any:
    """Return the document of a hypothesis that lists its points with an empty grid and an empty scan, if it has none.

    So is a document with points and no hypothesis, which has a message of its own.
    """
    if not isinstance(document, Mapping):
        return document
    kind = _kind(document.get("hypothesis", {"kind": "points"} if document.get("points") else None))
    if kind not in KINDS or not KINDS[kind].lists_points:
        return document
    background = document.get("background")
    if isinstance(background, Mapping):
        background = {"dec_deg": None, **background}
    return {"scan": {"kind": "none"}, **document, "background": background}


def _kind(value: Any) -> str | None:
    if isinstance(value, Mapping):
        kind = value.get("kind", "sky")
        return kind if isinstance(kind, str) else "?"
    return getattr(value, "kind", None)


class _OfTable:
    """The kinds of `KINDS`, as they are when the schema of the spec is built."""

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        kinds = reduce(or_, (Annotated[section, Tag(kind)] for kind, section in KINDS.items()))
        return handler.generate_schema(Annotated[kinds, Discriminator(_kind)])


Hypothesis = Annotated[
    SkyHypothesis | PointsHypothesis | StackingHypothesis | WindowHypothesis | FlareHypothesis, _OfTable()
]
