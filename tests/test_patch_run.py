"""Patches of a run: plan, files, collection, post-trial p-values, checks before unblinding, replay, review."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from dagmaker.cost import cost, significance_reach
from dagmaker.htcondor.build import build
from dagmaker.plan import plan
from tests.conftest import made_once
from worker.base.errors import InputError, SpecError
from worker.base.task_rows import BG_TRIALS, PATCH_TRIALS, SCAN_MAP, SCAN_TRIALS, TAIL_PILOT, TAIL_TRIALS
from worker.blinding import observed_weights, patch_checks
from worker.engines.protocol import PATCH_DTYPE
from worker.hypotheses import hottest_spots
from worker.report import summary as of_run
from worker.report.results import Results
from worker.report.scan import post_trial as figure
from worker.report.verdicts import pixel_sum as sum_figure
from worker.review import replay, single_rows, streams, verify
from worker.rundir import address, layout, store
from worker.rundir.ledger import each_expected, expected, open_run
from worker.rundir.post_trial_text import sentence
from worker.spec.specfile import loads
from worker.stats.patches import pixel_sum_check
from worker.tasks import context, patches, post_trial
from worker.tasks.table import TASKS

SPEC = """
version: 1
name: patchy
seed: 3
data: {format: synthetic, n_events: 10000}
background: {dec_deg: rings, n_trials: 2000, tail: tilted, n_tail_trials: 2048, tilts: [
  {n: 5, gamma: 1.3, share: 0.1875}, {n: 10, gamma: 2.6, share: 0.25}, {n: 18, gamma: 3.8, share: 0.25}]}
signal: {n_sig: [3, 8, 20], n_trials: 10}
unblind: {quote_nsigma: 3.0}
scan: {nside: 4, n_skies: 40, skies_per_file: 20, dec_min_deg: -20, dec_max_deg: 20, interpolation: ring, post_trial:
  {tail: patches, n_patches: 400, patches_per_file: 150, radius_deg: 15, separation_deg: 16}}
