"""Checks of the patches of a run; see `worker.stats.patches`."""

import math

from worker.base.errors import InputError
from worker.rundir import layout, store
from worker.rundir.ledger import Run
from worker.stats import patches as statistics
from worker.stats.checks import TAIL, Check
from worker.stats.significance import nsigma_to_p
from worker.tasks import post_trial


def pixel_sum(run: Run) -> Check:
    """Local p of the pixels of a sky: as many pixels have p <= 10^-h as should; passed without patches."""
    if run.spec.scan.post_trial.tail == "none":
        return Check("pixel_sum", math.nan, math.nan, True, "scan.post_trial.tail is none: there are no patches.")
    rows = store.load_json(run.path, layout.SCAN).get("patches", {}).get("pixel_sums")
    if rows is None:
        raise InputError(f"{run.path / layout.SCAN} has no patches: run collect_scan again")
    return statistics.pixel_sum_check(rows)


def enough(run: Run) -> Check:
    """At least `TAIL` effective patches beyond the quoted significance, after trials."""
    n_sigma = run.spec.unblind.quote_nsigma
    spots = post_trial.spots(run, "all")
    p = float(nsigma_to_p(n_sigma))
    found = spots.at(p)
    effective = 0.0 if found is None else found.n_effective
    passed = effective >= TAIL
    sentence = (
        f"{effective:,.0f} effective patches lie beyond {n_sigma:g} sigma after trials (p = {p:.3g}); {TAIL} are needed"
    )
    cure = "" if passed else ": raise scan.post_trial.n_patches, or lower unblind.quote_nsigma"
    return Check("enough_skies", effective, float(TAIL), passed, f"{sentence}{cure}.")
