"""The signal density from the response: what its tables hold, and that every kernel has the same one."""

import numpy as np
import pytest

from tests import oracle, oracle_psf
from tests.engine.conftest import CUTS, with_another
from tests.engine.test_oracle import as_read, compare
from worker.base import healpix, rng
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import mixture, psf, psf_cells, psf_curves, psf_mixture, scan, trials
from worker.engines.builtin.response import Spectrum
from worker.engines.builtin.sources import SourceScanner
from worker.engines.protocol import Sources, Tilt

KEY = rng.key("psf", 1)
RESPONSE = CUTS._replace(psf="response")


@pytest.fixture(scope="module")
def response(dataset):
    return engine.build(dataset, RESPONSE)


def test_one_gaussian_with_a_cut_is_the_gaussian():
    flat = psf.gaussian(2, 30, 5.0)
    assert flat.narrow == 1.0
    assert np.array_equal(flat.mix, np.ones((2, 1, 2)))
    assert np.array_equal(flat.factor, np.ones((60, 2)))
    assert np.array_equal(flat.inside, np.ones((2, 60)))


@pytest.mark.parametrize("dec_deg", [-75.0, 5.0, 40.0])
def test_tables_are_distributions(response, dec_deg):
    """S has the share of the signal within its cut; sigma has sum 1 with the unusable ones; all is positive."""
    tables = engine.psf_at(response, np.radians(dec_deg))
    variance = psf_mixture.WIDEST / 2.0 ** np.arange(psf_mixture.N_SCALES)
    for k in (0, 1):
        share = tables.mix[:, :, k] * variance
        assert share.min() >= 0
        np.testing.assert_allclose(share.sum(axis=1), 1.0, atol=0.02)  # of the plane: psi / sin(psi) of a wide event
        inside = 1 - (share * np.exp(-0.5 * tables.cut[:, None] ** 2 / variance)).sum(axis=1) / share.sum(axis=1)
        assert inside[tables.cut < 5.0 - 1e-9].min(initial=1.0) > 0.998  # the larger cut of two, linear between bins
        assert inside.min() > 0.5
        of_sigma = tables.factor[:, k].reshape(response.grid.n, -1)
        assert of_sigma.min() > 0
        assert np.all(of_sigma.sum(axis=1) < 1 + 1e-12)
        assert np.median(of_sigma.sum(axis=1)) > 0.9
        assert np.all(tables.inside[k] <= of_sigma.sum(axis=1) + 1e-12)
    assert response.sigma.min() > 0
    assert np.all(response.sigma.sum(axis=-1) < 1 + 1e-12)


