"""The whole sky in the report: maps, hottest spots, and an interactive page."""

from collections.abc import Mapping
from typing import Any

import healpy
import numpy as np

from worker.report import formats, interactive, population, priors, scan, skymaps, surroundings, verdicts, zoom
from worker.report.hypotheses.part import Part, Section
from worker.report.plot import Drawing, Plot
from worker.report.results import Results
from worker.report.style import dec_text
from worker.spec.sections import Spec


def _searched(spec: Spec) -> str:
    ends = dec_text(spec.scan.dec_min_deg), dec_text(spec.scan.dec_max_deg)
    return f"An all-sky search for point sources between declinations {ends[0]} and {ends[1]}"


def _hottest(results: Results, spot: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    used = f"of the map with nside {results.run.spec.healpix.nside}, as all background skies"
    return "spot", (formats.position(spot), formats.fit_text(spot), used, *_in_finer_map(results))


def _in_finer_map(results: Results) -> tuple[str, ...]:
    """The hottest spot of the drawn map, if the p-value uses another map."""
    if results.map_nside == results.run.spec.healpix.nside:
        return ()
    spot = skymaps.hottest_of(results, results.map_nside)
    if not spot:
        return ()
    where = f"in the map drawn below, nside {results.map_nside}"
    return (f"{where}: −log₁₀ p = {spot['mlog10p']:.2f} at {formats.position(spot)}",)


def _method(spec: Spec) -> str:
    return (
        f"The sky is scanned at the centres of healpix pixels of nside {spec.healpix.nside} between "
        f"{dec_text(spec.scan.dec_min_deg)} and {dec_text(spec.scan.dec_max_deg)}."
        f"{population.sentence(spec)}{priors.sentence(spec)}"
    )


def _section(results: Results) -> Section:
    return Section("Sky scan", no_page=interactive.write(results))


def _positions(results: Results) -> Drawing:
    """Hottest spots compared with all pixels of the range."""
    of = results.run.spec.healpix
    theta, phi = healpy.pix2ang(of.nside, np.arange(12 * of.nside**2))
    dec = 0.5 * np.pi - theta
    inside = (dec >= np.radians(of.dec_min_deg)) & (dec <= np.radians(of.dec_max_deg))
    spread = "pixels are: evenly in sin(declination) and in right ascension"
    return scan.positions(results, np.cos(theta[inside]), phi[inside], spread)


def _optional(spec: Spec) -> tuple[Plot, ...]:
    some = () if spec.healpix.population is None else (POPULATION,)
    return some + ((PRIORS,) if spec.healpix.prior_maps else ())


POPULATION = Plot("population", "post_trial", "Population of warm spots", population.draw, True)
PRIORS = Plot("priors", "post_trial", "Spatial priors", priors.draw, True)
PART = Part(
    (
        Plot("sky", "top", "The sky", skymaps.overview, True),
        Plot("skymaps", "scan", "Sky maps", skymaps.whole, True),
        Plot("zoom", "scan", "Around the hottest spot", zoom.hottest, True),
        Plot("spots", "scan", "The hottest spots", zoom.spots, True),
        Plot("surroundings", "scan", "Events around the hottest spots", surroundings.draw, True),
        Plot("ts_against_p", "scan", "TS against p-value", scan.ts_against_p, True),
        Plot("post_trial", "post_trial", "Hottest-spot distribution", scan.post_trial, True),
        Plot("positions", "post_trial", "Where the hottest spots lie", _positions),
        Plot("check_n_eff", "checks", "N_eff by declination", verdicts.n_eff),
        Plot("check_smooth", "checks", "Peaks and their neighbours", verdicts.smooth),
    ),
    _searched,
    _hottest,
    _method,
    _section,
    _optional,
)
