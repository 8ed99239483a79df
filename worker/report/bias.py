"""Bias of the fit: ns and gamma against injected n_sig."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from worker.report import style
from worker.report.numbers import columns
from worker.report.plot import Drawing
from worker.report.results import Results, Row, number
from worker.tasks import context

KEYS = ("n_sig", "ns_mean", "ns_error", "gamma_median")


def _injected(gammas: Sequence[str]) -> str:
    return f" Injected γ = {gammas[0] if len(gammas) == 1 else ' (above) and '.join(gammas) + ' (below)'}."


def draw(results: Results) -> Drawing:
    """Mean fitted ns, its relative bias, and median gamma if it is fitted; a row for each of two spectra."""
    spectra, engine, points = _spectra(results), context.engine_facts(results.run), results.points
    with_gamma = "gamma" in (engine.columns.names or ())
    figure = style.new(14.0, 0.5 + 4.4 * len(spectra))
    axes = figure.subplots(len(spectra), 2 + with_gamma, squeeze=False, width_ratios=(1, 1.5, 1.5)[: 2 + with_gamma])
    for line, (gamma, rows) in zip(axes, spectra.items(), strict=True):
        _spectrum(results, line, gamma, rows)
    shown = [f"{gamma:g}" for gamma in spectra]
    return Drawing(
        figure,
        f"Left: median over all {points.what}, and from the smallest to the largest (band). Right: each "
        f"{points.what[:-1]} at some n_sig. Dashed: unbiased, grey: ±5 %. Background alone gives ns > 0 in some "
        f"trials, so the mean lies above the line at small n_sig. {engine.method().bias} Sensitivities do not use the "
        f"fitted ns.{_injected(shown) if results.has_flux else ''}",
        columns(
            ("gamma", *points.names, *KEYS),
            [
                (gamma, *points.cells(points.of(row)), *line)
                for gamma, rows in spectra.items()
                for row in rows
                for line in _table(row).tolist()
            ],
        ),
    )


def _spectra(results: Results) -> dict[float, list[Row]]:
    """Rows of the hardest and the softest injected spectrum."""
    gammas, points = results.run.spec.signal.gammas, results.points
    results.rows("bias")
    parts = zip(gammas, results.spectra, strict=False)
    ends = {gamma: part["bias"] for gamma, part in parts if gamma in (gammas[0], gammas[-1]) and part.get("bias")}
    return {gamma: points.sort(rows) for gamma, rows in ends.items()}


def _spectrum(results: Results, axes: Sequence[Axes], injected: float, rows: list[Row]) -> None:
    """Draw ns against n_sig, and its relative bias and gamma against the points, of one spectrum."""
    ns, ratio, *others = axes
    tables = [_table(row) for row in rows]
    n_sig = np.unique(np.concatenate([table[:, 0] for table in tables]))
    largest = float(n_sig.max(initial=1.0))
    line: Any = {"color": style.BLACK, "linestyle": "--", "zorder": 5, "linewidth": 1.4}
    ns.plot([0, 1.05 * largest], [0, 1.05 * largest], **line)
    every = [np.concatenate([table[table[:, 0] == n, 1] for table in tables]) for n in n_sig]
    ns.fill_between(n_sig, [v.min() for v in every], [v.max() for v in every], color=style.BLUE, alpha=0.3, linewidth=0)
    ns.plot(n_sig, [np.median(v) for v in every], "o-", color=style.BLUE, markersize=4, linewidth=1.2)
    ns.set(ylabel=f"mean fitted ns, γ = {injected:g} [events]", xlim=(0, None), ylim=(0, None))
    ns.set_xlabel("injected n_sig [events]")
    ns.grid(True)
    ratio.axhline(0, **line)
    ratio.axhspan(-0.05, 0.05, color=style.GREY, alpha=0.25, linewidth=0)
    at, x = _some(n_sig), results.points.xs(results.points.of(row) for row in rows)
    for n, color, marker in zip(at, (style.ORANGE, style.GREEN, style.BLUE), "^so", strict=False):
        shown = np.array([_at(table, float(n)) for table in tables])
        look: Any = {"color": color, "markersize": 4.5, "linewidth": 1.0}
        ratio.errorbar(x, shown[:, 1] / n - 1, shown[:, 2] / n, fmt=f"{marker}-", label=f"n_sig = {n:g}", **look)
        for gamma in others:
            gamma.plot(x, shown[:, 3], f"{marker}-", **look)
    ratio.set(ylabel="mean fitted ns / injected − 1", ylim=_span(tables))
    if len(at):
        ratio.legend(loc="upper center", ncols=len(at), fontsize=10, columnspacing=1.0, handletextpad=0.3)
    for gamma in others:
        gamma.axhline(injected, **line)
        low, high = gamma.get_ylim()
        gamma.set(ylabel="median fitted γ", ylim=(min(low, injected - 0.3), max(high, injected + 0.3)))
    for axis in (ratio, *others):
        results.points.draw(axis)


def _some(n_sig: NDArray[np.float64]) -> NDArray[np.float64]:
    """Up to three of the n_sig, the largest last."""
    return np.unique(n_sig[[len(n_sig) // 3, 2 * len(n_sig) // 3, len(n_sig) - 1]]) if len(n_sig) else n_sig


def _at(table: NDArray[np.float64], n: float) -> NDArray[np.float64]:
    """Row of a table at one n_sig; NaN if there is none."""
    found = table[table[:, 0] == n]
    return found[0] if len(found) else np.full(4, np.nan)


def _span(tables: list[NDArray[np.float64]]) -> tuple[float, float]:
    """Range of the relative bias at the larger half of n_sig; at small n_sig background dominates the fit."""
    every = np.concatenate(tables)
    large = every[every[:, 0] >= np.median(every[:, 0])] if len(every) else np.zeros((1, 4))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = large[:, 1] / large[:, 0] - 1
    low, high = float(np.nanmin(np.append(ratio, 0.0))), float(np.nanmax(np.append(ratio, 0.0)))
    return min(1.3 * low - 0.05, -0.15), max(1.6 * high + 0.05, 0.25)


def _table(row: Any) -> NDArray[np.float64]:
    """n_sig, mean ns, its error, median gamma, (n, 4)."""
    table = np.array([[number(point.get(key)) for key in KEYS] for point in row["rows"]]).reshape(-1, 4)
    table[:, 2] = np.where(np.isfinite(table[:, 2]), table[:, 2], 0.0)
    return table[table[:, 0] > 0]
