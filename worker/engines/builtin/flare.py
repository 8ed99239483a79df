"""Flare of unknown time: the maximum over ns, gamma, t0 and width of the likelihood with a time profile.

With the share f_j of season j, N_j events, W_i = S_i R_i(gamma) / B_i of the time-integrated likelihood, the time
density T of the signal (normalised over the good runs of season j) and b of the background (events per day over N_j):

    ln L(ns, gamma, t0, width) / L(0) = sum_j sum_i ln[1 + ns f_j / N_j (W_i T(t_i) / b(t_i) - 1)]
    TS = 2 max ln[(width_T / T_max) L / L(0)],

width_T = 2 sigma of a Gaussian (``width`` is sigma, the density is cut at 5 sigma) or the length of a box, T_max the
good time of all seasons. f_j is proportional to the expected events of season j: its rate per day for this gamma times
the good time in the profile. ``penalty=False`` leaves width_T / T_max out. Braun et al. 2010 (arXiv:0912.1572).

The maximum is looked for in two steps. Screening: widths in steps of sqrt(2), centres at events at least half a width
apart, three spectra. Then the simplex of Nelder and Mead (Gaussian), or moves of both edges (box), from the best.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.engines.builtin.flare_search import search_box, search_gaussian

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


GUIDES = 4096
"""Cells of time in which a run is looked up."""


class FlareEvents(NamedTuple):
    """Events with S > 0 at a source, by time.

    Attributes
    ----------
    mjd : ndarray (n,)
    season : ndarray (n,), int64
    log_w : ndarray (n, n_gamma)
        ln W on the grid of gamma.
    density : ndarray (n,), 1 / day
        Time density b of the background of the season at the event.
    """

    mjd: F64
    season: I64
    log_w: F64
    density: F64


class FlareSeasons(NamedTuple):
    """Seasons as the likelihood of a flare needs them.

    Attributes
    ----------
    n_events : ndarray (n_seasons,)
        N of each season.
    log_rate : ndarray (n_seasons, n_gamma)
        ln of the expected signal events per day for unit flux.
    first : ndarray (n_seasons + 1,), int64
        Knots of season j are ``first[j] : first[j + 1]``.
    knot, live : ndarray (k,)
        Starts and stops of its good runs (MJD), and the good time of the season up to there (days).
    guide : ndarray (n_seasons, n_cells), int64
        Last knot of the season at or before the start of each of equal cells of its time.
    gamma_lo, gamma_step : float
    """

    n_events: F64
    log_rate: F64
    first: I64
    knot: F64
    live: F64
    guide: I64
    gamma_lo: float
    gamma_step: float


class Limits(NamedTuple):
    """What is searched.

    Attributes
    ----------
    least, most : float, days
        Widths: sigma of a Gaussian, length of a box.
    t_max : float, days
    penalty : bool
        Whether width_T / T_max counts.
    gamma_lo, gamma_hi : float
        Spectra, within the grid; equal: gamma is fixed.
    mean, inverse : float
        Prior of gamma: its mean and 1 / width^2; 0: none.
    """

    least: float
    most: float
    t_max: float
    penalty: bool
    gamma_lo: float = 1.0
    gamma_hi: float = 4.0
    mean: float = 0.0
    inverse: float = 0.0


class Flare(NamedTuple):
    """Best flare: TS is 0, and the other values are nan, if none is better than no signal."""

    ts: float
    ns: float
    gamma: float
    t0: float
    width: float


def seasons_of(
    n_events: F64,
    log_rate: F64,
    runs: list[tuple[F64, F64]],
    gamma_lo: float,
    gamma_step: float,
    on: list[F64] | None = None,
) -> FlareSeasons:
    """Return `FlareSeasons` from the starts and stops (MJD) of the good runs of each season.

    `on` is the livetime of each run over its length; None: 1.
    """
    knots, lives, guides, first = [], [], [], [0]
    for j, (start, stop) in enumerate(runs):
        knot = np.column_stack([start, stop]).ravel()
        live = (stop - start) * (1.0 if on is None else on[j])
        length = np.column_stack([np.zeros(len(start)), live]).ravel()
        knots.append(knot)
        lives.append(np.cumsum(length))
        cell = np.linspace(knot[0], knot[-1], GUIDES, endpoint=False)
        guides.append(first[-1] + np.maximum(np.searchsorted(knot, cell, side="right") - 1, 0))
        first.append(first[-1] + len(knot))
    return FlareSeasons(
        np.asarray(n_events, np.float64),
        np.asarray(log_rate, np.float64),
        np.asarray(first, np.int64),
        np.concatenate(knots),
        np.concatenate(lives),
        np.array(guides, np.int64),
        gamma_lo,
        gamma_step,
    )


def fit_flare(events: FlareEvents, seasons: FlareSeasons, limits: Limits, profile: str) -> Flare:
    """Return the best flare of one sky.

    Parameters
    ----------
    profile : {"gaussian", "box"}
    """
    search = {"gaussian": search_gaussian, "box": search_box}[profile]
    ts, ns, gamma, t0, width = search(events, seasons, limits)
    return Flare(ts, ns, gamma, t0, width) if ts > 0 else Flare(0.0, 0.0, np.nan, np.nan, np.nan)