def test_tables_are_continuous_in_declination(response):
    """Across the edges and the middles of the response's bins."""
    edges = psf_cells.nodes(response.dataset.seasons[0])
    for sin_dec in (edges[3], 0.5 * (edges[3] + edges[4])):
        below, above = (engine.psf_at(response, np.arcsin(sin_dec + d)) for d in (-1e-9, 1e-9))
        for a, b in zip(below[1:], above[1:], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_curves_of_the_report(response, analysis):
    """Those of a Gaussian are the Rayleigh law; those of the response have most of the signal, nearer to the source."""
    for dec_deg in (5.0, 40.0):
        flat, own = (psf_curves.curves(what, np.radians(dec_deg), 2.0) for what in (analysis, response))
        rayleigh = flat.ratio * np.exp(-0.5 * flat.ratio**2)
        np.testing.assert_allclose(flat.density, np.broadcast_to(rayleigh, flat.density.shape), rtol=1e-12, atol=1e-15)
        inside = np.trapezoid(own.density, own.ratio)
        assert np.all((inside > 0.8) & (inside <= 1.0))
        assert np.all(np.diff(own.log_e) > 0)
        assert np.abs(own.density - rayleigh).max() > 0.05


def test_a_known_mixture_is_found():
    """Psi of a wide and a narrow Gaussian in known shares; the negative control is one Gaussian of their mean."""
    integrals = np.empty((psf_cells.U2_BINS + 2, psf_mixture.N_SCALES))
    psf_mixture.integrals_of(integrals)
    np.testing.assert_allclose(integrals.sum(axis=0), 1.0)
    truth = 0.7 * integrals[:, 5] + 0.3 * integrals[:, 2]
    share, scratch = np.empty(psf_mixture.N_SCALES), np.empty(psf_mixture.N_SCALES)
    psf_mixture.fit(1e4 * truth, integrals, share, scratch)
    found = np.cumsum(integrals @ share)
    assert np.abs(found - np.cumsum(truth)).max() < 0.01
    one = 1 - np.exp(-0.5 * oracle_psf.U2[1:] / (0.7 + 0.3 * 8))
    assert np.abs(one - np.cumsum(truth)).max() > 0.1


def test_signal_events_weigh_the_same_wherever_they_are_weighed(response):
    """An injected event, weighed from its draws, against the tables."""
    dec = np.radians(5.0)
    point = trials.point_at(response, dec)
    injector = trials.injector_at(response, dec, Spectrum(2.0), 200.0, False)
    drawn = trials.draw(response, point, KEY, 0, injector)
    background = trials.draw(response, point, KEY, 0)
    signal = drawn.w[0, background.row.size :] * drawn.n_events[0]
    hard = signal + drawn.w[1, background.row.size :] * drawn.n_events[0]
    assert np.all(hard > 0)
    assert 150 < signal.size <= 200
    assert np.all(signal > 0)
    assert np.median(signal) > 30 * np.median(background.w[0] * background.n_events[0])


def test_pixel_and_source_have_the_same_bits(response):
    rings = healpix.rings_of(4)
    turns = scan.right_ascensions(response, KEY, 3)
    r = 5
    ring = scan.Scanner(response, rings).ring(r, turns)
    n = int(rings.n_pix[r])
    places = Sources(np.full(n, rings.dec[r]), (np.arange(n) + rings.shift[r]) / n)
    out = np.empty((1, n, 3))
    SourceScanner(response, places).at(turns[None], out)
    np.testing.assert_allclose(out[0], ring, rtol=1e-6, atol=1e-9)
    assert ring[:, 0].max() > 1


def test_against_an_oracle_without_shared_code(dataset):
    """Two seasons, some positions; and a change of one part in 10,000 of b(sigma) is seen."""
    merged = with_another(dataset)
    model = oracle.model(tuple(as_read(season) for season in merged.seasons))
    space = oracle_psf.Space(model)
    analysis = engine.build(merged, RESPONSE)
    off, found = compare(analysis, model, 8, 3, 1, 3, space)
    assert off.max() < 1e-6
    assert found[:, 0].max() > 2
    space.background = [1.0001 * table for table in space.background]
    assert compare(analysis, model, 8, 3, 1, 3, space)[0].max() > 1e-6, "negative control"


@pytest.mark.slow
def test_200_positions_of_the_real_season_with_the_response(icetracks_release):
    from worker.data.icetracks import read_release

    season = oracle.read(icetracks_release, "IC86_I", "IC86")
    dataset = read_release(icetracks_release, ["IC86_I"], label="semi-real", sigma_max_deg=5.0)
    model = oracle.model((season,))
    off, found = compare(engine.build(dataset, RESPONSE), model, 64, 25, 5, 5, oracle_psf.Space(model))
    assert len(off) >= 200
    assert off.max() < 1e-6
    assert found[:, 0].max() > 10


def test_fitted_events_are_the_injected_ones(dataset, analysis, response):
    """gamma = 2 and 3.2; the negative control is the Gaussian, which finds too many of one and too few of the other."""
    fitted = {}
    for name, what in (("gaussian", analysis), ("response", response)):
        dec = np.radians(5.0)
        point = trials.point_at(what, dec)
        for gamma in (2.0, 3.2):
            injector = trials.injector_at(what, dec, Spectrum(gamma), 30.0, False)
            fitted[name, gamma] = trials.run(what, point, KEY, 0, 300, injector)["ns"].mean() / 30
    for gamma in (2.0, 3.2):
        assert fitted["response", gamma] == pytest.approx(1.0, abs=0.08)
    assert max(abs(fitted["gaussian", gamma] - 1) for gamma in (2.0, 3.2)) > 0.1


def test_tilted_trials_have_weights_that_are_right_on_average(response):
    """Mean weight of 1 with the new densities (`tests/engine/test_tilted.py` has the rest); not so for other tilts."""
    point = trials.point_at(response, np.radians(5.0))
    tilts = [Tilt(n, gamma, 48 / 256) for n, gamma in ((3.0, 2.0), (10.0, 2.6), (18.0, 3.9))]
    tilts += [Tilt(5.0 + k, 2.2, 0.0) for k in range(4)]
    mixed = mixture.mixture_at(response, point, tilts)
    weight = np.exp(mixture.run(response, point, mixed, KEY, 0, 5000).rows[:, 3])
    error = weight.std() / np.sqrt(weight.size)
    assert abs(weight.mean() - 1) < 4 * error
    wrong = np.exp(mixture.run(response, point, mixed._replace(hazard=0.7 * mixed.hazard), KEY, 0, 5000).rows[:, 3])
    assert abs(wrong.mean() - 1) > 4 * wrong.std() / np.sqrt(wrong.size), "negative control"


def test_simulated_events_have_tables_too(dataset):
    """A season whose response is a list of events."""
    from tests.engine.golden import _simulated

    analysis = engine.build(_simulated(dataset), RESPONSE)
    tables = engine.psf_at(analysis, np.radians(5.0))
    assert np.all(np.isfinite(tables.mix))
    assert np.all(tables.cut > 1)
    point = trials.point_at(analysis, np.radians(5.0))
    injector = trials.injector_at(analysis, np.radians(5.0), Spectrum(2.0), 30.0, False)
    assert trials.run(analysis, point, KEY, 0, 100, injector)["ns"].mean() == pytest.approx(30, rel=0.2)


def test_an_extended_source_spreads_the_tables(dataset):
    """Sigma contains the extension, so psi over sigma stays about as it is: what is known of psi is not thrown away."""
    wide = engine.build(dataset, RESPONSE._replace(extension=float(np.radians(1.5))))
    dec = np.radians(20.0)
    injector = trials.injector_at(wide, dec, Spectrum(2.0), 40.0, False, float(np.radians(1.5)))
    ns = trials.run(wide, trials.point_at(wide, dec), KEY, 0, 200, injector)["ns"].mean()
    assert ns == pytest.approx(40, rel=0.1)
