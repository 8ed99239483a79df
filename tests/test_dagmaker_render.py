import json
import os
import re
import shutil
import subprocess
from pathlib import PurePosixPath

import pytest

from dagmaker.htcondor import htcondor_version, render
from dagmaker.htcondor.build import build
from dagmaker.htcondor.render import Place
from dagmaker.plan import clusters, plan, sites
from tests import dagmaker_spec
from tests.dagmaker_spec import spec
from tests.needs import needs
from worker.base.errors import SpecError
from worker.base.task_rows import ROWS, multi_file_tasks
from worker.spec import specfile

htcondor2 = pytest.importorskip("htcondor2", reason="no HTCondor bindings: pip install htcondor")

RUN = PurePosixPath("/data/user/runs/tiny")
PLACE = Place(RUN, "/opt/venv/bin/python", "/opt/source")


def _files(place=PLACE, site="personal", **changes):
    made = spec(**changes)
    texts = render.files(plan.make(made, "0" * 64), made, sites.load(site), place, "spec\n")
    return dict(texts)


def _dag(**changes):
    return _files(**changes)["analysis.dag"].splitlines()


def test_two_renders_are_identical():
    assert list(_files().items()) == list(_files().items())


def test_dag_of_the_tiny_spec():
    """The shape of the file, spelt out: one node per task and declination, the report as FINAL."""
    lines = _dag()
    assert lines[:5] == [
        "# tiny: 47 processes in 22 nodes. Written by `dagmaker build`.",
        "CONFIG /data/user/runs/tiny/dagman.config",
        "JOBSTATE_LOG /data/user/runs/tiny/logs/jobstate.log",
        "JOB prepare /data/user/runs/tiny/prepare.sub",
        'VARS prepare batch="/data/user/runs/tiny/batches/prepare.txt" node="prepare"',
    ]
    start = lines.index("JOB sig_p005 /data/user/runs/tiny/sig_trials.sub")
    assert lines[start + 1 : start + 4] == [
        'VARS sig_p005 batch="/data/user/runs/tiny/batches/sig_p005.txt" node="sig_p005"',
        "PRIORITY sig_p005 40",
        "CATEGORY sig_p005 sig_trials",
    ]
    starts = "bg_m030 sig_m030 bg_p005 sig_p005 bg_p040 sig_p040"
    first = next(line for line in lines if line.startswith("PARENT prepare CHILD"))
    assert set(first.split()[3:]) == {*starts.split(), "scan", "map_nside004", "map_nside008"}
    assert "PARENT bg_p005 CHILD collect_bg_p005" in lines
    assert "PARENT sig_p005 CHILD collect_sig_p005" in lines
    assert "PARENT collect_bg_m030 collect_bg_p005 collect_bg_p040 CHILD distributions" in lines
    assert "PARENT distributions scan map_nside004 map_nside008 CHILD collect_scan" in lines
    assert lines[-2:] == [
        "FINAL report /data/user/runs/tiny/report.sub",
        'VARS report batch="/data/user/runs/tiny/batches/report.txt" node="report"',
    ]


def test_final_has_no_edge_and_no_node_is_declared_twice():
    lines = _dag()
    names = [line.split()[1] for line in lines if line.startswith(("JOB ", "FINAL "))]
    assert len(set(names)) == len(names)
    edges = [line for line in lines if line.startswith("PARENT")]
    assert not [line for line in edges if "report" in line.split()]
    assert {word for line in edges for word in line.split()} - {"PARENT", "CHILD"} <= set(names)


def test_batches_hold_every_process_once():
    made = plan.make(spec(), "")
    files = _files()
    lines = [line for name, text in files.items() if name.startswith("batches/") for line in text.splitlines()]
    assert len(lines) == len(set(lines)) == made.n_processes
    assert files["batches/sig_p005.txt"].splitlines()[:3] == [
        "sig_trials --dec=5 --n_sig=4 --n=100 --seed=0",
        "sig_trials --dec=5 --n_sig=4 --n=50 --seed=0 --first=100",
        "sig_trials --dec=5 --n_sig=10 --n=100 --seed=0",
    ]


