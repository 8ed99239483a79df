"""Data without background somewhere: refused where a source is, and no density decides TS anywhere."""

import dataclasses

import numpy as np
import pytest

from dagmaker.htcondor.build import build
from tests.data_release import EVENTS_10, write_lines, write_release
from worker import data
from worker.base import rng
from worker.base.errors import InputError, SpecError
from worker.base.healpix import rings_of
from worker.cli.main import main
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import background, maximum, support, trials
from worker.engines.builtin.response import Spectrum
from worker.engines.builtin.scan import Scanner, right_ascensions
from worker.engines.builtin.sources import SourceScanner
from worker.engines.protocol import Sources
from worker.report.summary import summary
from worker.rundir.ledger import open_run
from worker.spec.specfile import load, loads
from worker.tasks import context

from .conftest import CUTS, SPEC

KEY = rng.key("support")


@pytest.fixture(scope="module")
def whole():
    return data.read(loads(SPEC % 4_000))


def chosen(dataset, keep, **changes):
    """The data with some of the events, and the season with other values."""
    season = dataset.seasons[0]
    events = type(season.events)(*(column[keep(season.events)] for column in season.events))
    return dataclasses.replace(dataset, seasons=(dataclasses.replace(season, events=events, **changes),))


def north(dataset, **changes):
    """A selection of events north of dec -5 deg, with the response of the whole sky."""
    return chosen(dataset, lambda events: events.dec > np.radians(-5.0), **changes)


def with_log_e(dataset, change):
    season = dataset.seasons[0]
    log_e = np.asarray(change(season.events.log_e.copy()), np.float32)
    return dataclasses.replace(
        dataset, seasons=(dataclasses.replace(season, events=season.events._replace(log_e=log_e)),)
    )


