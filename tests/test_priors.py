"""Spatial priors: maps read and frozen, hottest pixels exact in every cut, p-values, review."""

import json
import shutil
from pathlib import Path

import healpy
import numpy as np
import pytest
from astropy.io import fits
from scipy import stats

from dagmaker.cost import cost, significance_reach
from dagmaker.plan import plan
from tests.conftest import made_once
from tests.test_warm_spots import SPEC as WARM
from tests.test_warm_spots import make, whole_sky
from worker.base.errors import InputError, SpecError
from worker.base.task_rows import SCAN_TRIALS
from worker.blinding.unblind import write_results
from worker.hypotheses.sky import priors
from worker.hypotheses.sky.prior_signal import PriorSignal
from worker.hypotheses.sky.rings import RING_DTYPE, rings
from worker.hypotheses.table import ensemble_of
from worker.report import figures, summary
from worker.report.results import load as load_results
from worker.review import replay, single_rows
from worker.rundir import address, layout, store
from worker.rundir.ledger import expected, open_run
from worker.spec import prior_map, prior_maps
from worker.spec.specfile import load, loads, loads_resolved, resolved_text
from worker.stats.several import smallest_p
from worker.tasks import context, scratch_run

NSIDE, N_PIX = 8, 768
ONE = 300
"""Pixel with all the probability of a prior."""


def blob(nside=NSIDE, dec=0.4, ra=2.0, width=0.25):
    """A Gaussian in angle; without probability far away."""
    theta, phi = healpy.pix2ang(nside, np.arange(12 * nside**2))
    angle = healpy.rotator.angdist(np.array([theta, phi]), np.array([0.5 * np.pi - dec, ra]))
    return np.where(angle < 1.0, np.exp(-0.5 * (angle / width) ** 2), 0.0)


MAPS = {"uniform": np.ones(N_PIX), "one": (np.arange(N_PIX) == ONE).astype(float), "blob": blob()}
TEXTS = {name: prior_map.text_of(density) for name, density in MAPS.items()}
FILES = "priors: {uniform: a.fits, one: b.fits, blob: c.fits}"
PRIORS = f"{FILES}, prior_maps: {json.dumps(TEXTS)}, prior_n_sig: [15, 40, 100]"
SPEC = WARM.replace("population: {min_separation_deg: 10}", PRIORS).replace("name: warm", "name: priors")
ALONE = WARM.replace("warm_spots: {min_ts: 2.0}, population: {min_separation_deg: 10}", PRIORS)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made_once(tmp_path_factory, "priors", lambda folder: make(folder, SPEC)) / "run"


@pytest.fixture
def copy(run, tmp_path):
    return Path(shutil.copytree(run, tmp_path / "run"))


def by_hand(ts, density):
    """TS + 2 ln(P / P max) of the hottest pixel, clipped at 0, in plain numpy; rounded P as in the frozen map."""
    scanned = ~np.isnan(ts)
    with np.errstate(divide="ignore"):
        log_p = np.rint(2 * np.log(density / density.max()) * 512) / 512
    total = np.where(scanned, ts + log_p - log_p[scanned].max(), -np.inf)
    return int(np.argmax(total)), max(float(total.max()), 0.0)


def test_the_hottest_pixel_is_that_of_a_whole_map_in_every_band(run):
    opened = open_run(run)
    found = store.load_array(run, layout.PRIORS, 30, priors.SPOT_DTYPE)
    hot = 0
    for sky in range(0, 30, 3):
        ts = whole_sky(opened, sky)
        for k, (name, density) in enumerate(MAPS.items()):
            pixel, total = by_hand(ts, density)
            own = found[sky, k]
            assert own["prior_ts"] == pytest.approx(total, abs=1e-12), name
            if total > 0:
                assert healpy.ang2pix(NSIDE, 0.5 * np.pi - own["dec"], own["ra"]) == pixel
                assert own["ts"] == ts[pixel]
                hot += name == "blob" and ts[pixel] < np.nanmax(ts)
        assert found["prior_ts"][sky, 0] == np.nanmax(ts), "uniform prior: the largest TS"
        assert found["prior_ts"][sky, 1] == ts[ONE], "one pixel: its TS"
    assert hot > 3, "another pixel than the hottest of the sky"


