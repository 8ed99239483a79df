"""Skies with a source: the same TS as signal trials at its place, events around it, and N that grows with them."""

import numpy as np
import pytest
from scipy import stats

from tests.engine.conftest import CUTS, with_another
from worker.base import healpix, rng
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import scan, trials
from worker.engines.builtin.response import Spectrum
from worker.engines.builtin.signal_sky import SignalSkies
from worker.engines.protocol import Place

KEY = rng.key("signal sky", 1)
RINGS = healpix.rings_of(16, np.radians(-30), np.radians(30))
RING, PIXEL = 10, 5
DEC = float(RINGS.dec[RING])
TURN = float((PIXEL + RINGS.shift[RING]) / RINGS.n_pix[RING])
AT = Place(DEC, TURN, DEC)


@pytest.fixture(scope="module", params=["gaussian", "response"])
def two_kinds(request, dataset):
    """Two seasons, with both signal densities."""
    return engine.build(with_another(dataset), CUTS._replace(psf=request.param))


def at_source(analysis, n_sig, n=150):
    """TS and ns of the pixel of the source in skies with one."""
    one = healpix.some(RINGS, slice(RING, RING + 1))
    skies, out = SignalSkies(analysis, one, Spectrum(2.0), True), np.empty((n, 2))
    for i in range(n):
        turn = skies.add(scan.right_ascensions(analysis, KEY, i), KEY, i, AT, n_sig)
        out[i] = skies.ring(0, turn)[PIXEL, :2]
    return out


def test_ts_of_the_pixel_of_a_source_is_that_of_signal_trials(two_kinds):
    point = trials.point_at(two_kinds, DEC)
    injector = trials.injector_at(two_kinds, DEC, Spectrum(2.0), 8.0)
    expected = trials.run(two_kinds, point, KEY, 0, 2000, injector)
    found, more = at_source(two_kinds, 8.0), at_source(two_kinds, 13.0)
    for k, name in enumerate(("ts", "ns")):
        assert stats.ks_2samp(found[:, k], expected[name]).pvalue > 0.01
        assert stats.ks_2samp(more[:, k], expected[name]).pvalue < 1e-6, "negative control: another n_sig"


def test_events_lie_around_the_source_and_weigh_as_data_do(two_kinds):
    skies = SignalSkies(two_kinds, RINGS, Spectrum(2.0), True)
    added = [skies.draw(KEY, i, AT, 20.0) for i in range(100)]
    n = np.array([one.n.sum() for one in added])
    assert abs(n.mean() - 20) < 4 * np.sqrt(20 / 100)
    dec = np.concatenate([one.sky.dec for one in added])
    turn = np.concatenate([one.turn for one in added])
    x, y = (turn - TURN + 0.5) % 1.0 - 0.5, dec - DEC
    apart = np.degrees(np.hypot(2 * np.pi * x * np.cos(DEC), y))
    assert np.median(apart) < 2
    assert abs(np.mean(x > 0) - 0.5) < 4 * 0.5 / np.sqrt(len(x))
    x_deg, y_deg = np.degrees(2 * np.pi * x * np.cos(DEC)), np.degrees(y)
    near = apart < 3
    assert np.mean(np.abs(x_deg[near])) == pytest.approx(np.mean(np.abs(y_deg[near])), rel=0.1), "round"
    sky = two_kinds.sky
    for one in added[:20]:
        for i in range(len(one.sky.dec)):  # a data event of the same row, sigma bin and declination weighs the same
            same = (sky.cell == one.sky.cell[i]) & (np.abs(sky.dec - one.sky.dec[i]) < 0.01)
            if same.sum():
                ratio = one.sky.weight[i] * one.sky.sigma[i] ** 2 / (sky.weight[same] * sky.sigma[same] ** 2)
                assert np.all(np.abs(np.log(ratio)) < 0.4)


def test_an_empty_source_leaves_a_sky_as_it_is(two_kinds):
    skies, turn = SignalSkies(two_kinds, RINGS, Spectrum(2.0), True), scan.right_ascensions(two_kinds, KEY, 3)
    plain = scan.Scanner(two_kinds, RINGS)
    with_source = skies.add(turn, KEY, 0, AT, 30.0)
    assert skies.ring(RING, with_source)[PIXEL, 0] > plain.ring(RING, turn)[PIXEL, 0] + 10
    none = next(i for i in range(1000) if skies.draw(KEY, i, AT, 1.0).n.sum() == 0)
    assert skies.ring(RING, skies.add(turn, KEY, none, AT, 1.0)).tobytes() == plain.ring(RING, turn).tobytes()
    before = two_kinds.n_data.copy()
    skies.add(turn, KEY, 0, AT, 30.0)
    assert skies.analysis.n_data.sum() > before.sum()
    assert np.array_equal(two_kinds.n_data, before)
