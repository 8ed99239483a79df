"""The list of sources: p-value and upper limit of each, and the binomial test with its trial correction."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from worker.base.errors import InputError
from worker.hypotheses.source_list.sources import BINOMIAL_DTYPE
from worker.report import formats, style
from worker.report.plot import Drawing
from worker.report.results import Results
from worker.report.scan import NAMES
from worker.report.tables import Table, interpolation_error
from worker.rundir import layout, store
from worker.stats.significance import nsigma_to_p

Row = Mapping[str, Any]
NAMED = 40
"""Longer lists are drawn by rank without names."""


def limits_of(results: Results) -> dict[str, list[Row]]:
    """Upper limits by name of source, one for each spectrum."""
    limits = results.of_sky["upper_limits"] or {}
    return {row["name"]: row["limits"] for row in limits.get("limits") or []}


def table(results: Results) -> Table:
    """One row per source, the hottest first; a limit in events and as a flux for each spectrum."""
    scan = results.of_sky["scan"] or {}
    gammas = results.run.spec.signal.gammas
    head = ["source", "RA", "dec", "TS", "fitted ns", "fitted γ", "−log₁₀ p", "p (local)", "interpolation"]
    for gamma in gammas:
        which = f", γ = {gamma:g}" if len(gammas) > 1 else ""
        head += [f"n_sig limit{which}", f"flux limit{which}"]
    limits = limits_of(results)
    rows = []
    for source in sorted(scan.get("sources") or [], key=lambda row: -float(row["mlog10p"])):
        cells = [
            source["name"], f"{source['ra_deg']:.2f}°", formats.degrees(source["dec_deg"]),
            formats.signed(source["ts"]), formats.signed(source["ns"]),
            formats.signed(source["gamma"]) if source["ns"] > 0 else formats.NONE,
            formats.signed(source["mlog10p"]), formats.p_value(source["p"]),
            interpolation_error(source),
        ]  # fmt: skip
        for row in limits.get(source["name"]) or [{}] * len(gammas):
            cells += [formats.with_error(row.get("n_sig"), row.get("n_sig_error"))]
            cells += [formats.power(row.get("flux"), row.get("flux_error"))]
        rows.append(tuple(cells))
    return Table(tuple(head), rows)


def missing_limits(results: Results) -> list[str]:
    """Why upper limits are missing, and which trials to add."""
    return [
        f"upper limit of {NAMES.get(name, name)}, γ = {row['gamma']:g}: {row['reason']}"
        for name, rows in limits_of(results).items()
        for row in rows
        if row.get("reason")
    ]


def local(results: Results) -> Drawing:
    """Local p-value of every source, and its upper limit below."""
    sources = sorted(results.require("scan")["sources"], key=lambda row: -float(row["mlog10p"]))
    limits = limits_of(results)
    figure = style.new(float(np.clip(0.45 * len(sources) + 3.0, 7.5, 14.0)), 7.2)
    upper, lower = figure.subplots(2, 1, sharex=True)
    x = np.arange(len(sources))
    heat = np.array([row["mlog10p"] for row in sources])
    upper.vlines(x, 0, heat, color=style.BLUE, linewidth=1.0 if len(x) > NAMED else 2.0)
    upper.plot(x, heat, "o", color=style.BLUE, markersize=2.5 if len(x) > NAMED else 6)
    for n_sigma in (1.0, 2.0, 3.0):
        at = -float(np.log10(nsigma_to_p(n_sigma)))
        upper.axhline(at, color=style.GREY, linewidth=0.8)
        beside = upper.get_yaxis_transform()
        upper.text(1.0, at, f" {n_sigma:g}σ", transform=beside, va="center", fontsize=10.5, color=style.GREY)
    upper.set(ylabel="−log₁₀ p (local)", ylim=(0, None))
    drawn: dict[str, Any] = {}
    colors = (style.RED, style.ORANGE, style.GREEN, style.PURPLE)
    for i, gamma in enumerate(results.run.spec.signal.gammas):
        rows = [(limits.get(row["name"]) or [{}] * (i + 1))[i] for row in sources]
        flux = np.array([float(row.get("flux") or np.nan) for row in rows])
        error = np.array([float(row.get("flux_error") or 0.0) for row in rows])
        drawn |= {f"flux_limit_gamma_{gamma:g}": flux, f"flux_limit_error_gamma_{gamma:g}": error}
        finite = np.isfinite(flux)
        if finite.any():
            lower.errorbar(
                x[finite], flux[finite], error[finite], fmt="v", color=colors[i % 4],
                markersize=3 if len(x) > NAMED else 6, label=f"γ = {gamma:g}",
            )  # fmt: skip
            lower.set_yscale("log")
    settings = results.run.spec.sensitivity
    lower.set_ylabel(f"limit on E² dN/dE\nat {settings.e0_tev:g} TeV [{formats.flux_unit(settings.flux_unit)}]")
    lower.grid(True, axis="y")
    if lower.get_legend_handles_labels()[0]:
        lower.legend()
    if len(sources) <= NAMED:
        lower.set_xticks(x, [row["name"] for row in sources], rotation=60, ha="right", fontsize=10.5)
    else:
        lower.set_xlabel("source, by rank")
    return Drawing(
        figure,
        f"Above: local p-value of every source in the {results.sky} sky, before any trial "
        f"correction; grey: one-sided Gaussian significance. Below: upper limits ({100 * settings.beta:g} % "
        "confidence), never below the sensitivity.",
        {key: [row[key] for row in sources] for key in ("name", "ra_deg", "dec_deg", "ts", "ns", "gamma", "mlog10p")}
        | drawn,
    )


def binomial(results: Results) -> Drawing:
    """Binomial tests of background skies, and that of the shown sky; by region."""
    tests = results.require("binomial")
    figure = style.new(max(4.4 * len(tests), 5.5) + 0.4, 4.4)
    axes = figure.subplots(1, len(tests), squeeze=False)[0]
    drawn: dict[str, Any] = {}
    for axis, (region, test) in zip(axes, tests.items(), strict=True):
        rel = layout.binomial_file(region)
        if not (results.run.path / rel).exists():
            raise InputError(f"{rel} is not there")
        heat = store.load_array(results.run.path, rel, None, BINOMIAL_DTYPE)["mlog10p"]
        drawn[region] = heat
        top = max(float(heat.max()), test["mlog10p"]) * 1.08 + 0.05
        edges = np.linspace(0, top, int(np.clip(2 * len(heat) ** 0.4, 8, 60)) + 1)
        label = f"{len(heat):,} background skies"
        axis.hist(heat, list(edges), color=style.BLUE, alpha=0.4, edgecolor=style.BLUE, label=label)
        label = f"{results.sky} sky {test['mlog10p']:.2f} (k = {test['k']})\npost-trial p {formats.p_value(test['p'])}"
        axis.axvline(test["mlog10p"], color=style.RED, label=label)
        axis.set(title=f"{NAMES.get(region, region)}, {test['n_sources']} sources", xlabel="−log₁₀ of the binomial p")
        axis.set_ylim(0, 1.45 * axis.get_ylim()[1])
        axis.legend(loc="upper right", fontsize=10.5)
    axes[0].set_ylabel("background skies")
    return Drawing(
        figure,
        "Smallest binomial probability over the number k of sources: that at least k of the list have a p-value as "
        "small as the k-th. All sources see the same scrambled skies, so the comparison with background skies corrects "
        "for the choice of k and for correlated sources.",
        {f"mlog10p_{region}": values for region, values in drawn.items()}
        | {f"{results.sky}_{region}": [test["mlog10p"]] for region, test in tests.items()},
    )
