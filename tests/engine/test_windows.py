"""Windows in time: the engine against a plain reading of the formula, against each other, and against the season."""

import dataclasses
from functools import partial

import numpy as np
import pytest
from scipy import stats

from tests import oracle, oracle_window
from tests.engine.conftest import CUTS, with_another
from tests.engine.test_oracle import as_read
from worker.base import rng
from worker.base.errors import SpecError
from worker.data import local
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import live, reference, trials, windows
from worker.engines.builtin.response import Spectrum
from worker.engines.builtin.window_engine import WindowEngine
from worker.engines.builtin.window_skies import WindowFits
from worker.engines.protocol import Signal
from worker.spec.point import Window
from worker.spec.specfile import loads
from worker.spec.spectra import prior_of

pytestmark = pytest.mark.slow

KEY = rng.key("window", 1)
LATER = 120.0
SPEC = """
version: 1
name: windows
seed: 7
data: {{format: synthetic, n_events: 40000, livetime_days: 100.0}}
likelihood: {{psf: gaussian, gamma: {gamma}}}
hypothesis: {{kind: window, sources: [{sources}]}}
background: {{n_trials: 10}}
signal: {{n_sig: [2, 5, 10], n_trials: 10}}
scan: {{kind: points, n_skies: 2}}
"""


def spec_of(*sources: str, gamma: str = "free"):
    return loads(SPEC.format(gamma=gamma, sources=", ".join(f"{{name: s{i}, {s}}}" for i, s in enumerate(sources))))


def source(dec: float, ra: float, times: str) -> str:
    return f"dec_deg: {dec}, ra_deg: {ra}, {times}"


@pytest.fixture(scope="module")
def seasons(dataset):
    """Two seasons, one after the other."""
    both = with_another(dataset)
    first, second = both.seasons
    runs = second.runs._replace(start=second.runs.start + LATER, stop=second.runs.stop + LATER)
    return dataclasses.replace(both, seasons=(first, dataclasses.replace(second, runs=runs)))


@pytest.fixture(scope="module")
def begin(seasons):
    return float(seasons.seasons[0].runs.start[0])


@pytest.fixture(scope="module")
def built(seasons):
    return engine.build(seasons, CUTS)


def _scattered(begin, n):
    """Windows of all lengths, some across a gap or both seasons, a third of them Gaussian."""
    generator, sources = np.random.default_rng(3), []
    for i in range(n):
        dec, ra = np.degrees(np.arcsin(generator.uniform(-0.9, 0.95))), generator.uniform(0, 360)
        length = 10 ** generator.uniform(0.5, 2.3)
        middle = begin + generator.uniform(10, 210)
        times = f"centre_mjd: {middle}, length_days: {length}"
        if i % 3 == 0:
            times = f"centre_mjd: {middle}, sigma_days: {length / 6}"
        sources.append(source(dec, ra, times))
    return sources


def _sky(built, seasons, seed):
    """Right ascensions (turns) and times of all usable events; more at the places of the sources are not needed."""
    generator = np.random.default_rng(seed)
    turn, mjd = generator.random(built.sky.dec.size), np.empty(built.sky.dec.size)
    for j, season in enumerate(seasons.seasons):
        own = built.sky.season == j
        run = generator.choice(len(season.runs.start), own.sum(), p=season.runs.n_events / season.runs.n_events.sum())
        mjd[own] = season.runs.start[run] + (season.runs.stop - season.runs.start)[run] * generator.random(own.sum())
    return turn, mjd


@pytest.mark.slow  # 5 s: 200 fits by scipy
@pytest.mark.parametrize("gamma", ["free", "2.3"])
def test_200_windows_of_two_seasons_agree_with_the_oracle(built, seasons, begin, gamma):
    spec = spec_of(*_scattered(begin, 230), gamma=gamma)
    points, made = [], WindowEngine(spec, None)
    made._runs = [(season.runs, live.rates(season.runs)) for season in seasons.seasons]
    for at in spec.all_points:
        if live.profile_of(made._runs, at.model.window).good.sum() > 0:
            points.append(at)
    fixed = None if gamma == "free" else float(gamma)
    built = dataclasses.replace(built, cuts=built.cuts._replace(prior=prior_of(spec.likelihood.gamma)))
    turn, mjd = _sky(built, seasons, 5)
    fits = WindowFits(built, made._runs, [None, None], lambda at: live.profile_of(made._runs, at.model.window), points)
    found = fits.at(np.stack([turn, mjd])[None])[0]
    model = oracle.model(tuple(as_read(season) for season in seasons.seasons))
    runs = [oracle_window.Runs(*season.runs) for season in seasons.seasons]
    sky = [(turn[built.sky.season == j] * 2 * np.pi, mjd[built.sky.season == j]) for j in range(2)]
    assert len(points) >= 200
    off, wrong = [], []
    for at, row in zip(points, found, strict=True):
        w = at.model.window
        window = oracle_window.Window(w.profile == "gaussian", w.middle, w.width)
        place = np.radians(at.labels["ra_deg"]), at.model.dec[0], sky, fixed
        off.append(row["ts"] - oracle_window.ts_of(model, runs, window, *place)[0])
        if row["ts"] > 1 and len(wrong) < 3:
            moved = window._replace(width=window.width * 1.0001)
            wrong.append(row["ts"] - oracle_window.ts_of(model, runs, moved, *place)[0])
    assert np.abs(off).max() < 1e-6
    assert 0.1 < np.mean(found["ts"] > 0) < 0.9
    assert np.abs(wrong).min() > 1e-6, "a window longer by a ten-thousandth would be seen"


