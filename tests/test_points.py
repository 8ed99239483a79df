"""Analyses of points that the spec lists, with labels that the engine reads: no declination grid, no sky."""

import json
from pathlib import Path

import numpy as np
import pytest

from dagmaker.htcondor import rounds
from dagmaker.htcondor.build import build
from dagmaker.pilot import probes
from dagmaker.plan import processes
from dagmaker.plan.plan import make, of_json, write
from dagmaker.status import summary
from tests.toy_engine import Toy
from worker.base.errors import InputError, SpecError
from worker.cli.main import main
from worker.engines import table
from worker.report import figures
from worker.report.points import PointAxis
from worker.review import trial_files
from worker.review.streams import streams
from worker.rundir import address, layout, planfile
from worker.rundir.ledger import expected, open_run
from worker.spec import free_points
from worker.spec.point import ByLabels, declination
from worker.spec.specfile import loads, loads_resolved, resolved_text

TEXT = """
version: 1
name: toy
seed: 1
data: {format: synthetic, n_events: 2000}
hypothesis: {kind: points}
points: [%s]
background: {n_trials: 300, trials_per_file: 100, tail: none}
signal: {n_sig: [2, 5, 10, 16, 24], n_trials: 100}
sensitivity: {discovery_nsigma: 2, n_bootstrap: 20}
"""
DECS = "{dec_deg: 5}, {dec_deg: 30}"
WINDOWS = "{window_days: 100, sample: north+1}, {window_days: 1.5, sample: north+1}, {sample: all}"
NAMES = ["sample_north+1__window_days_100", "sample_north+1__window_days_1.5", "sample_all"]
TASKS = {"prepare", "bg_trials", "sig_trials", "collect_bg", "collect_sig", "distributions", "sensitivity", "report"}


class Windows(Toy):
    """The toy, with an excess that grows with the window, and without a flux."""

    supports = frozenset()

    def trials(self, at, key, first, n, signal=None):
        out = super().trials(at, key, first, n, signal)
        out["ns"] *= 1.0 + np.log10(at.labels.get("window_days", 1.0))
        return out


@pytest.fixture
def any_labels(monkeypatch):
    monkeypatch.setitem(free_points.LABELS, "builtin", None)
    monkeypatch.setitem(table.ENGINES, "builtin", lambda: Windows)


@pytest.fixture
def run(any_labels, tmp_path) -> Path:
    """A whole run of the toy in this process, but for its report."""
    spec = loads(TEXT % WINDOWS)
    build(spec, tmp_path / "run")
    for node in make(spec, "").nodes:
        if node.task != "report":
            for process in processes.of(node):
                assert main([*process.argv, f"--run={tmp_path / 'run'}"]) == 0
    return tmp_path / "run"


def test_the_plan_has_a_node_for_each_point_and_none_of_skies(any_labels):
    spec = loads(TEXT % WINDOWS)
    plan = make(spec, "0" * 64)
    assert set(plan.tasks()) == TASKS
    background = [node for node in plan.nodes if node.task == "bg_trials"]
    assert [dict(node.args) for node in background] == [{"point": name} for name in NAMES]
    assert [node.dir for node in background] == [f"trials/toy/bg/point/{name}" for name in NAMES]
    assert next(processes.of(background[0])).argv[:2] == ("bg_trials", f"--point={NAMES[0]}")
    assert of_json(planfile.loads(write(plan), "", planfile.HEAD, "")) == plan
    assert {short.argv[1] for short, _ in probes.pairs(spec)} == {f"--point={name}" for name in NAMES}


def test_the_spec_is_read_back_and_its_order_has_no_effect_on_keys(any_labels):
    spec, other = loads(TEXT % WINDOWS), loads(TEXT % "{sample: north+1, window_days: 100}, {sample: all}")
    assert loads_resolved(resolved_text(spec)) == spec
    assert hash(spec) != hash(other)
    keys = [address.bg_trials(spec, at, 0) for at in spec.all_points]
    assert len(set(keys)) == 3
    assert [address.bg_trials(other, at, 0) for at in other.all_points] == [keys[0], keys[2]]


@pytest.mark.parametrize(
    ("points", "place", "found"),
    [
        ("{dec_deg: 5}, {dec_deg: 5.0}", "points[1]", "dec_deg_5"),
        ("{dec_deg: 95}", "points[0].dec_deg", "95"),
        ("{window_days: 1}", "points[0]", "window_days"),
        ("{n_sig: 1}", "points[0]", "n_sig"),
        ("{}", "points[0]", "labels"),
        ("7", "points[0]", "7"),
        ("", "points", "missing"),
    ],
)
def test_a_wrong_point_is_refused_with_its_place(points, place, found):
    with pytest.raises(SpecError) as error:
        loads(TEXT % points)
    assert f"{place}: " in str(error.value)
    assert found in str(error.value)


def test_tilted_trials_are_counted_without_a_sky_too():
    tilted = (TEXT % DECS).replace(", tail: none", "")
    assert loads(tilted).scan.survival == "counted"
    nodes = [node for node in make(loads(tilted), "").nodes if node.task == "tail_trials"]
    assert [dict(node.args) for node in nodes] == [{"point": "dec_deg_5"}, {"point": "dec_deg_30"}]


