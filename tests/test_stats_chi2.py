import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from worker.stats.chi2 import Chi2Tail, TooFewTrialsError, fit_chi2, inverse_digamma, shape_variance


@pytest.mark.parametrize("ndof", [0.3, 0.721, 1.0, 1.238, 4.0])
def test_scale1_fit_is_scipys_maximum_likelihood(ndof):
    ts = stats.chi2.rvs(ndof, size=3000, random_state=7)
    df, _, _ = stats.chi2.fit(ts, floc=0, fscale=1)
    assert fit_chi2(ts, "scale1").ndof == pytest.approx(df, rel=1e-3)
    # scipy's optimiser stops early; the likelihood itself must not be lower at our value.
    ours = stats.chi2.logpdf(ts, fit_chi2(ts, "scale1").ndof).sum()
    assert ours >= stats.chi2.logpdf(ts, df).sum() - 1e-9


@pytest.mark.parametrize(("ndof", "scale"), [(1.04, 1.177), (0.7, 0.5), (3.0, 2.0)])
def test_free_fit_is_scipys_maximum_likelihood(ndof, scale):
    ts = stats.chi2.rvs(ndof, scale=scale, size=3000, random_state=8)
    shape, _, theta = stats.gamma.fit(ts, floc=0)
    fit = fit_chi2(ts, "free")
    assert (fit.ndof, fit.scale) == pytest.approx((2 * shape, theta / 2), rel=1e-4)


@pytest.mark.parametrize("kind", ["scale1", "free"])
def test_fisher_errors_are_the_spread_of_fits(kind):
    """Pulls over 400 samples: mean 0 and width 1 within four of their own errors; wrong scale as control."""
    rng = np.random.default_rng(11)
    pulls, scales = [], []
    for _ in range(400):
        fit = fit_chi2(stats.chi2.rvs(1.1, size=500, random_state=rng), kind)
        pulls.append((fit.ndof - 1.1) / math.sqrt(fit.covariance[0][0]))
        scales.append((fit.scale - 1.0) / math.sqrt(fit.covariance[1][1]) if kind == "free" else 0.0)
    for sample in (pulls, scales) if kind == "free" else (pulls,):
        assert abs(np.mean(sample)) < 4 / math.sqrt(400)
        assert np.std(sample) == pytest.approx(1.0, abs=4 / math.sqrt(800))
    wrong = [
        (fit_chi2(stats.chi2.rvs(1.1, scale=1.2, size=500, random_state=rng), "scale1").ndof - 1.1) for _ in range(50)
    ]
    assert abs(np.mean(wrong) / (np.std(wrong) / math.sqrt(50))) > 5


@given(st.floats(1e-3, 300))
def test_inverse_digamma(a):
    assert inverse_digamma(float(special.psi(a))) == pytest.approx(a, rel=1e-9)


@pytest.mark.parametrize("kind", ["scale1", "free"])
def test_too_few_values_are_refused_with_a_count(kind):
    with pytest.raises(TooFewTrialsError, match="9 trials with TS > 0: a chi2 shape needs at least 10"):
        fit_chi2(np.ones(9), kind)


def test_equal_values_have_no_scale():
    with pytest.raises(TooFewTrialsError, match="all 20 positive TS values are equal"):
        fit_chi2(np.full(20, 2.0), "free")


@given(st.floats(0.01, 1.0), st.floats(0.3, 5), st.floats(0.3, 3), st.floats(-12, 0))
def test_sf_inverts_isf(eta, ndof, scale, log10_p):
    tail = Chi2Tail(eta, ndof, scale)
    p = 10**log10_p
    ts = float(tail.isf(p))
    if p >= eta:
        assert ts == 0.0
    elif ts > 1e-12:  # near TS = 0 sf jumps from eta to 1
        assert float(tail.sf(ts)) == pytest.approx(p, rel=1e-9)


def test_sf_is_scipys_and_logsf_its_logarithm():
    tail, ts = Chi2Tail(0.5, 1.037, 1.177), np.array([1e-9, 0.3, 5.0, 60.0, 600.0])
    expected = 0.5 * stats.chi2.sf(ts / 1.177, 1.037)
    assert tail.sf(ts) == pytest.approx(expected, rel=1e-12)
    assert tail.logsf(ts) == pytest.approx(np.log(expected), rel=1e-12)


def test_logsf_beyond_the_smallest_double():
    """Continuous where the asymptotic series takes over, and exact for ndof = 2, where sf = exp(-ts / 2)."""
    tail = Chi2Tail(1.0, 2.0)
    ts = np.array([1190.0, 1203.9, 1204.1, 1500.0, 1e5])
    assert tail.logsf(ts) == pytest.approx(-ts / 2, rel=1e-13)
    near = Chi2Tail(1.0, 1.037)
    x = 600.0 + 1.037
    below, above = near.logsf([2 * x * (1 - 1e-9), 2 * x * (1 + 1e-9)])
    assert above - below == pytest.approx(-2e-9 * x, rel=0.01)


def test_sf_outside_the_support():
    assert Chi2Tail(0.4, 1.0).sf([0.0, -3.0]).tolist() == [1.0, 1.0]
    assert np.isnan(Chi2Tail(0.4, 1.0).sf(np.nan))
    assert np.isnan(Chi2Tail(0.4, 1.0).logsf(np.nan))


@settings(max_examples=30)
@given(st.floats(0.5, 40), st.floats(0.0, 5.0))
def test_shape_variance_is_the_propagated_spread(ts, start):
    """Against numerical derivatives of scipy's sf."""
    sample = stats.chi2.rvs(1.1, scale=1.1, size=400, random_state=3)
    fit = fit_chi2(sample, "free")

    def log_ratio(ndof, scale):
        return stats.chi2.logsf(ts / scale, ndof) - stats.chi2.logsf(start / scale, ndof)

    h = 1e-5
    gradient = np.array(
        [
            (log_ratio(fit.ndof + h, fit.scale) - log_ratio(fit.ndof - h, fit.scale)) / (2 * h),
            (log_ratio(fit.ndof, fit.scale + h) - log_ratio(fit.ndof, fit.scale - h)) / (2 * h),
        ]
    )
    expected = gradient @ np.array(fit.covariance) @ gradient
    assert shape_variance(fit, ts, start) == pytest.approx(expected, rel=1e-3, abs=1e-10)
