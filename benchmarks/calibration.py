"""Are p-values right? 200,000 background trials at three declinations of the IC86_I season, one half against the other.

    python -m benchmarks.calibration FOLDER

FOLDER holds the track release (events/, uptime/, irfs/). Prints the table of docs/statistics.md; takes about a minute.
"""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import rng
from worker.data.icetracks import read_release
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import trials
from worker.stats.checks import p_uniform
from worker.stats.chi2 import Fit
from worker.stats.distributions import TSD
from worker.stats.significance import How, nsigma_to_p

F64 = NDArray[np.float64]

DECS = (-45.0, 5.0, 45.0)
N = 200_000
SIGMAS = (2.0, 3.0)
WAYS: tuple[tuple[How, Fit, str], ...] = (
    ("empirical", "scale1", "empirical"),
    ("fit", "scale1", "fit, scale 1"),
    ("hybrid", "scale1", "hybrid, scale 1"),
    ("fit", "free", "fit, scale free"),
    ("hybrid", "free", "hybrid, scale free"),
)


class Threshold(NamedTuple):
    """Trials of the second half beyond a threshold of the first: found over expected, its error, and their pull."""

    ratio: float
    error: float
    pull: float


class Row(NamedTuple):
    """One way at one declination: p-value of uniformity, and the thresholds of `SIGMAS`."""

    dec_deg: float
    label: str
    uniform: float
    at: tuple[Threshold, ...]


def background(folder: Path, n: int = N) -> dict[float, F64]:
    """TS of n background trials at each declination."""
    dataset = read_release(folder, ["IC86_I"], label="semi-real", sigma_max_deg=5.0)
    cuts = engine.Cuts(np.arange(1.0, 4.0 + 1e-9, 1 / 16), 5.0, math.radians(0.2), math.radians(5.0))
    analysis = engine.build(dataset, cuts)
    found = {}
    for dec in DECS:
        point = trials.point_at(analysis, math.radians(dec))
        found[dec] = trials.run(analysis, point, rng.key(2011, "calibration", dec), 0, n)["ts"]
    return found


def threshold(tsd: TSD, test: F64, n_sigma: float, how: How) -> Threshold:
    """How often the threshold of a significance is passed by trials that did not make it.

    The error holds the count of the test and the interval that the distribution itself quotes there.
    """
    p = float(nsigma_to_p(n_sigma))
    ts = float(tsd.isf_nsigma(n_sigma, how))
    k = int(np.count_nonzero(test >= ts))
    quoted = tsd.pvalue(ts, how)
    own = 0.5 * math.log(quoted.hi / quoted.lo)
    error = math.sqrt(own**2 + 1.0 / max(k, 1))
    ratio = k / (len(test) * p)
    return Threshold(ratio, error * ratio, math.log(max(ratio, 1e-9)) / error)


def rows(dec_deg: float, reference: F64, test: F64) -> Iterator[Row]:
    """Every way, from distributions of `reference` and the p-values of `test`."""
    for how, fit, label in WAYS:
        tsd = TSD.from_trials(reference, fit)
        uniform = p_uniform(tsd.sf(test, how), tsd.eta, tsd.n).value
        yield Row(dec_deg, label, uniform, tuple(threshold(tsd, test, s, how) for s in SIGMAS))


def halves(ts: F64) -> tuple[F64, F64]:
    """Even and odd trials."""
    return ts[::2], ts[1::2]


def line(row: Row) -> str:
    """One row of the table, in Markdown."""
    cells = [f"{t.ratio:.2f} ± {t.error:.2f} ({t.pull:+.1f})".replace("-", "−") for t in row.at]
    uniform = f"{row.uniform:.2f}" if row.uniform >= 0.005 else "< 0.005"
    return f"| {row.dec_deg:+.0f}° | {row.label} | {uniform} | ".replace("-", "−", 1) + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    for dec, ts in background(Path(sys.argv[1])).items():
        for row in rows(dec, *halves(ts)):
            print(line(row))


if __name__ == "__main__":
    main()
