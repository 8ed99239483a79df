"""N_eff in bands of declination: never above the number of positions, unless p-values are too small."""

import math

import numpy as np
import pytest

from worker.hypotheses.hottest_spots import n_eff_bands
from worker.spec.specfile import loads
from worker.stats import bands, pvalues
from worker.stats.distributions import TSD

SPEC = """
version: 1
name: x
seed: 1
data: {format: synthetic}
background: {tail: none, dec_deg: [-70, 0, 70], n_trials: 100}
signal: {n_sig: [1, 2, 3], n_trials: 1}
scan: {nside: 8, n_skies: 1, dec_min_deg: -70, dec_max_deg: 70}
"""
DEC = np.radians([-50.0, 20.0, 22.0, 65.0])
N = np.array([40, 30, 10, 20])


def skies(generator, n_skies, eta=0.4, pixels=N):
    """Hottest TS of each ring: chi2 with one degree of freedom in a fraction eta of the pixels, 0 in the others."""
    out = np.empty((n_skies, len(pixels)))
    for i, n in enumerate(pixels):
        ts = np.where(generator.uniform(size=(n_skies, n)) < eta, generator.chisquare(1, (n_skies, n)), 0.0)
        out[:, i] = ts.max(axis=1)
    return out


def background(generator, n, eta=0.4, scale=1.0):
    return TSD.from_trials(np.where(generator.uniform(size=n) < eta, scale * generator.chisquare(1, n), 0.0))


def found(generator, n_skies, tsds, pixels=N):
    spec, ts = loads(SPEC), skies(generator, n_skies, pixels=pixels)
    heat = pvalues.mlog10p(tsds, np.broadcast_to(DEC, ts.shape), ts)
    return n_eff_bands(spec, tsds, DEC, N, bands.hottest(DEC, heat))


def rows(measured):
    return [band._asdict() for band in measured]


def test_bands_hold_their_positions_and_independent_pixels_are_counted_right():
    generator = np.random.default_rng(1)
    measured = found(generator, 1000, dict.fromkeys((-70.0, 0.0, 70.0), background(generator, 100_000)))
    assert [(b.dec_min_deg, b.dec_max_deg, b.n_positions) for b in measured] == [
        (-60, -45, 40),
        (15, 30, 40),
        (60, 75, 20),
    ]
    for band in measured:
        assert abs(band.excess) < 3.5
        assert band.n_eff_error / band.n_eff == pytest.approx(1 / math.sqrt(1000), rel=0.5)
    assert bands.check(rows(measured)).passed


def test_p_values_that_are_too_small_in_one_band_are_seen():
    """The background of the north has TS half as large as its skies; positions that repeat each other do not fail."""
    generator = np.random.default_rng(2)
    good, bad = background(generator, 100_000), background(generator, 100_000, scale=0.5)
    check = bands.check(rows(found(generator, 300, {-70.0: good, 0.0: good, 70.0: bad})))
    assert not check.passed
    assert "between dec 60 and 75 deg" in check.sentence
    fewer = found(generator, 300, dict.fromkeys((-70.0, 0.0, 70.0), good), pixels=N // 2)
    assert bands.check(rows(fewer)).passed
    assert max(band.n_eff / band.n_positions for band in fewer) < 0.8


def test_the_error_contains_the_few_background_trials():
    """50 sets of 300 trials against many skies: the excess in errors has a spread of about 1 and is no fault."""
    generator = np.random.default_rng(3)
    excess = []
    for _ in range(50):
        tsds = {dec: background(generator, 300) for dec in (-70.0, 0.0, 70.0)}
        excess += [band.excess for band in found(generator, 400, tsds)]
    assert 0.5 < np.std(excess) < 1.5
    without = found(generator, 400, dict.fromkeys((-70.0, 0.0, 70.0), background(generator, 100_000)))
    ratio = np.mean([band.n_eff_error / band.n_eff for band in without])
    few = np.mean([band.n_eff_error / band.n_eff for band in found(generator, 400, tsds)])
    assert few > 1.5 * ratio, "negative control: with the skies alone the error would be too small"


def test_skies_without_any_p_below_one_decide_nothing():
    measured = bands.measured(DEC, N, np.zeros((10, 3)), [0.0, 0.0, 0.0])
    assert all(math.isnan(band.n_eff) for band in measured)
    assert not bands.check([band._asdict() | {"n_eff": None, "n_eff_error": None} for band in measured]).passed


def test_shares_of_distributions_are_the_weights_of_the_interpolation():
    dec, weight = np.radians([-35.0, 0.0]), np.array([1.0, 3.0])
    assert pvalues.shares((-70.0, 0.0, 70.0), dec, weight, "linear") == pytest.approx({-70.0: 0.125, 0.0: 0.875})
    assert pvalues.shares((-35.0, 0.0), dec, weight, "ring") == pytest.approx({-35.0: 0.25, 0.0: 0.75})
