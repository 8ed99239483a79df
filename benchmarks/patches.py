"""Are post-trial tails from patches right, and how far do they reach? Patches against plain skies, and at nside 128.

    python -m benchmarks.patches                  # nside 8, made-up events: 20,000 plain skies
    python -m benchmarks.patches FOLDER SEASON    # nside 128, a season of the track release (events/, uptime/, irfs/)

Prints a table of each. Local p is counted at every ring with tilted trials.
"""

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from worker import data
from worker.base import healpix, rng
from worker.base.healpix import Rings
from worker.data.icetracks import read_release
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import mixture, patches, scan, tilt_pilot, trials
from worker.engines.builtin.analysis import Analysis
from worker.engines.protocol import Tilt
from worker.hypotheses.sky import patches as spots_of
from worker.hypotheses.sky.rings import maxima
from worker.spec.specfile import loads
from worker.stats.patches import Spots, pixel_sums
from worker.stats.significance import nsigma_to_p
from worker.stats.tail import Tilted

F64 = NDArray[np.float64]
Rows = NDArray[np.void]

N_SKIES, N_PATCHES, N_TABLE = 20_000, 8192, 8192
N_DEEP, N_DEEP_TABLE = 768, 1024
RADIUS, SEPARATION = math.radians(2.5), math.radians(4.0)
SPEC = """
version: 1
name: patches
seed: 7
data: {format: synthetic, n_events: 20000, livetime_days: 100.0}
background: {dec_deg: {start: -90, stop: 90, step: 10}, n_trials: 10}
signal: {n_sig: [2, 5, 10], n_trials: 10}
scan: {nside: 8, n_skies: 2}
"""
CUTS = engine.Cuts(np.arange(1.0, 4.0 + 1e-9, 1 / 16), 5.0, math.radians(0.2), math.radians(5.0))


def tables(analysis: Analysis, rings: Rings, n: int) -> list[Tilted]:
    """TS distribution of every ring, from tilted trials with the tilts of patches."""
    out = []
    for r, dec in enumerate(rings.dec.tolist()):
        point = trials.point_at(analysis, dec)
        inside = tilt_pilot.inside(analysis, point, [(n_, gamma) for n_, gamma, _ in patches.TILTS])
        tilts = [Tilt(*tilt, share / 256) for tilt, (*_, share) in zip(inside, patches.TILTS, strict=True)]
        made = mixture.run(analysis, point, mixture.mixture_at(analysis, point, tilts), rng.key("ring", r), 0, n)
        order = np.argsort(made.rows[:, 0], kind="stable")
        out.append(Tilted(made.rows[order, 0], made.rows[order, 3]))
    return out


def mlog10p(tails: list[Tilted], ring: NDArray[np.int64], ts: F64) -> F64:
    """-log10 of local p; beyond the last trial p falls on with its last slope, so that it stays a monotone map."""
    out = np.zeros(ts.shape)
    for r, tail in enumerate(tails):
        here = (ring == r) & (ts > 0)
        last = float(tail.ts[-1])
        far = np.maximum(ts[here] - last, 0.0) * 0.22
        out[here] = np.maximum(-np.log10(tail.sf(ts[here])), 0.0) + far
    return out


def heat(tails: list[Tilted], rings: Rings, rows: Rows) -> F64:
    """-log10 of the local p of all pixels of patches."""
    return mlog10p(tails, spots_of.ring_of(rings, rows["pixel"]), rows["ts"])


def plain(analysis: Analysis, rings: Rings, tails: list[Tilted], n: int) -> tuple[F64, float]:
    """-log10 p of the hottest spot of plain skies, increasing, and their CPU time."""
    scanner, key, out = scan.Scanner(analysis, rings), rng.key("plain skies", 1), np.empty(n)
    start = time.process_time()
    ts = np.stack([maxima(scanner, rings, scan.right_ascensions(analysis, key, i))["ts"] for i in range(n)])
    out = mlog10p(tails, np.broadcast_to(np.arange(len(rings.dec)), ts.shape), ts).max(axis=1)
    return np.sort(out), time.process_time() - start


def with_weights(spots: Spots, change: str) -> Spots:
    """Spots with wrong weights, as a control."""
    rows = spots.rows.copy()
    if change == "factor 1.01":
        rows["log_w"] += math.log(1.01)
    elif change == "wrong sign":
        rows["log_w"] = 2.0 * float(rows["log_w"].mean()) - rows["log_w"]
    return Spots(spots.n, rows)


