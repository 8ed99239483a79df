"""Checks of a sky map before unblinding."""

from collections.abc import Callable, Mapping

import numpy as np

from worker.hypotheses import hottest_spots
from worker.rundir import layout, store
from worker.rundir.ledger import Run
from worker.stats import checks, smoothness
from worker.stats.checks import Check


def _ra(run: Run) -> Check:
    return checks.ra_uniform(hottest_spots.background_spots(run)["ra"])


def _smooth(run: Run) -> Check:
    nside = run.spec.healpix.nside
    return smoothness.smooth_map(peaks(run, nside), nside)


def peaks(run: Run, nside: int) -> smoothness.Peaks:
    """Local maxima of a map of the observed (until unblinding: scrambled) sky."""
    import healpy

    ts = store.load_array(run.path, layout.map_file(nside), 4)[1]
    return smoothness.peaks(ts, np.asarray(healpy.get_all_neighbours(nside, np.arange(len(ts)))))


CHECKS: Mapping[str, Callable[[Run], Check]] = {
    "n_eff_bands": hottest_spots.n_eff_check,
    "ra_uniform": _ra,
    "smooth_map": _smooth,
}
