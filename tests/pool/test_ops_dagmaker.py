"""submit, status, repair and abort on a real pool, as a user types them."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.answers import answered, holds_what_is_documented
from tests.pool import analysis, client, events, faults
from tests.pool.personal import Pool
from tests.pool.suites import on_one_release

pytestmark = [pytest.mark.slow]

NAME = "ic86_synthetic"
REFUSED = 4


def dagmaker(pool: Pool, *argv: str) -> tuple[int, str]:
    """Exit code and everything that a command says."""
    done = analysis.dagmaker(*argv, env=pool.env)
    return done.returncode, done.stdout + done.stderr


def for_programs(pool: Pool, command: str, *argv: str) -> dict[str, Any]:
    """What a command that ends well answers with `--json`."""
    done = analysis.dagmaker(command, *argv, "--json", env=pool.env)
    assert done.returncode == 0, done.stderr
    found = answered(done.stdout)
    holds_what_is_documented(command, found)
    return found


def status(pool: Pool, run: Path) -> str:
    code, said = dagmaker(pool, "status", str(run))
    assert code == 0, said
    return said


def submitted(pool: Pool, run: Path, *options: str) -> int:
    """Cluster that `dagmaker submit` names, which the schedd knows."""
    code, said = dagmaker(pool, "submit", str(run), *options)
    assert code == 0, said
    cluster = int(said.partition(": submitted, cluster ")[2].split()[0])
    [ad] = client.q(pool, f"ClusterId == {cluster}")
    assert ad["UserLog"].startswith(str(run))
    return cluster


@pytest.fixture(scope="module")
def finished(pool: Pool, tiny_spec: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that `dagmaker submit` gave to the pool, watched until its end."""
    run = analysis.build(tiny_spec, tmp_path_factory.mktemp("ops") / "run")
    cluster = submitted(pool, run)

    code, said = dagmaker(pool, "submit", str(run))
    assert (code, f"analysis.dag is in the queue already, cluster {cluster}" in said) == (REFUSED, True), said
    code, said = dagmaker(pool, "repair", str(run))
    assert (code, f"cluster {cluster}" in said) == (REFUSED, True), said

    more = analysis.write_spec(run.parent / "more.yaml", analysis.TINY | {"sensitivity": {"n_bootstrap": 21}})
    for argv in (("build", str(more), f"--run={run}"), ("run", str(tiny_spec), f"--run={run}")):
        code, said = dagmaker(pool, *argv)
        assert (code, f"cluster {cluster}" in said) == (REFUSED, True), said

    done = analysis.dagmaker("status", str(run), "--watch", env=pool.env)
    assert done.returncode == 0
    assert client.wait(pool, cluster) == 0, analysis.errors(run)
    assert f"analysis.dag (cluster {cluster}," in done.stdout
    assert done.stdout.rstrip().endswith("complete"), done.stdout
    return run


def test_what_was_deleted_and_what_was_truncated_is_made_again_and_nothing_else(pool: Pool, finished: Path) -> None:
    run = finished
    assert dagmaker(pool, "repair", str(run)) == (0, f"{run}: 31 files checked, nothing is missing or corrupt\n")
    before, starts = analysis.final_bytes(run), events.starts(run)
    times = {file: file.stat().st_mtime_ns for file in run.glob("trials/**/*.npy")}
    [deleted] = run.glob("trials/**/bg/dec/+020/*_first_0000100.npy")
    [truncated] = run.glob("trials/**/sig/dec/-030/nsig/015.0/*.npy")
    deleted.unlink()
    with truncated.open("r+b") as file:
        file.truncate(truncated.stat().st_size - 24)

    code, said = dagmaker(pool, "repair", str(run))
    assert code == 0, said
    assert "31 files checked: 1 absent, 1 corrupt" in said
    assert not truncated.exists()
    assert client.wait(pool, submitted(pool, run, "--repair")) == 0, analysis.errors(run)

    again = events.starts(run) - starts
    trials = {key: n for key, n in again.items() if key[0].startswith(("repair01_bg", "repair01_sig", "repair01_scan"))}
    assert trials == {("repair01_bg_p020", 0): 1, ("repair01_sig_m030", 0): 1}
    behind = ["collect_bg_p020", "collect_sig_m030", "distributions", "sensitivity", "collect_scan", "post_trial"]
    behind.append("upper_limits")
    assert Counter(again) == Counter(trials) + Counter(
        {("report", 0): 1} | {(f"repair01_{name}", 0): 1 for name in behind}
    )
    assert analysis.final_bytes(run) == before
    assert analysis.leftovers(run) == []
    untouched = [file for file in times if file not in (deleted, truncated) and "rings" not in file.name]
    assert {file for file in untouched if file.stat().st_mtime_ns != times[file]} <= set(run.glob("trials/*/scan/**/*"))
    assert dagmaker(pool, "repair", str(run))[1].endswith("nothing is missing or corrupt\n")


