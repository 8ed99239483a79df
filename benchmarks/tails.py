"""Are the tails of TS right? Tilted trials against plain ones, and against each extrapolation, at eight declinations.

    python -m benchmarks.tails FOLDER SEASONS [N_PLAIN] [DECS]

FOLDER holds the track release (events/, uptime/, irfs/), SEASONS names some of it (IC86_I or IC40,IC79,IC86_I), N_PLAIN
plain trials are made at each declination (1,000,000), DECS are declinations in degrees. Prints the tables of
docs/statistics.md, a row as soon as it is known.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from worker.base import rng
from worker.data.icetracks import read_release
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import mixture, tilt_pilot, trials
from worker.stats import tail_checks
from worker.stats.chi2 import Fit
from worker.stats.distributions import TSD
from worker.stats.significance import nsigma_to_p
from worker.stats.tail import Tilted

F64 = NDArray[np.float64]

DECS = (-85.0, -60.0, -35.0, -5.0, 5.0, 35.0, 60.0, 85.0)
SIGMAS = (3.0, 4.0, 5.0)
N_TILTED, N_SETS, N_SET = 16384, 40, 4096
N_SMALL = 10_000
"""Plain trials that the extrapolations start from, as by default."""


class Row(NamedTuple):
    """One declination.

    Attributes
    ----------
    thresholds, errors : tuple of float
        TS at `SIGMAS` from `N_TILTED` tilted trials, and its error.
    spread : tuple of float
        Relative variance c of p by one tilted trial: n give sqrt(c / n).
    share : float
        Largest share of one trial in p at 5 sigma.
    plain : tuple of (found, expected)
        Plain trials beyond each threshold, as far as some are expected.
    chi2_p : float
        Of plain against all tilted trials in bins of TS.
    pulls : ndarray (N_SETS, len(SIGMAS))
        Of p of small sets at the thresholds of all, with their quoted error.
    cpu : tuple of float, s
        CPU time of a plain and of a tilted trial.
    """

    dec_deg: float
    thresholds: tuple[float, ...]
    errors: tuple[float, ...]
    spread: tuple[float, ...]
    share: float
    plain: tuple[tuple[int, float], ...]
    chi2_p: float
    covers: float
    pulls: F64
    cpu: tuple[float, float]
    extrapolated: tuple[tuple[str, tuple[float, ...]], ...]


def read(folder: Path, seasons: list[str], psf: str = "gaussian") -> engine.Analysis:
    """The data as a run has them."""
    dataset = read_release(folder, seasons, label="real", sigma_max_deg=5.0)
    cuts = engine.Cuts(np.arange(1.0, 4.0 + 1e-9, 1 / 16), 5.0, math.radians(0.2), math.radians(5.0), 0.0, psf)
    return engine.build(dataset, cuts)


def timed(make: Callable[[], Any], n: int) -> tuple[Any, float]:
    """What `make` returns, and the CPU time of each of `n` trials."""
    start = time.process_time()
    made = make()
    return made, (time.process_time() - start) / n


def tilted_of(rows: F64) -> Tilted:
    """Tilted trials from rows of ts, ns, gamma, ln w, in any order."""
    order = np.argsort(rows[:, 0], kind="stable")
    return Tilted(rows[order, 0], rows[order, 3])


def measure(analysis: engine.Analysis, dec_deg: float, n_plain: int) -> Row:
    """All trials and comparisons at one declination."""
    point = trials.point_at(analysis, math.radians(dec_deg))
    tilts = tilt_pilot.tilts(analysis, point, rng.key(2011, "tail_pilot", dec_deg))
    mixed = mixture.mixture_at(analysis, point, tilts)
    key = rng.key(2011, "tail_trials", dec_deg)
    mixture.run(analysis, point, mixed, key, 0, 8), trials.run(analysis, point, key, 0, 8)  # compiled before timing
    made, tilted_s = timed(lambda: mixture.run(analysis, point, mixed, key, 0, N_SETS * N_SET), N_SETS * N_SET)
    bg = rng.key(2011, "bg_trials", dec_deg)
    ts, plain_s = timed(lambda: trials.run(analysis, point, bg, 0, n_plain)["ts"], n_plain)
    one, every = tilted_of(made.rows[:N_TILTED]), tilted_of(made.rows)
    plain = np.sort(ts[ts > 0])
    ps = [float(nsigma_to_p(n)) for n in SIGMAS]
    at = tuple(float(one.isf(np.asarray(p))) for p in ps)
    pulls = np.array([_pulls(tilted_of(made.rows[i * N_SET : (i + 1) * N_SET]), every) for i in range(N_SETS)])
    beyond = ((int((plain >= t).sum()), p * n_plain) for t, p in zip(at, ps, strict=True))
    checks = [k for k, tilt in enumerate(tilts) if tilt.share == 0.0]
    means = [tail_checks.mean_weight(made.rows[:, 3], made.log_l[:, k], "", "") for k in checks]
    return Row(
        dec_deg, at, tuple(one.isf_error(p) for p in ps),
        tuple(N_TILTED * (one.error(t) / p) ** 2 for t, p in zip(at, ps, strict=True)), one.largest_share(at[-1]),
        tuple((k, expected) for k, expected in beyond if expected > 1),
        tail_checks.agreement(TSD(n_plain, plain, "scale1", every), "").value,
        max(abs(mean.mean - 1.0) / mean.error for mean in means), pulls, (plain_s, tilted_s),
        tuple(_extrapolated(ts[:N_SMALL], every)),
    )  # fmt: skip


def _pulls(small: Tilted, every: Tilted) -> list[float]:
    """Of p of a small set at the thresholds of all."""
    found = []
    for n_sigma in SIGMAS:
        p = float(nsigma_to_p(n_sigma))
        ts = float(every.isf(np.asarray(p)))
        found.append((float(small.sf(np.asarray(ts))) - p) / small.error(ts))
    return found


def _extrapolated(ts: F64, every: Tilted) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Name of a way, and true p over quoted p at its thresholds."""
    ways: tuple[tuple[str, Any, Fit], ...] = (
        ("fit, scale 1", "fit", "scale1"), ("hybrid, scale 1", "hybrid", "scale1"),
        ("fit, free", "fit", "free"), ("hybrid, free", "hybrid", "free"),
    )  # fmt: skip
    for name, how, fit in ways:
        tsd = TSD.from_trials(ts, fit)
        yield name, tuple(float(every.sf(tsd.isf_nsigma(n, how))) / float(nsigma_to_p(n)) for n in SIGMAS)


