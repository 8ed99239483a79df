"""All hypotheses, by the kind of scan in the spec."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from worker.base.errors import SpecError
from worker.hypotheses.points.hypothesis import Points
from worker.hypotheses.points.skies import PointSkies
from worker.hypotheses.protocol import Ensemble, Hypothesis
from worker.hypotheses.sky.hypothesis import WholeSky
from worker.hypotheses.source_list.hypothesis import SourceList
from worker.hypotheses.stacking.skies import StackSkies
from worker.hypotheses.window.skies import WindowSkies
from worker.spec.sections import Spec

HYPOTHESES: dict[str, Callable[[Spec], Hypothesis]] = {
    "healpix": WholeSky,
    "catalog": SourceList,
    "points": PointSkies,
    "none": Points,
}


OF_POINTS: dict[str, Callable[[Spec], Hypothesis]] = {"stacking": StackSkies, "window": WindowSkies}
"""Kinds of ``hypothesis`` whose points have more than those of a list when they are scanned."""


def hypothesis_of(spec: Spec) -> Hypothesis:
    """The hypothesis of an analysis."""
    own = OF_POINTS.get(spec.hypothesis.kind) if spec.scan.has_skies else None
    return (own or HYPOTHESES[spec.scan.kind])(spec)


def ensemble_of(spec: Spec, columns: np.dtype[np.void] | None = None) -> Ensemble:
    """The scan of an analysis.

    Parameters
    ----------
    columns : dtype, optional
        Of the engine's trials, which files of listed points have; a spec does not tell those of a plug-in.

    Raises
    ------
    SpecError
        The analysis scans no sky.
    """
    ensemble = hypothesis_of(spec).ensemble()
    if ensemble is None:
        raise SpecError(f"this analysis scans no sky: scan.kind is {spec.scan.kind}")
    return replace(ensemble, columns=columns) if isinstance(ensemble, PointSkies) else ensemble
