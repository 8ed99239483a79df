"""Numbers that describe a data set: counts, rates, quantiles, effective area and resolution."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from worker.data.dataset import F64, EffectiveArea, Season, Simulation, Smearing

BANDS_DEG = ((-90.0, -30.0), (-30.0, -5.0), (-5.0, 30.0), (30.0, 90.0))
"""Declination bands of the curves: south with and near the horizon, horizon, north."""
_PSI = np.deg2rad(np.geomspace(0.005, 180.0, 400))
_STEP = 0.25


class Curve(NamedTuple):
    """Steps against neutrino energy.

    Attributes
    ----------
    log_e_nu : ndarray (n + 1,)
        Edges, log10(E_nu / GeV).
    values : ndarray (n,)
        NaN without data.
    """

    log_e_nu: F64
    values: F64


def season_numbers(season: Season) -> dict[str, Any]:
    """Return the numbers of a season in the table of the report, as plain data."""
    dec, sigma, log_e = (column.astype(np.float64) for column in season.events)
    usable = sigma > 0
    return {
        "name": season.name,
        "n_events": len(dec),
        "n_usable_sigma": int(usable.sum()),
        "n_north": int((dec >= np.deg2rad(-5)).sum()),
        "livetime_days": season.livetime_days,
        "events_per_day": len(dec) / season.livetime_days,
        "log10_energy_gev": _quantiles(log_e),
        "sigma_deg": _quantiles(np.rad2deg(sigma[usable])),
        "response": _response(season),
        "largest_area_cm2": float(season.area.area_cm2.max()),
        "notes": list(season.notes),
    }


def _quantiles(values: F64) -> dict[str, float] | None:
    if not values.size:
        return None
    quantiles = np.quantile(values, [0.05, 0.5, 0.95])
    return dict(zip(("q05", "q50", "q95"), map(float, quantiles), strict=True))


def _response(season: Season) -> dict[str, Any]:
    if isinstance(season.smearing, Simulation):
        n, bands = len(season.smearing.events), len(season.smearing.sin_dec) - 1
        return {"kind": "simulated events", "n": n, "declination_bands": bands}
    bins = [len(season.smearing.log_e_nu) - 1, len(season.smearing.dec) - 1]
    return {"kind": "smearing cells", "n": len(season.smearing.cells), "energy_and_declination_bins": bins}


def area_curve(area: EffectiveArea, lo: float, hi: float) -> Curve:
    """Mean effective area (cm^2) between two sines of declination; the bins are those of the response."""
    share = _overlap(area.sin_dec, lo, hi)
    mean = np.einsum("ed,d->e", area.area_cm2, share) / share.sum()
    return Curve(area.log_e_nu, np.where(mean > 0, mean, np.nan))


def psi_curve(season: Season, lo: float, hi: float) -> Curve:
    """Median distance (deg) of reconstructed from true directions between two sines of declination.

    Averaged over accepted neutrinos with equal numbers per solid angle and log E; NaN if none is accepted.
    """
    if isinstance(season.smearing, Simulation):
        return _psi_of_events(season.smearing, lo, hi)
    return _psi_of_cells(season.smearing, season.area, lo, hi)


def _overlap(edges: F64, lo: float, hi: float) -> F64:
    """Return the length of [lo, hi] in each bin, (n,)."""
    return np.asarray(np.clip(np.minimum(edges[1:], hi) - np.maximum(edges[:-1], lo), 0, None))


def _accepted(smearing: Smearing, area: EffectiveArea, lo: float, hi: float) -> F64:
    """Effective area x solid angle x width in log E of each (E_nu, dec) bin within [lo, hi], (n_e, n_d)."""
    in_energy = np.array([_overlap(area.log_e_nu, *ends) for ends in pairwise(smearing.log_e_nu)])
    sines = np.clip(np.sin(smearing.dec), lo, hi)
    in_dec = np.array([_overlap(area.sin_dec, *ends) for ends in pairwise(sines)])
    # einsum, not @: rounding of a BLAS depends on the processor, and reports are compared to the last digit.
    return np.asarray(np.einsum("ef,db,fb->ed", in_energy, in_dec, area.area_cm2))


def _psi_of_cells(smearing: Smearing, area: EffectiveArea, lo: float, hi: float) -> Curve:
    share = _accepted(smearing, area, lo, hi)
    medians = np.full(len(share), np.nan)
    for i in range(len(medians)):
        cdf = np.zeros(len(_PSI))
        for j in np.flatnonzero(share[i] > 0):
            k = i * share.shape[1] + j
            cells = smearing.cells[smearing.start[k] : smearing.start[k + 1]].astype(np.float64)
            width = np.maximum(cells[:, 3] - cells[:, 2], 1e-12)
            inside = np.clip((_PSI[:, None] - cells[:, 2]) / width, 0, 1)
            cdf += share[i, j] * np.einsum("pc,c->p", inside, cells[:, 6])
        if cdf[-1] > 0:
            medians[i] = np.interp(0.5, cdf / cdf[-1], _PSI)
    return Curve(smearing.log_e_nu, np.rad2deg(medians))


def _psi_of_events(simulation: Simulation, lo: float, hi: float) -> Curve:
    bands = np.flatnonzero(_overlap(simulation.sin_dec, lo, hi) > 0)
    events = simulation.events[simulation.start[bands[0]] : simulation.start[bands[-1] + 1]].astype(np.float64)
    if not len(events):
        return Curve(np.array([2.0, 9.0]), np.array([np.nan]))
    first, last = np.floor(events[:, 0].min() / _STEP), np.ceil(events[:, 0].max() / _STEP + 1e-9)
    edges = np.arange(first, last + 1) * _STEP
    number = np.searchsorted(edges, events[:, 0], side="right") - 1
    medians = np.full(len(edges) - 1, np.nan)
    for i in range(len(medians)):
        in_bin = events[number == i]
        if len(in_bin) >= 30:  # fewer say nothing
            order = np.argsort(in_bin[:, 3])
            cumulative = np.cumsum(in_bin[order, 1] * 10 ** -in_bin[order, 0])
            medians[i] = np.rad2deg(in_bin[order[np.searchsorted(cumulative, 0.5 * cumulative[-1])], 3])
    return Curve(edges, medians)
