"""reach: a rough estimate of sensitivity and discovery potential of one point."""

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
from worker.spec.point import Point
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.distributions import TSD
from worker.stats.sensitivity import NotBracketedError, find_n_sig
from worker.tasks import context
from worker.tasks.trials import stream

F64 = NDArray[np.float64]

N_BACKGROUND, N_SIGNAL = 20_000, 400
"""Trials of the estimate: a 5 sigma threshold is known to a few per cent, a passing fraction to 0.02."""
N_BOOTSTRAP = 20
ENOUGH = 0.95
"""Larger n_sig are skipped if this fraction of the trials passes the highest threshold."""


def reach(path: Path, dec: float | None, seed: int, point: str | None = None) -> dict[str, object]:
    """Estimate from background trials and from signal trials of increasing n_sig; writes the file for the pilot.

    Raises
    ------
    InputError
        No n_sig is large enough, or too few trials have TS > 0 for a threshold.
    """
    run = open_run(path)
    at = context.point(run.spec, dec, point)
    background = TSD.from_trials(stream(run, at, seed).trials(context.engine(run), 0, N_BACKGROUND)["ts"])
    points = [_reach(run, at, level, background, seed) for level in run.spec.signal.levels]
    answer: dict[str, object] = {"reach": [one.model_dump(mode="json", exclude_none=True) for one in points]}
    rel = layout.reach_file(run.spec.name, at)
    store.save_json(path, rel, answer)
    print(f"-> {rel}")
    return answer


def _reach(run: Run, at: Point, level: float | None, background: TSD, seed: int) -> Reach:
    settings, key = run.spec.sensitivity, rng.key(run.spec.seed, "reach", *at.address)
    try:
        thresholds = background.median(), float(background.isf_nsigma(settings.top_nsigma, "hybrid"))
        rungs = _rungs(run, at, level, thresholds[1], seed)
        sensitivity, discovery = (
            find_n_sig({0: background, **rungs}, threshold, beta, N_BOOTSTRAP, key).n_sig
            for threshold, beta in zip(thresholds, (settings.beta, settings.discovery_beta), strict=True)
        )
    except (NotBracketedError, TooFewTrialsError) as error:
        raise InputError(
            f"{at}: a quick pass does not find where n_sig should lie ({error}): write a list in the "
            "place of signal.n_sig: goal"
        ) from None
    of = {"dec_deg": at.dec_deg} if "dec" in at.args else {"point": at.folder.name}
    return Reach(**of, gamma=level, sensitivity=round(sensitivity, 3), discovery=round(discovery, 3))


def _rungs(run: Run, at: Point, level: float | None, threshold: float, seed: int) -> Mapping[float, F64]:
    """TS of the signal trials by n_sig, up to the first n_sig at which nearly all pass."""
    rungs: dict[float, F64] = {}
    for n_sig in LADDER:
        rungs[n_sig] = stream(run, at, seed, n_sig, level).trials(context.engine(run), 0, N_SIGNAL)["ts"]
        if np.mean(rungs[n_sig] > threshold) > ENOUGH:
            break
    return rungs
