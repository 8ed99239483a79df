"""Truth: each trial has m ~ Poisson(n_sig) events and TS = max(0, z + s m)^2 with z normal: exact by summing over m."""

import dataclasses
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import interpolate, optimize, stats

from worker.base import rng
from worker.base.errors import InputError
from worker.stats import curve, monotone
from worker.stats.distributions import TSD
from worker.stats.passing import background_point, passing_points, point
from worker.stats.sensitivity import NotBracketedError, find_n_sig, find_n_sig_from_points

GRID = (0, 2, 4, 6, 8, 10, 14, 18, 22, 26, 30)
KEY = rng.key(2011, "bootstrap", 5.0)
EVENTS = np.arange(300)


def passing(n_sig, threshold, s):
    return float(stats.poisson.pmf(EVENTS, n_sig) @ stats.norm.sf(math.sqrt(threshold) - s * EVENTS))


def truth(threshold, beta, s):
    return optimize.brentq(lambda n: passing(n, threshold, s) - beta, 1e-9, 100)


def counted(generator, threshold, s, n=1000, n_background=10_000):
    points = []
    for n_sig in GRID:
        trials = n if n_sig else n_background
        points.append(point(n_sig, int(generator.binomial(trials, passing(n_sig, threshold, s))), trials))
    return tuple(points)


def trial_ts(generator, n_sig, s, n):
    return np.maximum(generator.normal(size=n) + s * generator.poisson(n_sig, n), 0) ** 2


def test_from_trials_and_from_counts_agree():
    generator = np.random.default_rng(1)
    trials = {float(n): trial_ts(generator, n, 0.45, 1000) for n in GRID}
    result = find_n_sig(trials, 9.0, 0.5, 50, KEY)
    assert [p.k for p in result.points] == [int(np.sum(trials[float(n)] > 9.0)) for n in GRID]
    assert result == find_n_sig_from_points(passing_points(trials, 9.0), 9.0, 0.5, 50, KEY)
    assert result.n_sig == pytest.approx(truth(9.0, 0.5, 0.45), abs=4 * result.error)


@pytest.mark.slow
@pytest.mark.parametrize(("threshold", "beta"), [(1e-9, 0.9), (9.0, 0.5), (25.0, 0.5)])
@pytest.mark.parametrize("s", [0.25, 0.45, 1.0, 2.5])
def test_calibration(threshold, beta, s):
    """Over 40 data sets: mean within 2 % of the truth or four of its errors, spread as the quoted error."""
    generator = np.random.default_rng(7)
    results = [
        find_n_sig_from_points(counted(generator, threshold, s), threshold, beta, 60, rng.key("cal", i))
        for i in range(40)
    ]
    found = np.array([r.n_sig for r in results])
    error = np.median([r.error for r in results])
    expected = truth(threshold, beta, s)
    # The curve is a model: with one point below the answer it may be off by 4 %.
    allowed = 0.04 if expected < 1.5 else 0.02
    assert abs(found.mean() - expected) < allowed * expected + 4 * error / math.sqrt(40)
    assert np.std(found) == pytest.approx(error, rel=4 / math.sqrt(2 * 40))


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 1.0, 2.0, 2.5, 9.0])
def test_background_point_counts_as_the_full_array_does(threshold):
    trials = [0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 5.0]
    (expected,) = passing_points({0.0: trials}, threshold)
    assert background_point(TSD.from_trials(trials), threshold) == expected


def test_calibration_has_power():
    """Counting trials above another threshold is seen: n_sig is off by many errors."""
    generator = np.random.default_rng(7)
    result = find_n_sig_from_points(counted(generator, 12.0, 0.45), 9.0, 0.5, 60, KEY)
    assert abs(result.n_sig - truth(9.0, 0.5, 0.45)) > 5 * result.error


def test_chi2_curve_is_scipys_best_fit():
    points = counted(np.random.default_rng(3), 9.0, 0.45)
    result = find_n_sig_from_points(points, 9.0, 0.5, 20, KEY)
    assert result.curve == "chi2"
    x, y, error = (np.array([getattr(p, name) for p in points]) for name in ("n_sig", "fraction", "error"))
    best, _ = optimize.curve_fit(stats.chi2.cdf, x, y, p0=result.params, sigma=error)
    by_hand = np.sum(((stats.chi2.cdf(x, *best) - y) / error) ** 2)
    assert result.chi2 == pytest.approx(by_hand, rel=1e-4)
    assert result.chi2 <= by_hand * (1 + 1e-4)
    assert result.n_sig == pytest.approx(stats.chi2.ppf(0.5, *best), rel=1e-3)
    assert result.dof == len(points) - 3
    assert result.curve_p == pytest.approx(stats.chi2.sf(result.chi2, result.dof))
    assert float(result.passing(result.n_sig)) == pytest.approx(0.5, rel=1e-9)