def one_extreme(log_e):
    log_e[len(log_e) // 2] = 9.5
    return log_e


ODD = {
    "one hemisphere": north,
    "60 events": lambda d: chosen(d, lambda events: np.arange(events.dec.size) % 66 == 0),
    "one band of declination": lambda d: chosen(d, lambda events: np.abs(events.dec) < np.radians(3.0)),
    "one energy": lambda d: with_log_e(d, lambda log_e: np.full_like(log_e, 3.0)),
    "two energies far apart": lambda d: with_log_e(d, lambda log_e: np.where(np.arange(log_e.size) % 2, 2.0, 7.0)),
    "one event of extreme energy": lambda d: with_log_e(d, one_extreme),
    "an empty season": lambda d: dataclasses.replace(d, seasons=(*d.seasons, north(d).seasons[0])),
}


@pytest.fixture(scope="module", params=ODD)
def odd(request, whole):
    return engine.build(ODD[request.param](whole), CUTS)


def test_no_density_is_zero_where_it_is_divided_by(odd):
    assert odd.density.min() > 0
    for season, rows in zip(odd.dataset.seasons, odd.energy, strict=True):
        slices = background.slice_events(season.events.dec.astype(float))
        assert np.all(np.isfinite(rows))
        assert (rows * np.maximum(slices, background.SLICE_EVENTS)[:, None]).min() > 0.99 * background.LEAST_IN_BIN
    assert np.all(np.isfinite(odd.sky.weight))


def test_every_fit_is_a_maximum_wherever_the_source_is(odd):
    """The guard passes, and six injected events are found as about six, not as a millionth of one."""
    for dec in np.radians([-80.0, -30.0, -12.0, -8.0, 0.0, 40.0]):
        point = trials.point_at(odd, dec)
        trials.run(odd, point, KEY, 0, 20)
        found = trials.run(odd, point, KEY, 0, 40, trials.injector_at(odd, dec, Spectrum(2.0), 6.0))
        assert np.median(found["ns"]) > 1.0
        assert found["ts"].max() < 1000.0  # up to a dozen events, each at most what the limits of p and b allow


def test_scans_of_the_same_pass_the_guard(odd):
    rings = rings_of(2)
    scanner, turn = Scanner(odd, rings), right_ascensions(odd, KEY, 0)
    for r in range(len(rings.dec)):
        scanner.ring(r, turn)
    SourceScanner(odd, Sources(np.radians([-60.0, 10.0]), np.array([0.1, 0.6]))).skies(KEY, 0, 2)


def test_without_the_limits_the_guard_refuses(whole, monkeypatch):
    for name in ("LEAST_EVENTS", "SLICE_EVENTS", "LEAST_SEEN", "LEAST_IN_BIN"):
        monkeypatch.setattr(background, name, 0.0)
    with np.errstate(all="ignore"):
        bare = engine.build(north(whole), CUTS)
    dec = np.radians(-11.0)
    with pytest.raises(
        InputError, match=r"^trials at dec -11 deg: the fit ended at TS = .*no maximum of the likelihood"
    ):
        trials.run(bare, trials.point_at(bare, dec), KEY, 0, 100, trials.injector_at(bare, dec, Spectrum(2.0), 6.0))


def test_limits_change_no_bit_where_there_are_events(whole, monkeypatch):
    def files(dataset):
        analysis, out = engine.build(dataset, CUTS), []
        for dec in np.radians([0.0, 20.0, 60.0]):
            point, injector = trials.point_at(analysis, dec), trials.injector_at(analysis, dec, Spectrum(2.0), 8.0)
            out += [trials.run(analysis, point, KEY, 0, 50, what).tobytes() for what in (None, injector)]
        return out

    north_only = chosen(whole, lambda events: events.dec > np.radians(-60.0))
    limited = files(whole), files(north_only)
    for name in ("LEAST_EVENTS", "SLICE_EVENTS", "LEAST_SEEN", "LEAST_IN_BIN"):
        monkeypatch.setattr(background, name, 0.0)
    with np.errstate(all="ignore"):
        assert (files(whole), files(north_only)) == limited


def test_a_declination_without_background_is_refused(whole):
    analysis = engine.build(north(whole), CUTS)
    support.require(analysis, np.radians([-3.0, 30.0, 90.0]))
    text = (
        r"^dec -12 deg: synthetic has no events within 0.04 of it in sin\(dec\), and its response sees up to 100% of a "
        r"source's events there \(2 of 3 declinations are like this\)\. .*keep background\.dec_deg, and the sources of "
        r"a list, between -4 and 90 deg; for a map write scan\.dec_min_deg: -4 and scan\.dec_max_deg: 90$"
    )
    with pytest.raises(SpecError, match=text):
        support.require(analysis, np.radians([-12.0, 30.0, -80.0]))
    with pytest.raises(SpecError, match=r"^dec -6 deg: .* has [0-9]+ events within .*, all on one side, and"):
        support.require(analysis, np.radians(-6.0))  # whose density would be that of the edge, without an event near


def test_a_small_season_is_noted_and_not_refused(whole):
    few = engine.build(chosen(whole, lambda events: np.arange(events.dec.size) % 13 == 0), CUTS)
    support.require(few, np.radians(np.arange(-85.0, 86.0)))
    assert support.notes(few, 0)[0].startswith("only 308 events: the background densities rest on about 31 of them")


def test_a_season_without_background_is_refused_unless_it_sees_nothing(whole):
    other = dataclasses.replace(north(whole).seasons[0], name="north")
    pair = dataclasses.replace(whole, seasons=(*whole.seasons, other))
    with pytest.raises(SpecError, match=r"^dec -30 deg: north has no .*or leave north out of data\.seasons$"):
        support.require(engine.build(pair, CUTS), np.radians(-30.0))
    blind = np.where(other.area.sin_dec[None, 1:] < -0.1, 0.0, other.area.area_cm2)
    consistent = dataclasses.replace(other, area=other.area._replace(area_cm2=blind))
    pair = dataclasses.replace(whole, seasons=(*whole.seasons, consistent))
    support.require(engine.build(pair, CUTS), np.radians(-30.0))


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("40 events", r"^synthetic: 40 events; a season needs at least 50.*Leave it out of data\.seasons"),
        ("none", r"^synthetic: no events; a season needs"),
        ("one energy", r"^synthetic: 90 % of the events have log10\(E / GeV\) between 3 and 3: .*Correct the column"),
    ],
)
def test_seasons_from_which_nothing_can_be_estimated(whole, case, text):
    few = {
        "40 events": lambda d: chosen(d, lambda events: np.arange(events.dec.size) < 40),
        "none": lambda d: chosen(d, lambda events: events.dec > 9.0),
        "one energy": ODD["one energy"],
    }[case](whole)
    with pytest.raises(InputError, match=text):
        support.require_seasons(few)


