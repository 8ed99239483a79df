"""Tilted background trials of a run: pilot, files, collection, thresholds, checks before unblinding, replay, review."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dagmaker.htcondor.build import build
from dagmaker.plan import plan
from tests.conftest import made_once
from worker.base.errors import InputError, SpecError, StoppedError
from worker.base.task_rows import TAIL_PILOT, TAIL_TRIALS
from worker.blinding import unblinding_checks
from worker.engines.protocol import Tilt
from worker.hypotheses import hottest_spots
from worker.review import replay, streams, trial_files, verify
from worker.rundir import layout, store
from worker.rundir.ledger import expected, open_run
from worker.spec.point import declination
from worker.spec.sections import Spec
from worker.spec.specfile import loads, loads_resolved, resolved_text
from worker.tasks import collect, context, prepare, results, tail, trials

TEXT = """
version: 1
name: tail
seed: 3
data: {format: synthetic, n_events: 10000}
background:
  {dec_deg: [-40, 5], n_trials: 4000, tail: tilted, n_tail_trials: 2048, tail_trials_per_file: 1024, tilts: %s}
signal: {n_sig: [3, 8, 20], n_trials: 10}
sensitivity: {n_bootstrap: 20, discovery_nsigma: [3, 5]}
scan: {nside: 4, n_skies: 2, dec_min_deg: -40, dec_max_deg: 5}
"""
SPEC = TEXT % "pilot"
AT = declination(5.0)


def make(folder: Path) -> None:
    run = folder / "run"
    build(loads(SPEC), run)
    prepare.prepare(run)
    opened = open_run(run)
    for dec in opened.spec.background.decs:
        tail.tail_pilot(run, dec)
        for file in expected(opened, TAIL_TRIALS, dec=dec):
            tail.tail_trials(run, dec, file.n, file.seed, file.first)
        trials.bg_trials(run, dec, 4000, 0, 0)
        collect.collect_bg(run, dec, False)
    results.distributions(run)


@pytest.mark.parametrize(
    ("background", "scan", "found"),
    [
        ("", "", ("tilted", "counted")),
        ("", "survival: hybrid, ", ("none", "hybrid")),
        ("tail: none, ", "", ("none", "hybrid")),
        ("tail: tilted, ", "survival: fit, ", ("tilted", "fit")),
    ],
)
def test_the_tail_is_counted_unless_the_spec_says_otherwise(background, scan, found):
    text = SPEC.replace("tail: tilted, ", background).replace("{nside", f"{{{scan}nside")
    made = loads(text)
    assert (made.background.tail, made.scan.survival) == found
    assert loads_resolved(resolved_text(made)) == made


def test_a_plugin_has_no_tilted_trials_by_default():
    made = Spec.model_validate(
        {
            "version": 1, "name": "a", "seed": 1, "data": {"format": "engine"},
            "engine": {"kind": "plugin", "name": "x"}, "hypothesis": {"kind": "points"}, "points": ({"a": 1.0},),
            "background": {"n_trials": 10}, "signal": {"n_sig": (2.0, 4.0, 8.0), "n_trials": 10},
        }
    )  # fmt: skip
    assert (made.background.tail, made.scan.survival) == ("none", "hybrid")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made_once(tmp_path_factory, "tail", make) / "run"


@pytest.fixture
def copy(run, tmp_path):
    return Path(shutil.copytree(run, tmp_path / "run"))


def test_the_pilot_comes_before_its_trials_and_they_before_the_collection():
    nodes = {node.name: node for node in plan.make(loads(SPEC), "digest").nodes}
    assert nodes["tail_pilot_m040"].parents == ("prepare",)
    assert nodes["tail_m040"].parents == ("tail_pilot_m040",)
    assert [n for _, n in nodes["tail_m040"].cuts] == [1024, 1024]
    assert nodes["collect_bg_m040"].parents == ("bg_m040", "tail_m040")
    without = plan.make(loads(SPEC.replace("tail: tilted", "tail: none")), "digest")
    assert not {TAIL_PILOT, TAIL_TRIALS} & set(without.tasks())


def test_a_run_with_tilted_trials_counts_five_sigma(run):
    rows = json.loads((run / layout.BACKGROUND).read_text())["background"]
    for row in rows:
        three, four, five = row["tail"]["thresholds"]
        assert row["tail"]["n"] == 2048
        assert three["ts"] < four["ts"] < five["ts"] == row["ts_5sigma"]
        assert 0 < five["p_error"] < 0.3
        assert 0 < five["ts_error"] < 1
        assert five["n_effective"] > 15
    tsd = hottest_spots.load_tsd(open_run(run), AT)
    assert tsd.how == "counted"
    assert tsd.tilted.n == 2048


def test_files_are_those_of_their_tilts_and_are_made_again(run):
    opened = open_run(run)
    file = expected(opened, TAIL_TRIALS, dec=5.0)[1]
    rows = store.load_array(run, file.path, 1024, tail.columns(opened), tail.digest_at(opened, AT))
    assert np.isfinite(rows["log_w"]).all()
    assert (rows["ts"] > 0).mean() > 0.8
    assert replay.replay(run, str(file.path), None)["reproduced"]
    assert replay.replay(run, str(file.path), 17)["fit"]["log_w"] == rows["log_w"][17]
    chosen = tail.load(opened, AT)
    drawn = Counter(context.engine(opened).tilt_of(chosen, 1024 + i) for i in range(256))
    assert {tilt: 256 * tilt.share for tilt in chosen if tilt.share} == {t: n for t, n in drawn.items() if t}
    plain = [i for i in range(1024) if context.engine(opened).tilt_of(chosen, 1024 + i) is None]
    assert rows["ts"][plain].mean() < 0.5 * rows["ts"].mean()
    assert verify.verify(run, 1)["faults"][0]["state"] == "absent"  # signal and skies were not made
    bad = {fault["node"] for fault in verify.verify(run, 1)["faults"]}
    assert not {name for name in bad if name.startswith(("tail", "bg", "collect_bg"))}
    assert streams.streams(run)["faults"] == []
    assert [finding.verdict for finding in trial_files.tilts(opened)] == ["same"]


def test_stopping_and_resuming_changes_no_bit(copy, monkeypatch):
    opened = open_run(copy)
    file = expected(opened, TAIL_TRIALS, dec=-40.0)[0]
    before = (copy / file.path).read_bytes()
    store.remove(copy, file.path)
    monkeypatch.setenv("WORKER_TIME_LIMIT_S", "0")
    with pytest.raises(StoppedError, match="500 of 1024 kept"):
        tail.tail_trials(copy, -40.0, 1024, 0, 0)
    monkeypatch.delenv("WORKER_TIME_LIMIT_S")
    tail.tail_trials(copy, -40.0, 1024, 0, 0)
    assert (copy / file.path).read_bytes() == before


def test_other_tilts_are_another_file_and_are_told(copy):
    opened = open_run(copy)
    rel = tail.tilts_file(opened, AT)
    arrays, record = store.load_arrays(copy, rel), store.load_record(copy, rel)
    (copy / rel).unlink()
    store.save_arrays(copy, rel, {**arrays, "n": arrays["n"] * 1.5}, record)
    assert [finding.verdict for finding in trial_files.tilts(opened)] == ["fault"]
    with pytest.raises(InputError):
        collect.collect_bg(copy, 5.0, False)
    assert {fault["node"] for fault in verify.verify(copy, 1)["faults"] if fault["state"] == "foreign"} == {"tail_p005"}


def test_without_the_file_of_the_pilot_the_same_tilts_are_chosen(copy):
    opened = open_run(copy)
    kept = tail.load(opened, AT)
    (copy / tail.tilts_file(opened, AT)).unlink()
    assert tail.load(opened, AT) == kept


def checked(path):
    return {verdict.name: verdict for verdict in unblinding_checks.verdicts(open_run(path))}


def rewrite(path, dec, change):
    """Collected arrays of a declination, changed."""
    rel = layout.bg_collected(declination(dec))
    arrays, record = dict(store.load_arrays(path, rel)), store.load_record(path, rel)
    store.remove(path, rel)
    change(arrays)
    store.save_arrays(path, rel, arrays, record)


def test_checks_pass_and_see_wrong_weights(run, copy):
    right = checked(run)
    assert right["tail_agrees"].passed
    assert right["tail_covers"].passed
    assert right["enough_background_trials"].passed
    assert right["enough_background_trials"].limit == 10
    assert right["tail_weights"].passed
    assert right["tail_weights"].value < right["tail_weights"].limit == 0.05

    def wrong_sign(arrays):
        arrays["tail_log_w"] = -arrays["tail_log_w"]

    rewrite(copy, 5.0, wrong_sign)
    wrong = checked(copy)
    assert not wrong["tail_agrees"].passed
    assert not wrong["tail_covers"].passed
    assert "dec 5 deg" in wrong["tail_covers"].sentence


def test_tilts_of_the_user_and_wrong_ones(tmp_path):
    own = "[{n: 10, gamma: 2.6, share: 0.5}, {n: 5, gamma: 1.3, share: 0.25}]"
    for name, text in (("own", TEXT % own), ("wrong", TEXT % "[{n: 5000, gamma: 2.6, share: 0.5}]")):
        build(loads(text), tmp_path / name)
        prepare.prepare(tmp_path / name)
    tail.tail_pilot(tmp_path / "own", 5.0)
    found = tail.load(open_run(tmp_path / "own"), AT)
    assert found[:2] == (Tilt(10.0, 2.6, 0.5), Tilt(5.0, 1.3, 0.25))
    assert all(tilt.share == 0 for tilt in found[2:])
    with pytest.raises(SpecError, match=r"background.tilts at dec 5 deg: .*too much"):
        tail.tail_pilot(tmp_path / "wrong", 5.0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            ("n_tail_trials: 2048", "n_tail_trials: 2000"),
            "background.n_tail_trials: found 2,000; .*write n_tail_trials: 2048",
        ),
        (("tilts: pilot", "tilts: [{n: 5, gamma: 2, share: 0.3}]"), r"background.tilts: .*1/256; write share: 0.30078"),
        (("tilts: pilot", "tilts: [{n: 5, gamma: 2, share: 0.5}, {n: 9, gamma: 2, share: 0.5}]"), "leave some plain"),
        (("tail: tilted", "tail: none, fit: scale1"), None),
    ],
)
def test_specs_of_tails(change, text):
    spec = SPEC.replace(*change)
    if text is None:
        assert loads(spec).scan.survival == "hybrid"
        with pytest.raises(SpecError, match=r"scan.survival: found counted"):
            loads(spec.replace("nside: 4", "nside: 4, survival: counted"))
        return
    assert loads(SPEC).scan.survival == "counted"
    assert loads(SPEC.replace("nside: 4", "nside: 4, survival: fit")).scan.survival == "fit"
    with pytest.raises(SpecError, match=text):
        loads(spec)


def test_a_collection_is_stale_without_a_tail_file(copy):
    rel = layout.files_of(layout.bg_collected(AT))
    rows = [row for row in store.load_json(copy, rel) if "/tail/" not in row["path"]]
    store.save_json(copy, rel, rows)
    faults = {fault["node"]: fault for fault in verify.verify(copy, 1)["faults"]}
    assert faults["collect_bg_p005"]["state"] == "stale"
    assert "/tail/" in faults["collect_bg_p005"]["why"]


def test_a_spot_says_how_well_its_p_is_known(run):
    opened = open_run(run)
    tsds = hottest_spots.load_tsds(opened)
    spots = {"regions": {"all": {"dec": np.radians(-10.0), "ts": 14.0}, "north": {"dec": np.radians(5.0), "ts": 0.0}}}
    found = hottest_spots.with_local_p(opened.spec, tsds, spots)["regions"]
    south, north = found["all"]["local"]
    assert (south["dec_deg"], north["dec_deg"]) == (-40.0, 5.0)
    assert south["weight"] + north["weight"] == pytest.approx(1.0)
    p = south["weight"] * south["p"] + north["weight"] * north["p"]
    heat = float(hottest_spots.p_map(opened.spec, tsds, np.array(np.radians(-10.0)), np.array(14.0)))
    assert -np.log10(p) == pytest.approx(heat)
    for row in (south, north):
        assert row["way"] == "tilted"
        assert 0 < row["lo"] < row["p"] < row["hi"]
        assert row["n_effective"] > 50
    assert found["north"]["local"] == [
        {"dec_deg": 5.0, "weight": 1.0, "p": 1.0, "lo": 1.0, "hi": 1.0, "way": "empirical", "n_effective": None}
    ]
    fitted = opened.spec.model_copy(update={"scan": opened.spec.scan.model_copy(update={"survival": "fit"})})
    assert hottest_spots.with_local_p(fitted, tsds, spots) == spots
