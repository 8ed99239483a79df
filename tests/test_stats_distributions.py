import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.counted import calls
from worker.base.errors import InputError
from worker.stats.binomial import clopper_pearson
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.distributions import N_JOINT, TSD

ETA, NDOF = 0.55, 1.08


def mixture(n, seed, eta=ETA, ndof=NDOF, scale=1.0):
    """TS of n trials: an atom of 1 - eta at 0 and a scaled chi2."""
    rng = np.random.default_rng(seed)
    ts = stats.chi2.rvs(ndof, scale=scale, size=n, random_state=rng)
    return np.where(rng.random(n) < eta, ts, 0.0)


def brute_sf(trials, ts):
    return (np.sum(trials >= ts) + 1) / (len(trials) + 1)


def test_counts_zeros_without_storing_them():
    trials = mixture(5000, 1)
    tsd = TSD.from_trials(trials)
    assert tsd.n == 5000
    assert len(tsd.ts) == np.count_nonzero(trials)
    assert tsd.eta == np.mean(trials > 0)
    assert tsd.loc == 0.0


def test_repr_reads_as_the_fields_do():
    tsd = TSD.from_trials(mixture(2000, 1))
    fitted = float(tsd.isf(0.5, "fit"))
    assert repr(tsd) == (
        f"TSD(2000 trials, eta={tsd.eta:.3f}, ndof={tsd.ndof:.3f}, median={tsd.median():.3f} (from fit {fitted:.3f}))"
    )
    assert "scale=" in repr(TSD.from_trials(mixture(2000, 1), "free"))
    assert repr(TSD(5, np.array([]))) == "TSD(5 trials, eta=0.000, no fit, median=0.000)"


@settings(max_examples=50)
@given(st.lists(st.sampled_from([0.0, 0.0, 0.3, 1.5, 1.5, 7.0, 20.0]), min_size=1, max_size=40), st.floats(0, 1))
def test_quantiles_are_numpys_of_the_full_array(trials, q):
    tsd = TSD.from_trials(trials)
    assert tsd.quantile(q) == pytest.approx(np.quantile(trials, q), abs=1e-12)
    assert tsd.median() == pytest.approx(np.median(trials), abs=1e-12)


@settings(max_examples=50)
@given(
    st.lists(st.sampled_from([0.0, 0.3, 1.5, 7.0]), min_size=1, max_size=30), st.sampled_from([-1, 0, 0.2, 0.3, 2, 9])
)
def test_empirical_sf_by_brute_force(trials, ts):
    expected = 1.0 if ts <= 0 else brute_sf(np.array(trials), ts)
    assert float(TSD.from_trials(trials).sf(ts, "empirical")) == pytest.approx(expected, rel=1e-15)


def test_empirical_isf_inverts_sf_at_every_trial():
    tsd = TSD.from_trials(mixture(3000, 2))
    assert tsd.isf(tsd.sf(tsd.ts, "empirical"), "empirical").tolist() == tsd.ts.tolist()


@settings(max_examples=60)
@given(st.floats(2.1e-3, 1.0))
def test_empirical_isf_is_the_largest_ts_with_that_p(p):
    trials = mixture(1000, 3)
    tsd = TSD.from_trials(trials)
    ts = float(tsd.isf(p, "empirical"))
    assert float(tsd.sf(ts, "empirical")) >= p * (1 - 1e-12)
    assert float(tsd.sf(np.nextafter(ts, np.inf), "empirical")) < p or ts == tsd.ts[-1]


def test_isf_beyond_the_trials_says_how_many_are_needed():
    with pytest.raises(TooFewTrialsError, match=r"p = 2.87e-07 \(5.00 sigma\) is beyond 1000 trials by counting"):
        TSD.from_trials(mixture(1000, 3)).isf_nsigma(5, "empirical")


@pytest.mark.parametrize("kind", ["scale1", "free"])
def test_hybrid_counts_below_the_joint_and_follows_the_fit_beyond(kind):
    trials = mixture(20000, 4)
    tsd = TSD.from_trials(trials, kind)
    joint = np.sort(trials)[-N_JOINT]
    below, beyond = np.array([0.1, 1.0, joint]), np.array([joint * 1.01, 15.0, 40.0])
    assert tsd.sf(below).tolist() == [brute_sf(trials, ts) for ts in below]
    shape = stats.chi2.sf(beyond / tsd.scale, tsd.ndof) / stats.chi2.sf(joint / tsd.scale, tsd.ndof)
    assert tsd.sf(beyond) == pytest.approx((N_JOINT + 1) / 20001 * shape, rel=1e-10)
    assert float(tsd.sf(np.nextafter(joint, np.inf))) == pytest.approx(float(tsd.sf(joint)), rel=1e-9)


