"""Faults on a real pool. After each: the same final bytes as an undisturbed run, nothing lost, nothing left over."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.pool import analysis, client, events, faults, processes
from tests.pool.personal import Pool
from tests.pool.suites import on_one_release

pytestmark = [pytest.mark.slow]

BG = "bg_trials --dec=-30"


@pytest.fixture(scope="session")
def undisturbed(tiny_here: Path) -> dict[str, str]:
    """Final bytes of a run without a pool and without a fault."""
    return analysis.final_bytes(tiny_here)


@pytest.fixture
def run(tiny_spec: Path, tmp_path: Path) -> Path:
    return analysis.build(tiny_spec, tmp_path / "run")


def assert_done(pool: Pool, run: Path, cluster: int, undisturbed: dict[str, str]) -> None:
    """The DAG ends well, and with the bytes of an undisturbed run."""
    code = client.wait(pool, cluster)
    assert code == 0, analysis.errors(run)
    assert analysis.final_bytes(run) == undisturbed
    assert analysis.leftovers(run) == []


def more_than_once(run: Path) -> Counter[tuple[str, int]]:
    return Counter({key: n for key, n in events.starts(run).items() if n > 1})


@on_one_release
def test_a_killed_worker_and_the_job_of_a_killed_starter_run_again_alone(
    pool: Pool, run: Path, undisturbed: dict[str, str]
) -> None:
    cluster = client.submit_dag(pool, run)
    processes.kill(faults.job(pool, f"{BG} --n=100 --seed=0 --first=100"))
    job = faults.job(pool, "sig_trials --dec=20")
    processes.kill(faults.starter_of(job))
    faults.until(lambda: job not in processes.jobs_of(pool.home), "the end of the job without a starter")
    assert_done(pool, run, cluster, undisturbed)
    again = more_than_once(run)
    assert again.pop(("bg_m030", 1)) == 2
    assert sum(again.values()) == 2


@on_one_release
def test_only_what_fails_twice_or_is_stopped_runs_again(pool: Pool, run: Path, undisturbed: dict[str, str]) -> None:
    """The printed commands release what a person holds, and start again what hangs, on a pool that works on."""
    tokens = faults.fail_times(run, "bg_trials", f"{BG} --n=100 --seed=0 --first=200", times=2)
    cluster = client.submit_dag(pool, run)
    stopped = faults.job(pool, "sig_trials --dec=20 --n_sig=15")
    processes.kill(stopped, signal.SIGSTOP)
    held = f'DAGManJobId == {cluster} && DAGNodeName == "scan" && ProcId == 0'
    faults.until(lambda: client.q(pool, held), "the scan")
    pool.run("condor_hold", "-constraint", held, check=True)
    faults.until(lambda: "held: 1 x scan_trials: held by its user" in faults.status_of(pool, run), "the hold")
    assert re.fullmatch(r"condor_release \d+\.0", faults.follow(pool, run))
    faults.until(lambda: "seems to hang" in faults.status_of(pool, run), "the notice that a process hangs")
    said = faults.status_of(pool, run)
    assert "longest running: sig_trials " in said
    assert " left for the stages" not in said
    assert re.fullmatch(r"condor_vacate_job -fast \d+\.\d+", faults.follow(pool, run))
    assert_done(pool, run, cluster, undisturbed)
    assert list(tokens.iterdir()) == []
    again = {key: n for key, n in more_than_once(run).items() if key[0] != "scan"}
    assert again == {("bg_m030", 2): 3, ("sig_p020", 1): 2}


def test_what_lies_in_the_way_fails_its_node_once_and_the_printed_command_cures_it(
    pool: Pool, run: Path, undisturbed: dict[str, str]
) -> None:
    """A file of another analysis, a folder and a file in place of a folder; and a process that somebody removes."""
    trials = run / "trials" / "ic86_synthetic"
    foreign = f"{BG} --n=100 --seed=0 --first=100"
    spec = analysis.write_spec(run.parent / "other.yaml", analysis.TINY | {"data": {"n_events": 7000}})
    other = analysis.build(spec, run.parent / "other")
    for words in ("prepare", foreign):
        argv = [sys.executable, "-m", "worker", *words.split(), f"--run={other}"]
        subprocess.run(argv, check=True, cwd=analysis.ROOT)
    shutil.copytree(other / "trials" / "ic86_synthetic" / "bg", trials / "bg")
    folder = trials / "sig" / "dec" / "+020" / "nsig"
    (folder / "005.0" / "trials__N_000100_seed_0000.npy").mkdir(parents=True)
    (folder / "040.0").touch()
    cluster = client.submit_dag(pool, run)
    removed = f'DAGManJobId == {cluster} && DAGNodeName == "sig_m030" && ProcId == 0'
    faults.until(lambda: client.q(pool, removed), "a process to remove")
    pool.run("condor_rm", "-constraint", removed, check=True)
    assert client.wait(pool, cluster) != 0
    first = events.starts(run)
    assert events.submissions(run)["bg_m030"] == 1, "a missing cure is not retried"
    said = faults.status_of(pool, run)
    assert "this file belongs to another analysis" in said
    assert "removed: 1 x sig_trials: removed from the queue" in said
    assert "| via condor_rm" in said
    assert "STATUS_ERROR" not in said
    assert (run / "analysis.dag.rescue001").exists()
    finished = {node for node, _ in first} - {"bg_m030", "sig_m030", "sig_p020", "report"}
    assert {"bg_p020", "collect_bg_p020", "scan"} <= finished

    repair, watch = faults.follow_to_the_end(pool, run)
    assert repair == f"dagmaker repair {run} --set_aside && dagmaker submit {run} --repair"
    assert watch == f"dagmaker status {run} --watch"
    assert analysis.final_bytes(run) == undisturbed
    assert analysis.leftovers(run) == []
    assert len(list((run / "set_aside").rglob("*.npy"))) == 2
    again = events.starts(run)
    assert {node for node in finished if any(again[key] != n for key, n in first.items() if key[0] == node)} == set()


@on_one_release
def test_a_lost_queue_is_noticed_and_the_dag_goes_on(pool: Pool, run: Path, undisturbed: dict[str, str]) -> None:
    """DAGMan left its lock and no rescue file. The complete run then has nothing to submit, and says so."""
    client.submit_dag(pool, run)
    faults.until(lambda: sorted(run.glob("trials/**/bg/**/trials__*.npy")), "the first files of trials")
    pool.kill_all()
    (pool.home / "spool" / "job_queue.log").unlink()
    pool.start(owner=os.getpid())
    assert (run / "analysis.dag.lock").exists()
    assert not list(run.glob("*.rescue*"))
    assert "is in no queue any more" in faults.status_of(pool, run)
    assert faults.follow_to_the_end(pool, run) == [f"dagmaker submit {run}", f"dagmaker status {run} --watch"]
    assert analysis.final_bytes(run) == undisturbed
    log = (run / "analysis.dag.dagman.log").read_bytes()
    for _ in range(2):
        done = analysis.dagmaker("submit", str(run), env=pool.env)
        assert (done.returncode, "complete: nothing to submit" in done.stdout) == (0, True), done.stderr
    assert (run / "analysis.dag.dagman.log").read_bytes() == log, "its history is kept"


@on_one_release
def test_a_removed_dag_resumes_where_it_was(pool: Pool, run: Path, undisturbed: dict[str, str]) -> None:
    first = client.submit_dag(pool, run)
    some = faults.until(lambda: sorted(run.glob("trials/**/bg/**/trials__*.npy")), "the first files of trials")
    lock = run / "analysis.dag.lock"
    held = lock.read_bytes()
    pool.run("condor_rm", str(first), check=True)
    faults.until(lambda: not client.q(pool, f"ClusterId == {first} || DAGManJobId == {first}"), "the DAG's end")
    before = {file: file.stat().st_mtime_ns for file in some}
    lock.write_bytes(
        held
    )  # as a DAGMan of HTCondor 25 leaves it that dies while it is removed (an assertion of its own)
    done = analysis.dagmaker("submit", str(run), env=pool.env)
    assert f"analysis.dag.lock: removed; DAGMan (cluster {first}) left it" in done.stdout, done.stderr
    assert_done(pool, run, int(done.stdout.partition(": submitted, cluster ")[2].split()[0]), undisturbed)
    assert {file: file.stat().st_mtime_ns for file in some} == before, "finished files are kept as they are"


@on_one_release
def test_a_killed_pool_goes_on_after_its_restart(pool: Pool, run: Path, undisturbed: dict[str, str]) -> None:
    cluster = client.submit_dag(pool, run)
    some = faults.until(lambda: sorted(run.glob("trials/**/trials__*.npy")), "the first files of trials")
    assert len(pool.kill_all()) > 6
    assert processes.of_pool(pool.home) == []
    before = {file: file.stat().st_mtime_ns for file in some}
    time.sleep(1)
    pool.start(owner=os.getpid())
    assert_done(pool, run, cluster, undisturbed)
    assert {file: file.stat().st_mtime_ns for file in some} == before, "finished files are kept as they are"


def test_a_job_held_for_its_memory_is_released_with_more(pool: Pool, run: Path, undisturbed: dict[str, str]) -> None:
    faults.grow(run, "bg_trials", f"{BG} --n=100 --seed=0 --first=100", megabytes=1400, seconds=8)
    cluster = client.submit_dag(pool, run)
    assert_done(pool, run, cluster, undisturbed)
    held = [event for event in events.all_of(run) if event.kind == events.HELD]
    assert {(event.node, event.process) for event in held} == {("bg_m030", 1)}
    [ad] = client.history(pool, f'DAGManJobId == {cluster} && DAGNodeName == "bg_m030" && ProcId == 1')
    assert ad["MemoryProvisioned"] > 1400