def test_warm_spots_and_ring_maxima_do_not_depend_on_priors(run):
    opened = open_run(run)
    engine = context.skies(opened)
    for file in expected(opened, SCAN_TRIALS)[:3]:
        [both] = ensemble_of(loads(SPEC)).recompute(engine, file, [2])
        [warm] = ensemble_of(loads(WARM)).recompute(engine, file, [2])
        [alone] = ensemble_of(loads(ALONE)).recompute(engine, file, [2])
        n_rings, n_priors = int(np.flatnonzero(np.diff(warm["pixel"][0]) < 0)[0]) + 1, len(MAPS)
        assert both[0, :n_rings].tobytes() == warm[0, :n_rings].tobytes() == alone[0, :n_rings].tobytes()
        n_warm = warm.shape[1] - n_rings
        assert both[0, n_rings + n_priors :][:n_warm].tobytes() == warm[0, n_rings:].tobytes()
        assert both[0, n_rings:][:n_priors].tobytes() == alone[0, n_rings:][:n_priors].tobytes()
        assert both[0, n_rings + n_priors + n_warm :].tobytes() == alone[0, n_rings + n_priors :].tobytes()
        assert store.load_array(opened.path, file.path, file.n, RING_DTYPE)[2].tobytes() == both[0].tobytes()


def test_skies_with_a_source_have_its_hottest_pixel_whatever_the_bands(run):
    """Every pixel of the scan fitted in some of these skies, without the search for the hottest."""
    opened = open_run(run)
    engine, scanned = context.skies(opened), rings(opened.spec.healpix, NSIDE)
    found = store.load_array(run, layout.PRIOR_SIGNAL, 30, priors.SPOT_DTYPE)
    whole = PriorSignal(opened.spec, scanned, engine, 0)
    skies, first = engine.signal_skies(scanned, 2.0), int(scanned.first[0])
    for sky, k, i in ((0, 0, 2), (7, 2, 0), (11, 2, 1), (23, 2, 2), (29, 1, 1)):
        trial = (sky * 3 + k) * 3 + i
        turn = engine.scrambled(address.scan_trials(opened.spec, 0), sky)
        place = whole._place(k, trial)
        turn = skies.add(turn, address.prior_signal(opened.spec, 0), trial, place, (15, 40, 100)[i])
        ts = np.full(N_PIX, np.nan)
        fitted = np.concatenate([skies.ring(r, turn)[:, 0] for r in range(len(scanned.dec))])
        ts[first : first + len(fitted)] = fitted
        pixel, total = by_hand(ts, list(MAPS.values())[k])
        own = found[sky, 3 * k + i]
        assert own["prior_ts"] == pytest.approx(total, abs=1e-12)
        assert total == 0 or healpy.ang2pix(NSIDE, 0.5 * np.pi - own["dec"], own["ra"]) == pixel


def test_sources_are_drawn_from_the_map(run):
    """Places of 2,000 sources in the pixels of a prior: chi2, and not those of another map."""
    opened = open_run(run)
    whole = PriorSignal(opened.spec, rings(opened.spec.healpix, NSIDE), context.skies(opened), 0)
    places = [whole._place(2, trial) for trial in range(2000)]
    pixel = healpy.ang2pix(NSIDE, [0.5 * np.pi - at.dec for at in places], [2 * np.pi * at.turn for at in places])
    scanned = rings(opened.spec.healpix, NSIDE)
    span = slice(int(scanned.first[0]), int(scanned.first[-1] + scanned.n_pix[-1]))
    p = np.where(np.isin(np.arange(N_PIX), np.arange(N_PIX)[span]), MAPS["blob"], 0)
    expected, n = 2000 * p / p.sum(), np.bincount(pixel, minlength=N_PIX)
    many = expected > 5
    assert stats.chisquare(n[many], expected[many] * n[many].sum() / expected[many].sum()).pvalue > 0.001
    assert n[expected == 0].sum() == 0
    flat = np.full(many.sum(), n[many].sum() / many.sum())
    assert stats.chisquare(n[many], flat).pvalue < 1e-9, "negative control"
    assert {whole._place(1, trial).ring_dec for trial in range(20)} == {scanned.dec[scanned.first <= ONE][-1]}


def test_sensitivity_of_a_prior_is_where_most_skies_with_a_source_pass(run):
    rows = json.loads((run / layout.POST_TRIAL).read_text())["prior_tests"]
    skies = store.load_array(run, layout.PRIORS, 30, priors.SPOT_DTYPE)["prior_ts"]
    signal = store.load_array(run, layout.PRIOR_SIGNAL, 30, priors.SPOT_DTYPE)["prior_ts"].reshape(30, 3, 3)
    for k, name in enumerate(MAPS):
        passing = (signal[:, k] > np.median(skies[:, k])).mean(axis=0)
        found = rows[name]["sensitivity"]
        assert found is not None
        assert passing[-1] >= 0.9
        n_sig = np.array([0.0, 15, 40, 100])
        above = np.append(0.5, np.maximum.accumulate(passing))
        low, high = n_sig[above < 0.9][-1], n_sig[above >= 0.9][0]
        assert low - (high - low) < found < high + (high - low)
        assert rows[name]["discovery"] is None, "30 skies reach no 3 sigma"
    assert rows["one"]["sensitivity"] < rows["uniform"]["sensitivity"] + 40


