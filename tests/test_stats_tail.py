"""Tails from weighted trials, against an exact distribution: TS = max(x, 0)^2 of a normal x, tilted by its mean."""

import numpy as np
import pytest
from scipy import stats

from worker.base import rng
from worker.base.errors import InputError
from worker.stats import tail_checks
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.distributions import TSD
from worker.stats.significance import nsigma_to_p
from worker.stats.tail import Tilted
from worker.stats.thresholds import resampled_threshold

MEANS = (0.0, 2.0, 3.5, 5.0)
N = 8192
SETS = 40


def ts_of(x):
    return np.maximum(x, 0.0) ** 2


def log_ratio(x, mean):
    """ln of the density with this mean over the standard normal one."""
    return mean * x - 0.5 * mean * mean


def drawn(seed, n=N, means=MEANS):
    """x of `n` trials from the mixture, and ln of their weights."""
    generator = np.random.default_rng(seed)
    x = generator.normal(np.resize(means, n), 1.0)
    return x, -np.log(np.mean([np.exp(log_ratio(x, mean)) for mean in means], axis=0))


def tilted(seed, n=N, means=MEANS, factor=1.0, sign=1.0):
    x, log_w = drawn(seed, n, means)
    order = np.argsort(ts_of(x), kind="stable")
    return Tilted(ts_of(x)[order], sign * log_w[order] + np.log(factor))


def plain(seed, n=20_000):
    return np.sort([t for t in ts_of(np.random.default_rng(seed).normal(size=n)) if t > 0])


def tsd(seed, n=20_000, **how):
    return TSD(n, plain(seed + 10_000, n), "scale1", tilted(seed, **how))


@pytest.mark.parametrize("n_sigma", [1.5, 2.5, 3.0, 4.0, 5.0, 5.5])
def test_p_and_threshold_are_unbiased_and_their_errors_cover(n_sigma):
    p, ts = float(nsigma_to_p(n_sigma)), n_sigma**2  # P(x^2 >= t, x > 0) = p at t = n_sigma^2
    pulls, moved = [], []
    for seed in range(SETS):
        one = tsd(seed)
        pulls.append((float(one.sf(ts)) - p) / one.counted.error(ts))
        if ts > one.counted.joint:
            moved.append((float(one.isf(p)) - ts) / one.tilted.isf_error(p))
    for found in (pulls, moved):
        if found:
            assert abs(np.mean(found)) < 4 / np.sqrt(len(found))
            assert 0.7 < np.std(found) < 1.4


def test_every_part_says_how_it_was_made():
    one = tsd(1)
    assert one.how == "counted"
    near, far = one.pvalue(1.0), one.pvalue(25.0)
    assert (near.way, near.how, near.n) == ("empirical", "counted", 20_000)
    assert (far.way, far.how) == ("tilted", "counted")
    assert far.lo < far.p < far.hi
    assert far.n_effective > 100 > one.pvalue(25.0, "empirical").n_effective
    assert (far.hi / far.p - 1) == pytest.approx(one.counted.error(25.0) / far.p, rel=0.1)
    assert one.pvalue(0.0).p == 1.0
    assert np.isnan(one.sf(np.nan))


def test_survival_falls_and_is_continuous_where_tilted_trials_take_over():
    one = tsd(2)
    at = np.linspace(0.001, one.tilted.ts[-1], 3000)
    p = one.sf(at)
    assert (np.diff(p) <= 0).all()
    joint = one.counted.joint
    assert float(one.sf(joint)) == pytest.approx(float(one.tilted.sf(np.asarray(joint))))
    np.testing.assert_allclose(np.exp(one.logsf(at)), p)
    for value in (0.3, 0.02, 1e-3, 1e-6):
        assert float(one.sf(one.isf(value))) >= value
        assert float(one.sf(float(one.isf(value)) + 1e-9)) < value


