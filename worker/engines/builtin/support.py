"""Checks that there are enough events to estimate the background: errors and notes.

The densities are positive everywhere (`worker.engines.builtin.background`), but without events they are only limits:
with events of one hemisphere and the response of both, injected events of the other one would have no background.
"""

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError, SpecError
from worker.data.dataset import Dataset, Season
from worker.engines.builtin.analysis import Analysis, table_at
from worker.engines.builtin.background import energy_bin, kernel_events, slice_events

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

LEAST_SEASON = 50
"""Events of a season."""
LEAST_NEAR = 5
"""Events of a season within `NEAR` of a source, or a fifth of those of a uniform season, whichever is fewer."""
NEAR = 0.04
"""In sin(dec)."""
LEAST_RANGE = 0.1
"""Of log10(E / GeV), that the middle 90 % of the events of a season cover."""
FEW = 1000
"""A season with fewer events is noted."""
LEAST_SHARE = 0.01
"""A season with a smaller share of a source's events needs no background there."""
UNEXPECTED = 1e-4
"""An event is noted if its bin of energy expects fewer events of its slice; real seasons stay above 2e-4."""
_LEAVE_OUT = "Leave it out of data.seasons, or read more events"


def require_seasons(dataset: Dataset) -> None:
    """Refuse seasons from whose events no densities can be estimated.

    Raises
    ------
    InputError
        If a season has fewer than `LEAST_SEASON` events, or all its events have one energy.
    """
    for season in dataset.seasons:
        n = season.events.dec.size
        if n < LEAST_SEASON:
            raise InputError(
                f"{season.name}: {n or 'no'} events; a season needs at least {LEAST_SEASON}, since the background "
                f"densities in declination and energy are estimated from them. {_LEAVE_OUT}"
            )
        low, high = np.quantile(season.events.log_e, [0.05, 0.95])
        if high - low < LEAST_RANGE:
            raise InputError(
                f"{season.name}: 90 % of the events have log10(E / GeV) between {low:g} and {high:g}: that is no "
                "measured energy, and the likelihood divides by its distribution. Correct the column of the energy, "
                "or leave the season out of data.seasons"
            )


def events_near(season: Season, dec: F64) -> I64:
    """Return the number of events within `NEAR` in sin(dec) of declinations (n,), rad; one-sided at a pole."""
    low = np.clip(np.sin(dec) - NEAR, -1.0, 1.0 - 2 * NEAR)
    at = np.sort(season.events.dec)
    ends = (np.arcsin(edge).astype(at.dtype) for edge in (low, low + 2 * NEAR))
    first, last = (np.searchsorted(at, end) for end in ends)
    return np.asarray(last - first, dtype=np.int64)


def on_one_side(season: Season, dec: F64) -> I64:
    """Return the smaller number of events within `NEAR` south or north of declinations (n,), rad, poles excepted."""
    sin, at = np.sin(dec), np.sort(season.events.dec)
    edges = (np.arcsin(np.clip(x, -1.0, 1.0)).astype(at.dtype) for x in (sin - NEAR, sin, sin + NEAR))
    low, middle, high = (np.searchsorted(at, edge) for edge in edges)
    south = np.where(sin - NEAR < -1.0, at.size, middle - low)
    north = np.where(sin + NEAR > 1.0, at.size, high - middle)
    return np.asarray(np.minimum(south, north), dtype=np.int64)


def empty(season: Season, dec: F64) -> NDArray[np.bool_]:
    """Whether a season has too few events near declinations (n,), rad: fewer than `LEAST_NEAR` says.

    Just beyond the edge of a selection all events lie on one side: the density is the edge's, and no event is near.
    """
    n = season.events.dec.size
    few = events_near(season, dec) < max(min(LEAST_NEAR, 0.2 * NEAR * n), 1)
    return np.asarray(few | (on_one_side(season, dec) < min(LEAST_NEAR, int(0.05 * NEAR * n))))


def lacking(analysis: Analysis, dec: F64) -> NDArray[np.bool_]:
    """Whether a season sees a source but has no background to compare it with, (n_seasons, n); dec (n,) in rad."""
    few = np.array([empty(season, dec) for season in analysis.dataset.seasons])
    for k in np.flatnonzero(few.any(axis=0)):
        few[:, k] &= shares(analysis, float(dec[k])) >= LEAST_SHARE
    return few


def shares(analysis: Analysis, dec: float) -> F64:
    """Largest share of every season in a source's events over all gammas, (n_seasons,); dec in rad."""
    share: F64 = table_at(analysis, dec).share[:, 0].max(axis=0)
    return share


