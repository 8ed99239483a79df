"""The binomial test: its formula, its power, and the correction that background lists give."""

import math

import numpy as np
import pytest
from scipy import stats

from worker.base.errors import InputError
from worker.stats.population import binomial_test


def test_formula_by_hand():
    p = np.array([0.5, 0.01, 0.2, 0.02])
    found = binomial_test(-np.log10(p))
    by_hand = [stats.binom.sf(k - 1, 4, sorted(p)[k - 1]) for k in (1, 2, 3, 4)]
    assert found.k[0] == 1 + int(np.argmin(by_hand)) == 2
    assert found.mlog10p[0] == pytest.approx(-math.log10(min(by_hand)), rel=1e-12)


def test_lists_are_independent_of_their_order_and_of_each_other():
    values = np.random.default_rng(1).exponential(0.43, (20, 30))
    whole = binomial_test(values)
    for i in range(20):
        one = binomial_test(np.random.default_rng(i).permutation(values[i]))
        assert (one.mlog10p[0], one.k[0]) == (whole.mlog10p[i], whole.k[i])


def test_sources_without_any_excess_count_for_nothing():
    found = binomial_test(np.zeros((2, 50)))
    assert np.all(found.mlog10p == 0)
    assert binomial_test([[0.0]]).mlog10p[0] == 0


def test_underflow_stays_a_number():
    found = binomial_test(np.full((1, 100), 50.0))
    assert found.mlog10p[0] == pytest.approx(300)


def test_trial_corrected_p_is_uniform_and_a_population_is_found():
    """p of 400 lists from 2000 others: uniform (KS); eight of 40 sources with p ten times too small are not."""
    generator = np.random.default_rng(2)
    reference = np.sort(binomial_test(-np.log10(generator.uniform(size=(2000, 40)))).mlog10p)

    def corrected(p):
        above = len(reference) - np.searchsorted(reference, binomial_test(-np.log10(p)).mlog10p)
        return (above + 1) / (len(reference) + 1)

    lists = generator.uniform(size=(400, 40))
    assert stats.kstest(corrected(lists), "uniform").pvalue > 1e-3
    lists[:, :8] *= 0.1
    assert stats.kstest(corrected(lists), "uniform").pvalue < 1e-6, "negative control"


@pytest.mark.parametrize("values", [np.zeros((3, 0)), [[0.1, -0.1]], [[np.nan]], [[np.inf, 1.0]]])
def test_unusable_values(values):
    with pytest.raises(InputError, match="binomial test of"):
        binomial_test(values)
