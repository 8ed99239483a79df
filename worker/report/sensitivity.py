"""Sensitivity and discovery potential of every point, and the passing fractions behind them."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from worker.report import formats, style
from worker.report.numbers import columns
from worker.report.plot import Drawing
from worker.report.results import Results, number, three
from worker.stats.binomial import fraction_error
from worker.stats.passing import Point, passing_points
from worker.stats.sensitivity import NSig
from worker.stats.strata import Strata
from worker.stats.strata import passing as strata_passing

Row = Mapping[str, Any]
VALUES = ("n_sig", "n_sig_error", "flux", "flux_error", "unit", "level")
KINDS = (("sensitivity", style.BLUE, "o"), ("discovery", style.RED, "s"))


def names(results: Results) -> dict[str, str]:
    """Names of the two quantities with their definitions."""
    settings = results.run.spec.sensitivity
    return {
        "sensitivity": f"sensitivity ({100 * settings.beta:g} % above the median)",
        "discovery": f"discovery potential ({settings.top_nsigma:g}σ, {100 * settings.discovery_beta:g} %)",
    }


def fluxes(results: Results) -> Drawing:
    """Flux above and events below, with errors; gaps if the trials do not bracket."""
    for kind, _, _ in KINDS:
        results.rows(kind)
    series = list(_all_series(results))
    figure = style.new(9.0, 7.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    gaps = 0
    for s in series:
        x = results.points.xs(results.points.of(row) for row in s.rows)
        _series(upper, x, s, "flux")
        _series(lower, x, s, "n_sig")
        open_x = x[[row.get("n_sig") is None for row in s.rows]]
        gaps += len(open_x)
        style.crosses(lower, open_x, np.zeros(len(open_x)), s.color)
    settings = results.run.spec.sensitivity
    upper.set_visible(results.has_flux)
    strength = formats.strength(results.run.spec)
    upper.set_ylabel(f"{strength.formula} at {settings.e0_tev:g} TeV\n[{strength.unit}]")
    if any(row.get("flux") for s in series for row in s.rows):
        upper.set_yscale("log")
        upper.grid(True, axis="y", which="both")
    (upper if results.has_flux else lower).legend(fontsize=None if len(series) <= 3 else 9.5)
    lower.set(ylabel="n_sig [events]", ylim=(0, None))
    results.points.draw(upper, label=False)
    results.points.draw(lower, degrees=False)
    signal = results.run.spec.signal
    cutoff = f" with a cutoff at {signal.cutoff_tev:g} TeV" if signal.cutoff_tev else ""
    if signal.break_at:
        cutoff = f" ({signal.break_at.gamma:g} above {signal.break_at.energy_tev:g} TeV){cutoff}"
    note = f" {gaps} values are missing (crosses): the trials do not reach the asked fraction." if gaps else ""
    index = f"index {formats.enumeration(signal.gammas, 'or')}" + (
        " (open symbols: not the first)" if signal.levels[1:] else ""
    )
    shown = f"Flux (above) and mean number of injected events (below) for a power law of {index}{cutoff}. "
    return Drawing(
        figure,
        f"{shown if results.has_flux else 'Mean number of injected events. '}"
        "Bars: errors from the numbers of signal trials and of background trials behind the thresholds; not in them is "
        f"the shape of the fit beyond the counted trials, see the check enough_background_trials.{note}",
        columns(
            ("quantity", *results.points.names, *VALUES),
            [
                (s.label, *results.points.cells(results.points.of(row)), *(row.get(name) for name in VALUES))
                for s in series
                for row in s.rows
            ],
        ),
    )


class Series(NamedTuple):
    """One curve of the figure."""

    rows: list[Row]
    label: str
    color: str
    marker: str
    open: bool


def _all_series(results: Results) -> Iterator[Series]:
    """Sensitivity and discovery potentials of every spectrum."""
    label, sort = names(results), results.points.sort
    gammas = results.run.spec.signal.gammas if results.reads_gamma else ()
    for i, part in enumerate(results.spectra):
        suffix = f", γ = {gammas[i]:g}" if i < len(gammas) else ""
        for kind, color, marker in KINDS:
            yield Series(sort(part.get(kind)), label[kind] + suffix, color, marker, i > 0)
        lower = part.get("discovery_lower") or []
        for n_sigma in sorted({row["nsigma"] for row in lower}):
            rows = sort([row for row in lower if row["nsigma"] == n_sigma])
            yield Series(rows, f"discovery potential ({n_sigma:g}σ){suffix}", style.ORANGE, "^", i > 0)


def _series(axis: Axes, x: Any, s: Series, value: str) -> None:
    y = np.array([number(row.get(value)) for row in s.rows])
    error = np.array([number(row.get(f"{value}_error")) for row in s.rows])
    size = 3.5 if len(x) > 60 else 6
    axis.plot(x, y, "--" if s.open else "-", color=s.color, linewidth=1.2, alpha=0.6)
    finite = np.isfinite(y)
    error = np.where(np.isfinite(error), error, 0.0)
    bars: Any = {"fmt": s.marker, "color": s.color, "markersize": size, "label": s.label}
    bars |= {"markerfacecolor": "white"} if s.open else {}
    axis.errorbar(x[finite], y[finite], error[finite], **bars)


def passing(results: Results) -> Drawing:
    """Fraction of trials above the two thresholds against n_sig, at three points."""
    points = results.points
    sensitivity = {points.of(row): row for row in results.rows("sensitivity")}
    discovery = {points.of(row): row for row in results.rows("discovery")}
    some = three(sorted(sensitivity.keys() & discovery.keys(), key=points.x))
    figure = style.new(4.1 * len(some) + 0.4, 4.8)
    axes = figure.subplots(1, len(some), sharey=True, squeeze=False)[0]
    settings = results.run.spec.sensitivity
    median = "TS > median" + (" (randomised)" if settings.threshold == "randomised" else "")
    label = {"sensitivity": median, "discovery": f"TS > {settings.top_nsigma:g}σ"}
    for axis, at in zip(axes, some, strict=True):
        for (kind, color, marker), row in zip(KINDS, (sensitivity[at], discovery[at]), strict=True):
            _curve(axis, results, row, color, marker, label[kind])
        axis.set_title(points.text(at))
        axis.set(xlabel="n_sig [events]", ylim=(-0.02, 1.04), xlim=(-0.5, None))
        axis.grid(True)
    axes[0].set_ylabel("fraction of trials above")
    axes[-1].legend(loc="lower right")
    return Drawing(
        figure,
        _passing_caption([*sensitivity.values(), *discovery.values()]),
        columns(
            (*points.names, "quantity", "threshold_ts", "trials_of", "events", "fraction", "error"),
            [
                (*points.cells(at), kind, row["threshold"], *values)
                for at in some
                for (kind, _, _), row in zip(KINDS, (sensitivity[at], discovery[at]), strict=True)
                for values in _fractions(results, row)
            ],
        ),
    )


def _passing_caption(rows: Iterable[Row]) -> str:
    methods = {row.get("method", "curve") for row in rows}
    texts = {
        "strata": "Full symbols: trials by the n_sig that they were made for. Open: the same trials by their exact "
        "number of injected events. Line: what these give for every n_sig.",
        "curve": "Passing fractions, and the curve that was used: a chi2 CDF in n_sig (solid), or a monotone spline "
        "where that does not fit (dashed).",
    }
    parts = [text for method, text in texts.items() if method in methods]
    return " ".join([*parts, "Errors are binomial. Dotted: the asked fraction and the n_sig that reaches it."])


def _fractions(results: Results, row: Row) -> Iterator[tuple[str, float, float, float]]:
    """Trials of one n_sig, or of one exact number of events: which, its value, passing fraction, and error."""
    for p in _points(results, row):
        yield "n_sig", p.n_sig, p.fraction, p.error
    if row.get("strata"):
        counted = strata_of(row)
        errors = fraction_error(counted.passed, counted.n)
        for k, fraction, error in zip(counted.k, counted.passed / counted.n, errors, strict=True):
            yield "k", float(k), float(fraction), float(error)


def strata_of(row: Row) -> Strata:
    """The strata of a row."""
    return Strata(*(np.array(row["strata"][name], dtype=np.float64) for name in Strata._fields))


def _curve(axis: Axes, results: Results, row: Row, color: str, marker: str, label: str) -> None:
    points = _points(results, row)
    if not points:
        return
    x = np.array([p.n_sig for p in points])
    axis.errorbar(x, [p.fraction for p in points], [p.error for p in points], fmt=marker, color=color, label=label)
    if row.get("n_sig") is None:
        return
    crossing = row["n_sig"] / (row.get("acceptance_factor") or 1.0)
    axis.plot([-0.5, crossing, crossing], [row["beta"], row["beta"], 0], ":", color=color, linewidth=1.4)
    if row.get("strata"):
        _mixture(axis, row, max(x[-1], crossing), color, marker)
        return
    params = row.get("params")
    curve = NSig(
        row["n_sig"], number(row.get("n_sig_error")), row["beta"], row["threshold"], row["curve"], math.nan, 0,
        tuple(params) if params else None, points, 0,
    )  # fmt: skip
    fine = np.linspace(x[0], x[-1], 300)
    axis.plot(fine, curve.passing(fine), color=color, linestyle="-" if params else "--")


def _mixture(axis: Axes, row: Row, largest: float, color: str, marker: str) -> None:
    """Passing fraction against n_sig, and fractions of the exact numbers of events behind it."""
    counted = strata_of(row)
    fine = np.linspace(0.0, min(largest, counted.k[-1]), 300)
    axis.plot(fine, strata_passing(counted, fine, row["n_sig_is"] == "poisson mean"), color=color)
    shown = counted.k <= largest
    fraction = (counted.passed / counted.n)[shown]
    axis.plot(counted.k[shown], fraction, marker, color=color, markersize=4, markerfacecolor="white", alpha=0.6)


def _points(results: Results, row: Row) -> tuple[Point, ...]:
    if row.get("points"):
        return tuple(Point(**point) for point in row["points"])
    if row.get("threshold") is None:  # too few background trials for one
        return ()
    signal = results.signal(results.points.of(row)) or {}
    trials = {n_sig: point_trials["ts"] for n_sig, point_trials in signal.items()}
    return passing_points(trials, row["threshold"], row.get("threshold_share") or 0.0)