def test_what_is_noted(whole):
    assert support.notes(engine.build(whole, CUTS), 0) == ()
    [empty] = support.notes(engine.build(north(whole), CUTS), 0)
    assert empty.startswith("too few events within 0.04 in sin(dec) at 8")
    assert "(-90 to -5 deg)" in empty
    [extreme] = support.notes(engine.build(ODD["one event of extreme energy"](whole), CUTS), 0)
    assert extreme.startswith("1 events with an energy that the background near them does not have (dec ")


@pytest.mark.parametrize(
    ("ts", "ns", "good"),
    [
        (21293.0, 2.5e-60, False), (1.0, 0.05, False), (-0.1, 1.0, False), (np.nan, 1.0, False), (5.0, np.nan, False),
        (0.0, 0.0, True), (0.002, 0.04, True), (1.2, 0.7, True), (300.0, 4.0, True),
    ],
)  # fmt: skip
def test_what_a_maximum_cannot_be(ts, ns, good):
    row = np.array([[0.0, 0.0, 2.0], [ts, ns, 2.0]])
    if good:
        assert maximum.require(row, "here") is row
    else:
        with pytest.raises(InputError, match=r"^here: the fit ended at .*\(1 of 2 fits are like this\)"):
            maximum.require(row, "here")


@pytest.fixture(scope="module")
def northern_release(tmp_path_factory):
    """Files of a northern selection, and a spec that scans the whole sky."""
    root = tmp_path_factory.mktemp("north")
    folder, draw = write_release(root / "release"), np.random.default_rng(1)
    columns = zip(draw.uniform(2, 5, 900), draw.uniform(0.3, 2, 900), draw.uniform(0, 360, 900), strict=True)
    sin_dec = draw.uniform(-0.05, 1, 900)
    dec = np.degrees(np.arcsin(sin_dec))
    lines = [
        f"118000 {i} 0 {55000.6 + i * 1e-4:.8f} {e:.2f} {s:.2f} {ra:.3f} {dec[i]:.3f} 1.0 2.0"
        for i, (e, s, ra) in enumerate(columns)
    ]
    write_lines(folder / "events" / "IC86_I_exp.csv", EVENTS_10, lines)
    return root


NORTHERN = """
version: 1
name: north
seed: 3
data: {format: icetracks, dir: release, seasons: [IC86_I]}
background: {tail: none, dec_deg: [%s, 20, 70], n_trials: 10}
signal: {n_sig: [2, 5, 10], n_trials: 10}
scan: {nside: 2, map_nside: null, n_skies: 2, dec_min_deg: %s, dec_max_deg: 80}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("lowest", "scanned"), [(-30, 0), (-45, -60)])
def test_prepare_refuses_before_it_writes(northern_release, tmp_path, capsys, lowest, scanned):
    spec = northern_release / "wide.yaml"
    spec.write_text(NORTHERN % (lowest, scanned))
    build(load(spec), tmp_path / "run")
    assert main(["prepare", f"--run={tmp_path / 'run'}"]) == 2
    assert "write scan.dec_min_deg: -" in capsys.readouterr().err
    assert not list((tmp_path / "run").glob("prepared/*"))
    assert main(["data_summary", f"--spec={spec}", f"--output={tmp_path / 'page'}"]) == 0
    assert "`worker prepare` refuses these data: dec" in (tmp_path / "page" / "data.txt").read_text()


def test_a_run_that_was_prepared_without_the_check_is_refused_later(northern_release, tmp_path, capsys, monkeypatch):
    """As an earlier version left it: no new trials, and its results say why."""
    run, spec = tmp_path / "run", northern_release / "old.yaml"
    spec.write_text(NORTHERN % (-30, 0))
    build(load(spec), run)
    monkeypatch.setattr(context, "with_engine_notes", lambda dataset, spec: dataset)
    main(["prepare", f"--run={run}"])
    monkeypatch.undo()
    assert (run / "prepared" / "data.npz").exists()
    capsys.readouterr()
    assert main(["sig_trials", f"--run={run}", "--dec=20", "--n_sig=5", "--n=10"]) == 2
    assert "dec -30 deg: IC86_I has no events" in capsys.readouterr().err
    [season] = summary(open_run(run))["data"]["seasons"]
    assert season["notes"][-1].startswith("`worker prepare` refuses these data: dec -30 deg: IC86_I")
