"""The local runner with the real worker, disturbed in the ways that real runs are."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dagmaker.cli import main
from dagmaker.status import status
from tests.dagmaker_spec import text
from tests.waiting import HANG_S, until

pytestmark = pytest.mark.slow

WORK = {"n_bg": 2400, "bg_file": 200, "n_skies": 15, "sky_file": 1}  # enough to be caught in the middle


class Started:
    """`dagmaker run` as a user starts it."""

    def __init__(self, folder: Path, run: str, jobs: int = 2, **changes) -> None:
        self.spec = folder / f"{run}.yaml"
        self.spec.write_text(text(**changes))
        self.run = folder / run
        self.jobs = jobs
        self.again()

    def again(self) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "dagmaker", "run", str(self.spec), f"--run={self.run}", f"--jobs={self.jobs}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, timeout_s: float = HANG_S) -> tuple[int, str, str]:
        out, err = self.popen.communicate(timeout=timeout_s)
        return self.popen.returncode, out, err

    def children(self) -> list[int]:
        found = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read_text()
        return [int(pid) for pid in found.split()]

    def until(self, task: str, n: int) -> None:
        """Wait until so many processes of a stage have left their output."""

        def reached() -> bool:
            assert self.popen.poll() is None, "the run ended before it could be disturbed"
            if not (self.run / "plan.json").exists():
                return False
            stages = {stage.task: stage for stage in status.look(self.run).stages}
            return stages[task].done >= n

        until(reached, f"{n} outputs of {task}")


RESULTS = ("background.json", "sensitivity.json", "scan.json", "post_trial.json", "upper_limits.json")


def digests(run: Path) -> dict[str, str]:
    """Every output; not the records and what is made from them, which hold times and host names."""
    arrays = [p for top in ("prepared", "trials", "collected", "results") for p in (run / top).rglob("*.*")]
    kept = [path for path in arrays if path.suffix in (".npy", ".npz", ".fits")]
    kept += [run / "results" / name for name in RESULTS]
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(kept)}


def times(run: Path) -> dict[str, int]:
    """When each file of trials was written (hottest spots are made from the others, each time)."""
    files = [path for kind in ("bg", "sig", "map") for path in (run / "trials" / "tiny" / kind).rglob("*.npy")]
    return {str(path.relative_to(run)): path.stat().st_mtime_ns for path in files}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a run that nobody touches leaves, one process at a time."""
    started = Started(tmp_path_factory.mktemp("undisturbed"), "run", jobs=1, **WORK)
    code, out, err = started.end()
    assert code == 0, out + err
    return started.run, out, digests(started.run)


def test_a_run_ends_with_a_summary(undisturbed):
    run, out, _ = undisturbed
    lines = out.splitlines()
    assert any(line.startswith("bg_trials     36/36, ") and line.endswith("trials/s") for line in lines)
    assert "tiny: synthetic data, scrambled sky (the real sky was not touched)" in lines
    assert sum(line.lstrip().startswith(("-30°", "+5°", "+40°")) for line in lines) == 3
    assert any(line.startswith("hottest spot of the scrambled sky (nside ") for line in lines)
    assert any(line.startswith("post-trial p-value: ") and "of 15 background skies" in line for line in lines)
    assert any(line.startswith("bg_trials ") and line.endswith(" MB") for line in lines)
    assert lines[-2:] == [f"results: {run}/results/summary.json", f"report:  {run}/report/index.html"]
    assert status.look(run).complete


def test_disturbed_at_every_stage(undisturbed, tmp_path):
    """Killed, stopped, a worker killed, terminated, killed again; resumed each time: the same bytes, nothing twice."""
    started = Started(tmp_path, "run", **WORK)
    started.until("prepare", 1)
    started.popen.kill()
    started.end()

    started.again()
    started.until("bg_trials", 3)
    _stopped(started, signal.SIGINT)
    kept = times(started.run)
    assert kept

    started.again()
    started.until("bg_trials", 10)
    os.kill(started.children()[0], signal.SIGKILL)
    started.until("sig_trials", 2)
    out = _stopped(started, signal.SIGTERM)
    assert "killed by SIGKILL" in out

    started.again()
    started.until("scan_trials", 1)
    started.popen.kill()
    started.end()

    started.again()
    code, out, err = started.end()
    assert code == 0, out + err
    assert digests(started.run) == undisturbed[2]
    assert kept.items() <= times(started.run).items()
    assert not [path for path in started.run.rglob("*") if ".part-" in path.name]


def _stopped(started: Started, number: signal.Signals) -> str:
    """Stop a run cleanly; returns what it printed."""
    children = started.children()
    started.popen.send_signal(number)
    code, out, err = started.end(60)
    assert code == 85
    assert f"stopped by {number.name}: what is finished is kept; the same command goes on from there:" in err
    assert f"dagmaker run {started.run}/analysis.yaml --run={started.run} --jobs={started.jobs}" in err
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert not status.look(started.run).complete
    return out


def test_a_hopeless_process_is_told_and_the_rest_is_done(finished_run, tmp_path):
    """Once the obstacle has gone, its file is made, and one that was truncated, and no other file of trials."""
    (tmp_path / "built.yaml").write_text(text(n_skies=4))
    run = tmp_path / "run"
    assert main(["build", str(tmp_path / "built.yaml"), f"--run={run}"]) == 0
    folder = run / "trials" / "tiny" / "bg" / "dec" / "+005"
    obstacle = folder / "trials__N_000050_seed_0000_first_0000200.npy"
    obstacle.mkdir(parents=True)
    started = Started(tmp_path, "run", n_skies=4)
    code, out, _ = started.end()
    assert code == 3
    assert "1 processes failed:" in out
    assert "1 x bg_trials: missing or corrupt input: make or repair the named file" in out
    assert "there is a folder of this name; move it away" in out
    assert "not started, because they need what failed: collect_bg_p005, distributions" in out
    stages = {stage.task: stage for stage in status.look(run).stages}
    assert stages["sig_trials"].done == stages["sig_trials"].total
    assert stages["scan_trials"].done == stages["scan_trials"].total
    log = next((run / "logs").glob("failed_bg_p005_*.log")).read_text()
    assert log.startswith("worker bg_trials --dec=5 --n=50 --seed=0 --first=200 --run=")
    obstacle.rmdir()
    victim = folder / "trials__N_000100_seed_0000_first_0000100.npy"
    victim.write_bytes(victim.read_bytes()[:100])
    before = times(run)
    started.again()
    code, out, err = started.end()
    assert code == 0, out + err
    assert digests(run) == digests(finished_run)
    changed = {name for name, _ in before.items() ^ times(run).items()}
    assert changed == {str(path.relative_to(run)) for path in (obstacle, victim)}


def test_two_runs_on_one_directory(tmp_path):
    first = Started(tmp_path, "run", **WORK)
    first.until("prepare", 1)
    second = Started(tmp_path, "run", **WORK)
    code, _, err = second.end()
    assert code == 4
    assert "is working in this directory; wait for it, stop it, or use another directory" in err
    first.popen.send_signal(signal.SIGINT)
    assert first.end()[0] == 85


def test_status_for_programs_agrees(undisturbed):
    run = undisturbed[0]
    done = subprocess.run(
        [sys.executable, "-m", "dagmaker", "status", str(run), "--json"], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["complete"]
    assert {stage["task"]: stage["trials_done"] for stage in found["stages"]}["bg_trials"] == 7200
