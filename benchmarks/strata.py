"""Sensitivities and discovery potentials by a curve, by strata, and by strata made on purpose: bias, error, coverage.

    python -m benchmarks.strata FOLDER [REPETITIONS]

FOLDER holds the track release (events/, uptime/, irfs/); season IC86_I is read. At each declination and spectrum a pool
of trials of every exact number of events k gives the passing fraction f_k, and with it the true n_sig. Repeated
analyses (150) then draw their trials from it, 10,000 signal trials each:

- curve, strata: 1,000 trials at each of ten n_sig, the same trials for both;
- shares: 40 trials of each k, the others in the best shares that these 40 give, for all three quantities together.

Last, `FRESH` sets of 10 x 1,000 trials are really made and sorted by `signal_counts`: their n_sig against the true one.
Thresholds are taken as exact. Prints the tables of docs/statistics.md; takes about ten CPU minutes.
"""

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import rng
from worker.data.icetracks import read_release
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import trials
from worker.engines.builtin.response import Spectrum
from worker.stats.distributions import TSD
from worker.stats.passing import Point, point
from worker.stats.sensitivity import find_n_sig_from_points
from worker.stats.strata import Strata, StrataNSig, count, find_n_sig_from_strata

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

DECS = (-75.0, -45.0, 5.0, 30.0, 70.0)
GAMMAS = (2.0, 3.0)
GRID = np.array([2, 4, 6, 8, 10, 14, 18, 22, 26, 30])
N, N_BACKGROUND, N_POOL, N_PILOT, FRESH = 1000, 100_000, 3000, 40, 10
QUANTITIES = (("sensitivity", 0.9), ("discovery, 3 sigma", 0.5), ("discovery, 5 sigma", 0.5))


class Pool(NamedTuple):
    """Truth at a declination and spectrum.

    Attributes
    ----------
    f : ndarray (3, K)
        Passing fraction of k = 0, 1, ... at the thresholds of `QUANTITIES`.
    grid : ndarray (10,)
        n_sig of an ordinary analysis.
    """

    thresholds: F64
    f: F64
    grid: I64
    n_background: int


class Row(NamedTuple):
    """Repeated results of one way for one quantity, relative to the true n_sig."""

    bias: float
    spread: float
    rms: float
    quoted: float
    coverage: float


Analysis = Callable[[np.random.Generator, Pool], list[tuple[float, float]]]
"""n_sig and error of the three quantities, from newly drawn trials."""


def pool(analysis: engine.Analysis, dec_deg: float, gamma: float) -> Pool:
    """Trials of every k, up to where all pass the highest threshold."""
    at = trials.point_at(analysis, math.radians(dec_deg))
    ts = trials.run(analysis, at, rng.key(1, "strata", dec_deg), 0, N_BACKGROUND)["ts"]
    tsd = TSD.from_trials(ts)
    thresholds = np.array([tsd.median(), *tsd.isf_nsigma([3.0, 5.0])])
    rows = [(ts > t).mean() for t in thresholds]
    fractions = [rows]
    k = 0
    while fractions[-1][2] < 0.999 or k < 20:
        k += 1
        injector = trials.injector_at(analysis, at.dec, Spectrum(gamma), float(k), poisson=False)
        made = trials.run(analysis, at, rng.key(1, "strata", dec_deg, gamma, k), 0, N_POOL, injector)["ts"]
        fractions.append([(made > t).mean() for t in thresholds])
    f = np.array(fractions).T
    top = true_n_sig(f[2], 0.5)
    return Pool(thresholds, f, GRID * max(1, math.ceil(1.5 * top / GRID[-1])), N_BACKGROUND)


def at_least(f: F64, k: I64) -> F64:
    """Passing fractions of k events; all pass beyond the pool."""
    return np.where(k < len(f), f[np.minimum(k, len(f) - 1)], 1.0)


