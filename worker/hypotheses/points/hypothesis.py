"""Points without a scan: implements `worker.hypotheses.protocol`."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from worker.rundir.ledger import Run
from worker.spec.sections import Spec
from worker.stats.checks import Check


class Points(NamedTuple):
    """Background and signal trials of points; no sky, hence no post-trial p-value."""

    spec: Spec

    def ensemble(self) -> None:
        """None: nothing is tested together in one sky."""
        return

    def checks(self) -> Mapping[str, Callable[[Run], Check]]:
        """None: all checks of this kind are on skies."""
        return {}
