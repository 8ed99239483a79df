import math

import numpy as np
import pytest
from scipy import stats

from tests.counted import calls
from worker.base.errors import InputError
from worker.stats.chi2 import Chi2Tail
from worker.stats.distributions import TSD
from worker.stats.pvalues import mlog10p, ts_to_p

TAILS = {-30.0: Chi2Tail(0.5, 1.1), 0.0: Chi2Tail(0.6, 0.9, 1.2), 10.0: Chi2Tail(0.4, 1.0)}


def test_published_example():
    """The csky tutorial prints [0.00189439, 0.47481927] for a grid whose eta and ndof it prints with 3 digits.

    The tolerance is what rounding those digits (and the scales) can do: at most half a unit in the last of each.
    """
    tails = {-45.0: Chi2Tail(0.513, 0.996, 1.171), 45.0: Chi2Tail(0.498, 1.037, 1.177)}
    p = ts_to_p(tails, np.array([math.pi / 4, -math.pi / 4]), np.array([10, 0.01]))
    assert p == pytest.approx([0.00189439, 0.47481927], rel=2.5e-3)
    assert p == pytest.approx([0.498 * stats.chi2.sf(10 / 1.177, 1.037), 0.513 * stats.chi2.sf(0.01 / 1.171, 0.996)])
    unscaled = {-45.0: Chi2Tail(0.513, 0.996), 45.0: Chi2Tail(0.498, 1.037)}  # scale 1 is not what was printed
    assert abs(float(ts_to_p(unscaled, math.pi / 4, 10)) / 0.00189439 - 1) > 0.4


@pytest.mark.parametrize("interpolation", ["linear", "log"])
def test_interpolation_by_hand(interpolation):
    ts, dec_deg = 6.0, -12.0
    a, b = float(TAILS[-30.0].sf(ts)), float(TAILS[0.0].sf(ts))
    expected = 0.4 * a + 0.6 * b if interpolation == "linear" else a**0.4 * b**0.6
    assert float(ts_to_p(TAILS, math.radians(dec_deg), ts, interpolation)) == pytest.approx(expected, rel=1e-12)
    assert float(mlog10p(TAILS, math.radians(dec_deg), ts, interpolation)) == pytest.approx(
        -math.log10(expected), rel=1e-12
    )


@pytest.mark.parametrize("interpolation", ["linear", "log"])
def test_grid_points_and_the_ends(interpolation):
    ts = np.array([0.2, 3.0, 25.0])
    for dec_deg, key in [(-30, -30.0), (0, 0.0), (10, 10.0), (-30.0009, -30.0), (10.0009, 10.0)]:
        assert ts_to_p(TAILS, math.radians(dec_deg), ts, interpolation) == pytest.approx(TAILS[key].sf(ts), rel=1e-12)


def test_many_pixels_agree_with_one_at_a_time():
    rng = np.random.default_rng(1)
    tsds = {d: TSD.from_trials(stats.chi2.rvs(1, size=300, random_state=rng) * (rng.random(300) < 0.5)) for d in TAILS}
    dec, ts = np.radians(rng.uniform(-30, 10, 200)), np.where(rng.random(200) < 0.5, 0, rng.exponential(4, 200))
    together = ts_to_p(tsds, dec, ts)
    grid = np.array(sorted(tsds))
    for i in range(200):
        alone = [float(tsds[d].sf(ts[i])) for d in sorted(tsds)]
        assert together[i] == pytest.approx(np.interp(np.degrees(dec[i]), grid, alone), rel=1e-12)


@pytest.mark.parametrize("interpolation", ["linear", "log"])
@pytest.mark.parametrize("dec_deg", [-31.0, -30.002, 10.002, 89.0])
def test_nothing_is_told_beyond_the_grid(dec_deg, interpolation):
    with pytest.raises(InputError, match=r"lies beyond the background distributions, which reach from -30 to 10 deg"):
        ts_to_p(TAILS, np.radians([0.0, dec_deg]), 4.0, interpolation)


def test_one_declination_serves_itself():
    one = {5.0: Chi2Tail(0.5, 1.0)}
    assert ts_to_p(one, np.radians([5.0, 5.0]), 4.0) == pytest.approx(float(one[5.0].sf(4.0)))
    with pytest.raises(InputError, match="from 5 to 5 deg"):
        ts_to_p(one, 0.0, 4.0)


def test_zero_nan_and_huge_ts():
    values = mlog10p(TAILS, 0.05, np.array([0.0, -1.0, np.nan, 5000.0]))
    assert values[:2].tolist() == [0.0, 0.0]
    assert not np.signbit(values[0])
    assert np.isnan(values[2])
    assert 800 < values[3] < 1200


@pytest.mark.parametrize("dec", [45.0, np.nan, -2.0])
def test_degrees_and_nan_are_refused(dec):
    with pytest.raises(InputError, match="declinations are in radians"):
        ts_to_p(TAILS, [0.1, dec], 3.0)


def test_empty_grid_is_refused():
    with pytest.raises(InputError, match="no background declination"):
        ts_to_p({}, 0.0, 1.0)


def test_a_sky_is_converted_as_arrays():
    """200,000 pixels on 170 declinations take some calls per declination, and none per pixel."""
    rng = np.random.default_rng(2)
    zero = rng.random(200_000) < 0.5
    ts = np.where(zero, 0, stats.chi2.rvs(1, size=200_000, random_state=rng))
    dec = np.arcsin(rng.uniform(-0.99, 0.99, 200_000))
    tsds = {float(d): TSD.from_trials(ts[rng.integers(0, 200_000, 5000)]) for d in np.linspace(-85, 85, 170)}
    ts_to_p(tsds, dec, ts)  # fits what is kept: the tails
    _, few = calls(ts_to_p, tsds, dec[:20_000], ts[:20_000])
    _, many = calls(ts_to_p, tsds, dec, ts)
    assert many < 1.1 * few
    assert many < 170 * 120