@on_one_release
def test_status_names_cause_and_cure_and_an_aborted_run_resumes(
    pool: Pool, tiny_spec: Path, finished: Path, tmp_path: Path
) -> None:
    run = analysis.build(tiny_spec, tmp_path / "run")
    obstacle = run / "trials" / NAME / "bg" / "dec" / "-030"
    obstacle.parent.mkdir(parents=True)
    obstacle.touch()
    faults.grow(run, "sig_trials", "--dec=20 --n_sig=15", megabytes=1400, seconds=8)
    sub = run / "sig_trials.sub"
    greedy = sub.read_text()
    faults.edit_submit_file(run, "sig_trials", r"^periodic_release = .*$", "periodic_release = False")
    cluster = submitted(pool, run)
    both = r"(?s)failed: \d+ x bg_trials: missing or corrupt input.*held: 1 x sig_trials"  # one or both may have begun
    faults.until(lambda: re.search(both, status(pool, run)) is not None, "a held and a failed process")

    said = status(pool, run)
    assert f"schedd: cluster {cluster} is running" in said
    assert "there is a file of this name where a folder is needed; move it away" in said
    assert f"by hand: worker bg_trials --dec=-30 --n=100 --seed=0 --run={run}" in said or "--first=" in said
    assert "held: 1 x sig_trials: used more memory than it asked for (code " in said
    assert "change:  resources.request_memory_mb: 2000  (now 1000)" in said

    code, said = dagmaker(pool, "abort", str(run))
    assert code == 0, said
    assert client.q(pool, f"ClusterId == {cluster} || DAGManJobId == {cluster}") == []
    code, said = dagmaker(pool, "abort", str(run))
    assert (code, said) == (0, f"{run}: no DAG of this directory is in the queue\n")
    said = status(pool, run)
    assert "removed while held: 1 x sig_trials" in said, "a process that was removed while held is still explained"
    assert "analysis.dag.rescue001 tells which nodes are done" in said

    obstacle.unlink()
    sub.write_text(greedy)
    assert client.wait(pool, submitted(pool, run)) == 0, analysis.errors(run)
    assert analysis.final_bytes(run) == analysis.final_bytes(finished)
    said = status(pool, run)
    assert said.rstrip().endswith("complete")
    assert "failed: " not in said
    assert "held: " not in said


@on_one_release
def test_abort_leaves_nothing_in_the_queue(pool: Pool, tiny_spec: Path, tmp_path: Path) -> None:
    run = analysis.build(tiny_spec, tmp_path / "run")
    cluster = for_programs(pool, "submit", str(run))["cluster"]
    faults.until(lambda: events.starts(run), "the first process")
    assert [dag["cluster"] for dag in for_programs(pool, "abort", str(run))["removed"]] == [cluster]
    assert client.q(pool, f"ClusterId == {cluster} || DAGManJobId == {cluster}") == []
    assert f"analysis.dag (cluster {cluster}, submitted" in (said := status(pool, run))
    assert "was removed at" in said
    assert "failed: " not in said, "what was aborted is not a failure"


@on_one_release
def test_a_dag_of_the_report_alone(pool: Pool, finished: Path) -> None:
    (finished / "report" / "index.html").unlink()
    code, said = dagmaker(pool, "repair", str(finished))
    assert code == 0, said
    assert client.wait(pool, submitted(pool, finished, "--repair")) == 0, analysis.errors(finished)
    assert (finished / "report" / "index.html").exists()


@on_one_release
def test_a_changed_spec_and_a_lost_list_are_found_before_submission(
    pool: Pool, tiny_spec: Path, tmp_path: Path
) -> None:
    run = analysis.build(tiny_spec, tmp_path / "run")
    batch = run / "batches" / "bg_m030.txt"
    text = batch.read_text()
    batch.unlink()
    code, said = dagmaker(pool, "submit", str(run))
    assert (code, "the list of processes of bg_m030 is missing or empty" in said) == (3, True), said
    batch.write_text(text)
    (run / "analysis.yaml").write_text((run / "analysis.yaml").read_text() + "\n")
    code, said = dagmaker(pool, "submit", str(run))
    assert (code, "was changed since the run was built" in said) == (3, True), said
    assert client.q(pool, f'Iwd == "{run}"') == []


@on_one_release
def test_a_stopped_pool_is_said_at_once_and_status_goes_on(pool: Pool, finished: Path, tmp_path: Path) -> None:
    settings = {"CONDOR_CONFIG": "/dev/null"}
    done = analysis.dagmaker("submit", str(finished), env=pool.env | settings)
    assert (done.returncode, "no HTCondor schedd answers here" in done.stderr) == (3, True), done.stderr
    done = analysis.dagmaker("status", str(finished), env=pool.env | settings)
    assert done.returncode == 0
    assert "what follows is from the files alone" in done.stdout
    assert done.stdout.rstrip().endswith("complete")
