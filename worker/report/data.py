"""Two figures of the data: events and response."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LogNorm
from matplotlib.ticker import LogLocator, NullLocator

from worker.data.dataset import Dataset, Season
from worker.data.describe import BANDS_DEG, Curve, area_curve, psi_curve
from worker.report import style
from worker.report.numbers import columns
from worker.report.plot import Drawing

_COLORS = (style.BLUE, style.ORANGE, style.GREEN, style.RED, style.SKY, style.PURPLE)
_SHOWN = 6
_CURVES = ("area_cm2", "median_psi_deg")
_DEGREES = (-90, -30, 0, 30, 90)
_TITLES = ("Livetime", "Rate", "Energy against declination", "Energy", "Angular error", "Angular error against energy")


def events(dataset: Dataset) -> Drawing:
    """Livetime, rate, energies and angular errors of every season."""
    figure = style.new(15.0, 9.2)
    axes = figure.subplots(2, 3)
    colors = _colors(len(dataset.seasons))
    _livetimes(axes[0, 0], dataset, colors)
    rates = _steps(axes[0, 1], dataset, colors, _sin_dec, np.linspace(-1, 1, 41), 0.05)
    style.sin_dec_axis(axes[0, 1], at_deg=_DEGREES)
    axes[0, 1].set_ylabel("events per day per unit sin(dec)")
    axes[0, 1].set_ylim(0, None)
    _energy_map(axes[0, 2], dataset)
    energies = _steps(axes[1, 0], dataset, colors, _log_e, np.linspace(1, 9, 81))
    axes[1, 0].set(xlabel="log10(reconstructed energy / GeV)", ylabel="events per day per 0.1 in log10 E", yscale="log")
    axes[1, 0].set_xlim(*_range(dataset, _log_e))
    edges = np.geomspace(0.1, 180.0, 66)
    sigmas = _steps(axes[1, 1], dataset, colors, _sigma_deg, edges)
    axes[1, 1].set(xlabel="angular error σ (deg)", ylabel="events per day per bin", xscale="log", yscale="log")
    low, high = _range(dataset, _sigma_deg)
    axes[1, 1].set_xlim(max(0.8 * low, 0.09), 1.25 * high)
    _plain(axes[1, 1].xaxis)
    _sigma_against_energy(axes[1, 2], dataset)
    for axis, title in zip(axes.flat, _TITLES, strict=True):
        axis.set_title(title, fontweight="bold", pad=9)
        axis.grid(True)
    return Drawing(
        figure,
        "Measured events. Colours are the seasons of the bars. Events whose angular error cannot be used are in the "
        "rates and energies, not in the angular errors. Right ascensions and times are not looked at.",
        {
            "season": [season.name for season in dataset.seasons],
            "livetime_days": [season.livetime_days for season in dataset.seasons],
            "sin_dec_edges": np.linspace(-1, 1, 41),
            "events_per_day_per_sin_dec": rates,
            "log10_energy_gev_edges": np.linspace(1, 9, 81),
            "events_per_day_per_tenth": energies,
            "sigma_deg_edges": edges,
            "events_per_day_per_bin_of_sigma": sigmas,
        },
    )


def response(dataset: Dataset) -> Drawing:
    """Effective area and median angle of every distinct response."""
    seasons = _distinct(dataset)
    shown = seasons[-_SHOWN:]
    figure = style.new(max(3.6 * len(shown) + 1.2, 8.5), 8.4)
    axes = figure.subplots(2, len(shown), sharex=True, sharey="row", squeeze=False)
    rows: list[tuple[Any, ...]] = []
    for column, (names, season) in enumerate(shown):
        for band, color in zip(BANDS_DEG, _COLORS, strict=False):
            lo, hi = np.sin(np.radians(band)).tolist()
            curves = area_curve(season.area, lo, hi), psi_curve(season, lo, hi)
            _draw(axes[0, column], curves[0], color, " to ".join(map(style.dec_text, band)))
            _draw(axes[1, column], curves[1], color)
            rows += [
                row for what, curve in zip(_CURVES, curves, strict=True) for row in _rows(names, band, what, curve)
            ]
        axes[0, column].set_title(names)
        axes[1, column].set_xlabel("log10(Eν / GeV)")
    axes[0, 0].set(yscale="log", ylabel="mean effective area (cm²)", ylim=(_lowest(shown), None))
    axes[1, 0].set(yscale="log", ylabel="median angle ψ to the neutrino (deg)")
    _plain(axes[1, 0].yaxis)
    for axis in axes.flat:
        axis.grid(True)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, title="declination")
    left_out = f" The latest {len(shown)} of {len(seasons)} are shown." if len(shown) < len(seasons) else ""
    return Drawing(
        figure,
        "Response: effective area, the mean over bands of declination, and the median angle between a neutrino and its "
        f"reconstructed direction.{left_out} Seasons that share a response share a column.",
        columns(("response", "dec_lo_deg", "dec_hi_deg", "what", "log10_e_nu_lo", "log10_e_nu_hi", "value"), rows),
    )


def _colors(n: int) -> list[Any]:
    """One colour per season: distinct colours for few seasons, a colour scale in time for many."""
    return list(_COLORS[:n]) if n <= len(_COLORS) else list(colormaps["viridis"](np.linspace(0, 0.92, n)))


def _livetimes(axis: Axes, dataset: Dataset, colors: list[Any]) -> None:
    names = [season.name for season in dataset.seasons]
    days = [season.livetime_days for season in dataset.seasons]
    axis.barh(names, days, color=colors, height=0.7)
    for k, season in enumerate(dataset.seasons):
        few = len(names) <= 8
        line = "\n" if few else ", "
        text = f"{season.livetime_days:,.1f} d{line}{len(season.events.dec):,} events"
        size = 11.0 if few else 10.0
        shift: Any = (6, 0)
        axis.annotate(text, (days[k], k), xytext=shift, textcoords="offset points", va="center", fontsize=size)
    spare = max(0.0, (4 - len(names)) / 2)
    axis.set(xlim=(0, 1.75 * max(days)), ylim=(len(names) - 0.5 + spare, -0.5 - spare), xlabel="livetime (days)")


def _steps(
    axis: Axes, dataset: Dataset, colors: list[Any], values: Callable[[Season], Any], edges: Any, per: float = 1.0
) -> Any:
    """Events per day in bins, over `per`; returns them, (n_seasons, n_bins)."""
    counts = np.array([np.histogram(values(season), edges)[0] for season in dataset.seasons])
    rates = counts / (np.array([[season.livetime_days] for season in dataset.seasons]) * per)
    for rate, color in zip(rates, colors, strict=True):
        axis.stairs(np.where(rate > 0, rate, np.nan), edges, color=color, linewidth=1.6, baseline=None)
    return rates


def _energy_map(axis: Axes, dataset: Dataset) -> None:
    x = np.concatenate([_sin_dec(season) for season in dataset.seasons])
    y = np.concatenate([_log_e(season) for season in dataset.seasons])
    low, high = _range(dataset, _log_e)
    counts, xs, ys = np.histogram2d(x, y, [np.linspace(-1, 1, 51), np.arange(low, high + 0.1, 0.1)])
    shade = np.where(counts > 0, counts, np.nan).T
    mesh = axis.pcolormesh(xs, ys, shade, cmap=style.COUNTS, norm=LogNorm(1, max(counts.max(), 2)), rasterized=True)
    axis.figure.colorbar(mesh, ax=axis, label="events per bin, all seasons", pad=0.02)
    style.sin_dec_axis(axis, at_deg=_DEGREES)
    axis.set_ylabel("log10(reconstructed energy / GeV)")


def _sigma_against_energy(axis: Axes, dataset: Dataset) -> None:
    """Median and central 68 % of sigma, all seasons, north and south of the horizon."""
    dec, sigma, log_e = (np.concatenate(part) for part in zip(*(s.events for s in dataset.seasons), strict=True))
    edges = np.arange(*_range(dataset, _log_e), 0.25)
    for south, color, marker in ((False, style.BLUE, "o"), (True, style.RED, "s")):
        rows = []
        for lo, hi in pairwise(edges):
            inside = (log_e >= lo) & (log_e < hi) & (sigma > 0) & ((dec < np.deg2rad(-5)) == south)
            if inside.sum() >= 20:
                rows.append(((lo + hi) / 2, *np.rad2deg(np.quantile(sigma[inside], [0.16, 0.5, 0.84]))))
        if rows:
            x, low, middle, high = np.array(rows).T
            axis.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
            axis.plot(x, middle, marker + "-", color=color, label=f"dec {'<' if south else '>'} −5°")
    axis.set(xlabel="log10(reconstructed energy / GeV)", ylabel="σ (deg): median and central 68 %", yscale="log")
    _plain(axis.yaxis)
    if axis.lines:
        axis.legend()


def _plain(axis: Axis) -> None:
    """A logarithmic axis with 0.2, 0.5, 1, 2 rather than powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")