def against(spots: Spots, hottest: F64) -> tuple[float, int]:
    """p-value of chi2 of patches against plain skies in bins of h, from p = 0.5 to 10 skies, and number of bins."""
    edges, n = [], len(hottest)
    above = n // 2
    while above >= 10:
        edges.append(float(hottest[-above]))
        above //= 2
    chi2, bins = 0.0, 0
    for low, high in zip(edges, [*edges[1:], math.inf], strict=True):
        x = spots.sums(low) - (spots.sums(high) if high < math.inf else 0.0)
        lam_low, lam_high = spots.expected(low)[0], spots.expected(high)[0] if high < math.inf else 0.0
        p = math.exp(-lam_high) - math.exp(-lam_low)
        error = math.exp(-lam_high) * float(x.std()) / math.sqrt(spots.n)
        k = int(np.count_nonzero((hottest >= low) & (hottest < high)))
        chi2 += (p - k / n) ** 2 / (error * error + k * (n - k) / n**3)
        bins += 1
    return float(stats.chi2.sf(chi2, bins)), bins


def small() -> Iterator[str]:
    """Lines of the table at nside 8."""
    analysis = engine.build(data.read(loads(SPEC)), CUTS)
    rings = healpix.rings_of(8, math.radians(-85.0), math.radians(85.0))
    tails = tables(analysis, rings, N_TABLE)
    hottest, sky_s = plain(analysis, rings, tails, N_SKIES)
    maker, start = patches.Patches(analysis, rings, RADIUS, SEPARATION), time.process_time()
    rows = maker.rows(rng.key("patches of a benchmark", 1), 0, N_PATCHES)
    patch_s = time.process_time() - start
    every = np.ones(rows.shape, bool)
    found = heat(tails, rings, rows)
    spots = Spots(N_PATCHES, spots_of.hot_spots(rings, rows, found, every, SEPARATION))
    yield f"{N_SKIES:,} skies {sky_s:.0f} s, {N_PATCHES:,} patches {patch_s:.0f} s of CPU; {rings.n_pix.sum()} pixels"
    yield "   h   p plain              p patches            pull"
    for p in (0.5, 0.2, 0.1, 0.03, 0.01, 0.003, 0.001):
        h = float(hottest[-round(p * N_SKIES)])
        k = int(np.count_nonzero(hottest >= h))
        one, error = spots.post_trial(h), math.sqrt(k) / N_SKIES
        pull = (one.p - k / N_SKIES) / math.hypot(one.error, error)
        yield f"{h:5.2f}  {k / N_SKIES:.4g} ± {error:.2g}   {one.p:.4g} ± {one.error:.2g}   {pull:+.1f}"
    total = np.exp(rows["log_w"]).sum(axis=1) / rings.n_pix.sum()
    for change in ("", "factor 1.01", "wrong sign"):
        wrong = with_weights(spots, change)
        p, bins = against(wrong, hottest)
        share = wrong.post_trial(float(hottest[-20])).largest_share
        yield f"{change or 'right weights'}: chi2 in {bins} bins, p = {p:.2g}; largest share at p = 1e-3 {share:.2g}"
    yield f"mean weight {total.mean():.4f} ± {total.std() / math.sqrt(len(total)):.4f}"


def deep(folder: Path, season: str) -> Iterator[str]:
    """Lines of the table at nside 128."""
    analysis = engine.build(read_release(folder, [season], label="real", sigma_max_deg=5.0), CUTS)
    rings = healpix.rings_of(128, math.radians(-85.0), math.radians(85.0))
    start = time.process_time()
    tails = tables(analysis, rings, N_DEEP_TABLE)
    table_s, start = time.process_time() - start, time.process_time()
    maker = patches.Patches(analysis, rings, RADIUS, SEPARATION)
    rows = maker.rows(rng.key("patches of a benchmark", 2), 0, N_DEEP)
    patch_s = time.process_time() - start
    found, every = heat(tails, rings, rows), np.ones(rows.shape, bool)
    spots = Spots(N_DEEP, spots_of.hot_spots(rings, rows, found, every, SEPARATION))
    yield f"tables {table_s:.0f} s, {N_DEEP} patches {patch_s:.0f} s of CPU ({1e3 * patch_s / N_DEEP:.0f} ms each)"
    sums = pixel_sums(Spots(N_DEEP, spots_of.weighted(rows, found, every)), int(rings.n_pix.sum()), range(4, 14))
    yield "   h        p   error   error of 5,000   effective   largest share   pixel sum"
    for row in sums:
        one = spots.post_trial(row["mlog10p"])
        relative, ratio = one.expected_error / one.expected, row["measured"] / row["expected"]
        yield (
            f"{row['mlog10p']:4g}  {one.p:.3g}  {relative:6.1%}  {relative * math.sqrt(N_DEEP / 5000):6.1%}  "
            f"{one.n_effective:6.0f}  {one.largest_share:6.1%}  {ratio:.2f} ± {row['error'] / row['expected']:.2f}"
        )
    five = spots.at(float(nsigma_to_p(5.0)))
    if five is not None:
        relative = five.expected_error / five.expected
        yield f"p = {five.p:.2g}: error {relative:.1%}, {relative * math.sqrt(N_DEEP / 5000):.1%} with 5,000 patches"


if __name__ == "__main__":
    for line in small() if len(sys.argv) == 1 else deep(Path(sys.argv[1]), sys.argv[2]):
        print(line, flush=True)
