"""Figures for those checks before unblinding that no other figure shows."""

import math
from typing import Any

import numpy as np

from worker.base.errors import InputError
from worker.blinding import unblinding_checks
from worker.blinding.tail_checks import threshold
from worker.hypotheses import hottest_spots
from worker.hypotheses.sky.checks import peaks
from worker.report import style
from worker.report.numbers import columns
from worker.report.plot import Drawing
from worker.report.results import Results
from worker.stats import bands
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.distributions import TSD
from worker.stats.patches import LARGEST_FACTOR
from worker.stats.significance import nsigma_to_p
from worker.stats.smoothness import HOTTEST, MIN_RATIO

LEVELS = ((0.1, style.BLUE, "o"), (0.03, style.ORANGE, "s"), (0.01, style.RED, "^"))
"""Values of p in the figure of uniformity."""
LEAST = 10.0


def uniform(results: Results) -> Drawing:
    """P-values of odd trials in the distribution of even ones: fraction below p, over p, against the point."""
    results.rows("background")
    spec, points = results.run.spec, results.points
    figure = style.new(9.0, 5.0)
    axis = figure.subplots()
    drawn: list[tuple[Any, ...]] = []
    for p, color, marker in LEVELS:
        x, ratio, error = [], [], []
        for point in points.points:
            even, odd = unblinding_checks.halves(results.run, point)
            if even.eta < p or p * len(odd) < LEAST:
                continue
            fraction = float(np.mean(even.sf(odd, unblinding_checks.way_of_half(spec, even)) <= p))
            # both halves fluctuate alike
            spread = math.sqrt(p * (1.0 - p) * (1.0 / len(odd) + 1.0 / even.n))
            x.append(points.x(point))
            ratio.append(fraction / p)
            error.append(spread / p)
            drawn.append((*points.cells(point), p, fraction / p, spread / p))
        if x:
            size = 3.5 if len(x) > 60 else 6
            axis.fill_between(x, 1 - np.array(error), 1 + np.array(error), color=color, alpha=0.15, linewidth=0)
            axis.plot(x, ratio, marker, color=color, markersize=size, label=f"p = {p:g}")
    axis.axhline(1.0, color=style.BLACK, linestyle="--")
    points.draw(axis)
    axis.set(ylabel="fraction of trials with p-value ≤ p, over p")
    if drawn:
        axis.legend(loc="best", ncols=len(LEVELS))
    return Drawing(
        figure,
        "P-values of every second background trial, from the distribution that the other half makes: how often they "
        "are below p, in units of p. On the dashed line they are uniform. Bands: one sigma of both halves, so about a "
        f"third of the {points.what} lie outside of them. Values of p above η, or that fewer than {LEAST:g} trials "
        "reach, are left out.",
        columns((*points.names, "p", "fraction_over_p", "error"), drawn),
    )


def thresholds(results: Results) -> Drawing:
    """TS of the discovery significance, counted and with either fit, and the TS that ten trials exceed."""
    results.rows("background")
    spec = results.run.spec
    counted = spec.background.tail == "tilted"
    n_sigma = spec.sensitivity.top_nsigma
    points = results.points
    rows = np.array([_thresholds(hottest_spots.load_tsd(results.run, at), n_sigma) for at in points.points])
    x = points.xs(points.points)
    figure = style.new(9.0, 5.0)
    axis = figure.subplots()
    look: Any = {"markersize": 3.5 if len(x) > 60 else 6}
    names = ("scale 1", "scale free")
    for column, name, color, marker in zip((0, 1), names, (style.BLUE, style.ORANGE), "os", strict=True):
        axis.plot(x, rows[:, column], marker, color=color, label=f"{n_sigma:g}σ, chi2 fit with {name}", **look)
    axis.plot(x, rows[:, 2], "v", color=style.GREEN, label="10 trials lie above", **look)
    if counted:
        axis.errorbar(x, rows[:, 3], rows[:, 4], fmt="x", color=style.BLACK, label=f"{n_sigma:g}σ, counted", **look)
    points.draw(axis)
    axis.set(ylabel="TS", ylim=(0, None))
    axis.legend(loc="lower center", ncols=3)
    rests = (
        f"The {n_sigma:g}σ threshold is counted with tilted trials (crosses, with errors); what two fits of the plain "
        "trials would say is drawn beside it and not used."
        if counted
        else f"The {n_sigma:g}σ threshold lies beyond and rests on the shape of the tail; two fits of the same trials "
        "that differ there say that the trials do not decide it."
    )
    return Drawing(
        figure,
        f"How far plain background trials reach: up to the triangles they are counted (ten of them lie above). {rests}",
        columns(
            (*points.names, "ts_scale1", "ts_free", "ts_10_above", "ts_counted", "ts_counted_error"),
            [(*points.cells(at), *row) for at, row in zip(points.points, rows.tolist(), strict=True)],
        ),
    )


