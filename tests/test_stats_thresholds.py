"""The error of a threshold: what resampling gives is what many independent sets of background trials show."""

import numpy as np
import pytest

from worker.base import rng
from worker.stats.distributions import TSD
from worker.stats.passing import background_point, counts_above, passing_points
from worker.stats.sensitivity import find_n_sig_from_points
from worker.stats.thresholds import resampled_median, resampled_threshold

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
