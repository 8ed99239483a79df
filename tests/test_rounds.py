"""Rounds of an adaptive analysis on this machine: decided, run, stopped, extended, mended and found out."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dagmaker.cli import main
from dagmaker.htcondor import repair, rounds
from dagmaker.plan import plan, templates
from dagmaker.review.verify_plan import verify_plan
from tests import report_run
from tests.answers import holds_what_is_documented
from tests.pool.analysis import final_bytes
from worker.base.errors import InputError, SpecError
from worker.base.finding import Finding
from worker.rundir import layout
from worker.rundir import rounds as rundir_rounds
from worker.rundir.ledger import expected, open_run, run_before_round
from worker.spec import specfile
from worker.tasks import adaptive_round

SPEC = """
version: 1
name: rounds
seed: 3
data: {format: synthetic, n_events: 8000}
background: {tail: none, dec_deg: [-30, 5], n_trials: 1000, trials_per_file: 500}
signal: {n_sig: [1, 2, 3], n_trials: 60, trials_per_file: 150}
sensitivity: {n_bootstrap: 60, discovery_nsigma: 2}
scan: {nside: 4, n_skies: 2, dec_min_deg: -30, dec_max_deg: 5}
goal: {sensitivity_error: %s}
adaptive: %s
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without the pages of its report; those of another are read in `test_bounds_are_kept_and_told`."""
    folder = tmp_path_factory.mktemp("rounds")
    (folder / "spec.yaml").write_text(SPEC % (0.07, "true"))
    report_run.run_to_summary(folder / "spec.yaml", folder / "run")
    return folder / "run"


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished.parent, tmp_path / "copy")
    return tmp_path / "copy" / "run"


def decision(run: Path, number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / layout.decision(number)).read_bytes())
    return found


def said(run: Path) -> dict[str, Finding]:
    """Lines of verify-plan that speak of rounds."""
    lines = [line for line in verify_plan(run) if "decision" in line.what or "decided" in line.what]
    return {" ".join(line.what.split()[:2]): line for line in lines}


def test_the_goal_is_reached_with_trials_where_they_were_short(finished: Path) -> None:
    rows = json.loads((finished / layout.SENSITIVITY).read_bytes())["sensitivity"]
    assert all(row["n_sig_error"] <= 0.07 * row["n_sig"] for row in rows)
    first = decision(finished, 1)
    assert first["added"]["signal"] > 0
    assert {row["state"] for point in first["points"] for row in point["quantities"]} <= {
        "short",
        "wide",
        "not bracketed",
    }
    last = decision(finished, 3)
    assert last["added"] == {"signal": 0, "background": 0}
    for row, point in zip(rows, last["points"], strict=True):
        there = {at["n_sig"]: at["n"] for at in row["points"] if at["n_sig"] > 0}
        assert sum(there.values()) == point["n_trials"], "the result has the trials of all rounds"
        assert len(there) > 3


def test_files_continue_the_streams_of_the_plan(finished: Path) -> None:
    run = open_run(finished)
    assert len(run.rounds) == 3
    streams: dict[tuple[float, float], list[tuple[int, int]]] = {}
    for file in expected(run, "sig_trials"):
        assert (finished / file.path).is_file()
        streams.setdefault((file.point["dec"], file.point["n_sig"]), []).append((file.first, file.n))
    for cuts in streams.values():
        assert [first for first, _ in cuts] == [sum(n for _, n in cuts[:i]) for i in range(len(cuts))]
    assert len(expected(run_before_round(run, 1), "sig_trials")) == 6


def test_everybody_reads_one_plan(finished: Path) -> None:
    ours = {node.name: (node.task, node.dir, node.cuts) for node in rounds.read_plan(finished).nodes}
    theirs = {n["name"]: (n["task"], n["dir"], n["cuts"]) for n in open_run(finished).plan["nodes"]}
    assert ours == theirs
    assert any(name.startswith("r1_sig_") for name in ours)


def test_the_plan_is_verified_with_its_rounds(finished: Path) -> None:
    lines = said(finished)
    assert len(lines) == 3
    assert {line.verdict for line in lines.values()} == {"same"}, lines


def test_a_changed_decision_is_named(copy: Path) -> None:
    changed = decision(copy, 1)
    changed["points"][0]["quantities"][0]["error"] = 0.5
    (copy / layout.decision(1)).write_text(json.dumps(changed))
    line = said(copy)["every round"]
    assert line.verdict == "fault"
    assert "rounds/round_1.json: points[0].quantities[0].error is 0.5, recomputed" in line.found


def test_a_changed_plan_of_a_round_is_named(copy: Path) -> None:
    path = copy / layout.round_plan(1)
    before = path.read_text()
    path.write_text(before.replace('"cuts":[[0,', '"cuts":[[7,', 1))
    line = before[: before.index('"cuts":[[0,')].count("\n") + 1
    found = [line for line in verify_plan(copy) if line.what.startswith("plans, lists of processes and DAGs of rounds")]
    assert found[0].verdict == "fault"
    assert f"rounds/round_1.plan.json: line {line} is" in found[0].found


def test_what_no_decision_asked_for_is_named(copy: Path) -> None:
    (copy / "rounds" / "round_4.json").write_text("{}")
    (copy / "batches" / "r4_sig_p005.txt").write_text("sig_trials --n=1\n")
    node = next(n for n in open_run(copy).plan["nodes"] if n["task"] == "sig_trials")
    stranger = copy / node["dir"] / layout.trials_name(50, 0, 60000)
    stranger.write_bytes(b"")
    lines = {line.what: line for line in verify_plan(copy)}
    planned = next(
        line for what, line in lines.items() if what.startswith("plans, lists of processes and DAGs of rounds")
    )
    assert planned.verdict == "fault"
    assert "batches/r4_sig_p005.txt: no decision asked for it; rounds/round_4.json: no decision asked" in planned.found
    trials = lines["every file of trials was decided"]
    assert trials.verdict == "note"
    assert trials.found == f"{stranger.relative_to(copy)}: no plan and no decision asked for it"


def test_a_tighter_goal_adds_to_what_is_there(copy: Path) -> None:
    before_it = {path: path.stat().st_mtime_ns for path in copy.glob("trials/**/*.npy") if "/sig/" in str(path)}
    first = (copy / layout.decision(1)).read_bytes()
    n = {dec: row["n_trials"] for dec, row in ((p["dec_deg"], p) for p in decision(copy, 3)["points"])}
    (copy.parent / "spec.yaml").write_text(SPEC % (0.035, "{max_rounds: 4}"))
    report_run.run_without(copy, copy.parent / "spec.yaml")
    assert (copy / layout.decision(1)).read_bytes() == first, "history"
    assert {path: path.stat().st_mtime_ns for path in before_it} == before_it, "no trial is made again"
    assert len(list(copy.glob("trials/**/sig/**/*.npy"))) > len(before_it)
    rows = json.loads((copy / layout.SENSITIVITY).read_bytes())["sensitivity"]
    assert all(row["n_sig_error"] <= 0.035 * row["n_sig"] for row in rows)
    assert all(sum(at["n"] for at in row["points"] if at["n_sig"] > 0) >= n[row["dec_deg"]] for row in rows)
    assert {line.verdict for line in said(copy).values()} == {"same"}


def test_stopped_inside_a_round_it_goes_on_to_the_same_bytes(copy: Path, finished: Path) -> None:
    """As after a kill in round 1: half of its files, no later decision, nothing collected."""
    run = open_run(copy)
    of_round = [n for n in run.plan["nodes"] if n["name"].startswith("r1_")]
    for node in of_round[::2]:
        shutil.rmtree(copy / node["dir"])
    for number in (2, 3):
        for rel in (layout.decision(number), layout.round_plan(number)):
            (copy / rel).unlink()
    for node in run.plan["nodes"]:
        if node["name"].startswith(("r2_", "r3_")):
            for path in (copy / node["dir"]).glob("*_first_*"):
                path.unlink()
    shutil.rmtree(copy / "collected")
    report_run.run_without(copy, copy.parent / "spec.yaml")
    wanted = final_bytes(finished)
    del wanted[str(layout.SUMMARY)]
    assert final_bytes(copy) == wanted
    assert (copy / layout.decision(2)).read_bytes() == (finished / layout.decision(2)).read_bytes()


def test_other_trials_in_the_plan_begin_the_rounds_anew(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = copy.parent / "spec.yaml"
    spec.write_text(SPEC.replace("n_trials: 60", "n_trials: 90") % (0.07, "true"))
    assert main(["build", str(spec), f"--run={copy}"]) == 0
    assert "rounds/round_1.json: removed, since it continues other trials" in capsys.readouterr().out
    assert not list(copy.glob("rounds/round_*"))
    assert not list(copy.glob("batches/r1_*"))


def test_repair_makes_a_decision_again_and_what_follows(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / layout.decision(2)).write_text("{")
    with pytest.raises(InputError, match=r"round_2.json: is not a decision of the judge .* remove it and run"):
        rundir_rounds.decision(copy, 2)
    (copy / layout.decision(2)).unlink()
    assert main(["repair", str(copy)]) == 0
    capsys.readouterr()
    dag = (copy / "repair.dag").read_text()
    assert "JOB repair01_judge_2 " in dag
    assert f"SUBDAG EXTERNAL repair01_round_2 {copy}/rounds/round_2.dag" in dag
    assert "JOB repair01_judge_1 " not in dag, "an earlier decision holds"


def test_a_lost_file_of_a_round_is_made_and_collected_again_without_a_judge(finished: Path) -> None:
    whole = rounds.read_plan(finished)
    lost = next(node for node in whole.nodes if node.name.startswith("r1_sig_p005"))
    wanted = repair.processes_to_run(whole, [repair.Fault(lost.name, 0, "", "absent", "")])
    assert lost.name in wanted
    assert "collect_sig_p005" in wanted
    assert "collect_sig_m030" not in wanted
    assert not [name for name in wanted if name.startswith("judge")]


def test_a_round_that_there_is_not_is_refused(finished: Path) -> None:
    with pytest.raises(SpecError, match=r"--round=7: adaptive.max_rounds is 3; choose one of 1 to 3, or raise it"):
        adaptive_round.judge(finished, 7)
    with pytest.raises(InputError, match=r"round_5.json: round 5 has not been decided; `worker judge"):
        rounds.write_round(specfile.load_resolved(finished / layout.SPEC), finished, 5)


def test_planned_again_a_round_is_the_same_and_says_what_it_adds(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before_it = (copy / layout.round_plan(1)).read_bytes()
    capsys.readouterr()
    assert main(["round", str(copy), "--round=1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    holds_what_is_documented("round", found)
    assert found["trials"] == decision(copy, 1)["added"]["signal"]
    assert (copy / layout.round_plan(1)).read_bytes() == before_it


def test_a_round_needs_no_profile_of_the_site_where_dagman_calls_it(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DAGMan's environment has no DAGMAKER_TEMPLATES: what the site is like was written down when the run was built."""
    own = tmp_path / "templates"
    shutil.copytree(templates.folder(), own)
    (own / "htcondor" / "sites" / "personal.yaml").unlink()
    monkeypatch.setenv(templates.VARIABLE, str(own))
    before_it = (copy / layout.round_plan(1)).read_bytes()
    (copy / layout.round_plan(1)).unlink()
    assert main(["round", str(copy), "--round=1"]) == 0
    assert (copy / layout.round_plan(1)).read_bytes() == before_it
    assert main(["repair", str(copy)]) == 0