def _thresholds(tsd: TSD, n_sigma: float) -> tuple[float, float, float, float, float]:
    """TS with scale 1, with a free scale, that ten trials exceed, and counted with its error; NaN for what is not."""
    out = []
    for fit in ("scale1", "free"):
        try:
            out.append(float(TSD(tsd.n, tsd.ts, fit).isf_nsigma(n_sigma)))
        except TooFewTrialsError:
            out.append(math.nan)
    counted = error = math.nan
    if tsd.tilted is not None and (ts := threshold(tsd, n_sigma)) < math.inf:
        counted, error = ts, tsd.tilted.isf_error(float(nsigma_to_p(n_sigma)))
    return out[0], out[1], float(tsd.ts[-10]) if len(tsd.ts) >= 10 else math.nan, counted, error


def n_eff(results: Results) -> Drawing:
    """N_eff per position of the background skies by declination."""
    rows = results.require("scan").get("n_eff_bands")
    if not rows:
        raise InputError("the scan has no n_eff_bands: run collect_scan again")
    known = [row for row in rows if row["n_eff"] is not None]
    middle = np.array([0.5 * (row["dec_min_deg"] + row["dec_max_deg"]) for row in known])
    ratio, error = (np.array([row[key] / row["n_positions"] for row in known]) for key in ("n_eff", "n_eff_error"))
    figure = style.new(9.0, 4.2)
    axis = figure.subplots()
    look: Any = {"fmt": "o", "color": style.BLUE, "capsize": 3}
    axis.errorbar(middle, ratio, error, bands.WIDTH_DEG / 2, label="one sigma", **look)
    axis.axhline(1.0, color=style.BLACK, linestyle="--", label="every position independent")
    axis.set(xlabel="declination [deg]", ylabel="N_eff per position", xlim=(-92, 92), ylim=(0, None))
    axis.grid(True)
    axis.legend(loc="best")
    return Drawing(
        figure,
        "Effective number of independent positions in each band of declination, from the hottest one of every "
        "background sky there, over their number. Neighbours share events, so it is at most 1; where p-values are too "
        "small it is larger.",
        columns(tuple(bands.Band._fields), [tuple(row[key] for key in bands.Band._fields) for row in known]),
    )


def pixel_sum(results: Results) -> Drawing:
    """Number of pixels with a small local p, measured with patches, over what it should be."""
    rows = (results.require("scan").get("patches") or {}).get("pixel_sums")
    if not rows:
        raise InputError("the scan has no patches: write scan.post_trial: {tail: patches}")
    known = [row for row in rows if row["measured"] > 0]
    figure = style.new(9.0, 4.2)
    axis = figure.subplots()
    ratio, error = (np.array([row[key] / row["expected"] for row in known]) for key in ("measured", "error"))
    look: Any = {"fmt": "o", "color": style.BLUE, "capsize": 3}
    axis.errorbar([row["mlog10p"] for row in known], ratio, error, label="one sigma", **look)
    axis.axhspan(1.0 / LARGEST_FACTOR, LARGEST_FACTOR, color=style.GREEN, alpha=0.2, label="wanted")
    axis.set(xlabel="h", ylabel="pixels with −log₁₀ p ≥ h, over N 10⁻ʰ", yscale="log")
    axis.grid(True)
    axis.legend(loc="best")
    return Drawing(
        figure,
        "Expected number of pixels of a background sky with a local p of at most 10^−h, measured with patches of "
        "tilted skies, over the number of pixels times 10^−h. It is 1 where local p is right on average over the sky.",
        columns(tuple(rows[0]), [tuple(row.values()) for row in rows]),
    )


def smooth(results: Results) -> Drawing:
    """Every peak of the scanned maps and its best neighbour."""
    results.require("scan")
    scan = results.run.spec.healpix
    figure = style.new(9.0, 5.0)
    axis = figure.subplots()
    marks = {scan.nside: ("o", style.BLUE), scan.map_nside or scan.nside: (".", style.ORANGE)}
    marks[scan.nside] = ("o", style.BLUE)
    top = 1.0
    drawn: list[tuple[int, float, float]] = []
    for nside, (marker, color) in sorted(marks.items(), reverse=True):
        maxima = peaks(results.run, nside)
        if len(maxima.ts):
            ratio = maxima.neighbour / maxima.ts
            drawn += [(nside, *pair) for pair in zip(maxima.ts.tolist(), ratio.tolist(), strict=True)]
            top = max(top, float(maxima.ts.max()))
            used = " (post-trial)" if nside == scan.nside else " (picture)"
            label = f"nside {nside}{used}: median {np.median(ratio):.2f}"
            axis.plot(maxima.ts, ratio, marker, color=color, alpha=0.7, label=label)
    axis.axhline(MIN_RATIO, color=style.RED, linestyle="--", label=f"wanted: median above {MIN_RATIO:g}")
    axis.set(xlabel="TS of the peak", ylabel="TS of its best neighbour / TS of the peak", ylim=(-0.02, 1.02))
    axis.set_xlim(0, 1.05 * top)
    axis.grid(True)
    axis.legend(loc="lower right")
    return Drawing(
        figure,
        f"Local maxima among the hottest {100 * HOTTEST:g} % of the pixels, and the best pixel beside each. Where "
        "little of a peak is left one pixel away, the pixels are too large: a hot spot between them is seen only in "
        "part.",
        columns(("nside", "ts", "neighbour_over_peak"), drawn),
    )
