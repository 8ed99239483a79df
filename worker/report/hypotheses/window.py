"""Windows in time in the report: p-value, limit and sensitivity against the length of the window, for each source."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import matplotlib as mpl
import numpy as np

from worker.report import formats, scan, sources, style
from worker.report.hypotheses import points as of_points
from worker.report.hypotheses.part import Part, Section
from worker.report.plot import Drawing, Plot
from worker.report.results import Results
from worker.spec.point import Point
from worker.spec.sections import Spec

COLOURED = 10
"""Sources with a colour and a name of their own; those with the smallest p."""


def _searched(spec: Spec) -> str:
    return f"A search for neutrinos at known times: {spec.hypothesis.words(spec)}"


def _hottest(results: Results, spot: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return "window", (spot["name"], formats.fit_text(spot))


def _method(spec: Spec) -> str:
    return (
        f"{spec.hypothesis.words(spec)} are fitted, all of them in the same skies: each sky has the background "
        "events of all windows, and a longer window has the events of a shorter one, so that the p-values of a sky are "
        "correlated as in reality."
    )


def _section(results: Results) -> Section:
    return Section("Windows", of_points.table(results))


def _days(at: Point) -> float:
    assert at.model.window is not None
    return at.model.window.width


def ladder(results: Results) -> Drawing:
    """Local p-value above, limit and sensitivity below, against the length (or sigma) of the window."""
    found = {row["name"]: row for row in results.require("scan")["points"]}
    gamma = results.run.spec.signal.gammas[0]
    rows = [_row(results, at, found[at.folder.name]) for at in results.run.spec.all_points]
    by_source = [(name, list(own)) for name, own in groupby(rows, key=lambda row: row["source"])]
    hottest = sorted(by_source, key=lambda item: -max(row["mlog10p"] for row in item[1]))[:COLOURED]
    colors = {name: mpl.colormaps["tab10"](i) for i, (name, _) in enumerate(hottest)}
    figure = style.new(9.0, 7.4)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for name, own in by_source:
        color, label = colors.get(name, style.GREY), name if name in colors else None
        days = [row["days"] for row in own]
        upper.plot(days, [row["mlog10p"] for row in own], "o-", color=color, label=label)
        lower.plot(days, _values(own, "limit"), "v-", color=color)
        lower.plot(days, _values(own, "sensitivity"), "--", color=color, alpha=0.6)
    strength, settings = formats.strength(results.run.spec), results.run.spec.sensitivity
    upper.set(ylabel="−log₁₀ p (local)", ylim=(0, None), xscale="log")
    upper.legend(fontsize=10.5)
    lower.set(xlabel="length of the window (Gaussian: σ) [days]")
    lower.set_ylabel(f"{strength.formula} at {settings.e0_tev:g} TeV\n[{strength.unit}]")
    if any(row["limit"] or row["sensitivity"] for row in rows):
        lower.set_yscale("log")
    lower.grid(True, axis="y")
    more = f" Grey: all but the {COLOURED} sources with the smallest p." if len(by_source) > COLOURED else ""
    return Drawing(
        figure,
        f"Above: local p-value of every window in the {results.sky} sky, before any trial correction. Below: upper "
        f"limits (triangles, {100 * settings.beta:g} % confidence) and sensitivities (dashed) on the fluence, γ = "
        f"{gamma:g}.{more}",
        {key: [row[key] for row in rows] for key in rows[0]},
    )


def _row(results: Results, at: Point, found: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers of one window; None where there is no limit."""
    limits = sources.limits_of(results).get(found["name"]) or [{}]
    of_point = [row for row in results.rows("sensitivity") if results.points.of(row) == at]
    return {
        "source": at.labels["source"], "days": _days(at), "mlog10p": float(found["mlog10p"]),
        "limit": limits[0].get("flux"), "sensitivity": of_point[0].get("flux") if of_point else None,
    }  # fmt: skip


def _values(rows: list[dict[str, Any]], key: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if row[key] is None else row[key] for row in rows], dtype=np.float64)


PART = Part(
    (
        Plot("windows", "scan", "Windows against their length", ladder, True),
        Plot("post_trial", "post_trial", "Hottest-window distribution", scan.post_trial),
    ),
    _searched,
    _hottest,
    _method,
    _section,
)
