"""What site profiles and limits promise, on a real pool: the bytes of an undisturbed run, whatever the site is like."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import made_once
from tests.pool import analysis, client, events, faults, sites
from tests.pool.personal import Pool
from tests.pool.suites import on_one_release

pytestmark = [pytest.mark.slow]

NAME = "ic86_synthetic"
FEW: dict[str, dict[str, Any]] = {
    "data": {"n_events": 8000},
    "background": {"dec_deg": [-30, 20], "n_trials": 1500, "trials_per_file": 1500},
    "signal": {"n_sig": [5, 15, 40], "n_trials": 600, "trials_per_file": 600},
    "sensitivity": {"discovery_nsigma": 2.0, "n_bootstrap": 20},
    "scan": {
        "nside": 4,
        "map_nside": None,
        "dec_min_deg": -30,
        "dec_max_deg": 20,
        "n_skies": 4,
        "skies_per_file": 2,
        "bands": 2,
    },
}
# Less than any step takes: every start ends after one block of 500 trials, one sky or one ring of pixels.
# With no retries allowed, a stop that counted as a failure would end the DAG.
STOPPING: dict[str, Any] = {"time_limit_hours": 1e-6, "max_retries": 0}


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Final bytes of a run without a pool and without a limit."""

    def make(folder: Path) -> None:
        analysis.run_here(analysis.write_spec(folder / "few.yaml", FEW), folder / "run")

    return analysis.final_bytes(made_once(tmp_path_factory, "few", make) / "run")


def build(pool: Pool, folder: Path, site: str, profile: dict[str, Any], resources: dict[str, Any]) -> Path:
    """A run directory for a site that is as `site`, but for some values of its profile."""
    variables, values = sites.own(folder, site, profile)
    spec = analysis.write_spec(folder / "few.yaml", {**FEW, "resources": resources})
    spec.write_text(spec.read_text().replace("site: personal", "site: own"))
    env = pool.env | variables | {"USER": "somebody"}
    done = analysis.dagmaker("build", str(spec), f"--run={folder / 'run'}", env=env)
    assert done.returncode == 0, done.stderr
    assert "submit files: 15 are good" in done.stdout
    late = pool.install.version() >= (24, 2, 1)
    assert ("left out: max_idle" in done.stdout) == (bool(values["max_idle"]) and not late)
    return folder / "run"


def keep_output(run: Path, task: str) -> None:
    """Let a task's processes say where they resumed."""
    faults.edit_submit_file(run, task, r"^output = .*$", f"output = {run}/logs/$(node)/$(Process).out")


def resumed(run: Path, node: str) -> list[str]:
    """Where the processes of a node resumed, in order."""
    lines = [line for file in run.glob(f"logs/{node}/*.out") for line in file.read_text().splitlines()]
    return [line.split(":")[0] for line in lines if line.startswith("resuming")]


def assert_done(pool: Pool, run: Path, cluster: int, undisturbed: dict[str, str]) -> None:
    code = client.wait(pool, cluster)
    assert code == 0, analysis.errors(run)
    assert analysis.final_bytes(run) == undisturbed
    assert analysis.leftovers(run) == []
    assert [path for path in (run / "partial").rglob("*") if path.is_file()] == []


@on_one_release
def test_a_time_limit_stops_and_resumes_in_place(pool: Pool, undisturbed: dict[str, str], tmp_path: Path) -> None:
    run = build(pool, tmp_path, "personal", {}, STOPPING)
    keep_output(run, "bg_trials")
    assert_done(pool, run, client.submit_dag(pool, run), undisturbed)
    assert set(events.starts(run).values()) == {1}
    assert resumed(run, "bg_m030")[-1] == "resuming after 1000"


def test_without_a_shared_disk_files_travel(pool: Pool, undisturbed: dict[str, str], tmp_path: Path) -> None:
    """Checkpoints and results come from a slot in which the run directory does not exist."""
    profile = sites.elsewhere(tmp_path, tmp_path / "run")
    run = build(pool, tmp_path, "ospool", profile, STOPPING)
    sites.require_hidden(profile, run)
    keep_output(run, "bg_trials")
    assert_done(pool, run, client.submit_dag(pool, run), undisturbed)
    assert resumed(run, "bg_m030")[-1] == "resuming after 1000"
    assert set(events.starts(run).values()) == {1}
    # What jobs wrote went into the run directory; the head of the plan, which travels with them, is all that is here.
    assert [path.name for path in (run / "sandbox").rglob("*") if path.is_file()] == ["plan.json"]


@on_one_release
def test_a_process_that_failed_for_good_waits_for_its_cure(
    pool: Pool, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    """On a cluster: the others of its node finish, it says why it is held, and its release is all that is needed."""
    logs = tmp_path / "scratch"
    profile = {"log_dir": f"{logs}/${{USER}}/dagmaker", "hold_failed_hours": 1}
    run = build(pool, tmp_path, "shared-fs", profile, {"max_retries": 0})
    obstacle = run / "trials" / NAME / "sig" / "dec" / "-030" / "nsig" / "015.0"
    obstacle.parent.mkdir(parents=True)
    obstacle.touch()
    cluster = client.submit_dag(pool, run)
    mine = f'DAGManJobId == {cluster} && DAGNodeName == "sig_m030"'
    [held] = faults.until(lambda: client.q(pool, f"{mine} && JobStatus == 5"), "a held process")
    assert (held["HoldReasonCode"], held["HoldReasonSubCode"]) == (3, 3)
    assert held["HoldReason"].startswith("exit code 3: missing or corrupt input")
    faults.until(lambda: len(client.q(pool, mine)) == 1, "the end of the others of its node")
    assert len(list(run.glob(f"trials/{NAME}/sig/dec/-030/nsig/*/*.npy"))) == 2
    obstacle.unlink()
    pool.run("condor_release", f"{held['ClusterId']}.{held['ProcId']}", check=True)
    assert_done(pool, run, cluster, undisturbed)
    [folder] = (logs / "somebody" / "dagmaker").iterdir()
    assert {"nodes.log", "bg_trials.log", "report.log"} <= {path.name for path in folder.iterdir()}
    assert list((run / "logs").glob("*_trials.log")) == []


@on_one_release
def test_a_process_that_nobody_cures_fails_its_node_in_the_end(pool: Pool, tmp_path: Path) -> None:
    profile = {"log_dir": None, "hold_failed_hours": 10 / 3600}
    run = build(pool, tmp_path, "shared-fs", profile, {"max_retries": 1})
    obstacle = run / "trials" / NAME / "bg" / "dec" / "-030"
    obstacle.parent.mkdir(parents=True)
    obstacle.touch()
    assert client.wait(pool, client.submit_dag(pool, run)) != 0
    assert events.submissions(run)["bg_m030"] == 1
    assert [event.node for event in events.all_of(run) if event.kind == events.HELD] == ["bg_m030"]
    assert (run / "analysis.dag.rescue001").exists()
    assert len(list(run.glob(f"trials/{NAME}/sig/**/*.npy"))) == 6, "all else is done"