@settings(max_examples=60)
@given(
    st.integers(60, 3000), st.floats(-9, -0.4), st.sampled_from(["hybrid", "fit"]), st.sampled_from(["scale1", "free"])
)
def test_round_trip(n, log10_p, how, kind):
    """sf(isf(p)) = p where sf is continuous; on the steps of counting, not below p and by less than one step."""
    tsd = TSD.from_trials(mixture(n, n), kind)
    p = 10**log10_p
    back = float(tsd.sf(tsd.isf(p, how), how))
    if float(tsd.isf(p, how)) < 1e-9:
        assert p >= tsd.eta * 0.99  # in the atom, or on its edge
    elif how == "fit" or p < (N_JOINT + 1) / (n + 1):
        assert back == pytest.approx(p, rel=1e-7)
    else:
        assert p * (1 - 1e-9) <= back <= p + 1 / (n + 1)


@pytest.mark.parametrize("how", ["hybrid", "fit", "empirical"])
@pytest.mark.parametrize("n", [30, 250, 4000])
def test_sf_never_increases_and_is_one_at_zero(how, n):
    tsd = TSD.from_trials(mixture(n, 5))
    p = tsd.sf(np.concatenate([[-1, 0], np.geomspace(1e-6, 500, 3000)]), how)
    assert p[0] == p[1] == 1.0
    assert np.all(np.diff(p) <= 0)
    assert np.all(p > 0)
    assert np.allclose(np.log(p), tsd.logsf(np.concatenate([[-1, 0], np.geomspace(1e-6, 500, 3000)]), how), rtol=1e-12)


def test_nan_stays_nan_and_shape_is_kept():
    p = TSD.from_trials(mixture(500, 6)).sf(np.array([[np.nan, 1.0], [0.0, 30.0]]))
    assert p.shape == (2, 2)
    assert np.isnan(p).tolist() == [[True, False], [False, False]]


def test_logsf_is_finite_where_p_is_not_a_double():
    tsd = TSD.from_trials(mixture(1000, 6))
    assert float(tsd.sf(4000.0)) == 0.0
    assert float(tsd.logsf(4000.0)) == pytest.approx(-2000, rel=0.02)


@pytest.mark.parametrize("trials", [[0.0] * 50, [0.0] * 41 + [1.0, 2, 3, 4, 5, 6, 7, 8, 9]])
def test_without_a_shape_hybrid_counts_and_fit_refuses(trials):
    tsd = TSD.from_trials(trials)
    ts = np.array([0.5, 4.5, 100.0])
    assert tsd.sf(ts).tolist() == tsd.sf(ts, "empirical").tolist()
    assert float(tsd.sf(100.0)) == 1 / 51
    assert math.isnan(tsd.ndof)
    with pytest.raises(TooFewTrialsError, match="run more background trials"):
        tsd.sf(ts, "fit")
    with pytest.raises(TooFewTrialsError, match="beyond 50 trials by counting"):
        tsd.isf_nsigma(3)


def test_few_positive_trials_join_the_fit_at_zero():
    tsd = TSD.from_trials(mixture(80, 9))
    assert len(tsd.ts) < N_JOINT
    assert float(tsd.sf(1e-30)) == pytest.approx((len(tsd.ts) + 1) / 81, rel=1e-9)
    assert float(tsd.isf((len(tsd.ts) + 1) / 81)) == 0.0


@pytest.mark.parametrize(
    ("trials", "text"),
    [
        ([0.0, np.nan, 1.0, np.inf], "2 of 4 TS values are unusable, the first is trial 1: nan"),
        ([0.0, -0.5], "1 of 2 TS values are unusable, the first is trial 1: -0.5"),
        ([], "0 trials"),
    ],
)
def test_unusable_trials_are_refused(trials, text):
    with pytest.raises(InputError, match=text):
        TSD.from_trials(trials)


def test_a_ts_just_below_zero_counts_as_zero():
    assert TSD.from_trials([-1e-9, 1.0, 2.0]).eta == pytest.approx(2 / 3)


