import json
import os
import shutil

import pytest

from dagmaker.cli import main
from dagmaker.htcondor import repair, rounds
from dagmaker.htcondor.build import build
from dagmaker.htcondor.repair import Fault
from dagmaker.plan import plan, processes
from tests.dagmaker_spec import spec
from tests.test_dagmaker_eventlog import execute, submit
from worker.base.errors import RefusedError


@pytest.fixture(autouse=True)
def no_pool(monkeypatch):
    """These tests are about files: no schedd is asked."""
    monkeypatch.setenv("CONDOR_CONFIG", os.devnull)


@pytest.fixture(scope="module")
def made():
    return plan.make(spec(), "digest")


def fault(node, position=0, state="absent"):
    return Fault(node, position, "path", state, "why")


def test_only_what_is_missing_and_what_is_made_from_it(made):
    wanted = repair.processes_to_run(made, [fault("bg_p005", 2), fault("bg_p005", 1)])
    assert wanted == {
        "bg_p005": (1, 2), "collect_bg_p005": (0,), "distributions": (0,), "sensitivity": (0,), "collect_scan": (0,),
        "post_trial": (0,), "upper_limits": (0,), "report": (0,),
    }  # fmt: skip


def test_signal_needs_no_new_background(made):
    wanted = repair.processes_to_run(made, [fault("sig_p005_n010d0", 0)])
    assert set(wanted) == {"sig_p005_n010d0", "collect_sig_p005", "sensitivity", "upper_limits", "report"}


def test_lost_data_are_read_again_and_no_trial_is_run_again(made):
    assert set(repair.processes_to_run(made, [fault("prepare")])) == {"prepare", "report"}


def test_a_dag_has_a_node_besides_its_final_one(made):
    assert set(repair.processes_to_run(made, [fault("report")])) == {"post_trial", "report"}


def test_the_reduced_plan_has_exactly_these_processes(made):
    wanted = repair.processes_to_run(made, [fault("scan", 1), fault("map_nside008", 1), fault("bg_m030", 0)])
    part = repair.partial_plan(made, wanted, "repair01_")
    lines = {node.name: [" ".join(p.argv) for p in processes.of(node)] for node in part.nodes}
    assert lines["repair01_map_nside008"] == ["scan_map --nside=8 --band=1 --bands=2"]
    assert lines["repair01_bg_m030"] == ["bg_trials --dec=-30 --n=100 --seed=0"]
    assert lines["repair01_scan"] == ["scan_trials --n=2 --seed=0 --first=2"]
    assert sum(node.n_processes for node in part.nodes) == sum(map(len, lines.values()))
    names = {node.name for node in part.nodes}
    assert all(set(node.parents) <= names for node in part.nodes)
    assert "report" in names


def test_positions_of_banded_processes_are_those_of_the_whole_node():
    banded = plan.Node("m", "scan_map", (("nside", 8.0),), bands=4, only=(3,))
    [process] = processes.of(banded)
    assert (process.position, process.argv) == (3, ("scan_map", "--nside=8", "--band=3", "--bands=4"))


def test_a_dag_in_the_queue_is_not_repaired(tmp_path):
    run = build(spec(), tmp_path / "run").run
    (run / "analysis.dag.dagman.log").write_text((submit(0) + execute(0)).replace("(020.", "(007."))
    with pytest.raises(RefusedError, match=r"cluster 7 is in the queue \(running\), and no HTCondor schedd answers"):
        repair.repair(run)


def _verified(run, jobs=1):
    checked, faults = repair.verify(run, jobs)
    return checked, {(fault.node, fault.position): fault.state for fault in faults}


@pytest.mark.slow
def test_a_complete_run_has_nothing_to_repair(own_run, capsys):
    n = sum(node.n_processes for node in rounds.read_plan(own_run).nodes)
    assert _verified(own_run) == _verified(own_run, 2) == (n, {})
    assert main(["repair", str(own_run)]) == 0
    assert capsys.readouterr().out == f"{own_run}: {n} files checked, nothing is missing or corrupt\n"
    assert not (own_run / "repair.dag").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "spoil", "node", "state"),
    [
        ("trials/*/bg/dec/+005/*first_0000100.npy", "remove", ("bg_p005", 1), "absent"),
        ("trials/*/bg/dec/+005/*seed_0000.npy", "cut", ("bg_p005", 0), "corrupt"),
        ("trials/*/bg/dec/+005/*seed_0000.npy", "flip", ("bg_p005", 0), "corrupt"),
        ("trials/*/bg/dec/+005/*seed_0000.json", "remove", ("bg_p005", 0), "foreign"),
        ("trials/*/sig/dec/-030/nsig/010.0/*seed_0000.npy", "flip", ("sig_m030_n010d0", 0), "corrupt"),
        ("trials/*/scan/nside/004/rings*first_0000002*.npy", "cut", ("scan", 1), "corrupt"),
        ("trials/*/map/nside/008/*band_01*.npy", "flip", ("map_nside008", 1), "corrupt"),
        ("collected/bg/dec/+040.npz", "cut", ("collect_bg_p040", 0), "corrupt"),
        ("collected/bg/dec/+040.files.json", "remove", ("collect_bg_p040", 0), "stale"),
        ("prepared/data.npz", "flip", ("prepare", 0), "corrupt"),
        ("prepared/tables.npz", "flip", ("prepare", 0), "corrupt"),
        ("results/background.json", "cut", ("distributions", 0), "corrupt"),
        ("results/skies_all.npy", "cut", ("collect_scan", 0), "corrupt"),
        ("results/map_nside_008.fits", "remove", ("collect_scan", 0), "corrupt"),
        ("results/timing/sensitivity.json", "remove", ("sensitivity", 0), "corrupt"),
        ("report/index.html", "cut", ("report", 0), "corrupt"),
    ],
)
def test_every_kind_of_damage_is_found_where_it_is(own_run, pattern, spoil, node, state):
    [path] = own_run.glob(pattern)
    raw = path.read_bytes()
    if spoil == "remove":
        path.unlink()
    else:
        middle = len(raw) // 2
        flipped = raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :]
        path.write_bytes(raw[:-9] if spoil == "cut" else flipped)
    assert _verified(own_run)[1] == {node: state}


