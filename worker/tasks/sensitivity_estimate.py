"""reach: a quick pass at one declination that finds roughly where its sensitivity and discovery potential lie."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worker.base import rng
from worker.base.errors import InputError
from worker.rundir import layout, store
from worker.rundir.ledger import Run, open_run
from worker.spec.goals import LADDER
from worker.spec.pilot import Reach
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.distributions import TSD
from worker.stats.sensitivity import NotBracketedError, find_n_sig
from worker.tasks import context
from worker.tasks.trials import stream

F64 = NDArray[np.float64]

N_BACKGROUND, N_SIGNAL = 20_000, 400
"""Trials of the pass: the background's fix a 5 sigma threshold to a few per cent, the signal's a fraction to 0.02."""
N_BOOTSTRAP = 20
ENOUGH = 0.95
"""Higher rungs are not looked at once so many trials pass the highest threshold."""


def reach(path: Path, dec: float, seed: int) -> dict[str, object]:
    """Background trials, and signal trials rung by rung for every spectrum; written where a pilot finds it.

    Raises
    ------
    InputError
        No rung is high enough, or there are too few positive trials for a threshold.
    """
    run = open_run(path)
    background = TSD.from_trials(stream(run, dec, seed).trials(context.engine(run), 0, N_BACKGROUND)["ts"])
    points = [_reach(run, dec, level, background, seed) for level in run.spec.signal.levels]
    found: dict[str, object] = {"reach": [one.model_dump(mode="json", exclude_none=True) for one in points]}
    rel = layout.reach_file(run.spec.name, dec, context.dec_places(run, dec))
    store.save_json(path, rel, found)
    print(f"-> {rel}")
    return found


def _reach(run: Run, dec: float, level: float | None, background: TSD, seed: int) -> Reach:
    wanted, key = run.spec.sensitivity, rng.key(run.spec.seed, "reach", dec)
    try:
        thresholds = background.median(), float(background.isf_nsigma(wanted.top_nsigma, "hybrid"))
        rungs = _rungs(run, dec, level, thresholds[1], seed)
        sensitivity, discovery = (
            find_n_sig({0: background, **rungs}, threshold, beta, N_BOOTSTRAP, key).n_sig
            for threshold, beta in zip(thresholds, (wanted.beta, wanted.discovery_beta), strict=True)
        )
    except (NotBracketedError, TooFewTrialsError) as error:
        raise InputError(
            f"dec = {dec:g} deg: a quick pass does not find where n_sig should lie ({error}): write a list in the "
            "place of signal.n_sig: goal"
        ) from None
    return Reach(dec_deg=dec, gamma=level, sensitivity=round(sensitivity, 3), discovery=round(discovery, 3))


def _rungs(run: Run, dec: float, level: float | None, threshold: float, seed: int) -> Mapping[float, F64]:
    """TS of the signal trials, rung by rung, up to the first at which nearly all pass."""
    rungs: dict[float, F64] = {}
    for n_sig in LADDER:
        rungs[n_sig] = stream(run, dec, seed, n_sig, level).trials(context.engine(run), 0, N_SIGNAL)["ts"]
        if np.mean(rungs[n_sig] > threshold) > ENOUGH:
            break
    return rungs