def test_strata_reach_the_goal_with_shares_of_their_own(tmp_path: Path) -> None:
    """40 trials for each number of events, then rounds: n_sig is the mean of a Poisson number all the same."""
    (tmp_path / "spec.yaml").write_text(
        (SPEC % (0.07, "true")).replace(
            "{n_sig: [1, 2, 3], n_trials: 60,", f"{{strata: true, n_sig: {[*range(1, 16)]}, n_trials: 40,"
        )
    )
    run = tmp_path / "run"
    assert main(["run", str(tmp_path / "spec.yaml"), f"--run={run}", "--jobs=1"]) == 0
    rows = json.loads((run / layout.SENSITIVITY).read_bytes())["sensitivity"]
    assert all(row["n_sig_error"] <= 0.07 * row["n_sig"] for row in rows)
    assert {(row["method"], row["n_sig_is"]) for row in rows} == {("strata", "poisson mean")}
    for row in rows:
        trials = {k: n for k, n in zip(row["strata"]["k"], row["strata"]["n"], strict=True) if k > 0}
        assert {*trials} >= set(range(1, 16)), "exact numbers of events"
        assert max(trials, key=trials.__getitem__) < 2 * row["n_sig"], "most trials where they count most"
    assert {line.verdict for line in said(run).values()} == {"same"}


def test_without_rounds_there_is_no_judge() -> None:
    spec = specfile.loads(SPEC % (0.07, "false"))
    assert "judge" not in plan.make(spec, "").tasks()


def test_bounds_are_kept_and_told(tmp_path: Path) -> None:
    spec, run = tmp_path / "spec.yaml", tmp_path / "run"
    spec.write_text(SPEC % (0.02, "{max_rounds: 2, max_signal_trials: 700}"))
    assert main(["run", str(spec), f"--run={run}", "--jobs=1"]) == 0
    for number in (1, 2):
        assert all(p["n_trials"] + sum(a["n"] for a in p["add"]) <= 700 for p in decision(run, number)["points"])
    assert any(point["bounded"] for point in decision(run, 2)["points"])
    page = (run / layout.REPORT).read_text()
    assert "2 %: not reached" in page
