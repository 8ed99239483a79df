"""What the report shows of each hypothesis, by the kind of scan of the spec."""

from worker.report.hypotheses import sky, source_list
from worker.report.hypotheses.part import Part
from worker.spec.sections import Spec

PARTS: dict[str, Part] = {"healpix": sky.PART, "catalog": source_list.PART}


def part_of(spec: Spec) -> Part | None:
    """The part of the report for what a hypothesis finds in skies; None where it looks at none."""
    return PARTS.get(spec.scan.kind)
