"""Scan of the real sky, with the resolutions, range and background distributions of the scrambled sky."""

from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from worker.base.pools import map_in_processes
from worker.blinding import clearance, observed_weights
from worker.engines.protocol import FindsFlares
from worker.hypotheses import hottest_spots
from worker.hypotheses.protocol import Sky
from worker.hypotheses.table import ensemble_of
from worker.rundir import input_digests, layout
from worker.rundir.ledger import Run, open_run
from worker.stats.posttrial import better_hemisphere
from worker.tasks import context, hot_places, limits, post_trial, results

F64 = NDArray[np.float64]


def scan(run: Run, turn: F64, jobs: int, root: Path) -> dict[str, Any]:
    """Maps or sources, hottest spots, post-trial p-values and upper limits of the real sky."""
    tsds, label = hottest_spots.load_tsds(run), context.dataset_of(run).label
    values, remark = partial(_values, run, turn, jobs), f"real positions of {label} data"
    sky = Sky(f"unblinded {label}", remark, values, root, layout.unblinded_map)
    result = hottest_spots.with_local_p(run.spec, tsds, ensemble_of(run.spec).sky_result(sky, tsds))
    result["post_trial_regions"] = post_trial.of_sky(run, result["regions"])
    observed_weights.add(run, turn, result["regions"], result["post_trial_regions"], tsds)
    result["post_trial"] = result["post_trial_regions"]["all"]
    p_of_region = {region: row["p"] for region, row in result["post_trial_regions"].items()}
    result["better_hemisphere"] = better_hemisphere(p_of_region)
    result |= results.further_tests(run, result)
    hot_places.write_real(run, turn, result, root)
    result |= ensemble_of(run.spec).of_real_sky(context.skies(run), turn, result)
    result["upper_limits"] = limits.limits_of_sky(run, result)
    result |= _flare(run, turn, result["hottest"])
    return {**result, "label": label, "made_from": clearance.background_set(run) | input_digests.data(run)}


def _flare(run: Run, turn: F64, spot: dict[str, Any]) -> dict[str, Any]:
    """Events and TS of the hottest flare, if flares are tested and there is one."""
    engine = context.skies(run)
    if "flare" not in engine.supports or spot["ts"] <= 0:
        return {}
    at = run.spec.hypothesis.named(run.spec, spot["name"])
    assert at is not None
    return {"flare": {"name": spot["name"], **cast(FindsFlares, engine).flare(at, turn)}}


def _values(run: Run, turn: F64, jobs: int, nside: int) -> NDArray[np.void]:
    """TS, ns, gamma of all tested positions, band by band."""
    bands = ensemble_of(run.spec).real_bands(nside, jobs)
    work = partial(_band, run.path, turn, nside, bands)
    return np.concatenate(list(map_in_processes(work, range(bands), min(jobs, bands))))


def _band(path: Path, turn: F64, nside: int, bands: int, band: int) -> NDArray[np.void]:
    run = open_run(path)
    return ensemble_of(run.spec).scan_real(context.skies(run), turn, nside, band, bands)
