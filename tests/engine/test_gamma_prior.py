"""The index of the fit with a Gaussian prior, or fixed: against plain numpy, and its limits."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from worker.base import rng
from worker.engines.builtin import reference, trials
from worker.engines.builtin.response import Spectrum

KEY = rng.key("gamma prior")
DEC = np.radians(5.0)
N = 300


def with_prior(analysis, mean, inverse):
    return dataclasses.replace(analysis, cuts=analysis.cuts._replace(prior=(mean, inverse)))


def run(analysis, n_sig=3.0):
    injector = trials.injector_at(analysis, DEC, Spectrum(2.0), n_sig)
    return trials.run(analysis, trials.point_at(analysis, DEC), KEY, 0, N, injector)


def numpy_maximum(analysis, trial, mean, sigma, gammas):
    """Largest penalised TS on a fine grid of gamma, ns by Brent's method."""
    free = with_prior(analysis, 0.0, 0.0)
    point = trials.point_at(free, DEC)
    drawn = trials.draw(free, point, KEY, trial, trials.injector_at(free, DEC, Spectrum(2.0), 3.0))

    def at(gamma):
        best = minimize_scalar(
            lambda ns: -reference.ts_at(drawn, point.table, np.array([ns]), gamma)[0],
            bounds=(0, 100),
            method="bounded",
            options={"xatol": 1e-9},
        )
        off = 0.0 if sigma is None else ((gamma - mean) / sigma) ** 2
        return max(-best.fun, 0.0) - off

    return max(0.0, *(at(gamma) for gamma in gammas))


@pytest.mark.parametrize(("mean", "sigma"), [(2.0, 0.2), (3.1, 0.05), (2.47, 1.0)])
def test_with_a_prior_the_fit_is_the_penalised_maximum_of_plain_numpy(two_seasons, mean, sigma):
    found = run(with_prior(two_seasons, mean, sigma**-2))
    for trial in range(12):
        near = np.linspace(-0.01, 0.01, 41) + found["gamma"][trial]
        gammas = np.clip(np.concatenate([np.linspace(1.0, 4.0, 121), near]), 1.0, 4.0)
        expected = numpy_maximum(two_seasons, trial, mean, sigma, gammas)
        assert found["ts"][trial] == pytest.approx(expected, abs=2e-5)
        assert found["ts"][trial] >= expected - 1e-8


def test_a_fixed_index_is_one_profile(two_seasons):
    found = run(with_prior(two_seasons, 2.03, np.inf))
    assert (found["gamma"] == 2.03).all()
    for trial in range(30):
        expected = numpy_maximum(two_seasons, trial, 2.03, None, [2.03])
        assert found["ts"][trial] == pytest.approx(expected, abs=1e-7)


def test_limits_of_the_width_are_a_free_and_a_fixed_index(two_seasons):
    free, fixed = run(two_seasons), run(with_prior(two_seasons, 2.3, np.inf))
    wide, narrow = (run(with_prior(two_seasons, 2.3, sigma**-2)) for sigma in (1e4, 1e-5))
    assert wide["ts"] == pytest.approx(free["ts"], abs=1e-6)
    assert narrow["ts"] == pytest.approx(fixed["ts"], abs=1e-3)  # where it rises at one node only, it is not looked for
    some = run(with_prior(two_seasons, 2.3, 0.3**-2))["ts"]
    assert (fixed["ts"] <= some + 1e-3).all() and (some <= free["ts"] + 1e-8).all()
    assert (some < free["ts"] - 0.01).mean() > 0.2  # the prior does something


def test_a_trial_without_signal_has_the_gamma_of_the_prior(two_seasons):
    found = run(with_prior(two_seasons, 2.3, 0.3**-2), 0.0)
    assert (found["gamma"][found["ts"] == 0.0] == 2.3).all()
    assert 0.1 < (found["ts"] == 0.0).mean() < 0.9
