"""The extended likelihood of a window, the slow and plain way: shares no code with the engine (as `tests.oracle`)."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import erf

from tests import oracle

GROUP = 1000


class Runs(NamedTuple):
    """Good runs of a season: MJD, days, events; arrays (m,)."""

    start: np.ndarray
    stop: np.ndarray
    livetime: np.ndarray
    n_events: np.ndarray


class Window(NamedTuple):
    """A box of `width` days around `middle`, or a Gaussian with this sigma, cut at five."""

    gaussian: bool
    middle: float
    width: float

    @property
    def ends(self) -> tuple[float, float]:
        half = 5 * self.width if self.gaussian else self.width / 2
        return self.middle - half, self.middle + half

    def integral(self, start: float, stop: float) -> float:
        """Of the profile over a part of a run, days."""
        lo, hi = max(start, self.ends[0]), min(stop, self.ends[1])
        if hi <= lo:
            return 0.0
        if not self.gaussian:
            return hi - lo
        a, b = ((x - self.middle) / self.width / np.sqrt(2) for x in (lo, hi))
        return float(self.width * np.sqrt(np.pi / 2) * (erf(b) - erf(a)))


def rate_of(runs: Runs) -> list[float]:
    """Events per day of livetime: neighbouring runs with about a thousand events share a rate."""
    total = sum(runs.n_events)
    groups = max(int(total) // GROUP, 1)
    number, before = [], 0.0
    for n in runs.n_events:
        number.append(min(int((before + n / 2) / total * groups), groups - 1))
        before += n
    rates = []
    for g in number:
        own = [i for i, other in enumerate(number) if other == g]
        rates.append(sum(runs.n_events[i] for i in own) / sum(runs.livetime[i] for i in own))
    return rates


def totals(runs: Runs, window: Window) -> tuple[float, float, float]:
    """Expected background events, days of signal, and the mean of the profile over the background."""
    events = signal = weighted = 0.0
    box = Window(False, sum(window.ends) / 2, window.ends[1] - window.ends[0])
    for start, stop, live, rate in zip(runs.start, runs.stop, runs.livetime, rate_of(runs), strict=True):
        share = live / (stop - start)
        events += rate * share * box.integral(start, stop)
        signal += share * window.integral(start, stop)
        weighted += rate * share * window.integral(start, stop)
    return events, signal, weighted / events if events else 1.0


def ts_of(
    model: oracle.Model, runs: list[Runs], window: Window, ra: float, dec: float, sky: list[tuple[np.ndarray, ...]],
    fixed: float | None = None,
) -> tuple[float, float, float]:  # fmt: skip
    """Largest TS, its ns and gamma; `sky` has right ascensions (rad) and MJD of the usable events of each season."""
    every = [totals(own, window) for own in runs]
    on = [j for j, of_season in enumerate(every) if of_season[1] > 0]
    live = model._replace(seasons=tuple(model.seasons[j]._replace(days=every[j][1]) for j in on))
    splines = dict(zip(on, oracle.signal(live, dec)[0], strict=True))
    near = []
    for j in on:
        ev, (event_ra, mjd), (n_b, _, norm) = model.events[j], sky[j], every[j]
        haversine = np.sin((ev["dec"] - dec) / 2) ** 2
        haversine += np.cos(ev["dec"]) * np.cos(dec) * np.sin((event_ra - ra) / 2) ** 2
        inside = (mjd >= window.ends[0]) & (mjd < window.ends[1])
        psi = np.where(inside, 2 * np.arcsin(np.sqrt(np.minimum(haversine, 1))), 9.0)
        use, s, _ = oracle.gaussian(j, ev, psi)
        if not use.any():
            continue
        time = np.exp(-0.5 * ((mjd[use] - window.middle) / window.width) ** 2) / norm if window.gaussian else 1.0
        near.append((s * 2 * np.pi / ev["pb"][use] * time / n_b, ev["bin"][use], splines[j]))
    if not near:
        return 0.0, 0.0, 1.0

    def best(gamma: float) -> tuple[float, float]:
        y = np.concatenate([w * spline(gamma)[e] for w, e, spline in near])
        if y.sum() <= 1:
            return 0.0, 0.0
        ns = brentq(lambda ns: np.sum(y / (1 + ns * y)) - 1, 0, len(y) + 1e-9, xtol=1e-13, rtol=1e-14)
        return 2 * float(np.sum(np.log1p(ns * y)) - ns), ns

    if fixed is not None:
        return (*best(fixed), fixed)
    grid = np.linspace(1, 4, 97)
    profile = np.array([best(gamma)[0] for gamma in grid])
    found = max(zip(profile, grid, strict=True))
    k = int(np.argmax(profile))
    ends = grid[max(k - 1, 0)], grid[min(k + 1, 96)]
    inner = minimize_scalar(lambda g: -best(g)[0], bounds=ends, method="bounded", options={"xatol": 1e-8})
    gamma = max((found[1], float(inner.x), *ends), key=lambda g: best(g)[0])
    return (*best(gamma), gamma)
