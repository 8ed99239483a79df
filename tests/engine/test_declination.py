"""The response between the bins of declination: continuous, positive, and the published means are kept."""

import numpy as np
import pytest

from worker.data.dataset import EffectiveArea
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import declination, response
from worker.engines.builtin import season as of_season
from worker.engines.builtin.response import SECONDS_PER_DAY, Spectrum

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


def test_the_events_of_a_flux_have_no_step(analysis):
    """Nor has the table: at edges of bins, 1e-9 on either side; the published area does."""
    season = analysis.dataset.seasons[0]
    spectrum = Spectrum(3.0)
    for edge in (*season.area.sin_dec[20:30], *declination.smearing_edges(season)[1:-1]):
        below, above = (float(np.arcsin(edge + d)) for d in (-1e-9, 1e-9))
        a, b = (engine.events_per_flux(analysis, dec, spectrum) for dec in (below, above))
        assert a == pytest.approx(b, rel=1e-4)
        one, other = (engine.table_at(analysis, dec) for dec in (below, above))
        np.testing.assert_allclose(one.node, other.node, atol=1e-4 * one.node.max())
    columns = season.area.area_cm2[:, 20:30]
    assert (np.abs(np.diff(columns, axis=1)) / columns[:, 1:].clip(1e-9)).max() > 0.1


def test_expected_events_of_a_bin_are_the_published_ones_on_average(analysis):
    season = analysis.dataset.seasons[0]
    edges, gammas = season.area.sin_dec, np.array([2.0, 3.0])
    at = declination.nodes(season)
    for k in (3, 22, 40):
        x = np.unique(np.concatenate([edges[k : k + 2], at[(at > edges[k]) & (at < edges[k + 1])]]))
        events = np.array(
            [
                response.energy_weights(
                    season, float(np.arcsin(place)), [response.Spectrum(gamma) for gamma in gammas]
                ).sum(axis=0)
                for place in x
            ]
        )
        mean = (0.5 * (events[1:] + events[:-1]) * np.diff(x)[:, None]).sum(axis=0) / (x[-1] - x[0])
        published = np.zeros((len(season.smearing.log_e_nu) - 1, 2))
        area = np.ascontiguousarray(season.area.area_cm2[:, k])
        response._weights(season.area.log_e_nu, area, season.smearing.log_e_nu, gammas, np.inf, published)
        np.testing.assert_allclose(mean, published.sum(axis=0) * season.livetime_days * SECONDS_PER_DAY, rtol=1e-6)


@pytest.mark.parametrize("dec_deg", [-33.1, -6.3, 0.0, 4.7, 74.9])
def test_injected_energies_flux_and_table_are_the_same_signal(analysis, dec_deg):
    season, dec = analysis.dataset.seasons[0], float(np.radians(dec_deg))
    cells, expected = of_season.cells(season, dec, Spectrum(2.5))
    assert expected.sum() == pytest.approx(of_season.acceptance(season, dec, Spectrum(2.5)), rel=1e-6)
    edges = analysis.grid.edges
    lo, hi = cells[:, :1].astype(float), cells[:, 1:2].astype(float)
    share = np.clip(np.minimum(hi, edges[1:]) - np.maximum(lo, edges[:-1]), 0, None) / (hi - lo)
    injected = (expected[:, None] * share).sum(axis=0)
    table = engine.table_at(analysis, dec).node[:, 24]  # gamma = 2.5
    np.testing.assert_allclose(injected / injected.sum(), table, rtol=1e-4, atol=1e-7)
    other = engine.table_at(analysis, dec - 0.2).node[:, 24]
    assert np.abs(injected / injected.sum() - other).max() > 3e-4, "negative control: eleven degrees further"
