"""P-values between declinations: the estimated error of the interpolation is the size of the true one."""

import math

import numpy as np
import pytest

from worker.base.errors import InputError
from worker.stats import pvalues
from worker.stats.chi2 import Chi2Tail
from worker.stats.distributions import TSD
from worker.stats.interpolated import interpolation_error, pvalue

GRID = np.arange(-80.0, 81.0, 10.0)


def lumpy(generator, spread):
    """Distributions on a fine grid whose scale changes at random from one degree to the next."""
    return {
        float(dec): Chi2Tail(0.5, 1.0, math.exp(generator.normal(0, spread))) for dec in np.arange(-80.0, 80.5, 5.0)
    }


def errors(world, interpolation):
    """True errors of ln p half way between the nodes, and their estimates, at TS = 12."""
    grid = {dec: world[dec] for dec in GRID.tolist()}
    true, estimated = [], []
    for dec in GRID[1:-2] + 5.0:
        at = math.radians(dec)
        found = float(pvalues.log_p(grid, at, 12.0, interpolation))
        true.append(found - float(world[float(dec)].logsf(12.0)))
        estimated.append(interpolation_error(grid, at, 12.0, interpolation))
    return np.array(true), np.array(estimated)


@pytest.mark.parametrize("interpolation", ["linear", "log"])
def test_the_estimate_is_the_true_error_where_p_jumps_from_declination_to_declination(interpolation):
    generator = np.random.default_rng(1)
    true, estimated = map(
        np.concatenate, zip(*(errors(lumpy(generator, 0.1), interpolation) for _ in range(30)), strict=True)
    )
    assert np.sqrt(np.mean(true**2)) == pytest.approx(np.sqrt(np.mean(estimated**2)), rel=0.15)
    assert np.sqrt(np.mean(true**2)) > 0.3, "the negative control of the next test"
    assert 0.5 < np.mean(np.abs(true) < estimated) < 0.75


def test_the_estimate_is_no_smaller_than_the_true_error_where_p_is_smooth():
    world = {
        float(dec): Chi2Tail(0.5, 1.0, 1.0 + 0.3 * math.cos(math.radians(2 * dec))) for dec in np.arange(-80, 80.5, 5)
    }
    true, estimated = errors(world, "log")
    assert np.all(np.abs(true) < estimated)
    assert np.all(estimated < 10 * np.abs(true) + 0.02)


def counted(generator, scale=1.0, n=20_000):
    return TSD.from_trials(np.where(generator.uniform(size=n) < 0.5, scale * generator.chisquare(1, n), 0.0))


def test_a_p_value_has_the_errors_of_both_distributions_and_of_the_interpolation():
    generator = np.random.default_rng(2)
    tsds = {dec: counted(generator, scale) for dec, scale in ((-10.0, 1.0), (0.0, 1.2), (10.0, 1.0), (20.0, 1.1))}
    at = math.radians(2.5)
    found, here = pvalue(tsds, at, 6.0), (tsds[0.0].pvalue(6.0), tsds[10.0].pvalue(6.0))
    assert found.p == float(pvalues.ts_to_p(tsds, at, 6.0)) == pytest.approx(0.75 * here[0].p + 0.25 * here[1].p)
    widths = [0.75 * (here[0].hi - here[0].p), 0.25 * (here[1].hi - here[1].p)]
    assert found.hi - found.p == pytest.approx(math.hypot(*widths), rel=0.1)
    assert found.interpolation_error == interpolation_error(tsds, at, 6.0, "linear") > 0.1
    assert (found.k, found.n) == (here[0].k, 20_000)
    far = pvalue(tsds, at, 30.0)
    assert far.way == "fit"
    assert far.lo < far.p < far.hi


def test_a_declination_with_trials_of_its_own_has_no_such_error():
    generator = np.random.default_rng(3)
    tsds = {dec: counted(generator, n=1000) for dec in (-10.0, 0.0, 10.0)}
    for interpolation in ("linear", "log", "ring"):
        assert pvalue(tsds, math.radians(10.0), 5.0, interpolation) == tsds[10.0].pvalue(5.0)
    assert pvalue(tsds, math.radians(5.0), 0.0).p == 1.0
    two = {dec: tsds[dec] for dec in (-10.0, 0.0)}
    assert math.isnan(pvalue(two, math.radians(-5.0), 5.0).interpolation_error), "nothing to compare with"
    with pytest.raises(InputError):
        pvalue(tsds, math.radians(5.0), 5.0, "ring")
