"""The first screen of the page: what was searched, and what came out."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from worker.report import tables, words
from worker.report.results import Results, three
from worker.report.skymaps import hottest_of
from worker.report.style import dec_text
from worker.spec.source_scan import CatalogScan

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


def searched(results: Results) -> str:
    """One sentence: events, seasons, range."""
    scan = results.run.spec.scan
    seasons = (results.summary.get("data") or {}).get("seasons") or []
    where = f"between declinations {dec_text(scan.dec_min_deg)} and {dec_text(scan.dec_max_deg)}"
    what = "An all-sky search for point sources"
    if isinstance(scan, CatalogScan):
        n = len(scan.entries)
        what, where = f"A search for {n:,} listed source{'' if n == 1 else 's'}", where if n > 1 else ""
    if not seasons:
        return f"{what} {where}; the data are not prepared yet."
    events = sum(season["n_events"] for season in seasons)
    days = sum(season["livetime_days"] for season in seasons)
    names = ", ".join(season["name"] for season in seasons)
    return (
        f"{what} {where}, in {events:,} events from {days:,.1f} days of {results.label} "
        f"data (season{'s' if len(seasons) > 1 else ''} {names}).{_MEANING.get(results.label, '')}"
    )


def cards(results: Results) -> list[Card]:
    """Post-trial p-value, hottest spot, sensitivity, discovery potential: a dash for what is not there."""
    return [_post_trial(results), _hottest(results), _fluxes(results, "sensitivity"), _fluxes(results, "discovery")]


def _post_trial(results: Results) -> Card:
    post = results.summary.get("post_trial")
    title = "Post-trial p-value"
    if not post:
        return Card(title, words.NONE, ("not computed yet",))
    coverage = f"{100 * post.get('level', 0.6827):.0f} % interval {tables.interval(post)}"
    notes = (
        coverage,
        f"{post['k']:,} of {post['n']:,} background skies are at least as hot",
        words.nsigma(post["p"]),
    )
    return Card(title, words.p_value(post["p"]), notes)


def _hottest(results: Results) -> Card:
    spot: Mapping[str, Any] | None = (results.summary.get("scan") or {}).get("hottest")
    title = f"Hottest spot of the {results.sky} sky"
    if not spot:
        return Card(title, words.NONE, ("not scanned yet",))
    place = f"RA {np.degrees(spot['ra']):.1f}°, dec {words.degrees(float(np.degrees(spot['dec'])), 1)}"
    fit = f"TS {spot['ts']:.2f}, ns {spot['ns']:.1f}, γ {spot['gamma']:.2f}"
    heat = f"−log₁₀ p = {spot['mlog10p']:.2f}"
    if results.is_catalog:
        return Card(f"Hottest source of the {results.sky} sky", heat, (spot["name"], place, fit))
    used = f"of the map with nside {results.run.spec.healpix.nside}, as all background skies"
    return Card(title, heat, (place, fit, used, *_in_finer_map(results)))


def _in_finer_map(results: Results) -> tuple[str, ...]:
    """The hottest spot of the map that is drawn, where that is not the map of the p-value."""
    if results.map_nside == results.run.spec.healpix.nside:
        return ()
    spot = hottest_of(results, results.map_nside)
    if not spot:
        return ()
    place = f"RA {np.degrees(spot['ra']):.1f}°, dec {words.degrees(float(np.degrees(spot['dec'])), 1)}"
    return (f"in the map drawn below, nside {results.map_nside}: −log₁₀ p = {spot['mlog10p']:.2f} at {place}",)


def _fluxes(results: Results, kind: str) -> Card:
    wanted = results.run.spec.sensitivity
    title = {
        "sensitivity": f"Sensitivity, {100 * wanted.beta:g} %",
        "discovery": f"Discovery potential, {wanted.top_nsigma:g}σ",
    }[kind]
    gammas = results.run.spec.signal.gammas
    title += f" (γ = {gammas[0]:g})"
    rows = three(tables.by_dec(results, kind))
    if not rows:
        return Card(title, words.NONE, ("not computed yet",))
    known = [row for row in tables.by_dec(results, kind) if row.get("flux")]
    if not known:
        return Card(title, words.NONE, ("not bracketed by the trials: see below",))
    best = min(known, key=lambda row: float(row["flux"]))
    notes = [f"{dec_text(row['dec_deg'])}: {words.power(row.get('flux'), row.get('flux_error'))}" for row in rows]
    unit, dec = words.flux_unit(wanted.flux_unit), dec_text(best["dec_deg"])
    where = f"{unit} at dec {dec}, the best (E² dN/dE at {wanted.e0_tev:g} TeV)"
    return Card(title, words.power(best["flux"], digits=2), (where, *notes))
