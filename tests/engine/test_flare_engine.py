"""Flares in an analysis: weights, times and injected flares of trials; the same law in skies; limits of the fit."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from tests.engine.conftest import CUTS, with_another
from worker.base import rng
from worker.base.errors import SpecError
from worker.engines.builtin import analysis as builtin
from worker.engines.builtin import reference, trials
from worker.engines.builtin.flare_engine import FlareEngine
from worker.engines.protocol import Signal
from worker.spec.specfile import loads

pytestmark = pytest.mark.slow

KEY = rng.key("flares", 1)
SPEC = """
version: 1
name: flares
seed: 7
data: {format: synthetic, n_events: 40000, livetime_days: 100.0}
likelihood: {psf: gaussian}
hypothesis:
  kind: flare
  min_days: 2
  max_days: 40
  inject_days: 5
  sources: [{name: near, ra_deg: 77.36, dec_deg: 5.0}, {name: south, ra_deg: 238.9, dec_deg: -11.2}]
background: {n_trials: 10}
signal: {n_sig: [2, 4, 8], n_trials: 10}
scan: {kind: points, n_skies: 2}
"""


@pytest.fixture(scope="module")
def seasons(dataset):
    """Two seasons, one 120 days after the other."""
    first, second = with_another(dataset).seasons
    runs = second.runs._replace(start=second.runs.start + 120.0, stop=second.runs.stop + 120.0)
    return builtin.Dataset(dataset.label, (first, dataclasses.replace(second, runs=runs)))


@pytest.fixture(scope="module")
def engine(seasons):
    return FlareEngine(loads(SPEC), seasons)


@pytest.fixture(scope="module")
def at(engine):
    return engine.spec.all_points[0]


def test_a_trial_is_a_function_of_its_number(engine, at):
    for signal in (None, Signal(8, 2.0)):
        every = engine.trials(at, KEY, 0, 12, signal)
        parts = [engine.trials(at, KEY, 0, 5, signal), engine.trials(at, KEY, 5, 7, signal)]
        assert every.tobytes() == np.concatenate(parts).tobytes()
        assert (every["ts"] > 0).any()
    assert engine.trials(at, KEY, 0, 12).tobytes() != engine.trials(at, rng.key("flares", 2), 0, 12).tobytes()


def test_weights_are_those_of_the_time_integrated_likelihood(engine, at, seasons):
    """N w T / f of the engine's own trial of the same number, over two seasons."""
    built, [dec] = builtin.build(seasons, CUTS), at.model.dec
    point, compared = trials.point_at(built, dec), 0
    for trial in range(3):
        drawn = trials.draw(built, point, KEY, trial)
        events, fitted, _ = engine._trials(at, None).events(KEY, trial)
        np.testing.assert_array_equal(fitted.n_events, drawn.n_events)
        for k in (0, 16, 40):
            signal, share = reference.table_and_share(point.table, CUTS.gammas[k])
            w = reference.weights_at(drawn, CUTS.gammas[k]) * signal[drawn.row] / share[drawn.season]
            expected = np.sort(w * drawn.n_events[drawn.season])
            np.testing.assert_allclose(np.sort(np.exp(events.log_w[:, k]))[-40:], expected[-40:], rtol=1e-9)
            compared += 1
    assert compared == 9


def test_background_times_are_those_of_the_good_runs(engine, at, seasons):
    runs = [season.runs for season in seasons.seasons]
    found = [engine._trials(at, None).events(KEY, trial)[0] for trial in range(60)]
    mjd, season = (np.concatenate([getattr(events, name) for events in found]) for name in ("mjd", "season"))
    for j, own in enumerate(runs):
        times = mjd[season == j]
        run = np.searchsorted(own.start, times, side="right") - 1
        assert (times <= own.stop[run]).all()
        number = np.bincount(run, minlength=own.start.size)
        whole = np.cumsum(own.n_events) / own.n_events.sum()
        off = np.abs(np.cumsum(number) / number.sum() - whole).max() * np.sqrt(times.size)
        assert off < 1.95, "Kolmogorov, p = 0.001"
        uneven = np.cumsum(number * np.linspace(0.5, 1.5, number.size))
        assert np.abs(uneven / uneven[-1] - whole).max() * np.sqrt(times.size) > 1.95, (
            "the test sees 50 % more at one end"
        )


