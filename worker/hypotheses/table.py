"""All hypotheses, by the kind of scan in the spec."""

from collections.abc import Callable

from worker.base.errors import SpecError
from worker.hypotheses.points.hypothesis import Points
from worker.hypotheses.points.skies import PointSkies
from worker.hypotheses.protocol import Ensemble, Hypothesis
from worker.hypotheses.sky.hypothesis import WholeSky
from worker.hypotheses.source_list.hypothesis import SourceList
from worker.hypotheses.window.skies import WindowSkies
from worker.spec.sections import Spec

HYPOTHESES: dict[str, Callable[[Spec], Hypothesis]] = {
    "healpix": WholeSky,
    "catalog": SourceList,
    "points": PointSkies,
    "none": Points,
}


def hypothesis_of(spec: Spec) -> Hypothesis:
    """The hypothesis of an analysis."""
    if spec.hypothesis.kind == "window" and spec.scan.kind == "points":
        return WindowSkies(spec)
    return HYPOTHESES[spec.scan.kind](spec)


def ensemble_of(spec: Spec) -> Ensemble:
    """The scan of an analysis.

    Raises
    ------
    SpecError
        The analysis scans no sky.
    """
    ensemble = hypothesis_of(spec).ensemble()
    if ensemble is None:
        raise SpecError(f"this analysis scans no sky: scan.kind is {spec.scan.kind}")
    return ensemble
