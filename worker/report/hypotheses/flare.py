"""Flares in the report: fitted time, width and TS of every source; the light curve of the best flare, once opened."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from worker.report import formats, scan, style
from worker.report.hypotheses import points as of_points
from worker.report.hypotheses.part import Part, Section
from worker.report.plot import Drawing, Plot
from worker.report.results import Results
from worker.spec.sections import Spec


def _searched(spec: Spec) -> str:
    return f"A search for neutrino flares of unknown time: {spec.hypothesis.words(spec)}"


def _text(row: Mapping[str, Any]) -> str:
    if row["ts"] <= 0:
        return "no flare (TS = 0)"
    return f"{formats.fit_text(row)}, t0 = MJD {row['t0']:.2f}, width {row['width']:.4g} d"


def _hottest(results: Results, spot: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    row = next((row for row in results.require("scan")["points"] if row["name"] == spot["name"]), spot)
    return "source", (spot["name"], _text(row) if "t0" in row else formats.fit_text(row))


def _method(spec: Spec) -> str:
    return (
        f"{spec.hypothesis.words(spec)}, all of them fitted in the same skies: each sky has a right ascension and "
        "a time for every event, and one flare is fitted at every source in it."
    )


def _section(results: Results) -> Section:
    return Section("Flares", of_points.table(results, _text))


def flares(results: Results) -> Drawing:
    """TS of every source at its fitted time; of the best flare its events, and TS along t0 and width."""
    found = results.require("scan")
    rows = [row for row in found["points"] if row["ts"] > 0]
    details = found.get("flare")
    figure = style.new(9.0, 8.6 if details else 4.2)
    axes = figure.subplots(3 if details else 1, 1, squeeze=False)[:, 0]
    axes[0].errorbar(
        [row["t0"] for row in rows], [row["ts"] for row in rows], xerr=[row["width"] for row in rows], fmt="o"
    )
    axes[0].set(xlabel="fitted time of the flare (bar: its width) [MJD]", ylabel="TS", ylim=(0, None))
    if details:
        axes[1].vlines(details["mjd"], 1e-2, np.maximum(details["s_over_b"], 1e-2))
        axes[1].set(xlabel="time of the event [MJD]", ylabel="S / B", yscale="log")
        axes[2].plot(details["width"], details["ts_of_width"], label="at the fitted t0")
        axes[2].set(xlabel="width of the flare [days]", ylabel="TS", xscale="log")
        axes[0].plot(details["t0"], np.maximum(details["ts_of_t0"], 0), lw=1)
    more = ""
    if details:
        more = (
            f" Of {details['name']}, which has the smallest p: TS along t0 at the fitted width (line above), the "
            "events within its profile with their S / B of direction and energy (middle), TS along the width (below)."
        )
    return Drawing(
        figure,
        f"Fitted flares in the {results.sky} sky, before any trial correction; sources without a flare are not shown."
        f"{more}",
        {key: [row[key] for row in found["points"]] for key in ("name", "ts", "ns", "gamma", "t0", "width")},
    )


PART = Part(
    (
        Plot("flares", "scan", "Flares: time and width", flares, True),
        Plot("post_trial", "post_trial", "Hottest-source distribution", scan.post_trial),
    ),
    _searched,
    _hottest,
    _method,
    _section,
)