def true_n_sig(f: F64, beta: float) -> float:
    """Root of the Poisson mixture of the pool's own fractions, by its own sum."""
    k = np.arange(len(f) + 400)
    fractions, low, high = at_least(f, k), 0.0, float(len(f))
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.maximum(k[1:], 1)))])
    for _ in range(60):
        n = 0.5 * (low + high)
        mixed = float((np.exp(k * math.log(n) - n - logs) * fractions).sum())
        low, high = (n, high) if mixed < beta else (low, n)
    return high


def by_n_sig(draw: np.random.Generator, at: Pool) -> Iterator[tuple[Strata, tuple[Point, ...], float, float]]:
    """Counted trials of an ordinary analysis for each quantity: strata and points of the same trials."""
    counts = [draw.poisson(n_sig, N) for n_sig in at.grid]
    for f, threshold, (_, beta) in zip(at.f, at.thresholds, QUANTITIES, strict=True):
        passed = [draw.random(N) < at_least(f, k) for k in counts]
        background = point(0.0, int(draw.binomial(at.n_background, f[0])), at.n_background)
        points = [point(float(n), int(p.sum()), N) for n, p in zip(at.grid, passed, strict=True)]
        strata = count(background, np.concatenate(counts), np.concatenate(passed))
        yield strata, (background, *points), float(threshold), beta


def curve(draw: np.random.Generator, at: Pool) -> list[tuple[float, float]]:
    """The curve through ten n_sig."""
    key = rng.key(int(draw.integers(2**60)))
    found = [find_n_sig_from_points(points, t, beta, 100, key) for _, points, t, beta in by_n_sig(draw, at)]
    return [(one.n_sig, one.error) for one in found]


def strata(draw: np.random.Generator, at: Pool) -> list[tuple[float, float]]:
    """The same trials by their number of events."""
    found = [find_n_sig_from_strata(s, t, beta) for s, _, t, beta in by_n_sig(draw, at)]
    return [(one.n_sig, one.error) for one in found]


def exact(draw: np.random.Generator, at: Pool, n: I64) -> list[StrataNSig]:
    """Results from n[i] trials of i + 1 events."""
    out = []
    for f, threshold, (_, beta) in zip(at.f, at.thresholds, QUANTITIES, strict=True):
        k = np.arange(len(n) + 1)
        m = np.concatenate([[at.n_background], n]).astype(np.float64)
        passed = draw.binomial(m.astype(np.int64), at_least(f, k)).astype(np.float64)
        out.append(find_n_sig_from_strata(Strata(k.astype(np.float64), m, passed, passed), float(threshold), beta))
    return out


def shares(draw: np.random.Generator, at: Pool) -> list[tuple[float, float]]:
    """A pilot of every k, and the other trials in its best shares."""
    top = len(at.f[0]) - 1
    pilot = exact(draw, at, np.full(top, N_PILOT))
    weight = np.zeros(top)
    for one in pilot:
        step = 0.01 * one.n_sig
        slope = float(np.diff(one.passing([one.n_sig - step, one.n_sig + step]))[0]) / 0.02
        weight += (one.weights / slope) ** 2
    rest = N * len(at.grid) - N_PILOT * top
    n = N_PILOT + np.floor(rest * np.sqrt(weight) / np.sqrt(weight).sum()).astype(np.int64)
    return [(one.n_sig, one.error) for one in exact(draw, at, n)]


WAYS: tuple[tuple[str, Analysis], ...] = (("curve", curve), ("strata", strata), ("shares", shares))


def repeated(at: Pool, way: Analysis, n: int, seed: int) -> list[Row]:
    """One row for each quantity."""
    draw = np.random.default_rng(seed)
    found = np.array([way(draw, at) for _ in range(n)])
    rows = []
    for i, (_, beta) in enumerate(QUANTITIES):
        true = true_n_sig(at.f[i], beta)
        relative, quoted = found[:, i, 0] / true - 1.0, found[:, i, 1] / true
        rms = math.sqrt(float((relative**2).mean()))
        covered = float((np.abs(relative) < quoted).mean())
        rows.append(Row(float(relative.mean()), float(relative.std()), rms, float(np.median(quoted)), covered))
    return rows


