"""Flares of unknown time against a likelihood of its own (exact integrals, scipy), and against brute force."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import ndtr

from worker.data.source_region import read_samples
from worker.engines.builtin import region
from worker.engines.builtin.flare import FlareEvents, FlareSeasons, Limits, fit_flare, seasons_of
from worker.engines.builtin.flare_search import new_scratch
from worker.engines.builtin.flare_terms import flare_ts, live_share

GAMMAS = 1 + np.arange(49) / 16
FIRST = (np.array([55000.0, 55032.5, 55070.0]), np.array([55031.0, 55069.0, 55100.0]))
SECOND = (np.array([55110.0, 55180.0]), np.array([55175.0, 55260.0]))
RUNS = [FIRST, SECOND]
N_EVENTS = np.array([400.0, 700.0])
LIMITS = Limits(3.0, 60.0, 251.5, True)
SOURCE = (np.radians(77.3582), np.radians(5.6931))
RADIUS = np.radians(3.0)


def log_rate(j: int, gamma: float) -> float:
    return float(np.log(2.0 + j) - (0.5 + 0.2 * j) * (gamma - 2))


def sky(seed: int, n_flare: int = 0) -> tuple[FlareEvents, FlareSeasons, np.ndarray]:
    """Events in two seasons, some in a flare; also the coefficients of ln W = a + b (gamma - 2) + c (gamma - 2)^2."""
    rng = np.random.default_rng(seed)
    live = np.array([(stop - start).sum() for start, stop in RUNS])
    season = np.sort(rng.integers(0, 2, 60))
    start, stop = (np.concatenate([FIRST[k], SECOND[k]]) for k in (0, 1))
    elapsed = np.cumsum(stop - start)
    at = np.where(season == 0, 0, live[0]) + live[season] * rng.random(60)
    run = np.searchsorted(elapsed, at)
    mjd = start[run] + at - np.append(0, elapsed)[run]
    curve = np.column_stack([rng.normal(0, 1.5, 60), rng.normal(-0.4, 0.6, 60), rng.normal(-0.3, 0.1, 60)])
    mjd[30 : 30 + n_flare] = rng.normal(55140, 6, n_flare)
    season[30 : 30 + n_flare] = 1
    curve[30 : 30 + n_flare, 0] += 6
    order = np.argsort(mjd)
    season, mjd, curve = season[order], mjd[order], curve[order]
    log_w = curve @ np.array([np.ones(49), GAMMAS - 2, (GAMMAS - 2) ** 2])
    rates = np.array([[log_rate(j, g) for g in GAMMAS] for j in range(2)])
    events = FlareEvents(mjd, season.astype(np.int64), log_w, 1 / live[season])
    return events, seasons_of(N_EVENTS, rates, RUNS, 1.0, 1 / 16), curve


def share_of(j: int, t0: float, width: float, box: bool) -> float:
    start, stop = RUNS[j]
    reach = width / 2 if box else 5 * width
    lo, hi = np.clip(start, t0 - reach, t0 + reach), np.clip(stop, t0 - reach, t0 + reach)
    return float(((hi - lo) / width if box else ndtr((hi - t0) / width) - ndtr((lo - t0) / width)).sum())


def plain_ts(events: FlareEvents, curve: np.ndarray, t0: float, width: float, box: bool, gamma: float) -> float:
    """TS with penalty of one flare, every event of both seasons in the sum."""
    live = np.array([share_of(j, t0, width, box) for j in range(2)])
    expected = live * np.exp([log_rate(j, gamma) for j in range(2)])
    f = expected / expected.sum()
    z = (events.mjd - t0) / width
    profile = (np.abs(z) <= 0.5) / width if box else np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) / width * (np.abs(z) <= 5)
    w = np.exp(curve @ [1, gamma - 2, (gamma - 2) ** 2])
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.where(f[events.season] > 0, w * profile / live[events.season] / events.density, 0)
    others = N_EVENTS - np.bincount(events.season, minlength=2)

    def minus(ns: float) -> float:
        terms = np.log1p(ns * f[events.season] / N_EVENTS[events.season] * (y - 1)).sum()
        return float(-terms - (others * np.log1p(-ns * f / N_EVENTS)).sum())

    best = minimize_scalar(minus, bounds=(0, 60), method="bounded", options={"xatol": 1e-10})
    return 2 * (max(-best.fun, 0) + np.log((1 if box else 2) * width / LIMITS.t_max))


@pytest.mark.parametrize("box", [False, True])
def test_the_ts_of_a_flare_is_that_of_a_likelihood_of_its_own(box: bool) -> None:
    rng, n_moved = np.random.default_rng(7), 0
    for case in range(30):
        events, seasons, curve = sky(case, n_flare=case % 10)
        t0, width, gamma = rng.uniform(55005, 55255), rng.uniform(5, 60), rng.uniform(1, 4)
        if case % 10 >= 5:
            t0, width, gamma = rng.uniform(55136, 55144), rng.uniform(8, 20), rng.uniform(1.5, 2.5)
        expected = plain_ts(events, curve, t0, width, box, gamma)
        ts, _ = flare_ts(events, seasons, LIMITS, t0, width, box, gamma, new_scratch(events, seasons))
        assert ts == pytest.approx(expected, abs=1e-6 if box else 5e-3)
        if case % 10 >= 5:
            assert expected - 2 * np.log((1 if box else 2) * width / LIMITS.t_max) > 1, "the flare is in the sum"
            n_moved += abs(plain_ts(events, curve, t0 + 2, width, box, gamma) - expected) > 1e-2
    assert n_moved >= 10, "an oracle that does not know t0 would pass"


def test_the_good_time_in_a_profile_is_that_of_the_runs() -> None:
    _, seasons, _ = sky(0)
    for width in (3.0, 11.0, 60.0):
        for t0 in np.linspace(54990, 55270, 41):
            for j in range(2):
                assert live_share(seasons, j, t0, width, True) == pytest.approx(share_of(j, t0, width, True), abs=1e-9)
                gaussian = share_of(j, t0, width, False)
                assert live_share(seasons, j, t0, width, False) == pytest.approx(gaussian, abs=2e-3)


@pytest.mark.parametrize("profile", ["gaussian", "box"])
def test_no_place_of_a_fine_grid_is_better(profile: str) -> None:
    for case in range(3):
        events, seasons, _ = sky(100 + case, n_flare=4 * case)
        found = fit_flare(events, seasons, LIMITS, profile)
        scratch, box, best = new_scratch(events, seasons), profile == "box", 0.0
        for k, first in enumerate(events.mjd):
            others = events.mjd[k + 1 :] if box else first + np.array([-6.0, -3.0, 0.0, 3.0, 6.0])
            for other in others:
                width_of_pair = max(other - first, LIMITS.least)
                widths = [width_of_pair] if box else LIMITS.least * 20 ** np.linspace(0, 1, 12)
                for width in widths:
                    if width > LIMITS.most:
                        continue
                    t0 = first + width / 2 if box else other
                    for gamma in (1.2, 1.8, 2.4, 3.0, 3.6):
                        best = max(best, flare_ts(events, seasons, LIMITS, t0, width, box, gamma, scratch)[0])
        assert found.ts >= best - 1e-2
        if found.ts > 0:
            at = (found.t0, found.width, box, found.gamma)
            assert flare_ts(events, seasons, LIMITS, *at, scratch)[0] == pytest.approx(found.ts, abs=1e-9)
        if case == 2:
            assert abs(found.t0 - 55140) < 6, "a flare of 8 strong events is found where it is"


def test_a_sky_without_events_near_the_source_has_no_flare() -> None:
    events, seasons, _ = sky(1)
    nothing = FlareEvents(*(column[:0] for column in events))
    weak = events._replace(log_w=events.log_w - 20)
    for sky_events in (nothing, weak):
        for profile in ("gaussian", "box"):
            assert fit_flare(sky_events, seasons, LIMITS, profile).ts == 0


def test_without_penalty_ts_is_larger_by_the_penalty() -> None:
    events, seasons, _ = sky(5, n_flare=8)
    with_penalty = fit_flare(events, seasons, LIMITS, "gaussian")
    without = fit_flare(events, seasons, LIMITS._replace(penalty=False), "gaussian")
    penalty = 2 * np.log(2 * with_penalty.width / LIMITS.t_max)
    assert penalty < 0
    assert without.ts >= with_penalty.ts - penalty - 1e-2


def test_the_flare_of_txs_0506_056_is_the_published_one(data_dir: Path) -> None:
    """Science 361, 147 (2018), IC86b: T0 57004 +- 21, T_W = 2 sigma = 110 +35 -24 d, 13 +- 5 events, 2.1 +- 0.2."""
    samples = tuple(s for s in read_samples(data_dir / "txs_0506_056") if s.name == "IC86b")
    ratio, rate = region.energy_ratio(samples[0], SOURCE[1])
    seasons = region.region_seasons(samples, [rate])
    measured = [(samples[0].mjd, samples[0].ra)]
    events = region.region_events(samples, [ratio], measured, SOURCE, RADIUS)
    days = samples[0].stop - samples[0].start
    gaussian = fit_flare(events, seasons, Limits(1.0, 300.0, days, True), "gaussian")
    assert gaussian.t0 == pytest.approx(57004, abs=21)
    assert -24 < 2 * gaussian.width - 110 < 35
    assert gaussian.ns == pytest.approx(13, abs=5)
    assert gaussian.gamma == pytest.approx(2.1, abs=0.2)
    box = fit_flare(events, seasons, Limits(2.0, 600.0, days, True), "box")
    assert box.t0 - box.width / 2 == pytest.approx(56937.81, abs=0.1)
    assert box.ns == pytest.approx(13, abs=5)
    assert box.gamma == pytest.approx(2.2, abs=0.2)
    published = flare_ts(
        events, seasons, Limits(2.0, 600.0, days, True), 57017.01, 158.4, True, box.gamma, new_scratch(events, seasons)
    )
    assert 0 <= box.ts - published[0] < 1, "the published box is as good within its error"
