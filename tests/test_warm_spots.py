"""Warm spots of background skies: complete, the same in every cut, reviewed; and the population test from them."""

import json
import shutil
from pathlib import Path

import healpy
import numpy as np
import pytest
from scipy import stats

from dagmaker.htcondor.build import build
from dagmaker.status import summary as terminal
from tests.conftest import made_once
from worker.base.errors import InputError, SpecError
from worker.base.task_rows import BG_TRIALS, SCAN_MAP, SCAN_TRIALS, SIG_TRIALS, TAIL_PILOT, TAIL_TRIALS
from worker.hypotheses.sky import warm_spots
from worker.hypotheses.sky.rings import NO_PIXEL, RING_DTYPE, rings
from worker.hypotheses.table import ensemble_of
from worker.report import figures, summary
from worker.report.hypotheses.table import part_of
from worker.report.results import load
from worker.review import decisive_rows, replay, single_rows
from worker.rundir import address, layout, store
from worker.rundir.ledger import each_expected, expected, open_run
from worker.spec.specfile import loads, resolved_text
from worker.tasks import context
from worker.tasks.table import TASKS

MIN_TS = 2.0
SPEC = f"""
version: 1
name: warm
seed: 3
data: {{format: synthetic, n_events: 10000}}
background: {{dec_deg: {{start: -40, stop: 40, step: 20}}, n_trials: 2000, tail: tilted, n_tail_trials: 2048, tilts: [
  {{n: 5, gamma: 1.3, share: 0.1875}}, {{n: 10, gamma: 2.6, share: 0.25}}, {{n: 18, gamma: 3.8, share: 0.25}}]}}
signal: {{n_sig: [3, 8, 20, 40], n_trials: 60}}
scan: {{nside: 8, n_skies: 30, skies_per_file: 10, sky_bands: 3, dec_min_deg: -40, dec_max_deg: 40,
  warm_spots: {{min_ts: {MIN_TS}}}, population: {{min_separation_deg: 10}}}}
"""
PLAIN = SPEC.replace(f",\n  warm_spots: {{min_ts: {MIN_TS}}}, population: {{min_separation_deg: 10}}", "")


def make(folder: Path, spec: str = SPEC) -> None:
    run = folder / "run"
    build(loads(spec), run)
    TASKS["prepare"](run=str(run))
    opened = open_run(run)
    for node in opened.plan["nodes"]:
        if node["task"] == TAIL_PILOT:
            TASKS[TAIL_PILOT](run=str(run), **node["args"])
    for task in (BG_TRIALS, TAIL_TRIALS, SIG_TRIALS, SCAN_TRIALS):
        for file in each_expected(opened, task):
            band = {} if file.band is None else {"band": f"{file.band[0]}of{file.band[1]}"}
            TASKS[task](run=str(run), n=file.n, first=file.first, **file.point, **band)
    TASKS[SCAN_MAP](run=str(run), nside=8)
    for at in opened.spec.all_points:
        TASKS["collect_bg"](run=str(run), **at.args)
        TASKS["collect_sig"](run=str(run), **at.args)
    for task in ("distributions", "collect_scan", "post_trial"):
        TASKS[task](run=str(run))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made_once(tmp_path_factory, "warm", make) / "run"


@pytest.fixture
def copy(run, tmp_path):
    return Path(shutil.copytree(run, tmp_path / "run"))


def whole_sky(opened, sky):
    """TS of all pixels of a background sky, from a map of it; NaN outside."""
    engine, ensemble = context.skies(opened), ensemble_of(opened.spec)
    turn = engine.scrambled(address.scan_trials(opened.spec, 0), sky)
    out = np.full(12 * 8 * 8, np.nan)
    fitted = ensemble.scan_real(engine, turn, 8, 0, 1)
    first = int(rings(opened.spec.healpix, 8).first[0])
    out[first : first + len(fitted)] = fitted["ts"]
    return out