def require(analysis: Analysis, dec: float | F64) -> None:
    """Refuse source declinations (rad) at which a season has no background.

    Raises
    ------
    SpecError
        If a season is `empty` at a declination at which it sees the source.
    """
    decs = np.atleast_1d(np.asarray(dec, dtype=np.float64))
    few = lacking(analysis, decs)
    if not few.any():
        return
    k = int(np.argmax(few.any(axis=0)))
    season = analysis.dataset.seasons[int(np.argmax(few[:, k]))]
    n = int(few.any(axis=0).sum())
    count, share = int(events_near(season, decs[k : k + 1])[0]), float(shares(analysis, float(decs[k])).max())
    side = ", all on one side" if count and not on_one_side(season, decs[k : k + 1])[0] else ""
    more = f" ({n} of {decs.size} declinations are like this)" if decs.size > 1 else ""
    raise SpecError(
        f"dec {np.degrees(decs[k]):.4g} deg: {season.name} has {count or 'no'} events within {NEAR:g} of it in "
        f"sin(dec){side}, and its response sees up to {share:.0%} of a source's events there{more}. Without background "
        f"no TS can be computed: {_cure(analysis, season)}"
    )


def _cure(analysis: Analysis, season: Season) -> str:
    usable = usable_deg(analysis)
    is_only_season = len(analysis.dataset.seasons) == 1
    if usable is None:
        return "the sample has too few events for any declination; read more of them"
    low, high = usable
    other = "" if is_only_season else f", or leave {season.name} out of data.seasons"
    return (
        f"keep background.dec_deg, and the sources of a list, between {low:g} and {high:g} deg; for a map write "
        f"scan.dec_min_deg: {low:g} and scan.dec_max_deg: {high:g}{other}"
    )


def usable_deg(analysis: Analysis) -> tuple[float, float] | None:
    """Ends of the longest row of whole degrees at which every season has background; None if there is none."""
    whole = np.arange(-90.0, 91.0)
    good = ~lacking(analysis, np.radians(whole)).any(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(int)))
    if not edges.size:
        return None
    first, last = edges[::2], edges[1::2]
    longest = int(np.argmax(last - first))
    return float(whole[first[longest]]), float(whole[last[longest] - 1])


def notes(analysis: Analysis, season: int) -> tuple[str, ...]:
    """Return notes about a season: densities that are limits, and events that decide a TS."""
    return (
        *_few_note(analysis.dataset.seasons[season]), *_empty_note(analysis, season), *_extreme_note(analysis, season)
    )  # fmt: skip


def _few_note(season: Season) -> tuple[str, ...]:
    n = season.events.dec.size
    if n >= FEW:
        return ()
    near = float(np.median(kernel_events(season.events.dec.astype(np.float64))))
    return (
        f"only {n} events: the background densities rest on about {near:.0f} of them at each declination, "
        "and TS on densities that are known to tens of per cent",
    )


def _empty_note(analysis: Analysis, season: int) -> tuple[str, ...]:
    whole = np.arange(-90.0, 91.0)
    bad = whole[empty(analysis.dataset.seasons[season], np.radians(whole))]
    if not bad.size:
        return ()
    return (
        f"too few events within {NEAR:g} in sin(dec) at {bad.size} of 181 whole degrees of declination "
        f"({bad[0]:g} to {bad[-1]:g} deg): no source is tested there, and the background of what is reconstructed "
        "there is a lower limit",
    )


def _extreme_note(analysis: Analysis, season: int) -> tuple[str, ...]:
    events = analysis.dataset.seasons[season].events
    dec = events.dec.astype(np.float64)
    bins = np.array([energy_bin(float(e), analysis.grid.lo, analysis.grid.n) for e in events.log_e])
    nodes = np.rint((dec / np.pi + 0.5) * (analysis.density.shape[1] - 1)).astype(np.int64)
    expected = slice_events(dec)[nodes] * analysis.energy[season, nodes, bins]
    odd = np.flatnonzero(expected < UNEXPECTED)
    if not odd.size:
        return ()
    shown = "; ".join(
        f"dec {np.degrees(events.dec[i]):.2f} deg, log10(E / GeV) {events.log_e[i]:.2f}, {expected[i]:.0e} expected"
        for i in odd[:3]
    )
    return (
        f"{odd.size} events with an energy that the background near them does not have ({shown}): each decides TS "
        "wherever it falls; check that the energy is right",
    )