"""
SKIES = (BG_TRIALS, TAIL_PILOT, TAIL_TRIALS, SCAN_TRIALS, PATCH_TRIALS, SCAN_MAP)


def make(folder: Path) -> None:
    run = folder / "run"
    build(loads(SPEC), run)
    TASKS["prepare"](run=str(run))
    opened = open_run(run)
    for node in opened.plan["nodes"]:
        if node["task"] == TAIL_PILOT:
            TASKS[TAIL_PILOT](run=str(run), **node["args"])
    for task in (BG_TRIALS, TAIL_TRIALS, SCAN_TRIALS, PATCH_TRIALS):
        for file in each_expected(opened, task):
            TASKS[task](run=str(run), n=file.n, first=file.first, **file.point)
    TASKS[SCAN_MAP](run=str(run), nside=4)
    for at in opened.spec.all_points:
        TASKS["collect_bg"](run=str(run), **at.args)
    for task in ("distributions", "collect_scan", "post_trial"):
        TASKS[task](run=str(run))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made_once(tmp_path_factory, "patches", make) / "run"


@pytest.fixture
def copy(run, tmp_path):
    return Path(shutil.copytree(run, tmp_path / "run"))


def test_patches_come_before_the_collection_of_skies():
    nodes = {node.name: node for node in plan.make(loads(SPEC), "digest").nodes}
    assert nodes["patches"].parents == ("prepare",)
    assert [tuple(cut) for cut in nodes["patches"].cuts] == [(0, 150), (150, 150), (300, 100)]
    assert "patches" in nodes["collect_scan"].parents
    assert PATCH_TRIALS not in plan.make(loads(SPEC.replace("tail: patches", "tail: none")), "digest").tasks()


def test_patches_are_costed():
    spec = loads(SPEC)
    whole = plan.make(spec, "digest")
    work = cost.work_s(whole, spec)
    text = "\n".join(significance_reach.lines(cost.estimate(whole, spec).quotable))
    assert "from 400 patches" in text
    assert "enough_skies" in text
    enough = loads(SPEC.replace("n_patches: 400", "n_patches: 4000"))
    assert "enough_skies" not in "\n".join(
        significance_reach.lines(cost.estimate(plan.make(enough, "digest"), enough).quotable)
    )
    more = loads(SPEC.replace("n_patches: 400", "n_patches: 4000"))
    assert work["patches"] < cost.work_s(plan.make(more, "digest"), more)["patches"] < 10 * work["patches"]


def test_post_trial_p_is_that_of_counted_skies_or_of_patches(run):
    result = json.loads((run / layout.POST_TRIAL).read_text())
    scan = json.loads((run / layout.SCAN).read_text())
    assert set(result["regions"]) == {"all", "north", "south"}
    opened = open_run(run)
    for region, row in result["regions"].items():
        skies = hottest_spots.background_spots(opened, region)["mlog10p"]
        k = int((skies >= scan["regions"][region]["mlog10p"]).sum())
        assert row["counted"]["p"] == (k + 1) / 41
        assert row["way"] == ("counted" if k >= post_trial.LEAST_SKIES else "patches")
        assert row["p"] == (row["counted"] if k >= post_trial.LEAST_SKIES else row["patches"])["p"]
        assert row["patches"]["n"] == 400
    hot = {region: {"mlog10p": 6.0} for region in result["regions"]}
    rows = post_trial.of_sky(opened, hot)
    for row in rows.values():
        assert (row["way"], row["k"], row["p"]) == ("patches", 0, row["patches"]["p"])
        assert 0 < row["lo"] < row["p"] < row["hi"] < 1e-3 < row["counted"]["p"]
        assert row["n_eff_ratio"] == pytest.approx(row["n_eff"] * 1e-6 / row["p"], rel=1e-3)
        assert "patches" in sentence(row)
    assert rows["all"]["patches"]["expected"] <= sum(rows[name]["patches"]["expected"] for name in ("north", "south"))


def test_numbers_agree_with_counted_skies(run):
    """At the median of the counted hottest spots and at their upper tenth."""
    opened = open_run(run)
    skies = np.sort(hottest_spots.background_spots(opened)["mlog10p"])
    for k in (12, 5):
        found = post_trial.spots(opened, "all").post_trial(float(skies[-k]))
        assert abs(found.p - k / 40) < 4 * math.hypot(found.error, math.sqrt(k * (40 - k) / 40) / 40)


def test_files_are_made_again_and_review_finds_a_changed_patch(run, copy):
    opened = open_run(run)
    file = expected(opened, PATCH_TRIALS)[1]
    assert replay.replay(run, str(file.path), None)["reproduced"]
    assert replay.replay(run, str(file.path), 17)["trial"] == 17
    assert streams.streams(run)["faults"] == []
    faults = {fault["node"] for fault in verify.verify(run, 1)["faults"]}
    assert not {name for name in faults if name.startswith(("patches", "collect_scan", "post_trial"))}
    files = expected(opened, PATCH_TRIALS)
    assert [one.verdict for one in single_rows.findings(opened, PATCH_TRIALS, files, [], 1)] == ["same"]
    other = open_run(copy)
    worst = int(np.argmax(post_trial.spots(other, "all").sums(json_spot(copy))))
    file = next(file for file in files if file.first <= worst < file.first + file.n)
    rows = store.load_array(copy, file.path, file.n, PATCH_DTYPE)
    rows["log_w"][worst - file.first] -= 0.5
    record = store.load_record(copy, file.path)
    (copy / file.path).unlink()
    store.save_array(copy, file.path, rows, record)
    assert [one.verdict for one in single_rows.findings(other, PATCH_TRIALS, files, [], 1)] == ["fault"]


def json_spot(run: Path) -> float:
    return float(json.loads((run / layout.SCAN).read_text())["regions"]["all"]["mlog10p"])


def test_any_cut_and_another_process_give_the_same_bits(run, copy):
    opened = open_run(copy)
    patches.patch_trials(copy, 30, 0, 140)
    folder = layout.patches_dir("patchy", "nside/004")
    part = store.load_array(copy, folder / layout.patches_name(30, 0, 140), 30, PATCH_DTYPE)
    whole = [store.load_array(run, file.path, file.n, PATCH_DTYPE) for file in expected(opened, PATCH_TRIALS)]
    assert part.tobytes() == np.concatenate(whole)[140:170].tobytes()


def test_the_real_sky_counts_with_its_own_weight(run):
    """With a scrambled sky in its place: where patches are used their p grows by the weight of its hottest spot."""
    opened = open_run(run)
    engine, tsds = context.engine(opened), hottest_spots.load_tsds(opened)
    turn = engine.scrambled(address.observed(opened.spec), 0)
    regions = store.load_json(run, layout.SCAN)["regions"]
    rows = store.load_json(run, layout.POST_TRIAL)["regions"]
    rows["all"] |= {"way": "patches", "p": 0.0, "hi": 0.0}
    observed_weights.add(opened, turn, regions, rows, tsds)
    found, valid = rows["all"]["patches"], rows["all"]["p_valid"]
    assert valid["p"] == rows["all"]["p"] == min((valid["weight"] + 400 * found["expected"]) / 401, 1.0)
    for region in regions.values():
        local = region["p_valid"]
        p = 10 ** -region["mlog10p"]
        assert local["p"] == pytest.approx((local["weight"] + local["n"] * p) / (local["n"] + 1))
        assert 0 < local["weight"] < 16
    n = regions["all"]["p_valid"]["n"]
    assert n in (2000, 2048)


def test_checks(run, copy):
    opened = open_run(run)
    assert patch_checks.pixel_sum(opened).passed
    enough = patch_checks.enough(opened)
    assert enough.value > 5
    scan = json.loads((copy / layout.SCAN).read_text())
    assert scan["patches"]["n"] == 400
    rows = [
        {**row, "error": 0.05 * row["expected"], "measured": row["expected"]} for row in scan["patches"]["pixel_sums"]
    ]
    assert pixel_sum_check(rows).passed
    assert pixel_sum_check([{**row, "measured": 1.2 * row["expected"]} for row in rows]).passed
    for factor in (2.0, 0.5):
        wrong = pixel_sum_check([*rows[:-1], {**rows[-1], "measured": factor * rows[-1]["expected"]}])
        assert not wrong.passed
        assert "rings" in wrong.sentence
    assert not pixel_sum_check([{**row, "error": row["expected"]} for row in rows]).passed
    del scan["patches"]
    store.save_json(copy, layout.SCAN, scan)
    with pytest.raises(InputError, match="collect_scan"):
        patch_checks.pixel_sum(open_run(copy))


def test_figures_show_patches(run):
    results = Results(open_run(run), of_run.summary(open_run(run)))
    assert "patches" in figure(results).caption
    assert sum_figure(results).numbers["mlog10p"][0] == 0.5


def test_specs_of_patches():
    with pytest.raises(SpecError, match="separation_deg: found 4; must not be smaller than radius_deg = 15"):
        loads(SPEC.replace("separation_deg: 16", "separation_deg: 4"))
    catalog = (
        'scan: {kind: catalog, sources: "name,ra_deg,dec_deg\\na,1,5\\n", n_skies: 2, post_trial: {tail: patches}}'
    )
    text = SPEC[: SPEC.index("scan:")].replace("dec_deg: rings", "dec_deg: [0, 5, 10]") + catalog
    with pytest.raises(SpecError, match=r"post_trial.tail: found patches.*list of sources"):
        loads(text)