def by_hand(ts):
    """Local maxima of a map, one pixel at a time."""
    found = []
    for pixel in np.flatnonzero(ts >= MIN_TS):
        near = [p for p in healpy.get_all_neighbours(8, int(pixel)) if p >= 0 and not np.isnan(ts[p])]
        if all(ts[p] < ts[pixel] or (ts[p] == ts[pixel] and p > pixel) for p in near):
            found.append(int(pixel))
    return found


def test_every_local_maximum_of_a_whole_map_is_kept_whatever_the_bands(run):
    opened, n = open_run(run), 0
    spots = store.load_array(run, layout.WARM_SPOTS, None, warm_spots.SPOT_DTYPE)
    for sky in range(0, 30, 7):
        ts = whole_sky(opened, sky)
        own = spots[spots["sky"] == sky]
        pixel = healpy.ang2pix(8, 0.5 * np.pi - own["dec"], own["ra"])
        assert pixel.tolist() == by_hand(ts)
        assert own["ts"].tobytes() == ts[pixel].tobytes()
        n += len(own)
    assert n > 20
    assert np.all(spots["ts"] >= MIN_TS)
    assert np.all(spots["mlog10p"] > 0)


def test_ring_maxima_are_those_of_a_run_without_warm_spots(run):
    opened, plain = open_run(run), ensemble_of(loads(PLAIN))
    engine, files = context.skies(opened), expected(opened, SCAN_TRIALS)
    for file in files[:3]:  # the bands of the first skies
        stored = store.load_array(run, file.path, file.n, RING_DTYPE)
        [alone] = plain.recompute(engine, file, [4])
        assert stored[4, : alone.shape[1]].tobytes() == alone[0].tobytes()
        assert stored.shape[1] > alone.shape[1]


def test_without_the_key_spec_and_digests_are_as_before():
    text = resolved_text(loads(PLAIN))
    assert "warm_spots" not in text
    assert "population" not in text
    assert set(ensemble_of(loads(PLAIN)).sky_area()) == {"nside", "dec_min_deg", "dec_max_deg"}
    assert ensemble_of(loads(SPEC)).sky_area()["warm_spots"]["min_ts"] == MIN_TS
    assert loads(SPEC).scan.kept_per_sky > loads(PLAIN).scan.kept_per_sky


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("min_ts: 2.0", "min_ts: 0"), "scan.warm_spots.min_ts"),
        (("min_separation_deg: 10", "min_separation_deg: 0"), "scan.population.min_separation_deg"),
    ],
)
def test_specs_that_are_refused(change, key):
    with pytest.raises(SpecError, match=key.replace(".", r"\.")):
        loads(SPEC.replace(*change))


def test_a_population_test_has_warm_spots_of_its_own():
    assert loads(SPEC.replace("warm_spots: {min_ts: 2.0}, ", "")).healpix.warm_spots.min_ts == 10


def test_more_spots_than_places_are_refused(run):
    spec = loads(SPEC.replace("min_ts: 2.0}", "min_ts: 2.0, most: 1}"))
    with pytest.raises(InputError, match=r"scan\.warm_spots: found \d+ local maxima .* most: \d+"):
        list(
            ensemble_of(spec).recompute(
                context.skies(open_run(run)), expected(open_run(run), SCAN_TRIALS)[1], range(10)
            )
        )


def test_files_are_made_again_and_review_finds_changed_and_forged_spots(run, copy):
    opened = open_run(run)
    file = expected(opened, SCAN_TRIALS)[4]
    assert replay.replay(run, str(file.path), None)["reproduced"]
    assert replay.replay(run, str(file.path), 3)["trial"] == 3
    verdicts = [one.verdict for one in single_rows.findings(opened, SCAN_TRIALS, expected(opened, SCAN_TRIALS), [], 1)]
    assert verdicts == ["same", "same"]
    array = store.load_array(copy, file.path, file.n).copy()
    n_rings = int(np.flatnonzero(np.diff(array["pixel"][0]) < 0)[0]) + 1
    places = array[:, n_rings:]
    sky, at = np.argwhere(places["pixel"] != NO_PIXEL)[0]
    places["ts"][sky, at] += 1e-9
    again = list(ensemble_of(opened.spec).refitted(context.skies(opened), file, array))
    wrong = [i for i, one in enumerate(again) if one.tobytes() != array[i : i + 1].tobytes()]
    assert wrong == [sky]
    for value in (0, NO_PIXEL + 10**6):
        places["pixel"][sky, at] = value
        with pytest.raises(InputError, match="warm spots"):
            ensemble_of(opened.spec).refitted(context.skies(opened), file, array)


