"""Catalogues in the report: share of each source, fit, p-value and limit of each catalogue, and its leading sources."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from worker.report import formats, scan, style
from worker.report.hypotheses.part import Part, Section
from worker.report.numbers import columns
from worker.report.plot import Drawing, Plot
from worker.report.results import Results
from worker.report.tables import Table
from worker.spec.sections import Spec
from worker.spec.stacking import StackingHypothesis, catalogues_of
from worker.tasks import context

SHOWN = 25
"""Sources of a catalogue in the figure, those with the largest shares."""
PANELS = 6


def _sizes(spec: Spec) -> dict[str, int]:
    return {name: len(one.entries) for name, one in catalogues_of(spec).items()}


def _searched(spec: Spec) -> str:
    sizes = _sizes(spec)
    if len(sizes) == 1:
        [(name, n)] = sizes.items()
        return f"A search for the summed signal of {n:,} sources of the catalogue {name}"
    return f"A search for the summed signals of {len(sizes)} catalogues with {sum(sizes.values()):,} sources"


def _hottest(results: Results, spot: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return "catalogue", (spot["name"], formats.fit_text(spot))


def _method(spec: Spec) -> str:
    each = ", ".join(f"{name} ({n:,})" for name, n in _sizes(spec).items())
    return (
        f"The sources of a catalogue are fitted together, with one ns and one γ: {each}. Every sky is scrambled once, "
        "and all catalogues are fitted in it, so that the p-values of a sky are correlated as in reality."
    )


def shares(results: Results) -> Drawing:
    """Share of each source in the expected events of its catalogue, for the first and the last spectrum."""
    spec = results.run.spec
    catalogues, shown = catalogues_of(spec), [*spec.all_points][:PANELS]
    engine, gammas = context.engine(results.run), list(dict.fromkeys((spec.signal.gammas[0], spec.signal.gammas[-1])))
    heights = [0.8 + 0.24 * min(_sizes(spec)[str(at.labels["catalogue"])], SHOWN) for at in shown]
    figure = style.new(9.5, 1.2 + sum(heights))
    axes = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
    rows: list[tuple[Any, ...]] = []
    for axis, at in zip(axes, shown, strict=True):
        name = str(at.labels["catalogue"])
        entries = catalogues[name].entries
        of = [engine.source_shares(at, gamma) for gamma in gammas]
        first = np.argsort(-of[0], kind="stable")
        some = first[:SHOWN]
        for share, gamma, color in zip(of, gammas, (style.BLUE, style.ORANGE), strict=False):
            axis.plot(share[some], np.arange(some.size), "o", color=color, label=f"γ = {gamma:g}")
        rest = f", the first {some.size} of {len(entries):,}" if len(entries) > some.size else ""
        axis.set(title=f"{name}{rest}", xscale="log", ylim=(some.size - 0.4, -0.6))
        axis.set_yticks(np.arange(some.size), [entries[k].name for k in some])
        axis.grid(True)
        rows += [
            (name, entries[k].name, entries[k].dec_deg, entries[k].weight, *(float(s[k]) for s in of)) for k in first
        ]
    axes[-1].set_xlabel("share of the expected events")
    axes[0].legend()
    return Drawing(
        figure,
        "Share of each source in the expected events of its catalogue: its weight times the acceptance of the detector "
        "at its declination. Injected events choose their sources with these probabilities, and the fit assumes them.",
        columns(("catalogue", "source", "dec_deg", "weight", *(f"share_gamma_{gamma:g}" for gamma in gammas)), rows),
    )


SHARES = Plot("shares", "sensitivity", "Share of each source", shares)


def _diffuse(spec: Spec) -> float | None:
    return spec.hypothesis.diffuse_flux if isinstance(spec.hypothesis, StackingHypothesis) else None


def _fraction(results: Results, flux: float | None) -> str:
    """Summed flux over the whole sky's diffuse flux."""
    diffuse = _diffuse(results.run.spec)
    return formats.NONE if diffuse is None or flux is None else f"{flux / (4.0 * math.pi * diffuse):.2%}"


def _table(results: Results) -> Table:
    """One row per catalogue, the hottest first; after unblinding, its leading sources below it."""
    spec = results.run.spec
    sizes, found = _sizes(spec), results.of_sky["scan"] or {}
    limits = {row["name"]: row["limits"] for row in (results.of_sky["upper_limits"] or {}).get("limits") or []}
    gammas, diffuse = spec.signal.gammas, _diffuse(spec) is not None
    head = ["catalogue", "sources", "fit", "−log₁₀ p", "p (local)"]
    for gamma in gammas:
        which = f", γ = {gamma:g}" if len(gammas) > 1 else ""
        head += [f"n_sig limit{which}", f"limit on the summed flux{which}"]
        head += [f"of the diffuse flux{which}"] if diffuse else []
    rows = []
    for row in sorted(found.get("points") or [], key=lambda row: -float(row["mlog10p"])):
        cells = [row["catalogue"], f"{sizes[row['catalogue']]:,}", formats.fit_text(row)]
        cells += [formats.signed(row["mlog10p"]), formats.p_value(row["p"])]
        for limit in limits.get(row["name"]) or [{}] * len(gammas):
            cells += [formats.with_error(limit.get("n_sig"), limit.get("n_sig_error"))]
            cells += [formats.power(limit.get("flux"), limit.get("flux_error"))]
            cells += [_fraction(results, limit.get("flux"))] if diffuse else []
        rows.append(tuple(cells))
        of_catalogue = (found.get("catalogues") or {}).get(row["catalogue"]) or []
        rows += [(*cells, *[""] * (len(head) - len(cells))) for cells in map(_source, of_catalogue)]
    return Table(tuple(head), rows)


def _source(row: Mapping[str, Any]) -> tuple[str, ...]:
    without = "" if row["ts_without"] is None else f", TS without it = {row['ts_without']:.2f}"
    return f"  {row['name']}", f"{row['share']:.2%}", f"{row['events']:.2f} events{without}"


def _section(results: Results) -> Section:
    return Section("Catalogues", _table(results))


PART = Part(
    (Plot("post_trial", "post_trial", "Hottest-catalogue distribution", scan.post_trial),),
    _searched,
    _hottest,
    _method,
    _section,
)


def plots(spec: Spec) -> Iterator[Plot]:
    """Figures of a spec with catalogues, scanned or not."""
    if spec.hypothesis.kind == "stacking":
        yield SHARES
