"""Checks of a list of sources before unblinding."""

from collections.abc import Callable, Mapping

import numpy as np

from worker.base.errors import InputError
from worker.hypotheses import hottest_spots
from worker.hypotheses.protocol import Rows
from worker.hypotheses.source_list.sources import positions
from worker.rundir.ledger import Run
from worker.stats import checks
from worker.stats.checks import Check


def _hottest_sources(run: Run) -> Rows:
    """Hottest sources of the skies with any TS > 0; else ties give the first of the list."""
    skies = hottest_spots.background_spots(run)
    skies = skies[skies["mlog10p"] > 0]
    if len(skies) == 0:
        raise InputError("no source has TS > 0 in any background sky: add skies, or sources")
    return skies


def _ra(run: Run) -> Check:
    return checks.ra_uniform(_hottest_sources(run)["ra"], places=positions(run.spec).turn * (2.0 * np.pi))


def _smooth(run: Run) -> Check:
    return Check("smooth_map", float("nan"), float("nan"), True, "a list of sources has no map: nothing to check.")


CHECKS: Mapping[str, Callable[[Run], Check]] = {
    "n_eff_bands": hottest_spots.n_eff_check,
    "ra_uniform": _ra,
    "smooth_map": _smooth,
}
