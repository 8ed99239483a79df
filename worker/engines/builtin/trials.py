"""Pseudo-experiments at one declination: background, or background with injected signal."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.engines.builtin import inject, maximum
from worker.engines.builtin.analysis import Analysis, psf_at, signal_cells, table_at
from worker.engines.builtin.inject import CountLaw, Injector
from worker.engines.builtin.likelihood import workspace
from worker.engines.builtin.pairs import windows_at
from worker.engines.builtin.point import BATCH, EVENT, PI, Candidates, draw_trial, hazards, run_trials
from worker.engines.builtin.response import Spectrum
from worker.engines.builtin.tables import SignalTable

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

GUIDES = 4
"""Entries of the guide per candidate; more entries need fewer steps to the event."""

TRIAL_DTYPE = np.dtype([("ts", "<f8"), ("ns", "<f8"), ("gamma", "<f8")])


class Point(NamedTuple):
    """A source declination (rad), ready for trials."""

    dec: float
    table: SignalTable
    candidates: Candidates


def candidates_at(analysis: Analysis, dec: float) -> Candidates:
    """Background events that can have S > 0 at a declination (rad)."""
    sky = analysis.sky
    psf, half, sin2, coscos = windows_at(analysis, dec)
    inside = np.flatnonzero(half >= 0)
    always = half[inside] >= 0.5 * PI
    order = np.concatenate([inside[always], inside[~always]])
    n_always = int(always.sum())
    hazard = np.empty(order.size)
    hazards(half[order], n_always, hazard)
    sigma = sky.sigma[order]
    event = np.empty(order.size, EVENT)
    event["half_window"] = half[order]
    event["sin2_ddec"] = sin2[order]
    event["coscos"] = coscos[order]
    event["inv_2sigma2"] = 0.5 / (sigma * sigma)
    # N grows by the injected events: divided by N later
    for k, name in enumerate(("weight", "hard")):
        event[name] = sky.weight[order] * psf.factor[sky.cell[order], k] * analysis.n_data[sky.season[order]]
    event["row"] = sky.row[order]
    event["season"] = sky.season[order]
    event["psf"] = sky.shape[order]
    return Candidates(n_always, hazard, guide_of(hazard, n_always), event, psf)


def guide_of(hazard: F64, n_always: int) -> I32:
    """First event after each of equidistant places of a cumulative hazard, see `Candidates`."""
    n = hazard.size - n_always
    if n == 0:
        return np.zeros(1, np.int32)
    starts = np.arange(GUIDES * n) * (hazard[-1] / (GUIDES * n))
    guide: I32 = (np.searchsorted(hazard[n_always:], starts, side="right") + n_always).astype(np.int32)
    return guide


def point_at(analysis: Analysis, dec: float) -> Point:
    """Signal table and candidates of a declination (rad)."""
    return Point(dec, table_at(analysis, dec), candidates_at(analysis, dec))


def poisson_cdf(mean: float) -> F64:
    """P(n <= i) for i = 0, 1, ... until 1 is reached to 1e-16."""
    n_max = int(mean + 12 * np.sqrt(mean) + 30)
    # From the mode outwards, normalised: no underflow for large means.
    terms = np.zeros(n_max + 1)
    mode = int(mean)
    terms[mode] = 1.0
    for i in range(mode, n_max):
        terms[i + 1] = terms[i] * mean / (i + 1)
    for i in range(mode, 0, -1):
        terms[i - 1] = terms[i] * i / mean
    cdf = np.empty(n_max + 1)
    total = 0.0
    for i, term in enumerate(terms):
        total += float(term)
        cdf[i] = total
    return cdf / total


def count_cdf(n_sig: float, poisson: bool) -> F64:
    """P(number of signal events <= i) for i = 0, 1, ...; ValueError if a fixed number is not whole."""
    if poisson:
        return poisson_cdf(n_sig) if n_sig > 0 else np.ones(1)
    if n_sig != int(n_sig):
        raise ValueError(f"a fixed number of events must be whole, not {n_sig}: use poisson: true")
    return np.concatenate([np.zeros(int(n_sig)), np.ones(1)])


def signal_counts(key: tuple[int, int], first: int, n: int, n_sig: float, poisson: bool) -> NDArray[np.int64]:
    """Number of signal events of trials first ... first + n - 1 of the stream of `key`, (n,)."""
    out = np.empty(n, np.int64)
    inject.signal_counts(
        CountLaw(count_cdf(n_sig, poisson)), np.uint64(key[0]), np.uint64(key[1]), np.uint64(first), out
    )
    return out


def injector_at(
    analysis: Analysis, dec: float, spectrum: Spectrum, n_sig: float, poisson: bool = True, extension: float = 0.0
) -> Injector:
    """Return the injector of `n_sig` events (the mean if `poisson`) at a declination (rad).

    The events of a source with an `extension` (rad) come from positions that are normally distributed around its
    centre, with the response of the centre's declination.

    Raises
    ------
    ValueError
        If the detector accepts nothing there, or a fixed number is not whole.
    """
    cells, season, expected = signal_cells(analysis, dec, spectrum)
    total = expected.sum() if n_sig > 0 else 1.0
    if total <= 0:
        raise ValueError(f"no acceptance for gamma = {spectrum.gamma} at dec = {np.degrees(dec):.3f} deg")
    counts = count_cdf(n_sig, poisson)
    cdf = np.cumsum(expected)
    return Injector(
        counts,
        cdf / cdf[-1] if cdf.size else np.ones(1),
        np.ascontiguousarray(cells) if cdf.size else np.zeros((1, 8), np.float32),
        season if cdf.size else np.zeros(1, np.int32),
        fmath.sin(dec),
        fmath.cos(dec),
        analysis.cuts.sigma_floor,
        analysis.cuts.sigma_max,
        analysis.grid.lo,
        analysis.density,
        analysis.energy,
        analysis.bins,
        analysis.sigma,
        psf_at(analysis, dec),
        analysis.cuts.extension,
        extension,
    )


def no_signal(analysis: Analysis, dec: float) -> Injector:
    """Return an injector without events."""
    return injector_at(analysis, dec, Spectrum(2.0), 0.0)


def _scratch(analysis: Analysis, point: Point, injector: Injector) -> tuple[Any, ...]:
    return scratch(analysis, point.candidates.hazard.size + injector.count_cdf.size + 8, injector)


def scratch(analysis: Analysis, size: int, injector: Injector) -> tuple[Any, ...]:
    """Scratch arrays of a trial with up to `size` events near the source."""
    n_max = injector.count_cdf.size
    seasons = analysis.n_seasons
    return (
        np.empty(size, np.int64),
        np.empty(size),
        np.empty((2, size)),
        np.empty(size, np.int32),
        np.empty(size, np.int32),
        np.empty(seasons),
        np.empty(seasons),
        np.empty(seasons),
        np.empty((n_max, 5)),
        np.empty((3, size)),
        (np.empty((4, BATCH), np.uint32), np.empty(BATCH), np.empty(BATCH)),
    )


def run(
    analysis: Analysis,
    point: Point,
    key: tuple[int, int],
    first: int,
    n: int,
    injector: Injector | None = None,
    count: NDArray[np.int64] | None = None,
) -> NDArray[np.void]:
    """Trials first ... first + n - 1 of the stream of `key`; work is added to `count` (see `work`).

    Returns
    -------
    ndarray (n,) of `TRIAL_DTYPE`: ts, ns, gamma
    """
    with_signal = injector is not None
    signal = injector if injector is not None else no_signal(analysis, point.dec)
    scratch_arrays = _scratch(analysis, point, signal)
    work = workspace(scratch_arrays[0].size, analysis.n_rows, analysis.n_seasons, count)
    out = np.empty((n, 3))
    run_trials(
        point.candidates, with_signal, signal, point.table, analysis.n_data, np.uint64(key[0]), np.uint64(key[1]),
        np.uint64(first), scratch_arrays, work, np.empty(analysis.cuts.gammas.size), out,
    )  # fmt: skip
    return maximum.require(out, f"trials at dec {math.degrees(point.dec):.4g} deg").view(TRIAL_DTYPE)[:, 0]


class Drawn(NamedTuple):
    """The events of one trial with S > 0: weights S / (B b N) as in `fit`, rows, seasons; events without S; all."""

    w: F64
    row: NDArray[np.int32]
    season: NDArray[np.int32]
    rest: F64
    n_events: F64


def draw(analysis: Analysis, point: Point, key: tuple[int, int], trial: int, injector: Injector | None = None) -> Drawn:
    """Return the events of one trial as `run` fits them, for replay, figures and tests."""
    signal = injector if injector is not None else no_signal(analysis, point.dec)
    scratch_arrays = _scratch(analysis, point, signal)
    n = draw_trial(
        point.candidates, injector is not None, signal, analysis.n_data,
        np.uint64(key[0]), np.uint64(key[1]), np.uint64(trial), scratch_arrays,
    )  # fmt: skip
    _, _, w, row, season, rest, n_events, *_ = scratch_arrays
    return Drawn(w[:, :n].copy(), row[:n].copy(), season[:n].copy(), rest.copy(), n_events.copy())
