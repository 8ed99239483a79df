"""Base class of the kinds of the section ``hypothesis`` of the spec."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from worker.spec.fields import Affects, Model
from worker.spec.point import Point

if TYPE_CHECKING:
    from worker.spec.sections import Spec

Fault = tuple[str, str]
"""Key of the spec, and a sentence."""

KIND = Affects("what is tested: other points, other files")


class HypothesisSection(Model):
    """The section ``hypothesis`` of a spec, one subclass for each kind.

    Attributes
    ----------
    lists_points : bool
        Whether it has points of its own, which are named by ``--point`` and whose rows have their labels. If not, its
        points are declinations of the background section.
    timed : bool
        Whether times are tested: they are opened with the right ascensions, results are fluences, and trials depend on
        the good runs.
    scans : tuple of str
        Kinds of scan that it can have.
    """

    lists_points: ClassVar[bool] = True
    timed: ClassVar[bool] = False
    scans: ClassVar[tuple[str, ...]] = ("none",)

    def points(self, spec: "Spec") -> tuple[Point, ...]:
        """Points with background and signal trials, in the order of the plan."""
        raise NotImplementedError

    def words(self, spec: "Spec") -> str:
        """What has trials, for `dagmaker check`: ``3 points``."""
        raise NotImplementedError

    def trial_cost(self, n_events: int) -> tuple[float, float] | None:  # noqa: ARG002 (the interface)
        """CPU seconds of a trial and its memory in MB, for the built-in model of costs; None: those of the task."""
        return None

    def named(self, spec: "Spec", name: str) -> Point | None:
        """The point whose folder has this name; None if there is none."""
        return next((at for at in self.points(spec) if at.folder.name == name), None)

    def faults(self, spec: "Spec") -> Iterator[Fault]:
        """Faults of the spec with respect to this kind."""
        if spec.background.dec_deg is not None:
            text = f"found a grid, and hypothesis.kind is {spec.hypothesis.kind}, which lists its own: leave it out"
            yield "background.dec_deg", text
        if spec.scan.kind not in self.scans:
            known = " or ".join(f"{{kind: {kind}, ...}}" for kind in self.scans if kind != "none")
            text = f"found {spec.scan.kind}; hypothesis.kind is {spec.hypothesis.kind}, which does not scan like that: "
            yield "scan.kind", f"{text}leave scan out{f', or write {known}' if known else ''}"
