"""The rules by which a sensitivity is judged and trials are added, on curves that are known exactly."""

import math

import numpy as np
import pytest
from scipy import stats

from worker.stats import adaptive
from worker.stats.adaptive import Quantity, Verdict
from worker.stats.passing import Point, point
from worker.stats.sensitivity import find_n_sig_from_points

KEY = (1, 2)


def true_fraction(n_sig: float) -> float:
    """Passing fraction of a counting experiment: 0.9 at n_sig 2.303."""
    return 1.0 - math.exp(-n_sig) if n_sig > 0 else 0.0


def points(n_sigs: list[float], n: int, seed: int = 1) -> tuple[Point, ...]:
    draw = np.random.default_rng(seed)
    counts = [int(draw.binomial(n, true_fraction(n_sig))) for n_sig in n_sigs]
    return (point(0.0, 0, 10000), *(point(n_sig, k, n) for n_sig, k in zip(n_sigs, counts, strict=True)))


def known(n_sigs: list[float], n: int, goal: float = 0.03) -> Quantity:
    found = find_n_sig_from_points(points(n_sigs, n), 0.0, 0.9, 100, KEY)
    return adaptive.quantity(goal, 0.9, found, found)


def test_a_precise_crossing_is_reached():
    assert adaptive.verdict(known([1.5, 2.0, 2.5, 3.0, 4.0], 4000), 1) == Verdict("reached", {}, 1.0)


def test_a_short_one_gets_trials_around_its_crossing_and_as_many_as_it_takes():
    at = known([1.5, 2.0, 2.5, 3.0, 4.0], 200)
    found = adaptive.verdict(at, 1)
    assert found.state == "short"
    assert at.n_sig is not None
    assert min(found.add) < at.n_sig < max(found.add)
    assert all(0.4 * at.n_sig < n_sig < 2.2 * at.n_sig for n_sig in found.add)
    needed = 0.9 * 0.1 / at.slope**2 / 0.027**2
    assert 0.5 * needed < 1000 + sum(found.add.values()) < 1.5 * needed


def test_n_sig_that_are_there_serve_again_and_new_ones_have_a_name_of_their_own():
    found = adaptive.verdict(known([1.5, 2.0, 2.5, 3.0, 4.0], 200), 1)
    assert {1.5, 2.0} <= set(found.add)
    assert all(round(n_sig, 1) == n_sig for n_sig in found.add)


def test_no_trials_near_the_crossing_is_wide_however_small_the_error():
    at = known([0.5, 20.0, 30.0], 100000)._replace(error=1e-4, error_signal=1e-4)
    found = adaptive.verdict(at, 1)
    assert found.state == "wide"
    assert at.n_sig is not None
    assert any(0.5 < n_sig / at.n_sig < 1 for n_sig in found.add)
    assert any(1 < n_sig / at.n_sig < 2 for n_sig in found.add)


def test_a_step_through_few_trials_is_not_believed():
    """60 trials at three n_sig: their bootstrap can say 0.1 %, and knows it no better than 7 %."""
    steep = Quantity(0.03, 0.9, 2.3, 0.002, 0.002, 50.0, points([1.0, 2.0, 3.0], 60))
    found = adaptive.verdict(steep, 1)
    assert found.state == "short"
    assert sum(found.add.values()) >= 500


@pytest.mark.parametrize("beta", [0.5, 0.9])
def test_the_slope_of_counting_is_that_of_poisson_numbers(beta):
    """A threshold at `t` events passes a fraction beta at some n_sig; the slope there is the Gaussian's to 15 %."""
    t = 40
    n_sig = float(next(n for n in np.arange(20, 80, 0.01) if stats.poisson.sf(t, n) >= beta))
    slope = (stats.poisson.sf(t, 1.01 * n_sig) - stats.poisson.sf(t, 0.99 * n_sig)) / math.log(1.01 / 0.99)
    assert adaptive.counting_slope(beta, n_sig) == pytest.approx(slope, rel=0.15)


def test_a_crossing_beyond_the_grid_is_looked_for_there():
    unknown = Quantity(0.03, 0.9, None, None, None, 0.0, points([0.2, 0.4], 500), "needs n_sig above 0.4")
    found = adaptive.verdict(unknown, 1)
    assert found.state == "not bracketed"
    assert min(found.add) > 0.4
    assert max(found.add) == pytest.approx(1.6)


def test_where_the_background_passes_no_signal_trial_helps():
    passing = Quantity(0.03, 0.4, None, None, None, 0.0, (point(0.0, 500, 1000),), "already passed by the background")
    assert adaptive.verdict(passing, 1) == Verdict("hopeless", {}, 1.0)


def test_an_error_that_is_the_thresholds_asks_for_background():
    at = known([1.5, 2.0, 2.5, 3.0, 4.0], 4000)
    assert at.n_sig is not None
    loud = at._replace(error=0.06 * at.n_sig)
    found = adaptive.verdict(loud, 1)
    assert found.state == "short"
    assert 4 < found.background <= adaptive.MORE_BACKGROUND


def test_several_quantities_share_their_trials():
    first, second = Verdict("short", {2.0: 100, 3.0: 100}, 1.0), Verdict("short", {3.0: 300}, 2.0)
    assert adaptive.merged_requests([first, second]) == ({2.0: 100, 3.0: 300}, 2.0)


@pytest.mark.parametrize(("room", "n"), [(1000, 400), (400, 400), (300, 300), (100, 0), (0, 0)])
def test_bounds_hold(room, n):
    assert sum(adaptive.bounded({2.0: 100, 3.0: 300}, room).values()) == n


def test_rounds_of_judging_end_at_the_goal():
    """From 60 trials at the wrong n_sig: two or three rounds, and the answer within its error."""
    counts = {n_sig: [0, 0] for n_sig in (0.5, 0.8, 1.0)}
    draw = np.random.default_rng(3)
    add = dict.fromkeys(counts, 60)
    for _ in range(5):
        for n_sig, n in add.items():
            mine = counts.setdefault(n_sig, [0, 0])
            mine[0] += int(draw.binomial(n, true_fraction(n_sig)))
            mine[1] += n
        there = (point(0.0, 0, 10000), *(point(n_sig, *counts[n_sig]) for n_sig in sorted(counts)))
        try:
            found = find_n_sig_from_points(there, 0.0, 0.9, 100, KEY)
            verdict = adaptive.verdict(adaptive.quantity(0.03, 0.9, found, found), 1)
        except Exception as error:
            verdict = adaptive.verdict(Quantity(0.03, 0.9, None, None, None, 0.0, there, str(error)), 1)
        if verdict.state == "reached":
            break
        add = dict(verdict.add)
    assert verdict.state == "reached"
    assert abs(found.n_sig - math.log(10)) < 4 * found.error
    assert sum(n for _, n in counts.values()) < 12000
