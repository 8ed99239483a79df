"""The hypotheses, by the kind of scan of the spec: the one place that names them all."""

from collections.abc import Callable

from worker.base.errors import SpecError
from worker.hypotheses.protocol import Ensemble, Hypothesis
from worker.hypotheses.sky.hypothesis import WholeSky
from worker.hypotheses.source_list.hypothesis import SourceList
from worker.spec.sections import Spec

HYPOTHESES: dict[str, Callable[[Spec], Hypothesis]] = {"healpix": WholeSky, "catalog": SourceList}


def hypothesis_of(spec: Spec) -> Hypothesis:
    """The hypothesis of an analysis."""
    return HYPOTHESES[spec.scan.kind](spec)


def ensemble_of(spec: Spec) -> Ensemble:
    """What an analysis looks at together in one sky.

    Raises
    ------
    SpecError
        It scans no sky.
    """
    found = hypothesis_of(spec).ensemble()
    if found is None:
        raise SpecError(f"this analysis scans no sky: scan.kind is {spec.scan.kind}")
    return found
