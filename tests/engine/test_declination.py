"""The response between the bins of declination: continuous, positive, and the published means are kept."""

import numpy as np
import pytest

from worker.data.dataset import EffectiveArea
from worker.engines.builtin import declination

STEEP = np.array([0.0, 0.0, 0.3, 1.0, 4.0, 20.0, 60.0, 63.0, 61.0, 60.0, 0.0, 5.0, 5.5])
EDGES = np.linspace(-1.0, 1.0, STEEP.size + 1)


@pytest.fixture(scope="module")
def area():
    return EffectiveArea(np.array([2.0, 3.0, 4.0]), EDGES, np.array([STEEP, np.arange(1.0, STEEP.size + 1)]))


def lines(area, x):
    """Effective area at many places, (n_e, n)."""
    return np.array([declination.area_at(area, float(place)) for place in x]).T


def mean(values):
    return 0.5 * (values[:, 1:] + values[:, :-1]).mean(axis=1)


def test_the_mean_of_every_bin_is_the_published_one(area):
    for k in range(STEEP.size):
        inside = lines(area, np.linspace(EDGES[k], EDGES[k + 1], 201))
        assert inside.min() >= 0
        np.testing.assert_allclose(mean(inside), area.area_cm2[:, k], rtol=1e-9, atol=1e-12)
    between_centres = np.interp(np.linspace(EDGES[5], EDGES[6], 201), 0.5 * (EDGES[1:] + EDGES[:-1]), STEEP)
    assert abs(between_centres.mean() / STEEP[5] - 1) > 0.05, "negative control: a line through the centres does not"


def test_the_area_has_no_step_and_a_slope_stays_a_slope(area):
    beside = np.concatenate([EDGES[1:-1] - 1e-9, EDGES[1:-1] + 1e-9])
    left, right = np.split(lines(area, beside), 2, axis=1)
    np.testing.assert_allclose(left, right, atol=1e-5)
    assert np.abs(np.diff(STEEP)).max() > 1, "the bins themselves have steps"
    x = np.linspace(EDGES[4], EDGES[9], 50)
    straight = (x + 1) / (EDGES[1] - EDGES[0]) + 0.5
    np.testing.assert_allclose(lines(area, x)[1], straight, rtol=0.02)


@pytest.mark.parametrize("edges", [np.linspace(-1, 1, 31), np.array([-1.0, -0.25, -0.225, -0.2, 0.1, 1.0])])
def test_smearing_of_two_bins_is_mixed_near_their_edge_only(edges):
    weights = np.zeros((4001, len(edges) - 1))
    for row, x in zip(weights, np.linspace(-1, 1, 4001), strict=True):
        for j, weight in declination.bin_weights(edges, float(x)):
            row[j] = weight
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)
    assert weights.min() >= 0
    assert np.abs(np.diff(weights, axis=0)).max() < 0.0005 / (2 * 0.0125) + 1e-9, "no step"
    middles = 0.5 * (edges[1:] + edges[:-1])
    for j, x in enumerate(middles):
        assert declination.bin_weights(edges, float(x)) == ((j, 1.0),)
    for j, x in enumerate(edges[1:-1]):
        assert dict(declination.bin_weights(edges, float(x))) == pytest.approx({j: 0.5, j + 1: 0.5})


def test_nodes_hold_every_corner_and_a_declination_lies_between_two(dataset):
    season = dataset.seasons[0]
    at = declination.nodes(season)
    assert (at[0], at[-1]) == (-1.0, 1.0)
    assert np.diff(at).min() > declination.SAME
    edges = season.area.sin_dec
    for x in (*edges, *(0.5 * (edges[1:] + edges[:-1]))):
        assert np.abs(at - x).min() < 1e-8
    for dec in np.radians([-90.0, -89.99, -30.0, -5.0, 0.0, 11.3, 89.0, 90.0]):
        found = declination.node_weights(at, float(dec))
        assert sum(weight for _, weight in found) == pytest.approx(1.0, abs=1e-12)
        assert sum(at[k] * weight for k, weight in found) == pytest.approx(np.sin(dec), abs=1e-8)
        assert len({k for k, _ in found}) <= 2
