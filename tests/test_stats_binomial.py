import math

import numpy as np
import pytest
from scipy import stats

from worker.stats.binomial import LEVEL, clopper_pearson, fraction_error
from worker.stats.significance import nsigma_to_p, p_to_nsigma, trials_needed


def test_level_is_one_sigma():
    assert pytest.approx(stats.norm.cdf(1) - stats.norm.cdf(-1), rel=1e-12) == LEVEL


@pytest.mark.parametrize("level", [LEVEL, 0.9, 0.99])
def test_clopper_pearson_against_scipy(level):
    k, n = np.array([0, 1, 3, 50, 99, 100]), 100
    lo, hi = clopper_pearson(k, n, level)
    for i, successes in enumerate(k):
        interval = stats.binomtest(int(successes), n).proportion_ci(level, method="exact")
        assert (lo[i], hi[i]) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-12)


def test_clopper_pearson_ends_are_exact():
    lo, hi = clopper_pearson([0, 20], 20)
    assert lo[0] == 0.0
    assert hi[1] == 1.0


@pytest.mark.parametrize("p", [0.003, 0.1, 0.5, 0.97])
def test_clopper_pearson_covers_and_a_naive_interval_does_not(p):
    """Exact coverage by summing over all outcomes; p +- sqrt(p q / n) is the negative control at small p."""
    n = 60
    k = np.arange(n + 1)
    weight = stats.binom.pmf(k, n, p)
    lo, hi = clopper_pearson(k, n, 0.9)
    assert weight[(lo <= p) & (p <= hi)].sum() >= 0.9
    if p == 0.003:
        width = 1.645 * np.sqrt(k / n * (1 - k / n) / n)
        assert weight[(k / n - width <= p) & (p <= k / n + width)].sum() < 0.5


def test_fraction_error_is_positive_at_the_ends_and_binomial_in_the_middle():
    error = fraction_error([0, 100, 50], 100)
    assert np.all(error > 0)
    assert error[0] == pytest.approx(error[1], rel=1e-12)
    assert error[2] == pytest.approx(math.sqrt(0.25 / 100), rel=0.01)


def test_nsigma_is_one_sided_and_inverts():
    assert float(nsigma_to_p(5)) == pytest.approx(2.866515719e-7, rel=1e-9)
    sigma = np.linspace(-2, 8, 41)
    assert p_to_nsigma(nsigma_to_p(sigma)) == pytest.approx(sigma, abs=1e-9)


@pytest.mark.parametrize(("sigma", "trials"), [(3, 7.4e4), (5, 3.5e8)])
def test_trials_for_ten_percent(sigma, trials):
    assert trials_needed(float(nsigma_to_p(sigma))) == pytest.approx(trials, rel=0.01)
