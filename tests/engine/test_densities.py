"""Background densities and the energy ratio: normalised, positive, and decided by no single event."""

import dataclasses

import numpy as np
import pytest
from scipy.integrate import quad, trapezoid

from worker.engines.builtin import analysis as engine
from worker.engines.builtin import response
from worker.engines.builtin.background import at_sin_dec, energy_bin
from worker.engines.builtin.tables import hermite

from .conftest import CUTS


def test_density_in_sin_dec_integrates_to_one(analysis):
    x = np.linspace(-1, 1, 40_001)
    total = trapezoid([at_sin_dec(analysis.density[0], s) for s in x], x)
    assert total == pytest.approx(1.0, abs=1e-6)
    assert analysis.density[0].min() > 0


def test_density_follows_the_events(analysis):
    sin_dec = np.sin(analysis.dataset.seasons[0].events.dec.astype(float))
    edges = np.linspace(-0.9, 0.9, 10)
    counts, _ = np.histogram(sin_dec, edges)
    centres = np.linspace(edges[:-1], edges[1:], 21)
    expected = len(sin_dec) * np.array([at_sin_dec(analysis.density[0], s) for s in centres.ravel()])
    expected = expected.reshape(centres.shape).mean(axis=0) * 0.2
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected) + 0.01 * expected)


def test_energy_densities_sum_to_one_and_are_positive(analysis):
    np.testing.assert_allclose(analysis.energy[0].sum(axis=1), 1.0, rtol=1e-12)
    assert analysis.energy[0].min() > 0


def test_signal_energy_density_sums_to_one(analysis):
    season = analysis.dataset.seasons[0]
    for dec in np.radians([-80, -30, 0, 5, 60, 89]):
        s, expected = response.energy_density(season, dec, CUTS.gammas, analysis.grid)
        assert np.all(expected > 0)
        np.testing.assert_allclose(s.sum(axis=1), 1.0, rtol=1e-6)  # cells are float32


def test_one_event_more_does_not_decide_the_ratio(dataset, analysis):
    """An extreme event is added where there is none: its own background density hardly moves."""
    events = dataset.seasons[0].events
    dec, log_e = np.float32(np.radians(40)), np.float32(events.log_e.max() + 0.4)
    one_more = type(events)(
        np.append(events.dec, dec), np.append(events.sigma, events.sigma[0]), np.append(events.log_e, log_e)
    )
    season = dataclasses.replace(dataset.seasons[0], events=one_more)
    changed = engine.build(dataclasses.replace(dataset, seasons=(season,)), CUTS)
    k = round((np.sin(40 * np.pi / 180) + 1) * 100)

    def b_at(a):
        return a.energy[0, k, energy_bin(float(log_e), a.grid.lo, a.grid.n)]

    assert b_at(changed) < 3 * b_at(analysis)


def test_expected_events_against_plain_integration(analysis):
    """acceptance = T * integral of A_eff * flux, with scipy's quad over every bin of the area."""
    season = analysis.dataset.seasons[0]
    dec = np.radians(20.0)
    area = season.area.area_cm2[:, response.area_bin(season.area, dec)]
    for spectrum in (response.Spectrum(2.0), response.Spectrum(3.2), response.Spectrum(2.0, 5.0)):
        total = 0.0
        for a, lo, hi in zip(area, season.area.log_e_nu, season.area.log_e_nu[1:], strict=False):
            lo_in, hi_in = max(lo, season.smearing.log_e_nu[0]), min(hi, season.smearing.log_e_nu[-1])
            if hi_in > lo_in:
                total += a * quad(
                    lambda x, spectrum=spectrum: (10 ** (x - 5)) ** -spectrum.gamma
                    * np.exp(-(10.0 ** (x - spectrum.log_cutoff)))
                    * 10**x
                    * np.log(10),
                    lo_in,
                    hi_in,
                )[0]  # fmt: skip
        total *= season.livetime_days * 86400
        assert response.acceptance(season, dec, spectrum) == pytest.approx(total, rel=2e-3)


def test_flux_conversion_is_the_inverse_of_the_expected_events(analysis):
    dec, spectrum = np.radians(5.0), response.Spectrum(2.5)
    flux = engine.to_e2dnde(analysis, dec, spectrum, 7.0, 100.0)  # TeV / cm^2 / s at 100 TeV
    per_gev = flux * 1e3 / (1e5) ** 2  # dN/dE at 100 TeV, per GeV
    assert per_gev * engine.events_per_flux(analysis, dec, spectrum) == pytest.approx(7.0)
    # At another energy the same spectrum is E0^(2 - gamma) of that.
    assert engine.to_e2dnde(analysis, dec, spectrum, 7.0, 1.0) == pytest.approx(flux * 100**0.5)


def test_hermite_is_continuous_in_value_and_slope():
    rates = np.array([0.5, 1.0, 2.0, 3.0])
    x = np.linspace(1, 4, 49)
    values = np.exp(-np.outer(x, rates))
    coef = hermite(values)
    np.testing.assert_allclose(coef[:-1].sum(axis=1), values[1:-1], rtol=1e-12)
    ends = coef[:, 1] + 2 * coef[:, 2] + 3 * coef[:, 3]
    np.testing.assert_allclose(ends[:-1], coef[1:, 1], rtol=1e-9)
    t = 0.5
    middle = coef[:, 0] + t * coef[:, 1] + t**2 * coef[:, 2] + t**3 * coef[:, 3]
    exact = np.exp(-np.outer(0.5 * (x[:-1] + x[1:]), rates))
    np.testing.assert_allclose(middle, exact, rtol=1e-3)
    np.testing.assert_allclose(middle[2:-2], exact[2:-2], rtol=1e-5)