def test_large_nodes_become_several_clusters_that_all_wait_and_are_waited_for():
    files = _files(n_bg=250_000, bg_file=100, decs=[5, 40])
    names = [f"bg_p005_c{i}" for i in range(3)]
    sizes = [len(files[f"batches/{name}.txt"].splitlines()) for name in names]
    assert sizes == [1000, 1000, 500]
    dag = files["analysis.dag"]
    assert f"PARENT {' '.join(names)} CHILD collect_bg_p005\n" in dag
    assert set(names) <= set(re.search(r"PARENT prepare CHILD (.*)", dag)[1].split())


def test_clusters_are_never_larger_than_their_limit():
    made = plan.make(spec(n_bg=1_000_000, bg_file=7), "")
    packed = clusters.make(made)
    assert max(len(cluster.lines) for cluster in packed.clusters) == clusters.SIZE
    assert sum(len(cluster.lines) for cluster in packed.clusters) == made.n_processes
    assert clusters.count(made) == len(packed.clusters)


@pytest.mark.parametrize("site", ["personal", "shared-fs", "ospool"])
def test_htcondor_reads_every_submit_file(site, monkeypatch):
    """What the bindings expand is what was meant: the program, its arguments, its environment."""
    monkeypatch.setenv("USER", "somebody")
    subs = {name: text for name, text in _files(site=site).items() if name.endswith(".sub")}
    assert len(subs) == 13
    for name, text in subs.items():
        task = name.removesuffix(".sub")
        _check_submit(task, text, away=site == "ospool" and task in multi_file_tasks())


def _check_submit(task, text, away):
    submit = htcondor2.Submit(text)
    submit["args"] = f"{task} --n=5"
    submit["node"], submit["batch"] = "some_node", "some_file"
    assert submit.expand("executable") == ("/usr/local/bin/python3" if away else "/opt/venv/bin/python")
    assert submit.expand("arguments").startswith(f'"-m worker {task} --n=5 --run={"." if away else RUN}')
    path = "" if away else " PYTHONPATH=/opt/source"
    assert submit.expand("environment").startswith(f'"PATH=/usr/local/bin:/usr/bin:/bin{path} MPLBACKEND')
    assert " NUMBA_CACHE_DIR=" in submit.expand("environment")
    assert submit.expand("error").startswith(f"{RUN}/logs/some_node/")
    assert submit.expand("max_retries") == "2"
    assert submit.getQArgs() == "args from $(batch)"


def test_report_is_told_how_the_dag_went():
    text = _files()["report.sub"]
    assert "--dag_status=$(DAG_STATUS) --failed_count=$(FAILED_COUNT)" in text


def test_a_run_directory_that_dagman_cannot_name_has_no_files_for_it():
    place = Place(PurePosixPath("/data/my runs"), "/usr/bin/python")
    assert "DAGMan cannot use a path with a blank" in render.path_problem(place.run, sites.load("personal"))
    assert list(_files(place=place)) == ["analysis.yaml", "plan.json"]


def test_shared_fs_keeps_event_logs_on_the_submit_host(monkeypatch):
    monkeypatch.setenv("USER", "somebody")
    files = _files(site="shared-fs")
    log = next(line for line in files["bg_trials.sub"].splitlines() if line.startswith("log = "))
    assert re.fullmatch(r"log = /scratch/somebody/dagmaker/tiny-[0-9a-f]{8}/bg_trials\.log", log)
    assert "DAGMAN_DEFAULT_NODE_LOG = /scratch/somebody/dagmaker/tiny-" in files["dagman.config"]
    assert "max_idle = 1000" in files["bg_trials.sub"] and "max_idle" not in files["prepare.sub"]
    assert "MAXJOBS collect_bg 20" in files["analysis.dag"]


