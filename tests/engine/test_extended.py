"""Extended sources: injected events spread around the centre, and a likelihood that knows it."""

import numpy as np
import pytest

from tests.engine.conftest import CUTS
from worker.base import rng
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import trials
from worker.engines.builtin.inject import draw_signal
from worker.engines.builtin.response import Spectrum

KEY = rng.key("extended", 1)
WIDTH = float(np.radians(1.5))


def drawn(analysis, dec, extension, n=20_000):
    """log_e, psi, sigma, sin(dec), season of n injected events."""
    injector = trials.injector_at(analysis, dec, Spectrum(2.0), float(n), poisson=False, extension=extension)
    draws = np.empty((n + 1, 5))
    draw_signal(injector, *(np.uint64(x) for x in KEY), np.uint64(0), draws)
    return draws[:n]


@pytest.mark.parametrize("dec_deg", [-70.0, 5.0])
@pytest.mark.parametrize("width_deg", [0.5, 2.5, 8.0])
def test_events_come_from_places_normally_distributed_around_the_centre(analysis, dec_deg, width_deg):
    """Event for event: a place drawn with vectors around the same direction gives the same distribution of distances.

    <cos psi> of two independent, isotropic displacements is the product of their means: exact on the sphere.
    """
    dec, width = np.radians(dec_deg), np.radians(width_deg)
    point, spread = drawn(analysis, dec, 0.0), drawn(analysis, dec, width)
    for column in (0, 2, 4):
        assert np.array_equal(point[:, column], spread[:, column]), "energy, sigma and season are the same draws"
    offset = width * np.sqrt(-2 * np.log((np.arange(200_000) + 0.5) / 200_000))
    expected = np.cos(point[:, 1]).mean() * np.cos(offset).mean()
    found = 1 - np.cos(spread[:, 1])
    error = found.std() / np.sqrt(len(found))
    assert abs(found.mean() - (1 - expected)) < 4 * error
    if width_deg > 1:  # half a degree is little beside the events' own spread
        assert abs((1 - np.cos(point[:, 1])).mean() - (1 - expected)) > 6 * error, "negative control: a point source"
    # The position angle stays uniform: declinations follow from psi.
    angle = (spread[:, 3] - np.sin(dec) * np.cos(spread[:, 1])) / (np.cos(dec) * np.sin(spread[:, 1]))
    assert np.abs(angle).max() < 1 + 1e-6
    assert abs(angle.mean()) < 4 / np.sqrt(2 * len(angle))


@pytest.fixture(scope="module")
def wide(dataset):
    """The same data with a likelihood that assumes an extended source."""
    return engine.build(dataset, CUTS._replace(extension=WIDTH))


def test_the_assumed_extension_widens_sigma_and_nothing_else(analysis, wide):
    assert wide.sky.sigma == pytest.approx(np.hypot(analysis.sky.sigma, WIDTH), rel=1e-14)
    assert np.array_equal(wide.sky.row, analysis.sky.row)
    ratio = wide.sky.weight / analysis.sky.weight
    assert ratio == pytest.approx((analysis.sky.sigma / wide.sky.sigma) ** 2, rel=1e-12)
    for extended, what in ((0.0, analysis), (WIDTH, wide)):
        point = trials.point_at(what, np.radians(5.0))
        injector = trials.injector_at(what, np.radians(5.0), Spectrum(2.0), 8.0, False, extended)
        one = trials.draw(what, point, KEY, 3, injector)
        draws = np.empty((9, 5))
        n = draw_signal(injector, *(np.uint64(x) for x in KEY), np.uint64(3), draws)
        sigma = np.hypot(np.maximum(draws[:n, 2], CUTS.sigma_floor), what.cuts.extension)
        inside = (draws[:n, 1] < CUTS.cut * sigma) & (draws[:n, 2] <= CUTS.sigma_max)
        exponent = np.exp(-0.5 * (draws[:n, 1] / sigma) ** 2) / sigma**2
        tail = one.w[0, -inside.sum() :]
        # W over S is what the density of the background makes of it: the same event, so the ratio is a density.
        assert len(tail) == inside.sum() > 0
        assert np.all(tail / exponent[inside] > 0)


def test_a_matching_likelihood_finds_an_extended_source_and_a_point_like_one_loses_it(analysis, wide):
    """ns of 40 injected events of a 1.5 deg source; the negative control is the point-like likelihood."""
    n, dec = 40, np.radians(20.0)
    mean, error, ts = {}, {}, {}
    for name, what in (("point", analysis), ("wide", wide)):
        point = trials.point_at(what, dec)
        injector = trials.injector_at(what, dec, Spectrum(2.0), float(n), False, WIDTH)
        found = trials.run(what, point, KEY, 0, 300, injector)
        mean[name], error[name] = found["ns"].mean(), found["ns"].std() / np.sqrt(300)
        ts[name] = np.median(found["ts"])
    assert mean["wide"] == pytest.approx(n, rel=0.25)  # the known bias of ns (docs/engine.md)
    assert mean["point"] < 0.6 * mean["wide"]
    assert mean["wide"] - mean["point"] > 10 * np.hypot(error["wide"], error["point"])
    assert ts["wide"] > 1.5 * ts["point"]
