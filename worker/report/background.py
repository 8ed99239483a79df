"""Background TS distributions: panels, heat map, fit parameters, and p-values by counting and by the fit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import NDArray
from scipy.special import chdtrc

from worker.report import style
from worker.report.numbers import columns
from worker.report.plot import Drawing
from worker.report.results import Results, three
from worker.report.shape import EDGES, FITS, Shape
from worker.stats.chi2 import Fit
from worker.stats.significance import nsigma_to_p

PANELS = 18
LEAST = 10.0
"""Expected trials of a bin in the goodness of fit."""


def panels(results: Results) -> Drawing:
    """One small histogram per point, with the chi2 fit."""
    shapes = results.require_shapes()
    shown = [shapes[i] for i in np.unique(np.linspace(0, len(shapes) - 1, PANELS).round().astype(int))]
    columns = min(6, len(shown))
    n_rows = -(-len(shown) // columns)
    figure = style.new(max(2.3 * columns, 5.0), 2.1 * n_rows + 0.7)
    grid = figure.subplots(n_rows, columns, sharex=True, sharey=True, squeeze=False, subplot_kw={"yscale": "log"})
    last = max(int(np.flatnonzero(shape.counts).max(initial=3)) for shape in shown) + 1
    step = 4 if last > 24 else 2
    top = max(_per_unit(shape, step).max() for shape in shown)
    for axis, shape in zip(grid.flat, shown, strict=False):
        _panel(axis, shape, step, results)
    for axis in grid.flat[len(shown) :]:
        axis.set_visible(False)
    low = min(1.0 / (shape.n * _width(step)) for shape in shown)
    grid[0, 0].set(xlim=(0, EDGES[last] + 1), ylim=(0.4 * low, 5.0 * max(top, low)))
    figure.supxlabel("TS", fontsize=14)
    figure.supylabel("trials per unit TS / all trials", fontsize=14)
    every = f"Every {results.points.what[:-1]}"
    what = f"{len(shown)} of {len(shapes)} {results.points.what}" if len(shown) < len(shapes) else every
    return Drawing(
        figure,
        f"{what}. Steps: background trials with TS > 0, as a density over all trials; the rest, a fraction 1 − η, has "
        "TS = 0 and is not drawn. Line: η times a chi2 with loc 0 and fitted ndof. Numbers: η, ndof, trials, and the "
        "p-value of the fit (Pearson's χ² of the counts, in bins with at least ten expected trials); a small one says "
        "that the shape is no chi2.",
        _histograms(results) | {"p_fit": [s.p_fit for s in shapes], "goodness_of_fit_p": _goodness(shapes)},
    )


def _histograms(results: Results) -> dict[str, object]:
    """Trials with TS > 0 by bin for every point, (n_points, n_bins)."""
    shapes, points = results.shapes, results.points
    return {
        **columns(points.names, [points.cells(s.at) for s in shapes]),
        "n": [s.n for s in shapes],
        "ts_edges": EDGES,
        "counts": [s.counts for s in shapes],
    }


def goodness_of_fit(shape: Shape) -> float | None:
    """P-value of Pearson's chi2 between the counts and the fit of the spec; None without a fit or enough trials.

    Bins of `EDGES` are joined from the left until at least `LEAST` trials are expected; what lies
    beyond joins the last one. The number of trials with TS > 0 is taken as known, ndof as fitted; a free scale counts
    as fixed.
    """
    if not np.isfinite(shape.p_fit[1]):
        return None
    above = np.append(shape.eta, shape.p_fit[1:])
    above[-1] = 0.0  # the last bin holds all larger TS
    expected = -np.diff(above) * shape.n
    joined: list[list[float]] = [[0.0, 0.0]]
    for count, mean in zip(shape.counts, expected, strict=True):
        if joined[-1][1] >= LEAST:
            joined.append([0.0, 0.0])
        joined[-1][0] += count
        joined[-1][1] += mean
    if len(joined) > 1 and joined[-1][1] < LEAST:
        rest = joined.pop()
        joined[-1] = [joined[-1][0] + rest[0], joined[-1][1] + rest[1]]
    n_free = len(joined) - 2
    if n_free < 1:
        return None
    counts, means = np.array(joined).T
    return float(f"{chdtrc(n_free, float(np.sum((counts - means) ** 2 / means))):.9g}")


def _goodness(shapes: Sequence[Shape]) -> list[float]:
    """P-value of each fit, NaN for none."""
    return [np.nan if p is None else p for p in map(goodness_of_fit, shapes)]


def _width(step: int) -> float:
    return float(step * EDGES[1])


def _per_unit(shape: Shape, step: int) -> NDArray[np.float64]:
    density: NDArray[np.float64] = shape.counts.reshape(-1, step).sum(axis=1) / (shape.n * _width(step))
    return density


def _panel(axis: Axes, shape: Shape, step: int, results: Results) -> None:
    fit = results.run.spec.background.fit
    edges = EDGES[::step]
    axis.stairs(_per_unit(shape, step), edges, color=style.BLUE, fill=True, alpha=0.35)
    axis.stairs(_per_unit(shape, step), edges, color=style.BLUE, linewidth=1.0)
    if np.isfinite(shape.p_fit[1]):
        # Mean of the fit over each bin: its density is infinite at 0 if ndof < 2. P(TS >= 0) is 1, P(TS > 0) is eta.
        above = np.append(shape.eta, shape.p_fit[1:])
        axis.plot(0.5 * (EDGES[1:] + EDGES[:-1]), -np.diff(above) / _width(1), color=style.RED, linewidth=1.5)
    axis.set_title(results.points.text(shape.at), fontsize=12, pad=3)
    p = goodness_of_fit(shape)
    text = f"η {shape.eta:.3f}\nndof {shape.fits[fit].ndof:.2f}\nn {shape.n:,}"
    text += "" if p is None else f"\nfit p {p:.2g}"
    axis.text(0.96, 0.95, text, transform=axis.transAxes, ha="right", va="top", fontsize=10, linespacing=1.15)
    axis.tick_params(labelsize=10.5)
    axis.minorticks_off()


def heat(results: Results) -> Drawing:
    """The same histograms side by side, against sin(dec), with the thresholds."""
    shapes = results.require_shapes()
    x = results.points.edges([s.at for s in shapes])
    last = max(int(np.flatnonzero(shape.counts).max(initial=3)) for shape in shapes) + 1
    last = min(max(last, int(1.08 * np.nanmax([s.thresholds[1] for s in shapes] + [0.0]) / EDGES[1])), len(EDGES) - 1)
    step = 2
    density = np.array([_per_unit(shape, step) for shape in shapes]).T
    figure = style.new(9.0, 5.4)
    axis = figure.subplots()
    positive = density[density > 0]
    if len(positive):
        norm = LogNorm(positive.min(), max(positive.max(), 2 * positive.min()))
        shade = np.where(density > 0, density, np.nan)
        mesh = axis.pcolormesh(x, EDGES[::step], shade, cmap=style.COUNTS, norm=norm, rasterized=True)
        figure.colorbar(mesh, ax=axis, label="trials per unit TS / all trials", pad=0.01)
    at = results.points.xs(s.at for s in shapes)
    axis.plot(at, [s.median[1] for s in shapes], "-", color=style.GREEN, label="median")
    axis.plot(at, [s.thresholds[0] for s in shapes], "--", color=style.SKY, label="3σ (one-sided)")
    axis.plot(at, [s.thresholds[1] for s in shapes], "-", color=style.BLUE, label="5σ (one-sided)")
    results.points.draw(axis)
    axis.set(ylim=(0, EDGES[last]), ylabel="TS")
    against = "against sin(declination)" if results.points.on_sky else "at every point"
    below: Any = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14)} if results.points.on_sky else {}
    axis.legend(**below, ncols=3)
    return Drawing(
        figure,
        f"Background TS {against}: density of the trials with TS > 0 (colour), their median, and the TS "
        "that is 3σ and 5σ. "
        + (
            "Above the last trials of this kind the thresholds rest on the chi2 fit."
            if results.run.spec.background.tail == "none"
            else "Above the last trials of this kind the thresholds are counted with tilted trials."
        ),
        _histograms(results)
        | {"median": [s.median[1] for s in shapes], "ts_3sigma_5sigma": [s.thresholds for s in shapes]},
    )


def parameters(results: Results) -> Drawing:
    """eta, ndof, scale with loc, and median against sin(dec), with errors."""
    shapes = results.require_shapes()
    x = results.points.xs(s.at for s in shapes)
    figure = style.new(10.5, 7.0)
    (eta, ndof), (scale, median) = figure.subplots(2, 2, sharex=True)
    bar: Any = {"fmt": "o", "markersize": 3.5 if len(shapes) > 60 else 5.5}
    eta.errorbar(x, [s.eta for s in shapes], [s.eta_error for s in shapes], color=style.BLUE, **bar)
    eta.axhline(0.5, color=style.GREY, linestyle=":")
    eta.set_ylabel("η = P(TS > 0)")
    used = results.run.spec.background.fit
    looks: tuple[tuple[Fit, str, str, str, str], ...] = (
        ("scale1", style.BLUE, "o", style.BLUE, "scale 1"), ("free", style.ORANGE, "s", "white", "scale free"),
    )  # fmt: skip
    for fit, color, marker, face, name in looks:
        values = np.array([s.fits[fit] for s in shapes])
        look: Any = bar | {"fmt": marker, "color": color, "markerfacecolor": face}
        label = f"{name} (used)" if fit == used else name
        ndof.errorbar(x, values[:, 0], values[:, 1], label=label, **look)
        scale.errorbar(x, values[:, 2], np.where(values[:, 3] > 0, values[:, 3], np.nan), label=label, **look)
    ndof.axhline(1.0, color=style.GREY, linestyle=":")
    ndof.set_ylabel("ndof")
    ndof.legend(ncols=2)
    scale.axhline(0.0, color=style.PURPLE, linestyle="--", label="loc (fixed at 0)")
    scale.set(ylim=(-0.15, max(1.9, 1.3 * scale.get_ylim()[1])), ylabel="scale and loc")
    scale.legend(ncols=2, loc="upper center")
    m = np.array([s.median for s in shapes])
    median.errorbar(x, m[:, 1], [m[:, 1] - m[:, 0], m[:, 2] - m[:, 1]], color=style.GREEN, **bar)
    median.set_ylabel("median TS")
    for axis in (eta, ndof, scale, median):
        results.points.draw(axis, degrees=axis in (eta, ndof), label=axis in (scale, median))
    return Drawing(
        figure,
        "What describes each background distribution, with one-sigma errors (η: binomial; ndof and scale: Fisher "
        "information; median: order statistics). Where η is below one half the median is exactly 0. The chi2 fits to "
        "TS > 0 have loc 0 and their scale fixed at 1 or free: how far they differ shows how far the shape is from a "
        "chi2.",
        _parameters(results),
    )


def _parameters(results: Results) -> dict[str, list[Any]]:
    points = results.points
    names: tuple[str, ...] = (*points.names, "n", "eta", "eta_error", "median", "median_low", "median_high")
    names += tuple(f"{name}_{fit}" for fit in FITS for name in ("ndof", "ndof_error", "scale", "scale_error"))
    return columns(
        names,
        [
            (
                *points.cells(s.at),
                s.n,
                s.eta,
                s.eta_error,
                *(s.median[i] for i in (1, 0, 2)),
                *s.fits[FITS[0]],
                *s.fits[FITS[1]],
            )
            for s in results.shapes
        ],
    )


def survival(results: Results) -> Drawing:
    """P(TS >= ts) by counting, by the fit, and as used, at three points."""
    shapes, how = three(results.require_shapes()), results.run.spec.scan.survival
    figure = style.new(4.1 * len(shapes) + 0.4, 4.6)
    axes = figure.subplots(1, len(shapes), sharey=True, squeeze=False)[0]
    for axis, shape in zip(axes, shapes, strict=True):
        counted = np.where(shape.p_counted > 0, shape.p_counted, np.nan)
        axis.plot(EDGES, shape.p_fit, "--", color=style.RED, label="chi2 fit")
        if how == "counted":
            axis.plot(EDGES, shape.p_hybrid, ":", color=style.ORANGE, label="counted, then fit (hybrid)")
        axis.plot(EDGES, shape.p_used, "-", color=style.GREEN, linewidth=4, alpha=0.45, label=f"used ({how})")
        axis.step(
            EDGES,
            counted,
            where="pre",
            color=style.BLUE,
            label="counted (plain trials)" if how == "counted" else "counted",
        )
        if how in ("hybrid", "counted") and np.isfinite(shape.joint):
            axis.axvline(shape.joint, color=style.GREY, linestyle=":")
        for n_sigma in (3.0, 4.0, 5.0):
            p = float(nsigma_to_p(n_sigma))
            axis.axhline(p, color=style.GREY, linewidth=0.8)
            axis.text(31.5, 1.15 * p, f"{n_sigma:g}σ", ha="right", va="bottom", fontsize=10.5, color=style.GREY)
        axis.set_title(results.points.text(shape.at))
        axis.set(xlabel="TS", xlim=(0, 32), yscale="log", ylim=(1e-8, 1.5))
        axis.minorticks_off()  # nine decades: they would fill the frame
        axis.grid(True)
    axes[0].set_ylabel("P(TS ≥ x)")
    axes[0].legend(loc="lower left")
    ways = {
        "counted": "Plain trials are counted while at least 100 of them lie above (left of the dotted line), weighted "
        "tilted trials beyond; what the fit, and counting continued by it, would say is drawn beside it and not used.",
        "hybrid": "Counting is used while at least 100 trials lie above (left of the dotted line), the fit beyond, "
        "scaled to be continuous there.",
        "fit": "The fit is used everywhere.",
        "empirical": "Counting is used everywhere: p is never below 1/(n + 1).",
    }
    return Drawing(
        figure,
        f"Survival function of the background at three {results.points.what}: by counting, by the fit, and as "
        f"p-values are taken from it. {ways[how]}",
        columns(
            (*results.points.names, "ts", "p_counted", "p_fit", "p_hybrid", "p_used"),
            [
                (*results.points.cells(s.at), *row)
                for s in shapes
                for row in zip(EDGES.tolist(), s.p_counted, s.p_fit, s.p_hybrid, s.p_used, strict=True)
            ],
        ),
    )