@pytest.mark.slow
def test_collected_files_that_were_made_over_holes_or_from_others_are_stale(own_run):
    path = own_run / "collected/bg/dec/+005.files.json"
    files = json.loads(path.read_text())
    path.write_text(json.dumps(files[1:]))
    assert _verified(own_run)[1] == {("collect_bg_p005", 0): "stale"}
    path.write_text(json.dumps([{**files[0], "sha256": "0" * 64}, *files[1:]]))
    assert _verified(own_run)[1] == {("collect_bg_p005", 0): "stale"}


@pytest.mark.slow
def test_files_of_another_analysis_are_not_removed(own_run, capsys):
    [record] = own_run.glob("trials/*/bg/dec/+005/*seed_0000.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "digest": "of another"}))
    assert main(["repair", str(own_run)]) == 3
    assert "1 sound files belong to another analysis, and are not removed" in capsys.readouterr().err
    assert record.with_suffix(".npy").exists()


@pytest.mark.slow
def test_repair_twice_forgets_the_first(own_run, capsys):
    [lost] = own_run.glob("trials/*/bg/dec/+005/*first_0000100.npy")
    lost.unlink()
    assert main(["repair", str(own_run)]) == 0
    told = capsys.readouterr().out
    assert "1 absent" in told
    assert f"dagmaker submit {own_run} --repair" in told
    assert f"dagmaker run {own_run / 'analysis.yaml'} --run={own_run}" in told
    assert (own_run / "batches/repair01_bg_p005.txt").read_text() == (
        "bg_trials --dec=5 --n=100 --seed=0 --first=100\n"
    )
    (own_run / "repair.dag.rescue001").write_text("DONE repair01_bg_p005\n")
    assert main(["repair", str(own_run)]) == 0
    assert not (own_run / "repair.dag.rescue001").exists()
    dag = (own_run / "repair.dag").read_text()
    assert "JOB repair02_bg_p005 " in dag
    assert "repair01" not in dag
    assert "FINAL report " in dag


@pytest.mark.slow
def test_what_lies_in_the_way_is_named_and_moved_when_asked(own_run, capsys):
    """Folders where files belong, files where folders belong, files of another analysis: all at once."""
    run = own_run
    trials = run / "trials" / "tiny"
    [output] = trials.glob("bg/dec/+005/*first_0000100.npy")
    [record] = trials.glob("bg/dec/+040/*first_0000100.json")
    [foreign] = trials.glob("bg/dec/-030/*first_0000100.json")
    folder = trials / "sig" / "dec" / "+005" / "nsig"
    results = [
        run / name
        for name in ("results/background.json", "results/timing/sensitivity.json", "collected/bg/dec/+005.npz")
    ]
    results += [run / "results" / "skies_all.npy", run / "report" / "index.html"]
    foreign.write_text(json.dumps({**json.loads(foreign.read_text()), "digest": "of another"}))
    for path in (output, record, *results):
        path.unlink()
        (path / "something").mkdir(parents=True)
    shutil.rmtree(folder)
    folder.touch()
    before = sorted(run.rglob("*"))

    assert main(["repair", str(run)]) == 3
    said = capsys.readouterr().err
    assert "2 sound files belong to another analysis and 8 folders or files lie where an output belongs" in said
    assert f"`dagmaker repair {run} --set_aside` moves them to {run}/set_aside" in said
    assert "unexpected" not in said
    assert sorted(run.rglob("*")) == before

    assert main(["repair", str(run), "--set_aside"]) == 0
    aside = run / "set_aside"
    for path in (output, record, *results):
        assert not path.exists()
        assert (aside / path.relative_to(run) / "something").is_dir()
    assert not folder.exists()
    assert (aside / foreign.relative_to(run)).is_file()
    assert (aside / foreign.relative_to(run).with_suffix(".npy")).is_file()
    assert _verified(run)[1][("bg_m030", 1)] == "absent"


@pytest.mark.slow
def test_a_place_that_cannot_be_written_is_named(own_run, capsys):
    run = own_run
    (run / "report" / "index.html").unlink()
    shutil.rmtree(run / "batches")
    (run / "batches").touch()
    assert main(["repair", str(run)]) == 3
    said = capsys.readouterr().err
    assert "_post_trial.txt: cannot be written: there is a file of this name where a folder is needed" in said
