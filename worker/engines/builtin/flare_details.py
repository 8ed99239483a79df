"""A fitted flare in numbers: the weights of its events, and TS against its time and its width."""

import numpy as np

from worker.engines.builtin.flare import FlareEvents, FlareSeasons, Limits
from worker.engines.builtin.flare_search import new_scratch
from worker.engines.builtin.flare_terms import CUT, flare_ts

STEPS = 200


def details(
    events: FlareEvents, seasons: FlareSeasons, limits: Limits, box: bool, best: tuple[float, float, float]
) -> dict[str, list[float]]:
    """Numbers for the report of the flare at `best` = (gamma, t0, width).

    Returns
    -------
    dict of lists
        ``mjd`` and ``s_over_b``: events within the profile, S / B of the time-integrated likelihood. ``t0`` and
        ``ts_of_t0``: TS along t0 at the fitted width and gamma; ``width`` and ``ts_of_width`` likewise. TS < 0: the
        penalty is larger than the excess.
    """
    gamma, t0, width = best
    reach = 0.5 * width * (1.0 + 1e-9) if box else CUT * width
    near = np.flatnonzero(np.abs(events.mjd - t0) <= reach)
    x = (gamma - seasons.gamma_lo) / seasons.gamma_step
    k = min(round(x), events.log_w.shape[1] - 1)
    scratch = new_scratch(events, seasons)
    times = np.linspace(max(t0 - 5 * width, seasons.knot.min()), min(t0 + 5 * width, seasons.knot.max()), STEPS)
    widths = np.geomspace(limits.least, limits.most, STEPS)
    return {
        "mjd": events.mjd[near].tolist(),
        "s_over_b": np.exp(events.log_w[near, k]).tolist(),
        "t0": times.tolist(),
        "ts_of_t0": _finite([flare_ts(events, seasons, limits, t, width, box, gamma, scratch)[0] for t in times]),
        "width": widths.tolist(),
        "ts_of_width": _finite([flare_ts(events, seasons, limits, t0, w, box, gamma, scratch)[0] for w in widths]),
    }


def _finite(ts: list[float]) -> list[float]:
    """TS where there is good time, else the value without events."""
    return [float(value) if np.isfinite(value) else 0.0 for value in ts]