def test_a_node_is_never_submitted_a_second_time_for_a_failure():
    """RETRY would start a whole cluster again; each process is retried by its submit file."""
    assert not [line for line in _dag() if line.startswith("RETRY")]
    text = _files()["bg_trials.sub"]
    assert "\nmax_retries = 2\nretry_until = ExitCode =?= 2 || ExitCode =?= 3 || ExitCode =?= 4\n" in text


def test_dot_on_request():
    made = spec()
    texts = dict(render.files(plan.make(made, ""), made, sites.load("personal"), PLACE, "", dot=True))
    assert f"\nDOT {RUN}/analysis.dot\n" in texts["analysis.dag"]
    assert "DOT" not in _files()["analysis.dag"]


def test_a_time_limit_is_told_to_what_can_stop_and_nothing_else():
    files = _files(resources="{time_limit_hours: 2}")
    for name in (f"{task}.sub" for task in plan.make(spec(), "").tasks()):
        steps = name.removesuffix(".sub") in multi_file_tasks()
        assert ("checkpoint_exit_code = 85" in files[name]) == steps
        assert ("WORKER_TIME_LIMIT_S=6600" in files[name]) == steps  # ten minutes for saving
    assert "WORKER_TIME_LIMIT_S=3240" in _files(resources="{time_limit_hours: 1}")["bg_trials.sub"]
    assert not [text for text in _files().values() if "checkpoint" in text or "TIME_LIMIT" in text]


def test_without_a_shared_disk_only_the_sandbox_is_used(monkeypatch):
    monkeypatch.setenv("USER", "somebody")
    files = _files(site="ospool", resources="{time_limit_hours: 2}")
    for name, text in files.items():
        if not name.endswith(".sub"):
            continue
        submit = htcondor2.Submit(text)
        submit["node"] = "some_node"
        away = name.removesuffix(".sub") in multi_file_tasks()
        assert submit["universe"] == ("container" if away else "local")
        seen = " ".join(submit.expand(key) for key in ("executable", "arguments", "environment"))
        assert (str(RUN) in seen) == (not away)
        assert ("+JobDurationCategory" in text) == away
    sub = htcondor2.Submit(files["scan_map.sub"])
    assert sub["transfer_input_files"] == (
        "analysis.yaml, prepared/data.npz, prepared/data.json, prepared/tables.npz, prepared/tables.json, "
        f"{RUN}/sandbox/"
    )
    head = json.loads(files["sandbox/plan.json"])
    assert head == {**json.loads(files["plan.json"]), "nodes": []}, "all that a process in a slot reads of the plan"
    assert (sub["transfer_output_files"], sub["transfer_checkpoint_files"]) == ("trials", "partial, trials")


def test_a_comma_in_a_path_cannot_travel(monkeypatch):
    monkeypatch.setenv("USER", "somebody")
    place = Place(PurePosixPath("/data/a,b"), "/usr/bin/python")
    assert "HTCondor cannot transfer a path with a comma" in render.path_problem(place.run, sites.load("ospool"))
    assert list(_files(place=place, site="ospool")) == ["analysis.yaml", "plan.json"]
    assert render.path_problem(place.run, sites.load("shared-fs")) == "", "on a shared disk nothing is transferred"


def test_one_kind_of_task_asks_for_what_the_spec_or_its_site_says():
    own = "{request_memory_mb: 2000, request_disk_mb: 77, requirements: HasFastDisk, container_image: a.sif}"
    files = _files(resources=f"{{tasks: {{scan_trials: {own}}}}}")
    sub = htcondor2.Submit(files["scan_trials.sub"])
    assert (sub["request_disk"], sub["universe"], sub["container_image"]) == ("77MB", "container", "a.sif")
    assert sub["requirements"] == "HasFastDisk" and sub["request_memory"].endswith(", 2000)")
    other = htcondor2.Submit(files["bg_trials.sub"])
    assert (other["request_disk"], other["universe"], other.get("requirements")) == ("500MB", "vanilla", None)