def _window(built, seasons, window, dec_deg=5.0):
    runs = [(season.runs, live.rates(season.runs)) for season in seasons.seasons]
    return windows.window_point(built, np.radians(dec_deg), live.profile_of(runs, window))


def _all(seasons):
    first = min(season.runs.start.min() for season in seasons.seasons) - 1
    last = max(season.runs.stop.max() for season in seasons.seasons) + 1
    return Window("box", 0.5 * (first + last), last - first)


def test_the_window_of_all_livetime_has_the_time_integrated_likelihood(built, seasons):
    """TS_window(ns) = TS(ns / (1 + ns / N)) + 2 [N ln(1 + ns / N) - ns] exactly, for one season.

    In the time-integrated likelihood N is shared between signal and background, in a window the background is known:
    the difference is about ns^2 / N.
    """
    one = dataclasses.replace(seasons, seasons=seasons.seasons[:1])
    single = engine.build(one, CUTS)
    at = _window(single, one, _all(one))
    point = trials.point_at(single, np.radians(5.0))
    assert np.array_equal(at.table.node, point.table.node)
    assert at.near.profile.expected[0] == pytest.approx(single.n_data[0], rel=1e-12)
    drawn = trials.draw(single, point, KEY, 7)
    n, ns = float(single.n_data[0]), np.array([0.5, 3.0, 20.0, 300.0])
    for gamma in (1.7, 2.0, 3.3):
        extended = reference.extended_ts_at(drawn, at.table, ns, gamma)
        integrated = reference.ts_at(drawn, point.table, ns / (1 + ns / n), gamma)
        np.testing.assert_allclose(extended, integrated + 2 * (n * np.log1p(ns / n) - ns), rtol=0, atol=1e-9)
        assert np.abs(extended - reference.ts_at(drawn, point.table, ns, gamma)).max() > 1e-3


def test_the_fit_is_the_maximum_of_the_numpy_likelihood(built, seasons):
    at = _window(built, seasons, _all(seasons)._replace(width=60.0))
    found = windows.run(built, at, KEY, 0, 200)
    gammas = np.linspace(1, 4, 97)
    for i in [*np.argsort(found["ts"])[-3:], 0, 1]:
        drawn = windows.draw(built, at, KEY, int(i))
        best = reference.largest(partial(reference.extended_ts_at, drawn, at.table), np.array([100.0]), gammas)
        assert -1e-3 < found["ts"][i] - best[0] < 0.02
        row = found[i]
        exact = reference.extended_ts_at(drawn, at.table, np.array([row["ns"]]), float(row["gamma"]))
        assert row["ts"] == pytest.approx(float(exact[0]), abs=1e-9)


def test_two_disjoint_windows_have_the_events_of_their_union(seasons, begin):
    """Background and livetime add; and the profile of a Gaussian over both seasons is that of its good time."""
    runs = [(season.runs, live.rates(season.runs)) for season in seasons.seasons]
    parts = [Window("box", begin + 15, 30.0), Window("box", begin + 80, 100.0)]
    both = live.profile_of(runs, Window("box", begin + 65, 130.0))
    found = [live.profile_of(runs, part) for part in parts]
    for name in ("expected", "live", "good"):
        np.testing.assert_allclose(sum(getattr(p, name) for p in found), getattr(both, name), rtol=1e-12)


@pytest.mark.parametrize("times", ["length_days: 80", "sigma_days: 10"])
def test_a_signal_that_the_window_holds_is_found_without_bias(dataset, begin, times):
    spec = loads(SPEC.replace("psf: gaussian", "psf: response").format(
        gamma="free", sources=f"{{name: s, {source(5.0, 77.0, f'centre_mjd: {begin + 50}, {times}')}}}"
    ))  # fmt: skip
    found = WindowEngine(spec, dataset).trials(spec.all_points[0], KEY, 0, 2000, Signal(10.0, 2.0))["ns"]
    assert found.mean() == pytest.approx(10.0, abs=4 * found.std() / np.sqrt(2000) + 0.15)


