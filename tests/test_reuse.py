"""Runs that build on each other: --from, --set, a finished run, `dagmaker init`."""

import json
import shutil

import pytest
import yaml

from dagmaker.cli import main
from dagmaker.plan.starters import STARTERS
from tests.dagmaker_spec import text
from worker.rundir import store
from worker.rundir.ledger import each_expected, open_run
from worker.spec.specfile import load_resolved


def said(capsys):
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(text(), encoding="utf-8")
    return path


@pytest.mark.slow  # two builds that prepare their data, and a review
def test_trials_of_another_run_are_taken_over(spec, finished_run, tmp_path, capsys):
    frozen = finished_run / "analysis.yaml"
    new, other = tmp_path / "new", tmp_path / "other"
    decs = list(open_run(finished_run).spec.background.decs)
    grid = f"--set=background.dec_deg={sorted([*decs, decs[0] + 2.5])}"  # names of folders get a decimal
    assert (
        main(["build", str(frozen), f"--run={new}", grid, "--set=signal.gamma=[2, 3]", f"--from={finished_run}"]) == 0
    )
    old_run, new_run = open_run(finished_run), open_run(new)
    assert new_run.spec.signal.gammas == (2.0, 3.0)
    for task in ("bg_trials", "sig_trials", "scan_trials"):
        old_bytes = {(old_run.path / file.path).read_bytes() for file in each_expected(old_run, task)}
        found = [file for file in each_expected(new_run, task) if (new / file.path).exists()]
        assert len(found) == len(list(each_expected(old_run, task)))
        for file in found:
            assert (new / file.path).read_bytes() in old_bytes
            record = store.load_record(new, file.path)
            assert record.origin["run"] == str(finished_run.resolve())
            assert record.args.items() >= dict(file.point).items()
    # another seed: nothing belongs to it
    assert main(["build", str(frozen), f"--run={other}", "--set=seed=99", f"--from={finished_run}"]) == 0
    run = open_run(other)
    assert not any(
        (other / file.path).exists() for task in ("bg_trials", "scan_trials") for file in each_expected(run, task)
    )
    capsys.readouterr()
    assert main(["build", str(frozen), f"--run={new}", f"--from={tmp_path}"]) != 0


def test_set_changes_the_frozen_spec_and_nothing_else(spec, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["build", str(spec), f"--run={run}", "--set", "signal.gamma=2.5", "--set=unblind.quote_nsigma=1"]) == 0
    frozen = load_resolved(run / "analysis.yaml")
    assert (frozen.signal.gamma, frozen.unblind.quote_nsigma) == (2.5, 1.0)
    capsys.readouterr()
    assert main(["plan", str(run), "--json"]) == 0
    assert said(capsys)["name"] == frozen.name
    assert main(["plan", str(run), "--set=seed=1"]) == 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("signal.gama=3", "signal.gama"), ("seed", "seed"), ("name.x=1", "name"), ("signal.gamma=[", "signal.gamma"),
        ("signal.gamma=9", "signal.gamma"), ("=3", "=3"), ("a..b=1", "a..b"),
    ],
)  # fmt: skip
def test_a_wrong_change_is_named(spec, change, named, capsys):
    assert main(["check", str(spec), f"--set={change}"]) == 2
    assert named in capsys.readouterr().err


def test_a_finished_run_is_left_alone_until_something_changes(own_run, capsys):
    frozen = own_run / "analysis.yaml"
    words = ["run", str(frozen), f"--run={own_run}", "--jobs=2"]
    assert main(words) == 0  # a copy: looked through, and remembered
    page = (own_run / "report" / "index.html").stat().st_mtime_ns
    capsys.readouterr()
    assert main(words) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert (own_run / "report" / "index.html").stat().st_mtime_ns == page
    victim = next(own_run.glob("trials/*/bg/**/*.npy"))
    shutil.copy(victim, victim.with_suffix(".kept"))
    victim.unlink()
    assert main(words) == 0
    assert "nothing to do" not in capsys.readouterr().out
    assert victim.read_bytes() == victim.with_suffix(".kept").read_bytes()


@pytest.mark.parametrize("kind", STARTERS)
def test_starters_are_good_specs(kind, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["init", kind]) == 0
    assert main(["check", "analysis.yaml"]) == 0
    assert yaml.safe_load((tmp_path / "analysis.yaml").read_text())["name"] == "analysis"
    assert main(["init", kind]) == 4
    assert main(["init", "nonsense", "--output=b.yaml"]) == 2
    capsys.readouterr()