@pytest.mark.parametrize("ts", [[2.0, 1.0], [0.0, 1.0], [1.0, np.inf]])
def test_direct_construction_checks_its_array(ts):
    with pytest.raises(InputError, match=r"use TSD\.from_trials"):
        TSD(10, np.array(ts))


@pytest.mark.parametrize("p", [0.0, -0.1, 1.1, np.nan])
def test_impossible_p_is_refused(p):
    with pytest.raises(InputError, match="lies in"):
        TSD.from_trials(mixture(100, 1)).isf(p)


def test_pvalue_says_its_way_and_counts():
    trials = mixture(5000, 12)
    tsd = TSD.from_trials(trials)
    counted, fitted = tsd.pvalue(2.0), tsd.pvalue(30.0)
    assert (counted.way, fitted.way) == ("empirical", "fit")
    assert counted.k == np.sum(trials >= 2.0)
    assert (counted.lo, counted.hi) == pytest.approx([float(x) for x in clopper_pearson(counted.k, 5000)])
    assert fitted.k == 0
    assert fitted.lo < fitted.p < fitted.hi
    assert tsd.pvalue(0.0)[:6] == (1.0, "hybrid", 5000, 5000, 1.0, 1.0)
    assert tsd.pvalue(30.0, "empirical").hi > 3 * fitted.hi


@pytest.mark.parametrize("kind", ["scale1", "free"])
@pytest.mark.parametrize("how", ["hybrid", "fit"])
def test_interval_of_the_fit_covers(kind, how):
    """Coverage of the 5 sigma p-value over 400 distributions; half the width is the negative control."""
    truth, trials = 2.87e-7, 400
    ts = stats.chi2.isf(truth / ETA, NDOF)
    inside = half = 0
    for seed in range(trials):
        value = TSD.from_trials(mixture(2000, 1000 + seed), kind).pvalue(ts, how)
        inside += value.lo <= truth <= value.hi
        half += math.sqrt(value.lo * value.p) <= truth <= math.sqrt(value.hi * value.p)
    error = math.sqrt(0.6827 * 0.3173 / trials)
    assert inside / trials == pytest.approx(0.6827, abs=3.5 * error)
    assert half / trials < 0.6827 - 5 * error


def test_a_wrong_shape_biases_the_fit_and_counting_does_not_follow_it():
    """Truth chi2 of scale 1.3: the scale-1 fit is wrong at 3 sigma, counting and the free fit are right."""
    trials = mixture(400_000, 13, scale=1.3)
    truth = 1.35e-3
    ts = 1.3 * stats.chi2.isf(truth / ETA, NDOF)
    error = math.sqrt(1 / (truth * 400_000))
    assert float(TSD.from_trials(trials).sf(ts, "empirical")) == pytest.approx(truth, rel=4 * error)
    assert float(TSD.from_trials(trials).sf(ts)) == pytest.approx(truth, rel=4 * error)
    assert float(TSD.from_trials(trials, "free").sf(ts, "fit")) == pytest.approx(truth, rel=4 * error)
    assert abs(float(TSD.from_trials(trials).sf(ts, "fit")) / truth - 1) > 10 * error


def test_background_p_values_are_uniform():
    """4,000 trials against the distribution of 400,000 others; TS raised by 20 % is the negative control."""
    tsd = TSD.from_trials(mixture(400_000, 14))
    test = mixture(4000, 15)
    p = tsd.sf(test[test > 0]) / tsd.eta
    assert stats.kstest(np.minimum(p, 1), "uniform").pvalue > 1e-3
    shifted = tsd.sf(1.2 * test[test > 0]) / tsd.eta
    assert stats.kstest(np.minimum(shifted, 1), "uniform").pvalue < 1e-3


def test_trials_and_pixels_are_arrays():
    """A fit and a survival function take no more calls for a hundred times the trials and pixels."""
    trials, pixels = mixture(200_000, 15), mixture(200_000, 16)
    few, many = (calls(lambda n=n: TSD.from_trials(trials[:n]).chi2)[1] for n in (2000, 200_000))
    assert many <= 1.5 * few
    tsd = TSD.from_trials(trials)
    tsd.sf(pixels)
    few, many = (calls(tsd.sf, pixels[:n])[1] for n in (2000, 200_000))
    assert many == few
