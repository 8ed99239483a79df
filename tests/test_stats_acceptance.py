"""Cousins and Highland against a direct integration, and against trials with a drawn acceptance."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from worker.base import rng
from worker.stats.acceptance import with_acceptance_error
from worker.stats.passing import point
from worker.stats.sensitivity import NotBracketedError, find_n_sig_from_points

GRID = (0, 1, 2, 3, 4, 5, 6, 8, 10, 14, 18)
KEY = rng.key("acceptance")
N = 10**7


def counted(passing, grid=GRID):
    """Points with exactly the true fractions."""
    return tuple(point(n, round(float(passing(n)) * N), N) for n in grid)


def by_integration(passing, beta, relative):
    """N_sig at which the integral of the passing fraction over a normal factor > 0 reaches beta."""
    norm = stats.norm.sf(0.0, 1.0, relative)

    def mean(n_sig):
        integrand = lambda e: passing(n_sig * e) * stats.norm.pdf(e, 1.0, relative) / norm  # noqa: E731
        edges = [max(0.0, 1 - 8 * relative), 1.0, 1 + 8 * relative]
        return sum(integrate.quad(integrand, a, b, epsabs=1e-10)[0] for a, b in pairwise(edges))

    return optimize.brentq(lambda n_sig: mean(n_sig) - beta, 0.01, 100)


@pytest.mark.parametrize("relative", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("beta", [0.5, 0.9])
def test_the_chi2_curve_agrees_with_a_direct_integration(relative, beta):
    def passing(n_sig):
        return stats.chi2.cdf(n_sig, 2.5, -0.8, 1.3)

    found = find_n_sig_from_points(counted(passing), 1.0, beta, 20, KEY)
    assert found.curve == "chi2"
    smeared = with_acceptance_error(found, relative)
    assert smeared.n_sig == pytest.approx(by_integration(passing, beta, relative), rel=2e-3)
    assert smeared.error / smeared.n_sig == pytest.approx(found.error / found.n_sig, rel=1e-12)
    if beta == 0.9:
        assert smeared.n_sig > found.n_sig
    assert abs(smeared.n_sig / found.n_sig - 1) > 5e-4, "negative control: the error does enter"


def test_a_count_with_an_uncertain_mean_is_the_known_limit():
    """No event seen, no background: 1 - exp(-n e) averaged over e = 0.9 gives -ln 0.1 (1 + 0.5 ln(10) r^2) for small r.

    Cousins and Highland 1992, section 3: the limit grows in second order only.
    """
    relative = 0.1

    def passing(n_sig):
        return 1.0 - np.exp(-n_sig)

    found = find_n_sig_from_points(counted(passing, (0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5)), 0.0, 0.9, 20, KEY)
    limit = math.log(10) * (1 + 0.5 * math.log(10) * relative**2)
    assert with_acceptance_error(found, relative).n_sig == pytest.approx(limit, rel=3e-3)


def test_trials_with_a_drawn_acceptance_pass_as_often_as_asked():
    """200,000 sources of the quoted n_sig, each with its own acceptance: beta of them pass, and fewer without it."""
    generator = np.random.default_rng(3)

    def passing(n_sig):
        return stats.poisson.sf(1, n_sig)  # at least two events

    found = find_n_sig_from_points(counted(passing, np.arange(0, 16.5, 0.5)), 1.0, 0.9, 20, KEY)
    factors = np.maximum(generator.normal(1.0, 0.25, 200_000), 0.0)
    passed = {one.n_sig: np.mean(generator.poisson(one.n_sig * factors) > 1) for one in
              (found, with_acceptance_error(found, 0.25))}  # fmt: skip
    without, with_error = passed.values()
    assert with_error == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / 200_000) + 2e-3)
    assert without < 0.885


def test_nothing_is_extrapolated():
    found = find_n_sig_from_points(counted(lambda n: stats.chi2.cdf(n, 3), (0, 2, 4, 6, 6.6)), 1.0, 0.9, 20, KEY)
    assert with_acceptance_error(found, 0.0) is found
    with pytest.raises(NotBracketedError, match=r"acceptance error of 0\.3") as raised:
        with_acceptance_error(found, 0.3)
    assert raised.value.add_n_sig > 6.6
