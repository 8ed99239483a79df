"""Good time in a window, and the background events that are expected in it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel
from worker.data.dataset import GoodRuns
from worker.data.local import sidereal_turns
from worker.spec.point import Window

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

GROUP = 1000
"""Events from which the rate of a run is taken, its own and those of its neighbours: 3 %, and no run has rate 0."""
EVEN_AFTER = 10.0
"""Days after which the Earth has turned so often that the background is even in right ascension, to 1 %."""
SLICE = 1.0 / 288
"""Days, five minutes: 1.25 degrees of azimuth."""
STEPS = 64
"""Steps per sigma in which a Gaussian is integrated and drawn."""


class Pieces(NamedTuple):
    """Parts of good runs within a window; arrays (m,).

    Attributes
    ----------
    start, length : MJD, days
    livetime : days
        Not above `length`.
    expected : events
        Of the background, over the whole sky.
    """

    start: F64
    length: F64
    livetime: F64
    expected: F64


def rates(runs: GoodRuns) -> F64:
    """Events per day of livetime of each run, (m,), from groups of neighbours with about `GROUP` events."""
    total = int(runs.n_events.sum())
    n_groups = max(total // GROUP, 1)
    middle = np.cumsum(runs.n_events) - 0.5 * runs.n_events
    group = np.minimum((middle * (n_groups / max(total, 1))).astype(np.int64), n_groups - 1)
    events = np.bincount(group, runs.n_events, n_groups)
    livetime = np.bincount(group, runs.livetime, n_groups)
    used = livetime > 0
    rate = np.where(used, events / np.where(used, livetime, 1.0), 0.0)
    return np.asarray(rate[group], np.float64)


def pieces_in(runs: GoodRuns, rate: F64, spans: F64) -> Pieces:
    """Good time within spans of time.

    Parameters
    ----------
    rate : ndarray (m,)
        Of `rates`.
    spans : ndarray (n, 2), MJD
        Starts and stops, increasing and disjoint.
    """
    parts = []
    for start, stop in spans:
        first = np.maximum(runs.start, start)
        length = np.minimum(runs.stop, stop) - first
        inside = length > 0
        live = runs.livetime[inside] / (runs.stop - runs.start)[inside] * length[inside]
        parts.append(Pieces(first[inside], length[inside], live, rate[inside] * live))
    return Pieces(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Profile(NamedTuple):
    """Background and signal of a window over time; seasons one after the other.

    Attributes
    ----------
    expected, live : ndarray (n_seasons,)
        Background events over the whole sky (after `at_place`: if it were everywhere as at the source), and days of
        signal: good time, weighted by the profile of the signal.
    good : ndarray (n_seasons,), days
        Good time.
    middle, sigma : float, MJD, days
        Of a Gaussian; sigma is 0 for a box.
    norm : ndarray (n_seasons,)
        Mean of the profile over the background: density of the signal over that of the background = profile / norm.
    first : ndarray (n_seasons + 1,), int64
        Steps of season j are ``first[j] : first[j + 1]``.
    start, length : ndarray (n_steps,), MJD, days
    background, signal : ndarray (n_steps,)
        Cumulative probability within the season.
    """

    expected: F64
    live: F64
    good: F64
    middle: float
    sigma: float
    norm: F64
    first: I64
    start: F64
    length: F64
    background: F64
    signal: F64


@kernel
def height(middle, sigma, mjd):  # type: ignore[no-untyped-def]
    """Profile of the signal at a time, relative to its maximum; 1 for a box."""
    if sigma <= 0.0:
        return 1.0
    z = (mjd - middle) / sigma
    return fmath.exp(-0.5 * z * z)


@kernel
def _means(middle, sigma, start, length, out):  # type: ignore[no-untyped-def]
    """Mean of the profile over each step, by Simpson's rule."""
    for i in range(out.size):
        a, b = start[i], start[i] + length[i]
        at_ends = height(middle, sigma, a) + height(middle, sigma, b)
        out[i] = (at_ends + 4.0 * height(middle, sigma, a + 0.5 * length[i])) / 6.0


