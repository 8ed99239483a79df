"""Slow-downs, caught by counting work and not seconds: events drawn, gammas tried, terms summed."""

import dataclasses

import numpy as np
import pytest

from worker.base import healpix, rng
from worker.engines.builtin import scan, trials
from worker.engines.builtin.response import Spectrum
from worker.engines.builtin.work import counters, named

KEY = rng.key("work", 1)
DEC = float(np.radians(5.0))
N = 20_000


def per_trial(analysis, n_sig):
    """Work per trial at dec +5."""
    injector = trials.injector_at(analysis, DEC, Spectrum(2.0), n_sig) if n_sig else None
    count = counters()
    trials.run(analysis, trials.point_at(analysis, DEC), KEY, 0, N, injector, count)
    return {name: n / N for name, n in named(count).items()}


# What a trial costs today: gammas tried, and sums over its events. A change that costs more has to say so here.
LIMIT = 1.05


@pytest.mark.parametrize(("n_sig", "profiles", "sums"), [(0.0, 6.4, 31.5), (10.0, 16.9, 89.5)])
def test_work_of_a_trial(analysis, n_sig, profiles, sums):
    work = per_trial(analysis, n_sig)
    p = trials.point_at(analysis, DEC).candidates.event["half_window"] * 2 / np.pi
    near = p.sum() + n_sig
    assert work["events"] == pytest.approx(near, rel=0.03), "only events that can have S > 0 are drawn"
    assert work["profiles"] < LIMIT * profiles
    assert work["terms"] < LIMIT * sums * (near + 16)  # padded to whole lanes
    assert work["slopes"] <= work["events"] * analysis.cuts.gammas.size


def test_a_trial_without_excess_is_not_fitted(analysis):
    """One look at the slopes at ns = 0 ends 40 to 60 % of the background trials."""
    point = trials.point_at(analysis, DEC)
    fitted = zero = 0
    for t in range(200):
        count = counters()
        if trials.run(analysis, point, KEY, t, 1, None, count)["ts"][0] == 0:
            zero += 1
            fitted += named(count)["profiles"] > 0
    assert 60 < zero < 140
    assert fitted < 0.05 * zero


def test_work_of_a_scan(analysis):
    rings = healpix.rings_of(8, np.radians(-85), np.radians(85))
    scanner = scan.Scanner(analysis, rings)
    turn = scan.right_ascensions(analysis, KEY, 0)
    for r in range(len(rings.dec)):
        scanner.ring(r, turn)
    work = {name: n / rings.n_pix.sum() for name, n in named(scanner.count).items()}
    # the mean number of events within their own 5 sigma of a pixel: the area of their discs
    discs = 0.5 * (1 - np.cos(analysis.cuts.cut * analysis.sky.sigma)).sum()
    assert work["events"] == pytest.approx(discs, rel=0.1)
    assert work["profiles"] < LIMIT * 5.27
    assert work["terms"] < LIMIT * 26.5 * (work["events"] + 16)


def test_work_does_not_depend_on_the_size_of_the_sky(analysis):
    """Twice the events, at the same local density: the other half lies where the source is not. The same work."""
    sky = analysis.sky
    south = np.radians(-60.0)
    far = sky._replace(dec=np.full(sky.dec.size, south))
    double = type(sky)(*(np.concatenate([a, b]) for a, b in zip(sky, far, strict=True)))
    bigger = dataclasses.replace(analysis, sky=double)
    point, other = trials.point_at(analysis, DEC), trials.point_at(bigger, DEC)
    assert point.candidates.hazard.size == other.candidates.hazard.size
    one, two = counters(), counters()
    a, b = (trials.run(x, p, KEY, 0, 50, None, c) for x, p, c in ((analysis, point, one), (bigger, other, two)))
    assert a.tobytes() == b.tobytes()
    assert one.tolist() == two.tolist()


def test_negative_control(analysis):
    """A search over twice the range of gamma is a slow-down, and is counted."""
    wide = dataclasses.replace(analysis, cuts=analysis.cuts._replace(gammas=np.arange(1.0, 7.001, 1 / 16)))
    assert per_trial(wide, 0.0)["profiles"] > LIMIT * 5.99
