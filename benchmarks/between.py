"""Is p right between the nodes of a grid, and at rings? True p over quoted p at a quoted 3 sigma.

    python -m benchmarks.between FOLDER SEASONS [PSF]

FOLDER and SEASONS as in `benchmarks.tails`. Half way between the nodes of a 10-degree grid p is interpolated (linear,
as csky does); at the nearest ring of nside 128 it is that of the ring. Both have the numbers of trials that are the
default. The true p of the TS that is quoted as 3 sigma comes from independent tilted trials at that ring. PSF is
`likelihood.psf`. Prints the table of docs/statistics.md.
"""

import math
import sys
from pathlib import Path

import numpy as np
from scipy import optimize

from benchmarks.tails import read, tilted_of
from worker.base import rng
from worker.engines.builtin import mixture, tilt_pilot, trials
from worker.engines.builtin.analysis import Analysis
from worker.spec import goals, map_defaults, tilts
from worker.spec.fields import ring_decs_deg
from worker.stats.distributions import TSD
from worker.stats.pvalues import mlog10p
from worker.stats.significance import nsigma_to_p
from worker.stats.tail import Tilted

DECS = (-80.0, -60.0, -40.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0, 40.0, 60.0, 80.0)
NSIDE, N_TRUE = 128, 65536
P = float(nsigma_to_p(3.0))


def tilted(analysis: Analysis, dec_deg: float, n: int, name: str) -> Tilted:
    """Tilted trials of a stream of this name, with the tilts of the pilot."""
    point = trials.point_at(analysis, math.radians(dec_deg))
    chosen = tilt_pilot.tilts(analysis, point, rng.key(2011, "tail_pilot", dec_deg))
    mixed = mixture.mixture_at(analysis, point, chosen)
    return tilted_of(mixture.run(analysis, point, mixed, rng.key(2011, name, dec_deg), 0, n).rows)


def distribution(analysis: Analysis, dec_deg: float, n: int, n_tail: int) -> TSD:
    """TS from `n` plain and `n_tail` tilted trials."""
    point = trials.point_at(analysis, math.radians(dec_deg))
    ts = trials.run(analysis, point, rng.key(2011, "bg_trials", dec_deg), 0, n)["ts"]
    return TSD(n, np.sort(ts[ts > 0]), "scale1", tilted(analysis, dec_deg, n_tail, "tail_trials"))


def line(analysis: Analysis, dec_deg: float, rings: list[float]) -> str:
    """The row of a declination."""
    ring = float(min(rings, key=lambda at: abs(at - dec_deg)))
    nodes = {at: distribution(analysis, at, goals.COUNTED_TRIALS, tilts.N_TRIALS) for at in (dec_deg - 5, dec_deg + 5)}
    own = distribution(analysis, ring, map_defaults.LEAST_TRIALS, map_defaults.N_TAIL_TRIALS)
    true = tilted(analysis, ring, N_TRUE, "true")

    def excess(ts: float) -> float:
        return float(mlog10p(nodes, math.radians(ring), ts, "linear", "counted")) + math.log10(P)

    found = []
    for ts in (float(own.isf(P, "counted")), optimize.brentq(excess, 0.5, 60.0, xtol=1e-3)):
        p = float(true.sf(np.asarray(ts)))
        found.append(f"{ts:.2f} | {p / P:.2f} ± {true.error(ts) / P:.2f}")
    quoted = own.counted.tilted.error(float(own.isf(P, "counted"))) / P
    return f"| {ring:+.2f}° | {found[0]} ({quoted:.2f}) | {found[1]} |"


def main(folder: str, seasons: str, psf: str = "gaussian") -> None:
    """Print a row for every declination."""
    analysis = read(Path(folder), seasons.split(","), psf)
    rings = ring_decs_deg(NSIDE)
    print("| ring | TS at 3 sigma | true p / quoted p (quoted error) | TS at 3 sigma, grid | true p / quoted p |")
    print("|---|---|---|---|---|")
    for dec_deg in DECS:
        print(line(analysis, dec_deg, rings), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