def test_p_is_counted_and_corrected_for_the_number_of_maps(run):
    scan = json.loads((run / layout.SCAN).read_text())["priors"]
    rows = json.loads((run / layout.POST_TRIAL).read_text())["prior_tests"]
    skies = store.load_array(run, layout.PRIORS, 30, priors.SPOT_DTYPE)["prior_ts"]
    every = np.vstack([skies, [scan[name]["prior_ts"] for name in MAPS]])
    p = (every[None] >= every[:, None]).mean(axis=1)
    corrected = np.mean(p.min(axis=1) <= p[-1].min())
    for k, (name, row) in enumerate((name, rows[name]) for name in MAPS):
        assert row["p"] == pytest.approx(p[-1, k])
        assert row["p_of_all"] == pytest.approx(corrected)
        assert row["prior_ts"] == scan[name]["prior_ts"]
    assert rows["one"]["probability_inside"] == 1.0
    dec = rings(loads(SPEC).healpix, NSIDE)
    assert rows["uniform"]["probability_inside"] == pytest.approx(dec.n_pix.sum() / N_PIX)


def test_files_are_made_again_and_review_finds_a_forged_pixel(run):
    opened = open_run(run)
    files = expected(opened, SCAN_TRIALS)
    assert [one.verdict for one in single_rows.findings(opened, SCAN_TRIALS, files, [], 1)] == ["same", "same"]
    assert replay.replay(run, str(files[1].path), 3)["trial"] == 3
    file, n_rings = files[1], len(ensemble_of(opened.spec)._rings(files[1].band).dec)
    array = store.load_array(run, file.path, file.n).copy()
    array["pixel"][4, n_rings] = 0
    with pytest.raises(InputError, match="other rings"):
        ensemble_of(opened.spec).refitted(context.skies(opened), file, array)


def test_figure_and_summary(run, copy):
    store.save_json(copy, layout.SUMMARY, summary.summary(open_run(copy)))
    results = load_results(open_run(copy))
    [plot] = [plot for plot in figures.chosen(results) if plot.name == "priors"]
    drawn = figures.make(results, plot)
    assert drawn.error is None, drawn.error
    assert drawn.reason == ""


def test_the_best_of_several_tests_is_corrected():
    generator = np.random.default_rng(5)
    p, best = [], []
    for _ in range(300):
        values = generator.normal(size=(60, 1)) * 0.5 + generator.normal(size=(60, 4))
        p.append(smallest_p(values)[-1])
        best.append((values[None, -1] <= values).mean(axis=0).min())
    assert stats.kstest(np.array(p) - generator.uniform(0, 1 / 60, 300), "uniform").pvalue > 0.01
    assert stats.kstest(best, "uniform").pvalue < 1e-6, "negative control: not corrected"
    one = generator.normal(size=(60, 1))
    assert smallest_p(one).tolist() == pytest.approx(((one <= one.T).mean(axis=1)).tolist())


def test_the_real_sky_has_the_same_tests(run):
    """Unblinding of synthetic data: priors and warm spots of the real map, against the same background skies."""
    opened = open_run(run)
    with scratch_run.create(opened) as root:
        write_results(opened, 1, root)
        real = store.load_json(root, layout.UNBLINDED_RESULTS)
    scrambled = json.loads((run / layout.POST_TRIAL).read_text())
    assert real["prior_tests"].keys() == scrambled["prior_tests"].keys() == MAPS.keys()
    assert real["prior_tests"]["uniform"]["prior_ts"] == max(spot["ts"] for spot in real["maps"]["8"].values())
    assert real["prior_tests"]["blob"]["prior_ts"] != scrambled["prior_tests"]["blob"]["prior_ts"]
    skies = store.load_array(run, layout.PRIORS, 30, priors.SPOT_DTYPE)["prior_ts"][:, 2]
    own = real["prior_tests"]["blob"]
    assert own["p"] == (np.sum(skies >= own["prior_ts"]) + 1) / 31
    assert {spot["mlog10p"] for spot in real["warm_spots"]["spots"]} >= {real["hottest"]["mlog10p"]}


# Maps


def test_a_frozen_map_is_the_same_map_to_a_thousandth(tmp_path):
    density = blob()
    again = np.exp(0.5 * prior_map.parse(prior_map.text_of(density)))
    assert np.abs(again - density / density.max()).max() < 5e-4
    assert np.array_equal(again == 0, density < np.exp(-31.5) * density.max())
    assert prior_map.text_of(7 * density) == prior_map.text_of(density)
    healpy.write_map(tmp_path / "map.fits", density, dtype=np.float64)
    text = SPEC.replace(PRIORS, "priors: {blob: map.fits}")
    (tmp_path / "spec.yaml").write_text(text)
    spec = load(tmp_path / "spec.yaml")
    assert spec.healpix.prior_maps == {"blob": TEXTS["blob"]}
    assert loads_resolved(resolved_text(spec)) == spec