def test_nothing_is_told_beyond_the_last_trial():
    one = tsd(3)
    last = float(one.tilted.ts[-1])
    beyond = one.pvalue(last + 10.0)
    assert beyond.p == float(one.sf(last))
    assert beyond.lo == 0.0
    with pytest.raises(TooFewTrialsError, match=r"beyond the last of 8192 tilted trials .*n_tail_trials"):
        one.isf(0.5 * float(one.sf(last)))
    with pytest.raises(InputError, match="no tilted trials"):
        TSD(one.n, one.ts).sf(3.0, "counted")


def test_a_threshold_is_resampled_with_its_error():
    one, key = tsd(4), rng.key("tail")
    moved = resampled_threshold(one, 5.0, 400, key)
    error = one.tilted.isf_error(float(nsigma_to_p(5.0)))
    assert moved.mean() == pytest.approx(float(one.isf_nsigma(5.0)), abs=4 * error / 20)
    assert moved.std() == pytest.approx(error, rel=0.15)
    counted = resampled_threshold(one, 1.0, 400, key)
    assert counted.std() == pytest.approx(resampled_threshold(TSD(one.n, one.ts), 1.0, 400, key).std(), rel=0.3)


@pytest.mark.parametrize(
    ("ts", "log_w"),
    [([2.0, 1.0], [0.0, 0.0]), ([1.0, 2.0], [0.0]), ([1.0, np.inf], [0.0, 0.0]), ([], []), ([1.0], [np.nan])],
)
def test_impossible_tilted_trials_are_refused(ts, log_w):
    with pytest.raises(InputError, match="tilted trials"):
        Tilted(np.array(ts), np.array(log_w))


def test_weights_are_judged_at_a_threshold():
    good = tail_checks.weights(tilted(5), 25.0, "5 sigma, dec 5 deg")
    assert good.passed
    assert good.value < 0.05
    for bad in (tilted(5, means=(0.0, 1.5)), tilted(5, n=64)):
        check = tail_checks.weights(bad, 25.0, "5 sigma, dec 5 deg")
        assert not check.passed
        assert "5 sigma, dec 5 deg" in check.sentence
        assert "background.n_tail_trials" in check.sentence


def test_plain_and_tilted_trials_agree_unless_the_weights_are_wrong():
    right = [tail_checks.agreement(tsd(seed), "dec 5 deg").value for seed in range(100)]
    assert stats.kstest(right, "uniform").pvalue > 1e-3
    assert tail_checks.agreement(tsd(6), "dec 5 deg").passed
    assert not tail_checks.agreement(tsd(6, sign=-1.0), "dec 5 deg").passed
    many = TSD(10**6, plain(7, 10**6), "scale1", tilted(7, n=2**18))
    assert tail_checks.agreement(many, "dec 5 deg").passed
    scaled = TSD(many.n, many.ts, "scale1", tilted(7, n=2**18, factor=1.05))
    assert not tail_checks.agreement(scaled, "dec 5 deg").passed


def covers(x, log_w, mean):
    found = tail_checks.mean_weight(log_w, log_ratio(x, mean), "dec 5 deg", f"n = {mean:g}")
    return tail_checks.coverage(found)


def test_tilts_that_are_not_sampled_have_mean_one_unless_a_background_is_missing():
    x, log_w = drawn(8, 2**16)
    for mean in (0.0, 1.0, 2.8, 4.2):
        assert covers(x, log_w, mean).passed, mean
    dropped = np.log(np.mean([np.exp(log_ratio(x, mean)) for mean in MEANS[:3]], axis=0))  # Q is not what weights say
    assert not covers(x, -dropped, 4.2).passed
    each = [drawn(seed, 2**14) for seed in range(60)]
    for factor, passed in ((1.0, True), (1.01, False)):
        means = [tail_checks.mean_weight(w + np.log(factor), log_ratio(x, 2.8), "a dec", "n = 2.8") for x, w in each]
        assert tail_checks.coverage(tail_checks.pooled(means)).passed is passed
    x, log_w = drawn(9, 2**16, (0.0, 2.0))
    missing = covers(x, log_w, 8.5)
    assert not missing.passed, "no tilt makes such trials"
    assert "n = 8.5" in missing.sentence
