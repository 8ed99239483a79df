"""P-values of the real sky that count it with its own weight: valid however few tilted trials there are."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.healpix import Rings
from worker.engines.protocol import Patches
from worker.hypotheses.sky.rings import rings
from worker.rundir.ledger import Run
from worker.stats import pvalues
from worker.stats.distributions import TSD
from worker.stats.patches import with_observed
from worker.tasks import context, patches, tail

F64 = NDArray[np.float64]
Rows = dict[str, dict[str, Any]]


def add(run: Run, turn: F64, regions: Rows, post_trial: Rows, tsds: Mapping[float, TSD]) -> None:
    """Add ``p_valid`` (p, weight, n, way) to hot spots and to post-trial p-values, where it replaces p of patches.

    Nothing is added without tilted trials, or if the engine has no patches.

    Parameters
    ----------
    turn : ndarray (n_events,)
        Real right ascensions, from `Engine.observed`.
    """
    if not run.spec.scan.main_nside or "patches" not in context.engine_facts(run).supports:
        return
    scan = run.spec.healpix
    scanned, maker = rings(scan, scan.nside), patches.patches(run)
    for region, spot in regions.items():
        pixel = pixel_at(scanned, spot["dec"], spot["ra"])
        if scan.survival == "counted" and spot["ts"] > 0:
            spot["p_valid"] = _local(run, turn, maker, pixel, spot, tsds)
        row = post_trial[region]
        if row.get("way") == "patches":
            made = maker.around(turn, pixel)
            weight = math.exp(float(made["log_w"][made["pixel"] == pixel][0]))
            found = row["patches"]
            p = with_observed(found["expected"], found["n"], weight)
            row["p_valid"] = {"p": p, "weight": weight, "n": found["n"], "way": "patches"}
            row |= {"p": p, "hi": max(row["hi"], p)}


def pixel_at(scanned: Rings, dec: float, ra: float) -> int:
    """Healpix number of the pixel whose centre is at these coordinates (rad)."""
    ring = int(np.argmin(np.abs(scanned.dec - dec)))
    count = int(scanned.n_pix[ring])
    return int(scanned.first[ring]) + round(ra * count / (2 * math.pi) - float(scanned.shift[ring])) % count


def _local(
    run: Run, turn: F64, maker: Patches, pixel: int, spot: Mapping[str, Any], tsds: Mapping[float, TSD]
) -> dict[str, Any]:
    """Local p with the observed weight, for the background distribution with the largest share in p."""
    shares = pvalues.shares(tsds, np.array([spot["dec"]]), np.ones(1), run.spec.scan.interpolation)
    dec = max(shares, key=lambda at: shares[at])
    counted, p = tsds[dec].counted, 10.0 ** -spot["mlog10p"]
    if spot["ts"] <= counted.joint:
        return {"p": with_observed(p, counted.n, 1.0), "weight": 1.0, "n": counted.n, "way": "empirical"}
    weight = math.exp(maker.local_log_weight(turn, pixel, tail.load(run, run.spec.at(dec))))
    n = counted.tilted.n
    return {"p": with_observed(p, n, weight), "weight": weight, "n": n, "way": "tilted"}
