import copy
import json

import pytest

from dagmaker.cli import main
from dagmaker.htcondor.build import build
from tests.counted import calls
from tests.dagmaker_spec import spec, text
from worker.base.errors import InputError
from worker.review import streams
from worker.rundir.cuts import Cuts
from worker.rundir.ledger import open_run


@pytest.fixture
def run(tmp_path):
    return build(spec(sky_bands=2), tmp_path / "run").run


def said(capsys, run):
    code = main(["verify-plan", str(run)])
    return code, capsys.readouterr().out


def test_what_was_built_is_the_plan_of_its_spec(run, capsys):
    code, out = said(capsys, run)
    assert code == 0
    assert [line[:5] for line in out.splitlines()] == ["ok   "] * 4
    assert "submit files, DAG, made again from the spec: 40 files, the same bytes" in out
    assert "30 Philox keys, all different; 2,105 trials in 33 files" in out  # 12 points, skies, 17 more


def test_it_is_the_same_wherever_the_directory_is_moved(run, tmp_path, capsys):
    run.rename(tmp_path / "moved")
    assert said(capsys, tmp_path / "moved")[0] == 0


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        (
            "batches/bg_p005.txt",
            "--first=100",
            "--first=99",
            "line 2 is 'bg_trials --dec=5 --n=100 --seed=0 --first=99'",
        ),
        ("batches/scan.txt", "--seed=0", "--seed=1", "batches/scan.txt: line 1 is"),
        ("plan.json", '"seed":0', '"seed":3', "plan.json: line 3 is"),
        ("bg_trials.sub", "queue", "\nqueue", "bg_trials.sub: line"),
        ("analysis.dag", "PARENT prepare", "PARENT report", "analysis.dag: line"),
    ],
)
def test_every_edit_is_named(run, capsys, name, old, new, told):
    path = run / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    code, out = said(capsys, run)
    assert code == 1
    assert told in out
    assert out.count("NOT") == (1 if name != "plan.json" else out.count("NOT"))


def test_an_edited_spec_is_named(run, capsys):
    path = run / "analysis.yaml"
    path.write_text(path.read_text().replace("n_trials: 250", "n_trials: 251"))
    code, out = said(capsys, run)
    assert code == 1
    assert "plan.json: line 1 is" in out
    assert "the spec was changed since the run was built" in out
    path.write_text(path.read_text() + "# a remark\n")
    assert (
        "analysis.yaml is a resolved spec, every default written out: its bytes are not those" in said(capsys, run)[1]
    )


def test_lost_and_foreign_lists(run, capsys):
    (run / "batches" / "bg_p040.txt").rename(run / "batches" / "mine.txt")
    code, out = said(capsys, run)
    assert code == 1
    assert "batches/bg_p040.txt: is missing; batches/mine.txt: is not of this plan" in out


def test_without_the_templates_of_the_build_the_plan_is_still_compared(run, capsys):
    path = run / "build.json"
    raw = json.loads(path.read_text())
    path.write_text(json.dumps(raw | {"templates": "0" * 64}))
    code, out = said(capsys, run)
    assert code == 0
    assert "but  submit files and DAG, made again from the spec: not compared: the templates here" in out
    assert "plan.json and lists of processes, made again from the spec: 23 files" in out
    path.unlink()
    assert "build.json: this file is missing" in said(capsys, run)[1]
    (run / "batches" / "bg_p005.txt").write_text("nothing\n")
    assert said(capsys, run)[0] == 1


def _faults(run, change, monkeypatch):
    """What `streams` says of a plan whose nodes were changed, if its reader let them pass."""
    opened = open_run(run)
    changed = copy.deepcopy(dict(opened.base))
    change(changed["nodes"])
    vars(opened)["base"] = changed
    monkeypatch.setattr(streams, "open_run", lambda _: opened)
    return streams.streams(run)["faults"]


def _node(nodes, name):
    return next(node for node in nodes if node["name"] == name)


def test_overlapping_cuts_are_found(run, monkeypatch):
    cuts = Cuts(((0, 100, 2), (200, 50, 1), (199, 10, 1)))
    assert _faults(run, lambda nodes: _node(nodes, "bg_p005").update(cuts=cuts), monkeypatch) == [
        "bg_p005: trials [100, 200) and [199, 209) overlap", "bg_p005: trials [199, 209) and [200, 250) overlap",
    ]  # fmt: skip


def test_two_points_with_one_key_are_found(run, monkeypatch):
    found = _faults(run, lambda nodes: _node(nodes, "bg_p005")["args"].update(dec=40.0), monkeypatch)
    assert found == ["bg_p005 and bg_p040 have the same key"]


def test_trials_whose_addresses_are_unknown_are_no_proof(run, monkeypatch):
    found = _faults(run, lambda nodes: _node(nodes, "bg_p005").update(task="new_trials"), monkeypatch)
    assert found == ["bg_p005: how the task new_trials addresses its random numbers is not known"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda node: node["cuts"].append([199, 10, 1]), "bg_trials dec=5 do not hold the 250 trials"),
        (lambda node: node["args"].update(dec=40.0), "bg_trials dec=40 do not hold the 250 trials"),
        (lambda node: node.update(task="new_trials"), "task: found new_trials"),
    ],
)
def test_such_a_plan_is_refused_by_its_reader(run, change, words):
    path = run / "plan.json"
    raw = json.loads(path.read_text())
    change(_node(raw["nodes"], "bg_p005"))
    path.write_text(json.dumps(raw))
    with pytest.raises(InputError, match=words):
        open_run(run).plan["nodes"]


def test_no_run_directory(tmp_path, capsys):
    assert main(["verify-plan", str(tmp_path)]) == 3
    assert "this is not a run directory: it has no analysis.yaml" in capsys.readouterr().err


def test_a_process_costs_some_calls(tmp_path, capsys):
    """Sixteen for each process more, so that the plan of a million is proved in a minute."""

    def proved(n):
        (tmp_path / "spec.yaml").write_text(text(n_bg=n, bg_file=1))
        assert main(["build", str(tmp_path / "spec.yaml"), f"--run={tmp_path / str(n)}"]) == 0
        code, n_calls = calls(main, ["verify-plan", str(tmp_path / str(n))])
        assert code == 0
        assert f" trials in {3 * n + 21:,} files" in capsys.readouterr().out
        return n_calls

    few, many = proved(200), proved(2000)
    assert many - few < 3 * 1800 * 25
