import math

import numpy as np
import pytest
from scipy import stats

from worker.base.errors import InputError
from worker.stats.posttrial import better_hemisphere, effective_trials, parametrised, post_trial

SKIES = [3.399392, 3.472688, 3.664444, 4.188652, 4.966873, 3.499141, 3.530386, 3.134401, 3.388785, 3.940884]
"""Hottest spots of the ten nside-16 skies printed in the csky tutorial."""


def hottest(n_skies, n_eff, seed):
    """-log10 of the smallest of n_eff uniform numbers."""
    u = np.random.default_rng(seed).random(n_skies)
    return -np.log10(-np.expm1(np.log(u) / n_eff))


def test_published_skies():
    result = post_trial(3.6, SKIES)
    assert result.n_eff == pytest.approx(3450, rel=2e-3)
    assert result.n_eff_error == pytest.approx(result.n_eff / math.sqrt(10))
    assert (result.k, result.n, result.p) == (4, 10, 5 / 11)
    assert result.ks_p > 0.1
    assert result.p_eff == pytest.approx(1 - (1 - 10**-3.6) ** result.n_eff, rel=1e-9)


def test_counts_ties_as_at_least_as_hot():
    assert post_trial(4.966873, SKIES).k == 1
    assert post_trial(4.966874, SKIES).k == 0
    assert post_trial(0.0, SKIES).p == 1.0


def test_interval_is_clopper_pearson():
    result = post_trial(3.6, SKIES, level=0.9)
    interval = stats.binomtest(4, 10).proportion_ci(0.9, method="exact")
    assert (result.lo, result.hi, result.level) == pytest.approx((interval.low, interval.high, 0.9))


def test_effective_trials_recovers_the_truth():
    """Pulls over 200 sets of skies; a sky with twice the positions is the negative control."""
    pulls = []
    for seed in range(200):
        result = post_trial(4.0, hottest(300, 3000, seed))
        pulls.append((result.n_eff - 3000) / result.n_eff_error)
    assert abs(np.mean(pulls)) < 4 / math.sqrt(200)
    assert np.std(pulls) == pytest.approx(1, abs=4 / math.sqrt(400))
    assert post_trial(4.0, hottest(300, 6000, 1)).n_eff > 3000 + 10 * 3000 / math.sqrt(300)


@pytest.mark.slow
def test_post_trial_p_is_uniform_under_background_and_agrees_with_counting():
    skies = hottest(4000, 3000, 1)
    observed = hottest(500, 3000, 2)
    results = [post_trial(value, skies) for value in observed]
    assert stats.kstest([r.p for r in results], "uniform").pvalue > 1e-3
    assert stats.kstest([post_trial(value + 0.3, skies).p for value in observed], "uniform").pvalue < 1e-6
    assert np.abs([r.p - r.p_eff for r in results]).max() < 4 * 0.5 / math.sqrt(4000) * 1.5


def test_ks_sees_skies_that_are_not_of_one_size():
    good = post_trial(4.0, hottest(1000, 3000, 3))
    mixed = post_trial(4.0, np.concatenate([hottest(500, 300, 4), hottest(500, 30_000, 5)]))
    assert good.ks_p > 0.01
    assert mixed.ks_p < 1e-6


def test_parametrised_keeps_small_p():
    assert float(parametrised(12.0, 1000.0)) == pytest.approx(1e-9, rel=1e-6)
    assert float(parametrised(300.0, 1000.0)) == pytest.approx(1e-297, rel=1e-6)


def short_list(n_skies, n_sources, eta, seed):
    """Hottest of a few sources, of which each has TS > 0 with probability eta; -log10 p is 0 where none has."""
    u = np.random.default_rng(seed).random((n_skies, n_sources)).min(axis=1)
    return np.where(u < eta, -np.log10(u), 0.0)


@pytest.mark.parametrize(("n_sources", "eta"), [(1, 0.3), (3, 0.45), (3, 0.05), (10, 0.4)])
def test_skies_without_positive_ts_are_censored(n_sources, eta):
    """N_eff is the number of independent sources, its pulls are standard, and the KS accepts; p = 1 is no ln 2^-53."""
    found = [post_trial(0.3, short_list(400, n_sources, eta, seed)) for seed in range(100)]
    pulls = [(result.n_eff - n_sources) / result.n_eff_error for result in found]
    assert abs(np.mean(pulls)) < 0.4
    assert np.std(pulls) == pytest.approx(1, abs=0.3)
    assert min(result.ks_p for result in found) > 0.01
    assert found[0].p_eff == pytest.approx(1 - (1 - 10**-0.3) ** found[0].n_eff)


def test_there_is_no_n_eff_where_the_skies_do_not_follow_it():
    mixed = post_trial(4.0, np.concatenate([hottest(500, 300, 4), hottest(500, 30_000, 5)]))
    censored = post_trial(1.0, np.concatenate([short_list(500, 1, 0.5, 6), short_list(500, 100, 0.5, 7)]))
    for result in (mixed, censored):
        assert result.ks_p < 0.01
        assert np.isnan([result.n_eff, result.n_eff_error, result.p_eff]).all()
        assert 0 < result.p < 1


def test_skies_that_all_have_p_1_have_no_n_eff():
    result = post_trial(0.0, [0.0, 0.0])
    assert np.isnan([result.n_eff, result.n_eff_error, result.ks_p, result.p_eff]).all()
    assert (result.p, result.k) == (1.0, 2)
    assert math.isnan(effective_trials([0.0]))
    assert effective_trials([0.0, 3.0]) == pytest.approx(500, rel=1e-3)


@pytest.mark.parametrize(
    ("observed", "background", "text"),
    [
        (1.0, [], "no background skies"),
        (1.0, [2.0, np.nan], "mlog10p of background sky 1 is nan"),
        (1.0, [-2.0], "mlog10p of background sky 0 is -2.0"),
        (np.inf, [2.0], "mlog10p of the observed sky is inf"),
    ],
)
def test_unusable_input(observed, background, text):
    with pytest.raises(InputError, match=text):
        post_trial(observed, background)


def test_the_better_hemisphere_pays_for_the_choice():
    """Of two independent uniform p-values the corrected smaller one is uniform; uncorrected, it is not."""
    p = np.random.default_rng(9).uniform(size=(4000, 2))
    found = [better_hemisphere({"north": a, "south": b, "all": 0.5}) for a, b in p]
    assert [row["region"] for row in found] == ["north" if a <= b else "south" for a, b in p]
    assert stats.kstest([row["p_of_two"] for row in found], "uniform").pvalue > 1e-3
    assert stats.kstest([row["p"] for row in found], "uniform").pvalue < 1e-6
    assert better_hemisphere({"north": 1.0, "south": 1.0})["p_of_two"] == 1.0
    assert better_hemisphere({"all": 0.1, "north": 0.1}) is None
