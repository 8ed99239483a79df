"""Faults on a real pool. After each: the same final bytes as an undisturbed run, nothing lost, nothing left over."""

import os
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
def tiny_spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return analysis.write_spec(tmp_path_factory.mktemp("tiny") / "tiny.yaml", analysis.TINY)


@pytest.fixture(scope="session")
def undisturbed(tiny_spec: Path) -> dict[str, str]:
    """Final bytes of a run without a pool and without a fault."""
    return analysis.final_bytes(analysis.run_here(tiny_spec, tiny_spec.parent / "undisturbed"))


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
def test_a_worker_killed_by_sigkill_runs_again_alone(pool: Pool, run: Path, undisturbed: dict[str, str]) -> None:
    cluster = client.submit_dag(pool, run)
    processes.kill(faults.job(pool, f"{BG} --n=100 --seed=0 --first=100"))
    assert_done(pool, run, cluster, undisturbed)
    assert more_than_once(run) == {("bg_m030", 1): 2}


@on_one_release
def test_a_killed_starter_leaves_no_orphan_and_its_job_runs_again(
    pool: Pool, run: Path, undisturbed: dict[str, str]
) -> None:
    cluster = client.submit_dag(pool, run)
    job = faults.job(pool, BG)
    processes.kill(faults.starter_of(job))
    faults.until(lambda: job not in processes.jobs_of(pool.home), "the end of the job without a starter")
    assert_done(pool, run, cluster, undisturbed)
    assert sum(more_than_once(run).values()) == 2


@on_one_release
def test_only_the_process_that_fails_twice_runs_again(pool: Pool, run: Path, undisturbed: dict[str, str]) -> None:
    tokens = faults.fail_times(run, "bg_trials", f"{BG} --n=100 --seed=0 --first=200", times=2)
    cluster = client.submit_dag(pool, run)
    assert_done(pool, run, cluster, undisturbed)
    assert list(tokens.iterdir()) == []
    assert more_than_once(run) == {("bg_m030", 2): 3}


def test_a_bad_node_is_not_retried_and_the_cured_dag_resumes(
    pool: Pool, run: Path, undisturbed: dict[str, str]
) -> None:
    name = "ic86_synthetic"
    obstacle = run / "trials" / name / "bg" / "dec" / "-030"
    obstacle.parent.mkdir(parents=True)
    obstacle.touch()
    assert client.wait(pool, client.submit_dag(pool, run)) != 0
    first = events.starts(run)
    assert events.submissions(run)["bg_m030"] == 1, "a missing cure is not retried"
    assert max(n for (node, _), n in first.items() if node == "bg_m030") == 1
    assert "a folder is needed" in analysis.errors(run)
    assert (run / "analysis.dag.rescue001").exists()
    finished = {node for node, _ in first} - {"bg_m030", "report"}
    assert {"bg_p020", "sig_m030", "sig_p020", "collect_sig_m030", "scan"} <= finished

    obstacle.unlink()
    cluster = client.submit_dag(pool, run)
    assert_done(pool, run, cluster, undisturbed)
    again = events.starts(run)
    assert {node for node in finished if any(again[key] != n for key, n in first.items() if key[0] == node)} == set()


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
