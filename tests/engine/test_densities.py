"""Background densities and the energy ratio: normalised, positive, and decided by no single event."""

import dataclasses

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad, trapezoid
from scipy.special import i0e

from worker.engines.builtin import analysis as engine
from worker.engines.builtin import background, declination, response, smoothing
from worker.engines.builtin import season as of_season
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
        s, expected = of_season.energy_density(season, dec, CUTS.gammas, analysis.grid)
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
    k = (40 + 90) * 2

    def b_at(a):
        return a.energy[0, k, energy_bin(float(log_e), a.grid.lo, a.grid.n)]

    assert b_at(changed) < 3 * b_at(analysis)


def test_expected_events_against_plain_integration(analysis):
    """acceptance = T * integral of A_eff * flux, with scipy's quad over every bin of the area."""
    season = analysis.dataset.seasons[0]
    dec = np.radians(20.0)
    area = declination.area_at(season.area, np.sin(dec))
    broken = response.Spectrum(2.0, log_break=4.3, gamma_above=3.1)
    for spectrum in (response.Spectrum(2.0), response.Spectrum(3.2), response.Spectrum(2.0, 5.0), broken):
        total = 0.0
        for a, lo, hi in zip(area, season.area.log_e_nu, season.area.log_e_nu[1:], strict=False):
            lo_in, hi_in = max(lo, season.smearing.log_e_nu[0]), min(hi, season.smearing.log_e_nu[-1])
            if hi_in > lo_in:
                total += a * quad(
                    lambda x, spectrum=spectrum: (10 ** (x - 5)) ** -spectrum.gamma
                    * 10 ** ((spectrum.gamma - spectrum.gamma_above) * max(x - spectrum.log_break, 0.0))
                    * np.exp(-(10.0 ** (x - spectrum.log_cutoff)))
                    * 10**x
                    * np.log(10),
                    lo_in,
                    hi_in,
                    points=[4.3] if lo_in < 4.3 < hi_in else None,
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


def test_a_break_bends_the_flux_and_not_the_number_of_events(analysis):
    """Both indices equal: no break. Else the flux above the break is that of a continuous spectrum."""
    dec, plain = np.radians(5.0), response.Spectrum(2.0)
    same = plain._replace(log_break=4.3, gamma_above=2.0)
    broken = plain._replace(log_break=4.3, gamma_above=3.0)
    at = 10**1.3  # TeV
    for e0 in (0.5 * at, 100.0):
        flux = [engine.to_e2dnde(analysis, dec, spectrum, 7.0, e0) for spectrum in (plain, same)]
        assert flux[1] == pytest.approx(flux[0], rel=1e-9)
    below, above = (engine.to_e2dnde(analysis, dec, broken, 7.0, e0) for e0 in (at * 0.999999, at * 1.000001))
    assert above == pytest.approx(below, rel=1e-5)
    assert engine.to_e2dnde(analysis, dec, broken, 7.0, 10 * at) == pytest.approx(below / 10, rel=1e-5)


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


@pytest.mark.parametrize("centre_deg", [-90.0, -89.8, -60.0, 0.0, 40.0, 88.0])
def test_a_kernel_has_the_integral_1_up_to_the_poles(centre_deg):
    """Against scipy's Bessel function; over the sphere, so that none of it is lost beyond a pole."""
    dec, width = np.linspace(-np.pi / 2, np.pi / 2, 200_001), np.radians(3.0)
    centre, kappa = np.radians(centre_deg), width**-2
    exact = kappa / (1 - np.exp(-2 * kappa)) * np.exp(kappa * (np.cos(dec - centre) - 1))
    exact *= i0e(kappa * np.cos(dec) * np.cos(centre))
    assert trapezoid(exact * np.cos(dec), dec) == pytest.approx(1.0, abs=1e-6)
    some = slice(None, None, 200)
    found = [smoothing.zonal(float(d), float(centre), float(width)) for d in dec[some]]
    np.testing.assert_allclose(found, exact[some], rtol=1e-12, atol=1e-290)


def bright_pole(n):
    """Declinations of events that are uniform on the sphere, three times as dense within 8 deg of the south pole."""
    cap = 1 - np.cos(np.radians(8.0))
    u = (np.arange(n) + 0.5) / n * (2 + 2 * cap)
    return np.arcsin(np.where(u < 3 * cap, u / 3 - 1, u - 2 * cap - 1))


def test_the_density_at_a_pole_is_that_of_the_events_there():
    n = 200_000
    dec = bright_pole(n)
    found = background.estimate(dec, np.zeros((n, 1), np.int64), 1).density
    at = np.degrees(np.linspace(-np.pi / 2, np.pi / 2, found.size))
    level = 1 / (2 + 2 * (1 - np.cos(np.radians(8.0))))
    np.testing.assert_allclose(found[at < -86], 3 * level, rtol=0.02)
    np.testing.assert_allclose(found[at > -74], level, rtol=0.02)
    assert found[at > 89.9] == pytest.approx(level, rel=0.02)
    # negative control: the fixed width 0.02 in sin(dec), reflected at the pole, of version 1
    distance = np.sin(dec) + 1
    fixed = 2 * np.exp(-0.5 * (distance / 0.02) ** 2).sum() / (n * 0.02 * np.sqrt(2 * np.pi))
    assert fixed < 0.8 * 3 * level


def in_upper_tails(b, bins, tails):
    """Share of events beyond the upper quantiles of b; an event of a quantile's bin counts in part."""
    beyond = np.cumsum(b[::-1])[::-1] - b
    return [np.clip((q - beyond[bins]) / b[bins], 0, 1).mean() for q in tails]


def test_as_many_events_lie_in_the_tails_of_b_as_it_says():
    """Energies that rise steeply to a threshold and fall with a power law, everywhere alike."""
    n, tails = 100_000, (0.1, 0.01)
    u = (np.arange(n) + 0.5) * 0.6180339887498949 % 1
    log_e = np.where(u < 0.1, 2.8 + np.log(u / 0.1) / 40, 2.8 - np.log((1 - u) / 0.9) / 8)
    dec, bins = np.arcsin(np.linspace(-1, 1, n)), ((log_e - 2.0) / 0.05).astype(np.int64)
    row = background.estimate(dec, bins[:, None], 140).energy[180]
    assert in_upper_tails(row, bins, tails) == pytest.approx(tails, rel=0.05)
    counts, fixed = np.bincount(bins, minlength=140).astype(float), np.empty(140)
    smoothing.spread(counts, np.full(140, 0.1), 0.05, fixed)
    assert in_upper_tails(fixed / fixed.sum(), bins, tails)[1] < 0.85 * tails[1], "the fixed width 0.1 is seen"


def test_rounded_energies_give_the_density_of_the_energies():
    """To 0.1, as in the first-year release, they lie in every other bin of 0.05."""
    n = 50_000
    u = (np.arange(n) + 0.5) * 0.6180339887498949 % 1
    log_e, dec = 3.0 - np.log1p(-u) / 3, np.arcsin(np.linspace(-1, 1, n))

    def row(at):
        return background.estimate(dec, ((at - 2.5) / 0.05).astype(np.int64), 140).energy[180]

    rounded = np.float64(np.float32(np.round(log_e, 1)))
    assert background.places(log_e).shape == (n, 1)
    assert background.places(rounded).shape == (n, 4)
    flat = slice(12, 40)
    right = row(log_e[:, None])[flat]
    assert row(background.places(rounded))[flat] == pytest.approx(right, rel=0.25)
    assert (row(rounded[:, None])[flat] / right).min() < 0.1, "the comb is seen"


def test_a_steep_spectrum_stays_as_steep():
    """The second smoothing takes away what a Gaussian adds to an exponential, exp(slope^2 width^2 / 2)."""
    row = 1e5 * np.exp(-0.4 * np.arange(60.0))
    once, twice = np.empty(60), np.empty(60)
    smoothing.spread(row, np.full(60, 0.1), 0.05, once)
    smoothing.smooth_energy(row, 1e9, 0.1, 0.05, np.empty((3, 60)), twice)
    middle = slice(15, 45)
    assert (once / row)[middle] == pytest.approx(np.exp(0.5 * (0.4 * 2) ** 2), rel=0.02)
    assert (twice / row)[middle] == pytest.approx(1.0, rel=0.1)
    assert twice.sum() == pytest.approx(row.sum())


def test_counts_against_densities_see_a_wrong_density(analysis):
    counts = engine.counts_of(analysis, 0)
    n = analysis.dataset.seasons[0].events.dec.size
    assert counts.events.sum() == n
    assert counts.expected.sum() == pytest.approx(n, rel=1e-6)

    def chi2(found, expected):
        return float(((found - expected) ** 2 / expected).sum())

    assert chi2(counts.events, counts.expected) < stats.chi2(20).isf(0.01)
    for q, above in zip(counts.tails[:2], counts.above[:2], strict=True):
        assert chi2(above, q * counts.events) < stats.chi2(20).isf(0.01)
    shifted = dataclasses.replace(analysis, energy=np.roll(analysis.energy, 1, axis=2))
    off = engine.counts_of(shifted, 0)
    assert chi2(off.above[0], off.tails[0] * off.events) > stats.chi2(20).isf(1e-6), "bins that are 0.05 too high"
