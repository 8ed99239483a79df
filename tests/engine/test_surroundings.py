"""Surroundings of a place: the events of the very sky that was fitted, its likelihood, and the size of a source."""

import numpy as np
import pytest

from worker.base import healpix, rng
from worker.engines.builtin import scan, surroundings, trials
from worker.engines.builtin.response import Spectrum

KEY = rng.key("scan_trials", 0)
RADIUS = np.radians(6.0)


@pytest.fixture(scope="module")
def hot(analysis):
    """The hottest pixel of a ring of a sky: right ascensions, place, fit and surroundings."""
    rings, turn = healpix.rings_of(16), scan.right_ascensions(analysis, KEY, 2)
    r = 30
    pixel, fit = scan.Scanner(analysis, rings).largest(r, turn)
    dec, ra = float(rings.dec[r]), (pixel + rings.shift[r]) * (2 * np.pi / rings.n_pix[r])
    return turn, (dec, ra), fit, surroundings.around(analysis, turn, dec, ra, RADIUS, Spectrum(2.0))


def test_the_fit_is_that_of_the_scan_and_the_largest_ts_of_the_grid(hot):
    _, _, fit, found = hot
    assert np.array(found.fit).tobytes() == fit.tobytes()
    assert found.fit[0] > 1
    assert found.ts.shape == (len(found.gamma), len(found.ns))
    assert np.all(found.ts[:, 0] == 0)
    assert found.ts.max() <= found.fit[0] + 1e-6
    assert found.ts.max() > found.fit[0] - 0.1
    assert np.all(found.ts[:, -1] < found.fit[0] - surroundings.DEEP)  # no contour is cut at the right


def test_events_are_those_of_the_sky_within_the_radius(analysis, hot):
    turn, (dec, ra), _, found = hot
    unit = [np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)]) for d, a in
            ((dec, ra), (analysis.sky.dec, 2 * np.pi * turn))]  # fmt: skip
    psi = np.arccos(np.clip(unit[0] @ unit[1], -1, 1))
    assert len(found.dec) == np.count_nonzero(psi <= RADIUS) > 20
    assert np.allclose(np.sort(psi)[: len(found.dec)], surroundings.distance(dec, ra, found.dec, found.ra), atol=1e-7)
    other = surroundings.around(analysis, np.roll(turn, 1), dec, ra, RADIUS, Spectrum(2.0))
    assert other.fit != found.fit


def test_the_circles_contain_their_share_of_injected_events(analysis):
    """Half and nine tenths of 4,000 events, within four standard deviations; twice the radius would not."""
    dec = np.radians(10.0)
    cells, _, expected = trials.signal_cells(analysis, dec, Spectrum(2.0))
    radii = surroundings.psf_radii(analysis, dec, Spectrum(2.0))
    random = np.random.default_rng(1)
    chosen = cells[random.choice(len(cells), 4000, p=expected / expected.sum())].astype(float)
    psi = chosen[:, 2] + (chosen[:, 3] - chosen[:, 2]) * random.random(4000)
    for share, radius in zip(surroundings.CONTAINED, radii, strict=True):
        error = np.sqrt(share * (1 - share) / 4000)
        assert abs(np.mean(psi <= radius) - share) < 4 * error + 0.03  # a cell is not narrow
        assert abs(np.mean(psi <= 2 * radius) - share) > 8 * error