def test_trials_do_not_depend_on_how_they_are_cut(built, seasons, begin):
    at = _window(built, seasons, Window("gaussian", begin + 50, 10.0))
    within = windows.during(built, at.near.profile)
    injector = trials.injector_at(within, at.dec, Spectrum(2.0), 2.0)
    whole = windows.run(built, at, KEY, 0, 300, injector)
    assert np.array_equal(whole[100:], windows.run(built, at, KEY, 100, 200, injector))
    assert len(np.unique(whole["ts"])) > 150


@pytest.mark.parametrize("times", ["start_mjd: {}, length_days: 3", "centre_mjd: {}, sigma_days: 0.5"])
def test_skies_have_the_distribution_of_trials_and_a_wrong_background_is_seen(dataset, begin, times):
    spec = spec_of(source(5.0, 77.0, times.format(begin + 41.5)))
    made, [at] = WindowEngine(spec, dataset), spec.all_points
    in_trials = made.trials(at, KEY, 0, 40_000)["ts"]
    in_skies = made.point_scanner(spec.all_points).skies(KEY, 0, 4000)["ts"][:, 0]
    for x in (0.0, 1.0):
        p, n = np.mean(in_trials > x), len(in_skies)
        assert np.mean(in_skies > x) == pytest.approx(p, abs=4 * np.sqrt(p / n))
    p = np.mean(in_trials > 0)
    doubled = made._window(at)
    near = doubled.near._replace(count_cdf=trials.poisson_cdf(1.5 * float(doubled.near.candidates.hazard[-1])))
    off = windows.run(made._analysis, doubled._replace(near=near), KEY, 0, 40_000)["ts"]
    assert np.mean(off > 0) > p + 4 * np.sqrt(p / 4000), "negative control: half as many events again"


def test_windows_of_one_source_share_their_events_in_a_sky(dataset, begin):
    times = [f"start_mjd: {begin + at}, length_days: {length}" for at, length in ((0, 6), (0, 7), (50, 6))]
    spec = spec_of(*(source(5.0, 77.0, each) for each in times))
    ts = WindowEngine(spec, dataset).point_scanner(spec.all_points).skies(KEY, 0, 1500)["ts"]
    together = np.corrcoef(ts.T)
    assert together[0, 1] > 0.5
    assert abs(together[0, 2]) < 4 / np.sqrt(1500), "negative control: other times"


def test_windows_of_hours_have_the_background_of_the_azimuth_of_the_source(dataset, begin):
    """The Earth turns the source through the acceptance of the detector; trials, skies and the formula agree in it."""
    density = 1.0 + 0.8 * np.sign(np.sin(2 * np.pi * (np.arange(local.BINS) + 0.5) / local.BINS))
    uneven = dataclasses.replace(dataset, seasons=(dataclasses.replace(dataset.seasons[0], hour_angle=density),))
    meridian = float(local.sidereal_turns(np.array([begin + 10.0]))[0]) * 360
    every = [source(5.0, (meridian + angle) % 360, f"centre_mjd: {begin + 10.0}, length_days: {length}")
             for angle, length in ((-90, 0.2), (90, 0.2), (90, 0.99726957), (90, 10.5))]  # fmt: skip
    spec = spec_of(*every)
    made, even = WindowEngine(spec, uneven), WindowEngine(spec, dataset)
    ratio = [made._profile(at).expected[0] / even._profile(at).expected[0] for at in spec.all_points]
    np.testing.assert_allclose(ratio, [1.8, 0.2, 1.0, 1.0], atol=0.01)
    in_skies = made.point_scanner(spec.all_points).skies(KEY, 0, 8000)["ts"]
    for i, at in enumerate(spec.all_points[:2]):
        p = np.mean(made.trials(at, KEY, 0, 40_000)["ts"] > 0)
        assert np.mean(in_skies[:, i] > 0) == pytest.approx(p, abs=4 * np.sqrt(p / 8000))
        off = np.mean(even.trials(at, KEY, 0, 40_000)["ts"] > 0)
        assert abs(off - p) > 4 * np.sqrt(p / 8000), "negative control: even azimuths are another background"


def test_hour_angles_of_a_season_are_those_of_the_events():
    generator = np.random.default_rng(2)
    angle = np.where(generator.random(60_000) < 0.75, 0.25, 0.75) + 0.02 * generator.random(60_000)
    mjd = 57000 + 300 * generator.random(60_000)
    ra = 2 * np.pi * np.mod(local.sidereal_turns(mjd) - angle, 1.0)
    found = local.hour_angles(mjd, ra)
    assert found.mean() == pytest.approx(1.0)
    assert found[9] / found[27] == pytest.approx(3.0, rel=0.05)
    assert np.count_nonzero(found) == 2
    assert local.hour_angles(mjd[:1000], ra[:1000]) is None
    assert local.sidereal_turns(np.array([51544.5]))[0] * 360 == pytest.approx(280.46061837), "J2000"


