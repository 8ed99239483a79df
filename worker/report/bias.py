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
    figure = style.new(12.0, 0.5 + 4.4 * len(spectra))
    axes = figure.subplots(len(spectra), 2 + with_gamma, squeeze=False)
    for line, (gamma, rows) in zip(axes, spectra.items(), strict=True):
        _spectrum(results, line, gamma, rows)
        points.colorbar(line[-1])
    shown = [f"{gamma:g}" for gamma in spectra]
    return Drawing(
        figure,
        f"For each {points.what[:-1]} (colour); dashed: unbiased, band: ±5 %. Background alone gives ns > 0 in some "
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
    """Draw ns, its relative bias, and gamma of one spectrum."""
    ns, ratio, *others = axes
    points = results.points
    alpha = 0.9 if len(rows) <= 20 else 0.35
    largest = 1.0
    for row in rows:
        table = _table(row)
        look: Any = {"color": points.color(points.of(row)), "alpha": alpha, "markersize": 4, "linewidth": 1.0}
        ns.errorbar(table[:, 0], table[:, 1], table[:, 2], fmt="o-", **look)
        ratio.errorbar(table[:, 0], table[:, 1] / table[:, 0] - 1, table[:, 2] / table[:, 0], fmt="o-", **look)
        for gamma in others:
            gamma.plot(table[:, 0], table[:, 3], "o-", **look)
        largest = max(largest, float(table[:, 0].max(initial=0.0)))
    line: Any = {"color": style.BLACK, "linestyle": "--", "zorder": 5}
    ns.plot([0, 1.05 * largest], [0, 1.05 * largest], **line)
    ratio.axhline(0, **line)
    ratio.axhspan(-0.05, 0.05, color=style.GREY, alpha=0.25, linewidth=0)
    for gamma in others:
        gamma.axhline(injected, **line)
        low, high = gamma.get_ylim()
        gamma.set(ylabel="median fitted γ", ylim=(min(low, injected - 0.3), max(high, injected + 0.3)))
    ns.set(ylabel=f"mean fitted ns, γ = {injected:g} [events]", xlim=(0, None), ylim=(0, None))
    ratio.set(ylabel="mean fitted ns / injected − 1", ylim=_span([_table(row) for row in rows]))
    for axis in axes:
        axis.set_xlabel("injected n_sig [events]")
        axis.grid(True)


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
