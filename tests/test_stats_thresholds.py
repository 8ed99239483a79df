"""The error of a threshold: what resampling gives is what many independent sets of background trials show."""

import numpy as np
import pytest

from worker.base import rng
from worker.stats.distributions import TSD
from worker.stats.passing import background_point, counts_above, passing_points
from worker.stats.sensitivity import find_n_sig_from_points
from worker.stats.thresholds import median, resampled_median, resampled_threshold

KEY = rng.key("thresholds")
ETA = 0.7


def background(generator, n, fit="scale1"):
    return TSD.from_trials(np.where(generator.uniform(size=n) < ETA, generator.chisquare(1.2, n), 0.0), fit)


@pytest.mark.slow
@pytest.mark.parametrize("n", [500, 20_000])
@pytest.mark.parametrize("fit", ["scale1", "free"])
@pytest.mark.parametrize("n_sigma", [1.0, 3.0, 5.0])
def test_resampled_thresholds_spread_as_independent_ones(n, fit, n_sigma):
    """200 sets against the mean resampled spread of 20; the error of a standard deviation is 5 %."""
    generator = np.random.default_rng(5)
    sets = [background(generator, n, fit) for _ in range(200)]
    true = np.std([float(tsd.isf_nsigma(n_sigma)) for tsd in sets])
    found = np.mean([np.std(resampled_threshold(tsd, n_sigma, 100, KEY)) for tsd in sets[:20]])
    assert found == pytest.approx(true, rel=0.3)
    centre = np.mean(
        [np.mean(resampled_threshold(t, n_sigma, 100, KEY)) - float(t.isf_nsigma(n_sigma)) for t in sets[:20]]
    )
    assert abs(centre) < 0.3 * true
    if n_sigma == 1.0:
        other = np.std([float(background(generator, 4 * n, fit).isf_nsigma(n_sigma)) for _ in range(100)])
        assert found != pytest.approx(other, rel=0.3), "negative control: four times the trials halve it"


def test_resampled_medians_spread_as_independent_ones():
    generator = np.random.default_rng(6)
    sets = [background(generator, 1000) for _ in range(200)]
    found = np.mean([np.std(resampled_median(tsd, 100, KEY)) for tsd in sets[:20]])
    assert found == pytest.approx(np.std([tsd.median() for tsd in sets]), rel=0.3)
    assert np.all(resampled_median(TSD(1000, np.arange(1.0, 101.0)), 50, KEY) == 0), "the atom does not move"


def test_a_resampling_is_a_function_of_its_address():
    tsd = background(np.random.default_rng(7), 1000)
    few, many = (resampled_threshold(tsd, 5.0, n, KEY) for n in (10, 50))
    assert np.array_equal(few, many[:10])
    assert not np.array_equal(few, resampled_threshold(tsd, 5.0, 10, rng.key("other")))


@pytest.mark.slow
def test_the_error_of_a_discovery_potential_contains_that_of_its_threshold():
    """60 whole analyses, background and signal drawn anew: the spread of n_sig is the quoted error, with the threshold.

    Negative control: the error without it is far too small where there are few background trials.
    """
    generator = np.random.default_rng(8)
    grid = (2, 4, 6, 8, 10, 14, 18, 22)
    answers, whole, signal_only = [], [], []
    for i in range(60):
        tsd = background(generator, 400)
        trials = {
            float(n): np.maximum(generator.normal(size=4000) + 0.6 * generator.poisson(n, 4000), 0) ** 2 for n in grid
        }
        threshold = float(tsd.isf_nsigma(5.0))
        points = background_point(tsd, threshold), *passing_points(trials, threshold)
        moved = counts_above(points, trials, resampled_threshold(tsd, 5.0, 60, rng.key("t", i)))
        key = rng.key("signal", i)
        answers.append(find_n_sig_from_points(points, threshold, 0.5, 60, key, moved).n_sig)
        whole.append(find_n_sig_from_points(points, threshold, 0.5, 60, key, moved).error)
        signal_only.append(find_n_sig_from_points(points, threshold, 0.5, 60, key).error)
    spread = np.std(answers)
    assert np.median(whole) == pytest.approx(spread, rel=0.4)  # 4 errors of a spread from 60
    assert np.median(signal_only) < 0.7 * spread