def test_times_follow_the_good_runs(dataset, begin):
    """The number near the source is Poisson with the mean of the good runs, and a Gaussian has its own times."""
    spec = spec_of(source(5.0, 77.0, f"start_mjd: {begin + 28}, length_days: 10"))
    made, [at] = WindowEngine(spec, dataset), spec.all_points
    profile = made._window(at).near.profile
    runs = dataset.seasons[0].runs
    assert profile.good[0] == pytest.approx(8.0), "two of ten days lie between two runs"
    rate = live.rates(runs)
    assert profile.expected[0] == pytest.approx(2 * rate[0] + 6 * rate[1], rel=1e-9)
    [note, *_] = [text for text in made.notes()[0] if "window" in text]
    assert "8 of 10 days" in note


@pytest.mark.parametrize(
    ("times", "text"),
    [("start_mjd: 50000, length_days: 1", "before the data"), ("start_mjd: 60000, length_days: 1", "after the data"),
     ("start_mjd: {gap}, length_days: 0.5", "between two good runs")],
)  # fmt: skip
def test_a_window_without_good_time_is_refused_with_its_place(dataset, begin, times, text):
    spec = spec_of(source(5.0, 77.0, times.format(gap=begin + 30.5)))
    with pytest.raises(SpecError, match=f"hypothesis.sources: the window s0__.*{text}.*take it out"):
        WindowEngine(spec, dataset)


def test_a_box_and_a_gaussian_of_the_same_fluence_cost_the_same_flux(dataset, begin):
    """The fluence of one event does not depend on the length of the window if the detector is always on."""
    every = [source(5.0, 77.0, f"centre_mjd: {begin + 15}, {times}")
             for times in ("length_days: 20", "length_days: 0.001", "sigma_days: 2")]  # fmt: skip
    spec = spec_of(*every)
    made = WindowEngine(spec, dataset)
    fluence = [made.flux(at, 2.0) for at in spec.all_points]
    np.testing.assert_allclose(fluence, fluence[0], rtol=2e-6)
    longer = engine.to_e2dnde(made._analysis, np.radians(5.0), Spectrum(2.0), 1.0, 100.0) * 100.0 * 86400
    assert fluence[0] == pytest.approx(longer, rel=1e-9), "100 days of livetime"


def test_the_quoted_fluence_is_seen_as_often_as_the_sensitivity_says(dataset, begin):
    """Coverage at one width: events by strata from few trials, then new trials with the Poisson mean that was found."""
    spec = spec_of(source(5.0, 77.0, f"centre_mjd: {begin + 15}, length_days: 20"))
    made, [at] = WindowEngine(spec, dataset), spec.all_points
    background = made.trials(at, KEY, 0, 20_000)["ts"]
    threshold = float(np.median(background))
    share = [np.mean(background > threshold)]
    for k in range(1, 13):
        within = windows.during(made._analysis, made._profile(at))
        exact = trials.injector_at(within, at.model.dec[0], Spectrum(2.0), float(k), poisson=False)
        found = windows.run(made._analysis, made._window(at), rng.key("k", k), 0, 800, exact)["ts"]
        share.append(np.mean(found > threshold))
    grid = np.linspace(0.5, 6, 111)
    passing = [stats.poisson.pmf(np.arange(13), n) @ share + stats.poisson.sf(12, n) for n in grid]
    n_sig = float(np.interp(0.9, passing, grid))
    seen = np.mean(made.trials(at, rng.key("new", 1), 0, 8000, Signal(n_sig, 2.0))["ts"] > threshold)
    assert seen == pytest.approx(0.9, abs=0.015)
    more = np.mean(made.trials(at, rng.key("new", 2), 0, 8000, Signal(1.3 * n_sig, 2.0))["ts"] > threshold)
    assert more > 0.92, "negative control: 30 % more fluence is seen"


def test_the_p_values_of_signal_free_trials_are_uniform_and_those_with_signal_are_not(dataset, begin):
    spec = spec_of(source(5.0, 77.0, f"start_mjd: {begin}, length_days: 25"))
    made, [at] = WindowEngine(spec, dataset), spec.all_points
    known, new = (np.sort(made.trials(at, rng.key("p", k), 0, 20_000)["ts"]) for k in (1, 2))
    signal = made.trials(at, KEY, 0, 2000, Signal(2.0, 2.0))["ts"]
    for level in (0.2, 0.05, 0.01):
        threshold = np.quantile(known, 1 - level)
        if threshold <= 0:
            continue
        expected = np.mean(known > threshold)
        assert np.mean(new > threshold) == pytest.approx(expected, abs=4 * np.sqrt(2 * expected / 20_000))
        assert np.mean(signal > threshold) > 2 * expected