def test_a_curve_that_does_not_fit_gives_way_to_the_spline():
    """Two steps, which no chi2 CDF follows."""
    fractions = [0.0, 0.3, 0.31, 0.32, 0.33, 0.9, 0.91, 0.92]
    points = tuple(
        point(n, round(f * 20_000), 20_000) for n, f in zip([0, 1, 2, 3, 4, 5, 6, 7], fractions, strict=True)
    )
    result = find_n_sig_from_points(points, 1.0, 0.6, 50, KEY)
    assert (result.curve, result.params) == ("pchip", None)
    assert result.curve_p < 1e-3
    assert 4 < result.n_sig < 5
    spline = interpolate.PchipInterpolator(range(8), fractions)
    assert float(spline(result.n_sig)) == pytest.approx(0.6, abs=1e-9)
    assert float(result.passing(result.n_sig)) == pytest.approx(0.6, abs=1e-9)


def test_spline_is_accurate_where_statistics_reject_the_chi2_curve():
    generator = np.random.default_rng(5)
    points = counted(generator, 9.0, 0.45, 1_000_000, 1_000_000)
    result = find_n_sig_from_points(points, 9.0, 0.5, 40, KEY)
    assert result.curve == "pchip"
    assert result.n_sig == pytest.approx(truth(9.0, 0.5, 0.45), rel=5e-3)


@pytest.mark.parametrize(("n", "spline"), [(3, True), (4, False)])
def test_with_three_points_there_is_no_curve_to_test(n, spline):
    points = tuple(point(x, k, 1000) for x, k in [(0, 100), (5, 400), (10, 700), (15, 850)][:n])
    result = find_n_sig_from_points(points, 1.0, 0.5, 30, KEY)
    assert (result.curve == "pchip") is spline
    assert math.isnan(result.chi2) is spline
    assert 5 < result.n_sig < 10


def test_beta_above_the_trials_names_what_to_add():
    points = tuple(p for p in counted(np.random.default_rng(2), 25.0, 0.25) if p.n_sig <= 14)
    text = r"beta = 0.5 at TS > 25 needs n_sig above 14, where 0.\d+ of 1000 trials pass: add n_sig up to about \d+"
    with pytest.raises(NotBracketedError, match=text) as caught:
        find_n_sig_from_points(points, 25.0, 0.5, 30, KEY)
    assert truth(25.0, 0.5, 0.25) < caught.value.add_n_sig < 56
    assert caught.value.exit_code == 3


def test_the_hint_is_bounded_when_nothing_passes():
    points = tuple(point(n, 0, 100) for n in (0, 2, 4, 6))
    with pytest.raises(NotBracketedError, match="add n_sig up to about 24"):
        find_n_sig_from_points(points, 25.0, 0.5, 30, KEY)


@pytest.mark.parametrize(
    ("first", "text"),
    [(0, "already passed by the background with 0.95 of 1000 trials: raise beta"), (2, "n_sig below 2")],
)
def test_beta_below_the_trials_is_refused(first, text):
    points = tuple(point(first + n, 950 + n, 1000) for n in range(6))
    with pytest.raises(NotBracketedError, match=re.escape(text)):
        find_n_sig_from_points(points, 0.0, 0.9, 30, KEY)


@pytest.mark.parametrize(
    ("trials", "text"),
    [
        ({0.0: [], 1.0: [1.0]}, "0 TS values"),
        ({0.0: [1.0], 1.0: [1.0, np.nan]}, "trials at n_sig = 1.0: 2 TS values, 1 of them not finite"),
        ({-1.0: [1.0], 1.0: [1.0]}, "trials at n_sig = -1.0"),
        ({5.0: [1.0]}, "at least two"),
    ],
)
def test_unusable_trials(trials, text):
    with pytest.raises(InputError, match=re.escape(text)):
        find_n_sig(trials, 1.0, 0.5, 30, KEY)


