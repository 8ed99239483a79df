"""Top of the page: what was searched, and the main results."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from worker.report import formats, tables
from worker.report.hypotheses.part import Part
from worker.report.hypotheses.table import part_of
from worker.report.results import Results, three
from worker.rundir.post_trial_text import sentence
from worker.spec.engine import PluginEngine
from worker.tasks.flux_rows import LEVEL_TOLERANCE

_MEANING = {
    "semi-real": " Semi-real: measured events with the response of another selection, or with one of a formula. "
    "What comes out shows the method and says nothing about the sky.",
    "synthetic": " Synthetic: made-up events and response.",
}


class Card(NamedTuple):
    """One number in large type."""

    title: str
    value: str
    notes: tuple[str, ...]


def search_sentence(results: Results) -> str:
    """One sentence: events, seasons, range."""
    seasons = (results.summary.get("data") or {}).get("seasons") or []
    spec, part = results.run.spec, part_of(results.run.spec)
    what = part.searched(spec) if part else f"Trials of {len(spec.all_points)} {results.points.what}, without a scan"
    if isinstance(spec.engine, PluginEngine):
        return f"{what}, made by the plug-in {spec.engine.label}, which reads its own data."
    if not seasons:
        return f"{what}; the data are not prepared yet."
    events = sum(season["n_events"] for season in seasons)
    days = sum(season["livetime_days"] for season in seasons)
    names = ", ".join(season["name"] for season in seasons)
    return (
        f"{what}, in {events:,} events from {days:,.1f} days of {results.label} "
        f"data (season{'s' if len(seasons) > 1 else ''} {names}).{_MEANING.get(results.label, '')}"
    )


def cards(results: Results) -> list[Card]:
    """Post-trial p-value, hottest spot, sensitivity, discovery potential; a dash if missing."""
    part, fluxes = part_of(results.run.spec), [_fluxes(results, kind) for kind in ("sensitivity", "discovery")]
    return [_post_trial(results), _hottest(results, part), *fluxes] if part else fluxes


def _post_trial(results: Results) -> Card:
    post = results.of_sky["post_trial"]
    title = "Post-trial p-value"
    if not post:
        return Card(title, formats.NONE, ("not computed yet",))
    coverage = f"{100 * post.get('level', 0.6827):.0f} % interval {tables.interval(post)}"
    notes = (
        coverage,
        sentence(post),
        formats.nsigma(post["p"]),
    )
    return Card(title, formats.p_value(post["p"]), notes)


def _hottest(results: Results, part: Part) -> Card:
    spot: Mapping[str, Any] | None = (results.of_sky["scan"] or {}).get("hottest")
    if not spot:
        return Card(f"Hottest spot of the {results.sky} sky", formats.NONE, ("not scanned yet",))
    what, notes = part.hottest(results, spot)
    return Card(f"Hottest {what} of the {results.sky} sky", f"−log₁₀ p = {spot['mlog10p']:.2f}", notes)


def _fluxes(results: Results, kind: str) -> Card:
    settings = results.run.spec.sensitivity
    title = {
        "sensitivity": f"Sensitivity, {100 * settings.beta:g} %",
        "discovery": f"Discovery potential, {settings.top_nsigma:g}σ",
    }[kind]
    gammas = results.run.spec.signal.gammas
    title += f" (γ\u00a0=\u00a0{gammas[0]:g})" if results.reads_gamma else ""
    rows = three(tables.in_order(results, kind))
    if not rows:
        return Card(title, formats.NONE, ("not computed yet",))
    value = "flux" if results.has_flux else "n_sig"
    known = [row for row in tables.in_order(results, kind) if row.get(value)]
    if not known:
        return Card(title, formats.NONE, ("not bracketed by the trials: see below",))
    best, points = min(known, key=lambda row: float(row[value])), results.points
    at = f"at {'dec ' if points.on_sky else ''}{points.phrase(points.of(best))}, the best"
    names = [points.text(points.of(row)) for row in rows]
    if not results.has_flux:
        notes = [
            f"{name}: {formats.with_error(row.get('n_sig'), row.get('n_sig_error'))}{_level(row)}"
            for name, row in zip(names, rows, strict=True)
        ]
        return Card(title, formats.plain(float(best["n_sig"])), (f"n_sig {at}{_level(best)}", *notes))
    notes = [
        f"{name}: {formats.power(row.get('flux'), row.get('flux_error'))}{_level(row)}"
        for name, row in zip(names, rows, strict=True)
    ]
    strength = formats.strength(results.run.spec)
    where = f"{strength.unit} {at} ({strength.formula} at {settings.e0_tev:g} TeV){_level(best)}"
    return Card(title, formats.power(best["flux"], digits=2), (where, *notes))


def _level(row: Mapping[str, Any]) -> str:
    """The level of a sensitivity if it is not 1/2: the background median is TS = 0."""
    level = row.get("level")
    return "" if level is None or level >= 0.5 - LEVEL_TOLERANCE else f" (a test of level {level:.2f})"
