"""Hottest spots: TS against p in the map, the post-trial distribution, and positions."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from worker.base.errors import InputError
from worker.report import formats, style
from worker.report.numbers import columns
from worker.report.plot import Drawing
from worker.report.results import Results
from worker.report.skymaps import sky_axis
from worker.stats.patches import Spots
from worker.stats.posttrial import parametrised


class ObservedSky(NamedTuple):
    """Name of the observed sky, and -log10 p of its hottest spot."""

    name: str
    heat: float


PATCHES = " Orange: the same p-value from patches of tilted skies, with its error, as far as their last hot spot."
NAMES = {"all": "whole sky", "north": "north", "south": "south"}


def ts_against_p(results: Results) -> Drawing:
    """All pixels of the finest map."""
    heat, ts = results.finest_map[:2]
    positive = np.isfinite(heat) & np.isfinite(ts) & (ts > 0)
    if not positive.any():
        raise InputError("no pixel of the map has TS > 0")
    figure = style.new(7.4, 5.6)
    axis = figure.subplots()
    edges = [np.linspace(0, 1.02 * float(v[positive].max()), 111) for v in (ts, heat)]
    counts = np.histogram2d(ts[positive], heat[positive], edges)[0].T
    norm = LogNorm(1, max(float(counts.max()), 2.0))
    shade = np.where(counts > 0, counts, np.nan)
    mesh = axis.pcolormesh(*edges, shade, cmap=style.COUNTS, norm=norm, rasterized=True)
    figure.colorbar(mesh, ax=axis, label="pixels")
    axis.set(xlabel="TS", ylabel="−log₁₀ p (local)")
    axis.grid(True)
    zero = float(np.mean(ts[np.isfinite(ts)] <= 0))
    return Drawing(
        figure,
        f"TS and local p-value of the map's pixels. p falls with TS at each declination; the spread is the declination "
        f"dependence of the background. {100 * zero:.0f} % of the pixels have TS = 0, hence p = 1, and are left out.",
        {"ts_edges": edges[0], "mlog10p_edges": edges[1], "pixels": counts},
    )


def post_trial(results: Results) -> Drawing:
    """Distribution of the hottest spot of background skies, that of the shown sky, and the N_eff curve; by region."""
    regions = results.require("post_trial_regions")
    shown = [r for r in results.regions if r in regions]
    if not shown:
        raise InputError("no hottest spots of background skies are there")
    figure = style.new(max(4.4 * len(shown), 5.5) + 0.4, 7.6)
    axes = figure.subplots(2, len(shown), sharex="col", squeeze=False)
    spots = results.require("scan")["regions"]
    for column, region in zip(axes.T, shown, strict=True):
        skies = results.skies(region)
        assert skies is not None
        sky = ObservedSky(f"{results.sky} sky", float(spots[region]["mlog10p"]))
        _density(column[0], skies["mlog10p"], sky, regions[region])
        _tail(column[1], skies["mlog10p"], sky, regions[region], results.patches(region))
        column[0].set_title(NAMES.get(region, region))
        column[1].set_xlabel("−log₁₀ p of the hottest spot")
    axes[0, 0].set_ylabel("background skies")
    axes[1, 0].set_ylabel("post-trial p-value")
    split = f" (north and south are split at {style.dec_text(results.run.spec.scan.dec_split_deg)})"
    return Drawing(
        figure,
        f"Hottest spot of each background sky{split if len(shown) > 1 else ''}, and that of the "
        f"{results.sky} sky. Above: histogram, and the density that N_eff independent positions would give. Below: "
        "fraction of skies at least as hot (steps) and 1 − (1 − p)^N_eff; the point is the post-trial p-value with its "
        f"interval.{_no_curve(regions, shown)}{PATCHES if results.run.spec.scan.post_trial.tail != 'none' else ''}",
        columns(
            ("region", "sky", "mlog10p"),
            [(region, results.sky, float(spots[region]["mlog10p"])) for region in shown]
            + [(region, i, heat) for region in shown for i, heat in enumerate(_heat(results, region))],
        ),
    )


def _heat(results: Results, region: str) -> list[float]:
    skies = results.skies(region)
    return [] if skies is None else [float(heat) for heat in skies["mlog10p"]]


def _no_curve(regions: Mapping[str, Any], shown: list[str]) -> str:
    """Sentence on regions without N_eff, hence without a curve."""
    without_curve = [NAMES.get(region, region) for region in shown if regions[region].get("n_eff") is None]
    if not without_curve:
        return ""
    return f" No curve for {', '.join(without_curve)}: the skies there follow that of no N_eff."


def _density(axis: Axes, heat: NDArray[np.float64], sky: ObservedSky, row: Mapping[str, Any]) -> None:
    low, high = max(min(heat.min(), sky.heat) - 0.3, 0.0), max(heat.max(), sky.heat) + 0.5  # p is at most 1
    edges = np.linspace(low, high, int(np.clip(2 * len(heat) ** 0.4, 8, 60)) + 1)
    axis.hist(
        heat, list(edges), color=style.BLUE, alpha=0.4, edgecolor=style.BLUE, label=f"{len(heat):,} background skies"
    )
    top = axis.get_ylim()[1]
    if row.get("n_eff") is not None:
        fine = np.linspace(low, high, 400)
        below = 1.0 - parametrised(fine, row["n_eff"])
        density = np.gradient(below, fine) * len(heat) * (edges[1] - edges[0])
        label = f"N_eff = {formats.with_error(row['n_eff'], row['n_eff_error'])}"
        axis.plot(fine, density, color=style.GREEN, label=label)
        top = max(top, float(density.max()))
    axis.plot([sky.heat, sky.heat], [0, top], color=style.RED, label=f"{sky.name} {sky.heat:.2f}")
    axis.set_ylim(0, 1.5 * top)  # the upper third is the legend's
    axis.legend(loc="upper right", fontsize=10.5)


def _of_patches(axis: Axes, spots: Spots, low: float) -> float:
    """Curve of p from patches with its error, from a -log10 p on as far as they reach; returns its last p."""
    last = float(spots.rows["mlog10p"].max())
    fine = np.linspace(low, max(last, low), 120)
    found = [spots.post_trial(float(h)) for h in fine]
    axis.plot(fine, [one.p for one in found], color=style.ORANGE, label="patches")
    axis.fill_between(fine, [one.lo for one in found], [one.hi for one in found], color=style.ORANGE, alpha=0.3)
    return found[-1].p


def _tail(axis: Axes, heat: NDArray[np.float64], sky: ObservedSky, row: Mapping[str, Any], spots: Spots | None) -> None:
    ordered = np.sort(heat)
    fraction = (len(heat) - np.arange(len(heat))) / len(heat)
    axis.step(ordered, fraction, where="pre", color=style.BLUE)
    if row.get("n_eff") is not None:
        fine = np.linspace(max(ordered[0] - 0.3, 0.0), max(ordered[-1], sky.heat) + 0.5, 400)
        axis.plot(fine, parametrised(fine, row["n_eff"]), color=style.GREEN)
    p, low, high = (float(row[key]) for key in ("p", "lo", "hi"))
    error = [[max(p - low, 0.0)], [max(high - p, 0.0)]]
    text = f"p = {p:.3g} [{low:.2g}, {high:.2g}]\nk = {row['k']:,} of {row['n']:,}"
    axis.errorbar([sky.heat], [p], error, fmt="o", color=style.RED, markersize=8, capsize=4, label=text, zorder=5)
    least = 1.0 / len(heat)
    if spots is not None and len(spots.rows):
        least = min(least, _of_patches(axis, spots, max(float(np.median(heat)), 0.0)))
    axis.set(yscale="log", ylim=(0.3 * least, 2.0))
    axis.grid(True)
    axis.legend(loc="lower left")


def positions(results: Results, sin_dec: NDArray[np.float64], ra: NDArray[np.float64], spread: str) -> Drawing:
    """Positions of the hottest spots of background skies, which must be distributed like the scanned positions.

    Parameters
    ----------
    sin_dec, ra : ndarray (n,), ra in rad
        Scanned positions.
    spread : str
        Their distribution: text after "as the scanned".
    """
    skies = results.skies("all")
    if skies is None or len(skies) == 0:
        raise InputError("no hottest spots of background skies are there")
    figure = style.new(12.5, 4.6)
    grid = figure.add_gridspec(2, 2, width_ratios=(1.7, 1))
    axis = sky_axis(figure, grid[:, 0])
    size = float(np.clip(4000 / len(skies), 2, 40))
    dots = axis.scatter(
        np.pi - skies["ra"], skies["dec"], c=skies["mlog10p"], s=size, cmap=style.COUNTS, linewidth=0.3,
        edgecolor="#555555", rasterized=True,
    )  # fmt: skip
    figure.colorbar(dots, ax=axis, orientation="horizontal", shrink=0.6, pad=0.01, label="−log₁₀ p of the hottest spot")
    scan = results.run.spec.scan
    limits = np.radians([scan.dec_min_deg, scan.dec_max_deg])
    n_bins = int(np.clip(len(skies) ** 0.5, 4, 24))
    upper, lower = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
    _flat(upper, np.sin(skies["dec"]), sin_dec, np.linspace(np.sin(limits[0]), np.sin(limits[1]), n_bins + 1))
    upper.set(xlabel=style.SIN_DEC, xticks=(-1, -0.5, 0, 0.5, 1))
    _flat(lower, np.degrees(skies["ra"]), np.degrees(ra), np.linspace(0, 360, n_bins + 1))
    lower.set(xlabel="right ascension [deg]", xticks=(0, 90, 180, 270, 360))
    return Drawing(
        figure,
        f"Hottest spots of {len(skies):,} background skies. With good p-values they are spread as the scanned "
        f"{spread} (dashed; band: one sigma). The checks below say so in numbers.",
        {f"{name}_deg": np.degrees(skies[name]) for name in ("ra", "dec")}
        | {name: skies[name] for name in ("mlog10p", "ts", "ns", "gamma")},
    )


def _flat(axis: Axes, values: NDArray[np.float64], pixels: NDArray[np.float64], edges: NDArray[np.float64]) -> None:
    """Histogram, and the expectation from the scanned pixels (healpix rings are not uniform in sin(dec))."""
    span = (float(edges[0]), float(edges[-1]))
    expected = np.histogram(np.clip(pixels, *span), edges)[0] * (len(values) / max(len(pixels), 1))
    axis.hist(np.clip(values, *span), list(edges), color=style.BLUE, alpha=0.4, edgecolor=style.BLUE)
    axis.stairs(expected, edges, color=style.RED, linestyle="--", linewidth=1.5, baseline=None)
    spread = np.sqrt(expected)
    axis.stairs(expected + spread, edges, baseline=expected - spread, fill=True, color=style.RED, alpha=0.15)
    axis.set(ylabel="skies", xlim=span, ylim=(0, None))