@pytest.mark.parametrize("nest", [False, True])
def test_maps_of_other_resolutions_and_orders(tmp_path, nest):
    fine = blob(32)
    healpy.write_map(tmp_path / "fine.fits", healpy.reorder(fine, r2n=True) if nest else fine, nest=nest, dtype=float)
    assert prior_maps.read(tmp_path / "fine.fits", NSIDE) == pytest.approx(healpy.ud_grade(fine, NSIDE))
    healpy.write_map(tmp_path / "coarse.fits", blob(4), dtype=np.float64)
    assert prior_maps.read(tmp_path / "coarse.fits", NSIDE) == pytest.approx(healpy.ud_grade(blob(4), NSIDE))


def test_a_multi_order_map_is_that_of_its_pixels(tmp_path):
    """Pixels of order 1, 3 and 5, which cover the sphere once."""
    coarse, density = np.arange(48), np.random.default_rng(6).uniform(size=10000)
    uniq, finest = [], np.zeros(12 * 32**2)
    for i in coarse:
        order = (1, 3, 5)[i % 3]
        for j in range(4 ** (order - 1)):
            pixel, value = i * 4 ** (order - 1) + j, density[len(uniq)]
            uniq.append((4 ** (order + 1) + pixel, value))
            size = 4 ** (5 - order)
            finest[pixel * size : (pixel + 1) * size] = value
    columns = [
        fits.Column("UNIQ", "K", array=np.array([u for u, _ in uniq])),
        fits.Column("PROBDENSITY", "D", array=np.array([d for _, d in uniq])),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "moc.fits")
    want = healpy.ud_grade(finest, NSIDE, order_in="NEST", order_out="RING")
    assert prior_maps.read(tmp_path / "moc.fits", NSIDE) == pytest.approx(want)


@pytest.mark.parametrize(
    ("values", "coord", "message"),
    [
        (np.zeros(N_PIX), "C", "no positive probability"),
        (np.where(np.arange(N_PIX) == 3, np.nan, 1.0), "C", "no numbers"),
        (np.where(np.arange(N_PIX) == 3, -1.0, 1.0), "C", "negative"),
        (np.ones(N_PIX), "G", "COORDSYS G"),
    ],
)
def test_maps_that_are_refused(tmp_path, values, coord, message):
    healpy.write_map(tmp_path / "map.fits", values, coord=coord, dtype=np.float64)
    (tmp_path / "spec.yaml").write_text(SPEC.replace(PRIORS, "priors: {event: map.fits}"))
    with pytest.raises(SpecError, match=rf"scan\.priors\.event: .*{message}"):
        load(tmp_path / "spec.yaml")


def test_files_that_are_no_map(tmp_path):
    (tmp_path / "text.fits").write_text("no map")
    for name, message in (("text.fits", "no healpix map"), ("absent.fits", "does not exist")):
        (tmp_path / "spec.yaml").write_text(SPEC.replace(PRIORS, f"priors: {{event: {name}}}"))
        with pytest.raises(SpecError, match=rf"scan\.priors\.event: .*{message}"):
            load(tmp_path / "spec.yaml")
    for text, message in (
        (SPEC.replace(TEXTS["one"], "abc"), "damaged"),
        (SPEC.replace("nside: 8", "nside: 16"), "768 pixels"),
    ):
        with pytest.raises(SpecError, match=rf"scan\.prior_maps: .*{message}"):
            loads(text)


def test_the_plan_names_the_tests_and_costs_sources():
    spec, without = loads(SPEC), loads(SPEC.replace(", prior_n_sig: [15, 40, 100]", ""))
    estimate = cost.estimate(plan.make(spec, "digest"), spec)
    text = "\n".join(significance_reach.lines(estimate.quotable))
    assert "spatial prior uniform, spatial prior one, spatial prior blob: 1.85 sigma each" in text
    share = [prior_map.share_of_rings(text) for text in TEXTS.values()]
    assert share[0] == 1.0
    assert share[1] == 32 / N_PIX < share[2] < 1
    more, less = (cost.work_s(plan.make(one, "digest"), one)["scan"] for one in (spec, without))
    ratio = more / less
    assert 0.8 * (1 + 3 * sum(share)) < ratio < 1 + 3 * sum(share) + 0.01


def test_check_notes_what_the_scan_does_not_see():
    blob, one = (note for note in loads(SPEC).notes if note.startswith(("scan.priors.blob: ", "scan.priors.one: ")))
    assert "88%" in one + blob
    assert "-40 and 40 deg" in one + blob
    assert "100%" in one + blob
    assert prior_map.note(TEXTS["blob"], -85, 85) is None
    assert prior_map.note(TEXTS["uniform"], -90, 90) is None
    assert prior_map.inside(TEXTS["uniform"], -90, 90) == 1.0
