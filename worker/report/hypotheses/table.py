"""Parts of the report by kind of scan."""

from worker.report.hypotheses import flare, points, sky, source_list, window
from worker.report.hypotheses.part import Part
from worker.spec.sections import Spec

PARTS: dict[str, Part] = {"healpix": sky.PART, "catalog": source_list.PART, "points": points.PART}


TIMED: dict[str, Part] = {"window": window.PART, "flare": flare.PART}
"""Hypotheses about time."""


def part_of(spec: Spec) -> Part | None:
    """The part of the report on skies; None if the analysis scans none."""
    if spec.hypothesis.kind in TIMED and spec.scan.has_skies:
        return TIMED[spec.hypothesis.kind]
    return PARTS.get(spec.scan.kind)