def at_place(profile: Profile, window: Window, hour_angles: list[F64 | None], turn: float) -> Profile:
    """The profile with the background of the azimuths that a source has during the window.

    Parameters
    ----------
    hour_angles : list of ndarray or None
        Relative density of each season, see `worker.data.local`; None: even.
    turn : float
        Right ascension of the source, in turns.
    """
    start, stop = window.span
    if stop - start > EVEN_AFTER:
        return profile
    factors = [1.0 if density is None else _mean_at(profile, j, density, turn) for j, density in enumerate(hour_angles)]
    return profile._replace(expected=profile.expected * np.array(factors))


def _mean_at(profile: Profile, j: int, density: F64, turn: float) -> float:
    """Mean density at the source over the background of season j in the window."""
    own = slice(int(profile.first[j]), int(profile.first[j + 1]))
    start, length = profile.start[own], profile.length[own]
    share = np.diff(profile.background[own], prepend=0.0)
    if start.size == 0 or profile.expected[j] <= 0:
        return 1.0
    n = np.maximum(np.ceil(length / SLICE), 1).astype(np.int64)
    which = np.repeat(np.arange(n.size), n)
    number = np.arange(which.size) - np.repeat(np.cumsum(n) - n, n) + 0.5
    turns = sidereal_turns(start[which] + number * (length / n)[which]) - turn
    at = np.minimum(((turns - np.floor(turns)) * density.size).astype(np.int64), density.size - 1)
    return float(np.cumsum(density[at] * (share / n)[which])[-1])


def profile_of(seasons: list[tuple[GoodRuns, F64]], window: Window) -> Profile:
    """Return the profile of a window over all seasons, each with its good runs and their `rates`."""
    sigma = window.width if window.profile == "gaussian" else 0.0
    spans = np.array([window.span])
    every = [_steps(pieces_in(runs, rate, spans), sigma / STEPS) for runs, rate in seasons]
    rows = [_season(pieces, window.middle, sigma) for pieces in every]
    expected, live, good, norm, background, signal = zip(*rows, strict=True)
    first = np.concatenate([[0], np.cumsum([pieces.start.size for pieces in every])]).astype(np.int64)
    return Profile(
        np.array(expected), np.array(live), np.array(good), window.middle, sigma, np.array(norm), first,
        np.concatenate([pieces.start for pieces in every]), np.concatenate([pieces.length for pieces in every]),
        np.concatenate(background), np.concatenate(signal),
    )  # fmt: skip


def _steps(pieces: Pieces, longest: float) -> Pieces:
    """Pieces cut into steps of at most `longest` days; as they are for a box (0)."""
    if longest <= 0.0:
        return pieces
    n = np.maximum(np.ceil(pieces.length / longest), 1).astype(np.int64)
    which = np.repeat(np.arange(n.size), n)
    number = np.arange(which.size) - np.repeat(np.cumsum(n) - n, n)
    length = (pieces.length / n)[which]
    start = pieces.start[which] + number * length
    return Pieces(start, length, (pieces.livetime / n)[which], (pieces.expected / n)[which])


def _season(pieces: Pieces, middle: float, sigma: float) -> tuple[float, float, float, float, F64, F64]:
    """Expected events, days of signal, good time, norm and cumulative probabilities of one season."""
    if pieces.start.size == 0 or pieces.expected.sum() <= 0:
        none = np.zeros(pieces.start.size)
        return 0.0, 0.0, 0.0, 1.0, none, none
    mean = np.empty(pieces.start.size)
    _means(middle, sigma, pieces.start, pieces.length, mean)
    background, signal = np.cumsum(pieces.expected), np.cumsum(pieces.expected * mean)
    live, good = np.cumsum(pieces.livetime * mean)[-1], np.cumsum(pieces.livetime)[-1]
    of_signal = signal / signal[-1] if signal[-1] > 0 else signal
    norm = float(signal[-1] / background[-1])
    return float(background[-1]), float(live), float(good), norm, background / background[-1], of_signal
