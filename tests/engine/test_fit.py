"""The fit against brute force on a plain-numpy likelihood; TS = 0 exactly where nothing rises."""

import numpy as np
import pytest

from worker.base import rng
from worker.engines.builtin import reference, trials
from worker.engines.builtin.response import Spectrum

FINE = np.linspace(1.0, 4.0, 81)
KEY = rng.key("fit", 1)


def worst(analysis, dec_deg, n_sig, n):
    """Largest amount by which brute force beats the fit, and the fraction of TS > 0."""
    dec = np.radians(dec_deg)
    point = trials.point_at(analysis, dec)
    injector = trials.injector_at(analysis, dec, Spectrum(2.0), n_sig) if n_sig else None
    fitted = trials.run(analysis, point, KEY, 0, n, injector)
    gap = []
    for t in range(n):
        drawn = trials.draw(analysis, point, KEY, t, injector)
        gap.append(reference.brute_force(drawn, point.table, FINE)[0] - fitted["ts"][t])
        exact = reference.ts_at(drawn, point.table, fitted["ns"][t : t + 1], fitted["gamma"][t])[0]
        assert fitted["ts"][t] == pytest.approx(exact, abs=1e-8), "TS is the likelihood at (ns, gamma)"
    return max(gap), (fitted["ts"] > 0).mean()


@pytest.mark.parametrize("n_sig", [0, 6])
def test_never_below_brute_force(analysis, n_sig):
    gap, positive = worst(analysis, 5.0, n_sig, 15)
    assert gap < 1e-3
    assert positive > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("dec_deg", [-60.0, -5.0, 5.0, 40.0, 85.0])
@pytest.mark.parametrize("n_sig", [0, 4])
def test_never_below_brute_force_in_hundreds_of_trials_each(analysis, dec_deg, n_sig):
    """5 declinations x 80 trials: 400 background and 400 signal trials."""
    gap, _ = worst(analysis, dec_deg, n_sig, 80)
    assert gap < 1e-3


def test_a_coarse_fit_is_found_out(analysis):
    """Negative control: brute force at gamma = 2 alone is beaten by the fit, so the comparison has power."""
    point = trials.point_at(analysis, np.radians(5.0))
    fitted = trials.run(analysis, point, KEY, 0, 40)
    poor = [
        reference.brute_force(trials.draw(analysis, point, KEY, t), point.table, np.array([2.0]))[0] for t in range(40)
    ]
    assert (fitted["ts"] - poor).max() > 0.1


def test_ts_is_zero_exactly_and_bounds_hold(analysis):
    point = trials.point_at(analysis, np.radians(-30.0))
    out = trials.run(analysis, point, KEY, 0, 500)
    zero = out["ts"] == 0
    assert 0.2 < zero.mean() < 0.9
    assert np.all(out["ns"][zero] == 0)
    assert np.all(out["ns"][~zero] > 0)
    assert out["ts"].min() == 0
    assert out["gamma"].min() >= 1
    assert out["gamma"].max() <= 4


def test_no_events_near_the_source_is_fine(analysis):
    """A trial without a single event in reach: TS = 0, no division by zero."""
    point = trials.point_at(analysis, np.radians(5.0))
    none = point.candidates._replace(
        hazard=np.zeros(0), guide=np.zeros(1, np.int32), event=point.candidates.event[:0], n_always=0
    )
    out = trials.run(analysis, point._replace(candidates=none), KEY, 0, 5)
    np.testing.assert_array_equal(out["ts"], 0)


@pytest.mark.slow
def test_two_seasons_add_up(two_seasons):
    """Against a sum of two likelihoods written out by hand, and against brute force."""
    dec = np.radians(5.0)
    point = trials.point_at(two_seasons, dec)
    injector = trials.injector_at(two_seasons, dec, Spectrum(2.0), 8.0)
    fitted = trials.run(two_seasons, point, KEY, 0, 25, injector)
    for t in range(25):
        drawn = trials.draw(two_seasons, point, KEY, t, injector)
        assert reference.brute_force(drawn, point.table, FINE)[0] < fitted["ts"][t] + 1e-3
        ns, gamma = fitted["ns"][t], fitted["gamma"][t]
        signal, share = reference.table_and_share(point.table, gamma)
        assert share.sum() == pytest.approx(1.0, abs=1e-9)
        total = 0.0
        for j in (0, 1):
            mine = drawn.season == j
            n_j, ns_j = drawn.n_events[j], ns * share[j]
            ratio = drawn.w[0, mine] * n_j * signal[drawn.row[mine]] / share[j]  # W = S / B * R
            total += np.log1p(ns_j / n_j * (ratio - 1)).sum() + (n_j - mine.sum()) * np.log1p(-ns_j / n_j)
        assert fitted["ts"][t] == pytest.approx(max(2 * total, 0), abs=1e-8)
    # the first season has 100 days to 80, and twice the area
    assert share[0] == pytest.approx(100.0 / (100.0 + 0.5 * 80.0), rel=1e-6)