def fresh_pulls(analysis: engine.Analysis, at: Pool, dec_deg: float, gamma: float, wrong: int = 0) -> F64:
    """(n_sig - truth) / error of sets of trials that are made by the engine, (FRESH, 3); `wrong`: added to every k."""
    where = trials.point_at(analysis, math.radians(dec_deg))
    pulls = np.empty((FRESH, 3))
    for i in range(FRESH):
        ts, counts = [], []
        for n_sig in at.grid:
            key = rng.key(2, "strata", dec_deg, gamma, int(n_sig), i)
            injector = trials.injector_at(analysis, where.dec, Spectrum(gamma), float(n_sig))
            ts.append(trials.run(analysis, where, key, 0, N, injector)["ts"])
            counts.append(trials.signal_counts(key, 0, N, float(n_sig), True))
        for j, (_, beta) in enumerate(QUANTITIES):
            n_passing = round(at.f[j, 0] * at.n_background)
            background = point(0.0, n_passing, at.n_background)
            counted = count(background, np.concatenate(counts) + wrong, np.concatenate(ts) > at.thresholds[j])
            one = find_n_sig_from_strata(counted, float(at.thresholds[j]), beta)
            # The pool is finite, too: its own error is that of the same sum with its trials.
            m = np.full(len(at.f[j]), float(N_POOL))
            m[0] = at.n_background
            own = find_n_sig_from_strata(Strata(np.arange(len(m)) + 0.0, m, m * at.f[j], m * at.f[j]), 0.0, beta)
            pulls[i, j] = (one.n_sig - true_n_sig(at.f[j], beta)) / math.hypot(one.error, own.error)
    return pulls


def table(dec_deg: float, gamma: float, at: Pool, n: int) -> Iterator[str]:
    """Lines of the table for one declination and spectrum."""
    found = {name: repeated(at, way, n, seed) for seed, (name, way) in enumerate(WAYS)}
    for i, (what, beta) in enumerate(QUANTITIES):
        cells = [f"{dec_deg:+.0f}", f"{gamma:g}", what, f"{true_n_sig(at.f[i], beta):.2f}"]
        for name, _ in WAYS:
            row = found[name][i]
            cells.append(f"{100 * row.bias:+.1f}, {100 * row.rms:.1f}")
            cells.append(f"{100 * row.quoted:.1f}, {row.coverage:.2f}")
        gains = [(found["curve"][i].rms / found[name][i].rms) ** 2 for name in ("strata", "shares")]
        cells.append(", ".join(f"{gain:.1f}" for gain in gains))
        yield "| " + " | ".join(cells) + " |"


def main(folder: Path, n: int = 150) -> None:
    """Print the tables."""
    dataset = read_release(folder, ["IC86_I"], label="real", sigma_max_deg=5.0)
    cuts = engine.Cuts(np.arange(1.0, 4.0 + 1e-9, 1 / 16), 5.0, math.radians(0.2), math.radians(5.0))
    analysis = engine.build(dataset, cuts)
    head = ["dec", "gamma", "quantity", "n_sig"]
    for name, _ in WAYS:
        head += [f"{name}: bias, rms [%]", "quoted [%], coverage"]
    print("| " + " | ".join([*head, "1 / CPU: strata, shares"]) + " |")
    print("|" + "---|" * (len(head) + 1))
    pulls, wrong = [], []
    for gamma in GAMMAS:
        for dec_deg in DECS:
            at = pool(analysis, dec_deg, gamma)
            for line in table(dec_deg, gamma, at, n):
                print(line, flush=True)
            pulls.append(fresh_pulls(analysis, at, dec_deg, gamma))
            if gamma == GAMMAS[0]:
                wrong.append(fresh_pulls(analysis, at, dec_deg, gamma, 1))
    for what, values in (("fresh trials", np.array(pulls)), ("k wrong by one", np.array(wrong))):
        covered = (np.abs(values) < 1).mean()
        print(
            f"{what}: mean pull {values.mean():+.2f}, rms {math.sqrt((values**2).mean()):.2f}, coverage {covered:.2f}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(word) for word in sys.argv[2:]))