def test_an_injected_flare_is_short_in_good_time_and_found(engine, at, seasons):
    signal, made = Signal(8, 2.0), engine._trials(at, Signal(8, 2.0))
    t0 = np.array([made.events(KEY, trial)[2] for trial in range(300)])
    live = np.concatenate([[s.runs.start[0], s.runs.stop[-1]] for s in seasons.seasons])
    first = np.mean(t0 <= live[1])
    share = engine._runs.until[engine._runs.first[1] - 1] / engine._runs.until[-1]
    assert first == pytest.approx(share, abs=3 * np.sqrt(share * (1 - share) / 300))
    assert ((t0 >= live[0]) & (t0 <= live[-1])).all()
    fits, sure, far = engine.trials(at, KEY, 0, 60, signal), 0, 0
    for fit, truth in zip(fits, t0, strict=False):
        if fit["ts"] > 25:
            sure += 1
            far += abs(fit["t0"] - truth) > 12
    assert sure > 25
    assert far <= 2
    chosen = fits[fits["ts"] > 25]
    assert 2.5 < np.median(chosen["width"]) < 9
    assert np.median(chosen["gamma"]) == pytest.approx(2.0, abs=0.3)


def test_skies_have_the_law_of_trials(engine, at):
    """TS of background trials and skies; the source in the south has another one."""
    skies = engine.point_scanner(engine.spec.all_points).skies(KEY, 0, 250)
    alone = engine.trials(at, KEY, 0, 250)["ts"]
    assert stats.ks_2samp(alone, skies["ts"][:, 0]).pvalue > 1e-3
    with_flares = np.concatenate([alone[:180], engine.trials(at, KEY, 0, 70, Signal(4, 2.0))["ts"]])
    assert stats.ks_2samp(with_flares, skies["ts"][:, 0]).pvalue < 1e-3, (
        "trials with a flare in a quarter are told apart"
    )


def test_an_event_outside_good_runs_is_in_no_flare(engine, at, seasons):
    n = sum(season.events.dec.size for season in seasons.seasons)
    generator = np.random.default_rng(4)
    sizes = [season.events.dec.size for season in seasons.seasons]
    ra = [generator.uniform(0, 2 * np.pi, size) for size in sizes]
    begin = [float(season.runs.start[0]) for season in seasons.seasons]
    mjd = [np.full(size, start + 0.01) for size, start in zip(sizes, begin, strict=True)]
    sky = engine.observed(ra, mjd)
    assert sky.shape[0] == 2
    assert sky.shape[1] <= n
    scanner = engine.point_scanner(engine.spec.all_points)
    inside = scanner.events(at, *sky)
    assert inside.mjd.size > 20
    sky[1] = begin[0] - 3.0
    assert scanner.events(at, *sky).mjd.size == 0


def test_gamma_can_be_fixed_or_have_a_prior(seasons):
    signal = Signal(8, 2.0)
    fits = {}
    for gamma in ("free", "3.0", "{mean: 3.0, sigma: 0.01}", "{mean: 3.0, sigma: 10}"):
        spec = loads(SPEC.replace("psf: gaussian", f"psf: gaussian, gamma: {gamma}"))
        fits[gamma] = FlareEngine(spec, seasons).trials(spec.all_points[0], KEY, 0, 6, signal)
    free, fixed, narrow, wide = fits.values()
    found = fixed["ts"] > 0
    assert (fixed["gamma"][found] == 3.0).all()
    np.testing.assert_allclose(narrow["gamma"][found], 3.0, atol=0.05)
    assert (free["ts"] >= fixed["ts"] - 1e-2).all()
    np.testing.assert_allclose(wide["ts"], free["ts"], atol=0.03)
    np.testing.assert_allclose(narrow["ts"], fixed["ts"], atol=0.1)


def test_a_flare_longer_than_the_data_is_refused(seasons):
    with pytest.raises(SpecError, match=r"hypothesis\.max_days: found 400.*at most"):
        FlareEngine(loads(SPEC.replace("max_days: 40", "max_days: 400")), seasons)


def test_a_fluence_is_that_of_the_mean_acceptance(engine, at):
    flux = super(FlareEngine, engine).flux(at, 2.0)
    assert engine.flux(at, 2.0) == pytest.approx(flux * 86400 * 180.0, rel=1e-12)