def lines(row: Row) -> Iterator[str]:
    """The row of each table."""
    at = [f"{t:.2f} ± {e:.2f}" for t, e in zip(row.thresholds, row.errors, strict=True)]
    c = ", ".join(f"{value:.0f}" for value in row.spread)
    counted = ", ".join(f"{k:,} of {expected:,.0f}" for k, expected in row.plain)
    ratio = row.cpu[1] / row.cpu[0]
    gains = ", ".join(
        f"{(1 / float(nsigma_to_p(n)) - 1) / (value * ratio):,.0f}" for n, value in zip(SIGMAS, row.spread, strict=True)
    )
    inside = float((np.abs(row.pulls) < 1).mean())
    yield (
        f"| {row.dec_deg:+.0f}° | {' | '.join(at)} | {c} | {row.share:.1%} | {counted} | {row.chi2_p:.2f} | "
        f"{row.covers:.1f} | {inside:.2f} | {1e6 * row.cpu[1]:.0f} / {1e6 * row.cpu[0]:.0f} | {gains} |"
    )
    ways = " | ".join(", ".join(f"{r:.2f}" for r in ratios) for _, ratios in row.extrapolated)
    yield f"  {row.dec_deg:+.0f}° | {ways} |"


def main(folder: str, seasons: str, n_plain: str = "1000000", decs: str = "") -> None:
    """Print a row of each table for every declination, and the coverage of all."""
    analysis = read(Path(folder), seasons.split(","))
    chosen = [float(dec) for dec in decs.split(",")] if decs else DECS
    found = []
    for dec in chosen:
        found.append(measure(analysis, dec, int(n_plain)))
        print(*lines(found[-1]), sep="\n", flush=True)
    pulls = np.concatenate([row.pulls for row in found])
    print(f"coverage {float((np.abs(pulls) < 1).mean()):.3f}, rms pull {float(np.sqrt((pulls**2).mean())):.2f}")
    print(f"p of all chi2: {float(stats.combine_pvalues([row.chi2_p for row in found]).pvalue):.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