def test_population_test_of_a_run_is_that_of_its_maps(run):
    """Plain numpy from the stored spots: thinned, counted, compared with Poisson, ranked among all skies."""
    scan = json.loads((run / layout.SCAN).read_text())
    row = json.loads((run / layout.POST_TRIAL).read_text())["population"]["all"]
    spots = store.load_array(run, layout.WARM_SPOTS, None, warm_spots.SPOT_DTYPE)
    kept = scan["warm_spots"]["spots"]
    assert [spot["mlog10p"] for spot in kept] == sorted((spot["mlog10p"] for spot in kept), reverse=True)
    skies = [[(s["mlog10p"], s["dec"], s["ra"]) for s in spots[spots["sky"] == i]] for i in range(30)]
    skies.append([(s["mlog10p"], np.radians(s["dec_deg"]), np.radians(s["ra_deg"])) for s in kept])
    least = scan["warm_spots"]["complete_from"]["all"]
    heat = [np.array(thinned([spot for spot in sky if spot[0] >= least])) for sky in skies]
    every = np.concatenate(heat)
    best = []
    for own in heat:
        tails = [stats.poisson.sf((own >= x).sum() - 1, (every >= x).sum() / 31) for x in own]
        best.append(-np.log10(min(tails)) if tails else 0.0)
    assert row["mlog10p"] == pytest.approx(best[30], rel=1e-9)
    assert row["p"] == (sum(one >= best[30] - 1e-12 for one in best[:30]) + 1) / 31
    assert row["n_warm"] == len(heat[30])
    assert row["lo"] < row["p"] < row["hi"] + 1 / 30


def thinned(spots):
    """-log10 p of spots that no hotter remaining one is within 10 degrees of."""
    kept = []
    for heat, dec, ra in sorted(spots, reverse=True):
        cos = [np.sin(dec) * np.sin(d) + np.cos(dec) * np.cos(d) * np.cos(ra - r) for _, d, r in kept]
        if not any(np.array(cos) > np.cos(np.radians(10))):
            kept.append((heat, dec, ra))
    return [heat for heat, _, _ in kept]


def test_report_and_terminal_say_the_population_test(run, copy):
    opened = open_run(copy)
    store.save_json(copy, layout.SUMMARY, summary.summary(opened))
    results = load(opened)
    [plot] = [plot for plot in figures.chosen(results) if plot.name == "population"]
    drawn = figures.make(results, plot)
    assert drawn.error is None, drawn.error
    assert drawn.reason == ""
    text = "\n".join(terminal.lines(copy))
    assert "population test: " in text
    assert "population test" in part_of(opened.spec).method(opened.spec)
    assert "population" not in {plot.name for plot in figures.chosen(results) if plot.section == "top"}


def test_skies_that_decide_a_further_test_are_made_again(run, monkeypatch):
    """All of them as hot as the observed one in the population test, and the next cooler ones."""
    opened = open_run(run)
    scan = json.loads((run / layout.SCAN).read_text())
    statistics = list(ensemble_of(opened.spec).further_statistics(run, scan))
    assert len(statistics) == len(scan["regions"])
    monkeypatch.setattr(decisive_rows, "SKIES_BELOW", 1)
    files = expected(opened, SCAN_TRIALS)
    chosen, left_out = decisive_rows.skies(opened, files)
    rows = {file.file.first + row for file in chosen for row in file.rows}
    wanted = set()
    for heat, observed in statistics:
        wanted |= set(np.flatnonzero(heat >= observed).tolist())
    assert wanted <= rows
    assert left_out == 0