def _draw(axis: Axes, curve: Curve, color: str, label: str | None = None) -> None:
    axis.stairs(curve.values, curve.log_e_nu, color=color, linewidth=2.0, baseline=None, label=label)


def _rows(names: str, band: tuple[float, float], what: str, curve: Curve) -> list[tuple[Any, ...]]:
    ends = pairwise(curve.log_e_nu.tolist())
    return [(names, *band, what, *end, value) for end, value in zip(ends, curve.values.tolist(), strict=True)]


def _distinct(dataset: Dataset) -> list[tuple[str, Season]]:
    """Seasons with different responses, each with the names of those that share it."""
    groups: dict[tuple[int, int], list[Season]] = {}
    for season in dataset.seasons:
        groups.setdefault((id(season.area), id(season.smearing)), []).append(season)
    return [
        (group[0].name if len(group) == 1 else f"{group[0].name} and {len(group) - 1} more", group[0])
        for group in groups.values()
    ]


def _lowest(shown: list[tuple[str, Season]]) -> float:
    """Seven decades below the largest effective area."""
    return float(max(season.area.area_cm2.max() for _, season in shown) * 1e-7)


def _sin_dec(season: Season) -> Any:
    return np.sin(season.events.dec.astype(np.float64))


def _log_e(season: Season) -> Any:
    return season.events.log_e.astype(np.float64)


def _sigma_deg(season: Season) -> Any:
    return np.rad2deg(season.events.sigma[season.events.sigma > 0].astype(np.float64))


def _range(dataset: Dataset, values: Callable[[Season], Any]) -> tuple[float, float]:
    """From the smallest to the largest value of all seasons, in tenths."""
    every = np.concatenate([values(season) for season in dataset.seasons])
    if not every.size:
        return 1.0, 2.0
    return float(np.floor(every.min() * 10) / 10), float(np.ceil(every.max() * 10 + 1e-6) / 10)