def test_a_grid_without_a_scan():
    grid = (TEXT % DECS).replace(
        "hypothesis: {kind: points}\npoints: [{dec_deg: 5}, {dec_deg: 30}]", "scan: {kind: none}"
    )
    plan = make(loads(grid.replace("{n_trials: 300,", "{dec_deg: [5], n_trials: 300,")), "")
    assert set(plan.tasks()) == TASKS
    assert dict(plan.nodes[1].args) == {"dec": 5.0}


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("hypothesis: {kind: points}", "", "points: "),
        ("hypothesis: {kind: points}", "hypothesis: {kind: points}\nscan: {nside: 2, n_skies: 9}", "scan.kind: "),
        ("{n_trials: 300,", "{dec_deg: [5], n_trials: 300,", "background.dec_deg: "),
    ],
)
def test_sections_of_another_hypothesis_are_refused(old, new, place):
    with pytest.raises(SpecError, match=place):
        loads((TEXT % DECS).replace(old, new))


def test_labels_are_found_in_rows():
    points = [declination(5.0), declination(30.0, 1)]
    assert ByLabels(points).of({"n": 3, "dec_deg": 30.0}) is points[1]
    assert ByLabels(points).of({"dec_deg": 7.0}) is None
    assert ByLabels(points).of({"dec_deg": [5.0]}) is None


def test_a_row_with_more_labels_is_not_that_of_a_point_with_fewer(any_labels):
    points = loads(TEXT % "{sample: all}, {sample: all, window_days: 3}").all_points
    assert ByLabels(points).of({"sample": "all", "window_days": 3.0}) is points[1]
    assert ByLabels(points).of({"sample": "all"}) is points[0]
    axis = PointAxis(points)
    assert axis.names == ("sample", "window_days")
    assert [axis.cells(at) for at in points] == [("all", ""), ("all", 3.0)]


@pytest.mark.parametrize("label", [{"dec_deg": 7.0}, {"dec_deg": "x"}, {"dec_deg": [5.0]}, {}])
def test_a_decision_about_another_point_is_refused(label):
    spec, row = loads(TEXT % DECS), {"gamma": 2.0, "add": [{"first": 300, "n": 50}]}
    decided = {"round": 1, "background": [{"dec_deg": 5.0, **row}], "points": []}
    assert [dict(node.args) for node in rounds.nodes_of(spec, 1, decided)] == [{"point": "dec_deg_5"}]
    with pytest.raises(InputError, match=r"round_1\.json: names a point"):
        rounds.nodes_of(spec, 1, {**decided, "background": [{**label, **row}]})


@pytest.mark.slow
def test_a_run_of_points_has_results_by_label(run, capsys):
    opened = open_run(run)
    assert [len(expected(opened, "bg_trials", point=name)) for name in NAMES] == [3, 3, 3]
    rows = json.loads((run / layout.SENSITIVITY).read_text())
    for kind in ("sensitivity", "discovery", "bias"):
        assert [(row["sample"], row.get("window_days")) for row in rows[kind]] == [
            ("north+1", 100.0), ("north+1", 1.5), ("all", None),
        ]  # fmt: skip
    rows |= json.loads((run / layout.BACKGROUND).read_text())
    kinds = ("sensitivity", "discovery", "bias", "background")
    columns = {key for kind in kinds for row in rows[kind] for key in row}
    assert columns - {"sample", "window_days"} - free_points.RESERVED == set(), "a column that a label could hide"
    assert {(row["flux"], row["unit"]) for row in rows["sensitivity"]} == {(None, None)}
    assert all(row["n_sig"] > 0 for row in rows["sensitivity"])
    assert streams(run)["faults"] == []
    assert main(["report", f"--run={run}"]) == 0
    found = json.loads((run / layout.SUMMARY).read_text())
    assert found["labels"] == ["window_days", "sample"]
    assert any("1.5, north+1" in line and "n_sig" in line for line in summary.lines(run))
    page = (run / layout.REPORT).read_text()
    assert "window_days 100, sample north+1" in page and "not complete" not in page
    names = {plot.name for plot in figures.PLOTS}
    assert {path.stem for path in (run / "report/figures").glob("*.png")} == names
    file = expected(opened, "sig_trials", point=NAMES[0], n_sig=10.0)[0].path
    capsys.readouterr()
    assert main(["replay", f"--run={run}", f"--file={file}", "--trial=3"]) == 0
    verdicts = [one.verdict for one in trial_files.findings(opened, 1, 1, set())]
    assert set(verdicts) == {"same"}


def test_arguments_of_another_kind_are_refused(any_labels, tmp_path, capsys):
    run = build(loads(TEXT % WINDOWS), tmp_path / "run").run
    for flag, text in (("--dec=5", "--point="), ("--point=none", NAMES[0]), ("--seed=0", "--point=NAME")):
        assert main(["bg_trials", f"--run={run}", "--n=5", flag]) == 2
        assert text in capsys.readouterr().err
