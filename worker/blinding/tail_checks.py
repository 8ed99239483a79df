"""Checks of the tilted background trials of a run; see `worker.stats.tail_checks`."""

import math
from collections.abc import Iterator

import numpy as np

from worker.hypotheses import hottest_spots
from worker.rundir import layout, store
from worker.rundir.ledger import Run
from worker.spec.point import Point
from worker.stats import checks, tail_checks
from worker.stats.checks import TAIL, Check
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.distributions import TSD
from worker.stats.significance import nsigma_to_p
from worker.stats.tail_checks import MeanWeight
from worker.tasks import tail

NAMES = ("tail_weights", "tail_agrees", "tail_covers")


def check(run: Run, name: str) -> Check:
    """One of `NAMES`; passed without a value if the analysis has no tilted trials."""
    if run.spec.background.tail == "none":
        return Check(name, math.nan, math.nan, True, "background.tail is none: there are no tilted trials to check.")
    return {"tail_weights": _weights, "tail_agrees": _agrees, "tail_covers": _covers}[name](run)


def _weights(run: Run) -> Check:
    """The worst of all declinations and thresholds; those of discovery are quoted where signal is injected."""
    quoted, injected = run.spec.unblind.quote_nsigma, frozenset(run.spec.signal_points)
    found = []
    for at in run.spec.all_points:
        tsd = hottest_spots.load_tsd(run, at)
        for n_sigma in sorted({quoted, *(run.spec.sensitivity.nsigmas if at in injected else ())}):
            ts = threshold(tsd, n_sigma)
            if ts > tsd.counted.joint:
                found.append(tail_checks.weights(tsd.counted.tilted, ts, f"{n_sigma:g} sigma, {at}"))
    if not found:
        return Check("tail_weights", math.nan, math.nan, True, "no threshold lies beyond the plain trials.")
    return max(found, key=lambda one: (not one.passed, one.value))


def threshold(tsd: TSD, n_sigma: float) -> float:
    """TS of a significance; infinity beyond the last trial."""
    try:
        return float(tsd.isf_nsigma(n_sigma, "counted"))
    except TooFewTrialsError:
        return math.inf


def _agrees(run: Run) -> Check:
    each = [tail_checks.agreement(hottest_spots.load_tsd(run, at), str(at)) for at in run.spec.all_points]
    return checks.combined("tail_agrees", each)


def _covers(run: Run) -> Check:
    """Every declination and tilt, and every tilt over all declinations."""
    found: dict[int, list[MeanWeight]] = {}
    for _, place, one in mean_weights(run):
        found.setdefault(place, []).append(one)
    each = [one for ones in found.values() for one in ones]
    each += [tail_checks.pooled(ones) for ones in found.values() if len(ones) > 1]
    return checks.combined("tail_covers", [tail_checks.coverage(one) for one in each])


def mean_weights(run: Run) -> Iterator[tuple[Point, int, MeanWeight]]:
    """Point, number of the tilt, mean weight: of the background (0) and of the tilts with a share of 0."""
    for at in run.spec.all_points:
        arrays = store.load_arrays(run.path, layout.bg_collected(at))
        log_w = arrays["tail_log_w"]
        yield at, 0, tail_checks.mean_weight(log_w, np.zeros(len(log_w)), str(at), "the background itself")
        evaluated = [tilt for tilt in tail.load(run, at) if tilt.share == 0.0]
        for j, tilt in enumerate(evaluated, 1):
            words = f"n = {tilt.n:g}, gamma = {tilt.gamma:g}"
            yield at, j, tail_checks.mean_weight(log_w, arrays[f"tail_log_l{j}"], str(at), words)


def enough(run: Run) -> Check:
    """At least `TAIL` effective trials beyond the quoted significance at every declination."""
    n_sigma = run.spec.unblind.quote_nsigma
    found = {}
    for at in run.spec.all_points:
        tsd = hottest_spots.load_tsd(run, at)
        ts = threshold(tsd, n_sigma)
        found[at] = 0.0 if ts == math.inf else tsd.pvalue(ts).n_effective if ts > 0 else float(tsd.n)
    worst = min(found, key=lambda at: found[at])
    passed = found[worst] >= TAIL
    sentence = (
        f"{found[worst]:,.0f} effective trials lie beyond {n_sigma:g} sigma (p = {float(nsigma_to_p(n_sigma)):.3g}) at "
        f"{worst}, where they are fewest; {TAIL} are needed"
    )
    cure = "" if passed else ": raise background.n_tail_trials, or lower unblind.quote_nsigma"
    return Check("enough_background_trials", found[worst], float(TAIL), passed, f"{sentence}{cure}.")