@pytest.mark.parametrize("eta", [0.0, 0.14, 0.3, 0.5, 0.62])
def test_a_randomised_median_has_level_one_half(eta):
    """The share of TS = 0 is q = (1/2 - eta) / (1 - eta); the plain median is a test of level eta where it is 0."""
    n = 1000
    tsd = TSD(n, np.arange(1.0, round(n * eta) + 1.0))
    randomised, plain = (median(tsd, one, 20, KEY) for one in (True, False))
    expected = max((0.5 - eta) / (1 - eta), 0.0)
    assert (randomised.ts, randomised.share) == (tsd.median(), pytest.approx(expected, abs=1e-12))
    assert background_point(tsd, randomised.ts, randomised.share).fraction == pytest.approx(0.5, abs=1e-12)
    assert background_point(tsd, plain.ts).fraction == pytest.approx(min(eta, 0.5)), "negative control"
    trials = np.concatenate([np.zeros(n - len(tsd.ts)), tsd.ts])
    assert passing_points({0.0: trials}, randomised.ts, randomised.share)[0].fraction == pytest.approx(0.5, abs=1e-12)


def test_the_level_of_a_randomised_median_is_right_beyond_its_trials():
    """The share from 1,000 trials, applied to 200,000 others; its error is that of eta, and the resamplings show it."""
    generator = np.random.default_rng(9)
    others = np.where(generator.uniform(size=200_000) < 0.3, generator.chisquare(1.2, 200_000), 0.0)
    found, quoted = [], []
    for _ in range(60):
        ts = np.where(generator.uniform(size=1000) < 0.3, generator.chisquare(1.2, 1000), 0.0)
        threshold = median(TSD.from_trials(ts), True, 60, KEY)
        found.append(passing_points({0.0: others}, threshold.ts, threshold.share)[0].fraction)
        quoted.append(np.std(threshold.shares))
    assert np.mean(found) == pytest.approx(0.5, abs=4 * np.std(found) / np.sqrt(60))
    assert np.std(found) == pytest.approx(0.7 * np.median(quoted), rel=0.4), "0.7 of the trials have TS = 0"


def test_counts_above_count_a_share_of_ties():
    trials = {0.5: np.array([0.0, 0.0, 1.0, 2.0])}
    points = passing_points(trials, 0.0, 0.25)
    assert points[0].k == 2.5
    moved = counts_above(points, trials, np.array([0.0, 0.0, 1.0]), np.array([0.25, 0.0, 0.5]))
    assert moved[:, 0].tolist() == [2.5, 2.0, 1.5]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_the_error_of_a_randomised_sensitivity_is_the_spread_of_many(share):
    """TS = 0 in exp(-n_sig / 2) of the trials, else TS = 1: a known crossing; 40 sets show its spread."""
    generator, grid, sets = np.random.default_rng(11), (1, 2, 3, 4, 6, 8), 40
    found = []
    for i in range(sets):
        trials = {float(n): np.where(generator.uniform(size=400) < np.exp(-n / 2), 0.0, 1.0) for n in (0, *grid)}
        points = passing_points(trials, 0.0, share)
        found.append(find_n_sig_from_points(points, 0.0, 0.9, 60, rng.key("shares", i)))
    truth = -2 * np.log(0.1 / (1 - share))
    values = np.array([one.n_sig for one in found])
    assert np.mean(values) == pytest.approx(truth, abs=4 * np.std(values) / np.sqrt(sets) + 0.02 * truth)
    assert np.median([one.error for one in found]) == pytest.approx(np.std(values), rel=4 / np.sqrt(2 * sets))
    (point,) = [p for p in found[0].points if p.n_sig == 4.0]
    at = 1 - np.exp(-2.0) * (1 - share)
    expected = at * (1 - at) - share * (1 - share) * np.exp(-2.0)
    assert point.error == pytest.approx(np.sqrt(expected / 400), rel=0.25)