@pytest.mark.parametrize(("beta", "n_bootstrap"), [(0.0, 30), (1.0, 30), (0.5, 1)])
def test_unusable_arguments(beta, n_bootstrap):
    with pytest.raises(InputError, match="beta lies in"):
        find_n_sig_from_points(counted(np.random.default_rng(2), 9.0, 0.45), 9.0, beta, n_bootstrap, KEY)


def test_the_error_is_a_function_of_the_key():
    points = counted(np.random.default_rng(3), 9.0, 0.45)
    one, again = (find_n_sig_from_points(points, 9.0, 0.5, 60, KEY) for _ in range(2))
    other = find_n_sig_from_points(points, 9.0, 0.5, 60, rng.key("other"))
    assert dataclasses.astuple(one) == dataclasses.astuple(again)
    assert one.n_sig == other.n_sig
    assert one.error != other.error
    assert one.error == pytest.approx(other.error, rel=0.6)


def test_errors_shrink_as_one_over_root_n():
    generator = np.random.default_rng(4)
    small, large = (
        np.mean(
            [find_n_sig_from_points(counted(generator, 9.0, 0.45, n, n), 9.0, 0.5, 100, KEY).error for _ in range(5)]
        )
        for n in (400, 6400)
    )
    assert small / large == pytest.approx(4.0, rel=0.2)


def brute_isotonic(y, w):
    """By pooling adjacent violators one at a time."""
    blocks = [[value, weight, 1] for value, weight in zip(y, w, strict=True)]
    i = 0
    while i < len(blocks) - 1:
        a, b = blocks[i], blocks[i + 1]
        if a[0] > b[0]:
            blocks[i : i + 2] = [[(a[0] * a[1] + b[0] * b[1]) / (a[1] + b[1]), a[1] + b[1], a[2] + b[2]]]
            i = max(i - 1, 0)
        else:
            i += 1
    return np.concatenate([[block[0]] * block[2] for block in blocks])


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(1, 100)), min_size=1, max_size=12))
def test_isotonic_is_pool_adjacent_violators(pairs):
    y, w = (np.array(column) for column in zip(*pairs, strict=True))
    both = monotone.isotonic(np.stack([y, np.sort(y)]), w)
    assert both[0] == pytest.approx(brute_isotonic(y, w), abs=1e-10)
    assert both[1] == pytest.approx(np.sort(y), abs=1e-10)


def test_crossing_of_many_rows_is_the_root_of_each_spline():
    generator = np.random.default_rng(6)
    x = np.array([0.0, 1, 2, 5, 9])
    rows = np.sort(generator.uniform(0, 1, (50, 5)), axis=1)
    found = monotone.crossing(x, rows, 0.5)
    for row, answer in zip(rows, found, strict=True):
        if not row[0] < 0.5 <= row[-1]:
            assert math.isnan(answer)
        else:
            assert float(interpolate.PchipInterpolator(x, row)(answer)) == pytest.approx(0.5, abs=1e-9)


def test_curves_are_fitted_independently_of_their_company():
    """A row gets the same bits alone and among others."""
    generator = np.random.default_rng(8)
    x = np.array(GRID, dtype=float)
    rows = np.stack([[p.fraction for p in counted(generator, 9.0, 0.45)] for _ in range(8)])
    error = np.full(len(x), 0.01)
    start = curve.Curves(*(np.repeat(value, 8) for value in (6.0, -1.0, 1.0, np.inf)))
    together = curve.fit_curves(x, rows, error, start)
    for i in range(8):
        alone = curve.fit_curves(x, rows[i : i + 1], error, start.pick(slice(0, 1)))
        assert [float(column[0]) for column in alone] == [float(column[i]) for column in together]


def test_fit_recovers_an_exact_chi2_cdf_from_every_start():
    x = np.array(GRID, dtype=float)
    for df, loc, scale in [(3.0, -2.0, 1.5), (8.0, 1.0, 0.8), (1.2, -0.5, 4.0)]:
        y = stats.chi2.cdf(x, df, loc, scale)
        starts = curve.starts(x, y)
        fits = curve.fit_curves(x, np.broadcast_to(y, (len(starts.df), len(x))), np.full(len(x), 0.01), starts)
        assert fits.chi2.min() < 1e-6
        assert fits.ppf(0.6)[np.argmin(fits.chi2)] == pytest.approx(stats.chi2.ppf(0.6, df, loc, scale), rel=1e-3)