def test_what_only_a_slot_has_is_refused_for_a_task_on_the_submit_host(monkeypatch):
    monkeypatch.setenv("USER", "somebody")
    text = r"resources\.tasks\.collect_bg\.requirements: .* ospool .* on the submit host .*; leave requirements out"
    with pytest.raises(SpecError, match=text):
        _files(site="ospool", resources="{tasks: {collect_bg: {requirements: HasFastDisk}}}")


def test_the_group_is_charged_for_dagman_too():
    assert '\nSET_JOB_ATTR AcctGroup = "group_x"\n' in _files(resources="{accounting_group: group_x}")["analysis.dag"]
    assert "SET_JOB_ATTR" not in _files()["analysis.dag"]


def test_a_device_is_asked_for_by_trials_and_scans_alone():
    files = _files(resources="{gpu: true}")
    asking = {name for name, text in files.items() if name.endswith(".sub") and "\nrequest_gpus = 1\n" in text}
    assert asking == {f"{task}.sub" for task in multi_file_tasks() if ROWS[task].on_device}
    assert not any("request_gpus" in text for text in _files().values())


def test_the_specs_accounting_group_goes_before_the_sites():
    assert "\naccounting_group = group_x.y\n" in _files(resources="{accounting_group: group_x.y}")["scan_map.sub"]


def test_the_report_is_never_held_for_a_dag_that_failed(monkeypatch):
    monkeypatch.setenv("USER", "somebody")
    files = _files(site="shared-fs")
    assert "on_exit_hold = " in files["bg_trials.sub"] and "on_exit_hold" not in files["report.sub"]


@pytest.mark.parametrize(
    ("version", "kept"), [(None, False), ((23, 9, 6), False), ((24, 2, 0), False), ((24, 2, 1), True)]
)
def test_commands_that_a_pool_is_too_old_for_are_left_out_and_told(version, kept, monkeypatch):
    monkeypatch.setenv("USER", "somebody")
    left_out: dict[str, None] = {}
    files = _files(site="shared-fs")
    known = dict(htcondor_version.without_unknown_commands(files.items(), version, left_out))
    assert ("max_idle = 1000" in known["bg_trials.sub"]) == kept
    assert {name for name in files if files[name] != known[name]} == (
        set() if kept else {f"{task}.sub" for task in ("bg_trials", "sig_trials", "scan_trials", "scan_map")}
    )
    assert list(left_out) == ([] if kept else ["max_idle"])
    told = list(htcondor_version.left_out_notes(left_out, version))
    assert len(told) == (not kept)
    assert kept or "left out: max_idle, known since HTCondor 24.2.1" in told[0]


def test_dagman_never_gets_the_setting_that_makes_it_crawl():
    config = [line for line in _files()["dagman.config"].splitlines() if not line.startswith("#")]
    assert not [line for line in config if "DAGMAN_MAX_JOBS_IDLE" in line]


def test_an_adaptive_plan_has_every_task_of_the_table():
    text = dagmaker_spec.text().replace("tail: none", "tail: tilted")
    text = text.replace("{nside: 4,", "{nside: 4, post_trial: {tail: patches},")
    adaptive = specfile.loads(text + "goal: {sensitivity_error: 0.05}\nadaptive: true\n")
    assert set(plan.make(adaptive, "").tasks()) == set(ROWS)


@needs("dag checker")
def test_the_dag_checker_finds_nothing(tmp_path):
    checker = shutil.which("condor_dag_checker")
    built = build(spec(), tmp_path / "run")
    (tmp_path / "condor_config").touch()
    done = subprocess.run(
        [checker, "-Strict", "-CheckJDL", "-CheckExternalFiles", "-json", str(built.run / "analysis.dag")],
        env={"CONDOR_CONFIG": str(tmp_path / "condor_config"), **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)[0]
    assert "Errors" not in found, found
    assert (found["TotalNodes"], found["FinalNode"]) == (21, "report")
