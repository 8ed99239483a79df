"""Parts of the report by kind of scan."""

from worker.report.hypotheses import flare, points, sky, source_list, stacking, window
from worker.report.hypotheses.part import Part
from worker.report.plot import Plot
from worker.spec.sections import Spec

PARTS: dict[str, Part] = {"healpix": sky.PART, "catalog": source_list.PART, "points": points.PART}
OF_POINTS: dict[str, Part] = {"stacking": stacking.PART, "window": window.PART, "flare": flare.PART}
"""Kinds of ``hypothesis`` that have a part of their own."""


def part_of(spec: Spec) -> Part | None:
    """The part of the report on skies; None if the analysis scans none."""
    own = OF_POINTS.get(spec.hypothesis.kind) if spec.scan.has_skies else None
    return own or PARTS.get(spec.scan.kind)


def plots_of(spec: Spec) -> tuple[Plot, ...]:
    """Figures of a hypothesis that need no sky."""
    return tuple(stacking.plots(spec))
