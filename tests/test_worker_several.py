"""Several calls of the worker in one process, and jobs that make the work of several declinations."""

import os
import shutil
from pathlib import Path

import pytest

from dagmaker.cost import cost
from dagmaker.htcondor.batches import Batches
from dagmaker.htcondor.build import build
from dagmaker.plan import clusters, plan, processes
from worker.cli.main import main
from worker.cli.several import exit_code, split
from worker.spec.specfile import loads

FULL_SKY = """
version: 1
name: rings
seed: 3
data: {format: synthetic}
background: {tail: none}
signal: {n_sig: [3, 12, 30], n_trials: 10}
scan: {nside: 128, n_skies: 5, dec_min_deg: -90, dec_max_deg: 90}
"""


def test_every_call_gets_the_run_directory_of_the_last() -> None:
    words = ["bg_trials", "--dec=1", "+", "collect_bg", "--dec=1", "--run=R"]
    assert split(words) == [["bg_trials", "--dec=1", "--run=R"], ["collect_bg", "--dec=1", "--run=R"]]
    assert split(["a", "--run=R", "+", "b", "--run=R"]) == [["a", "--run=R"], ["b", "--run=R"]]


@pytest.mark.parametrize(("codes", "code", "made"), [
    ([0, 0, 0], 0, 3), ([1, 0, 0], 1, 3), ([1, 3, 0], 3, 3), ([0, 85, 0], 85, 2),
])  # fmt: skip
def test_all_calls_are_made_and_the_final_code_wins(codes: list[int], code: int, made: int) -> None:
    calls: list[list[str]] = []

    def run_one(words: list[str]) -> int:
        calls.append(words)
        return codes[len(calls) - 1]

    assert exit_code([["a"], ["b"], ["c"]], run_one, 85) == code
    assert len(calls) == made


def test_a_job_makes_the_same_files_as_single_calls(own_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files of a declination are removed and made again by one call, although another call in it is wrong."""
    files = sorted((own_run / "trials").glob("*/bg/dec/-030/*.npy"))
    before = [file.read_bytes() for file in files]
    calls = [line.split() for line in (own_run / "batches/bg_m030.txt").read_text().splitlines()]
    for file in files:
        shutil.move(file, file.with_suffix(".old"))
    calls.insert(1, ["bg_trials", "--dec=1000", "--n=1"])
    words = " + ".join(" ".join(call) for call in calls).split()
    assert main([*words, f"--run={own_run}"]) == 2
    assert "bg_trials" in capsys.readouterr().err
    assert [file.read_bytes() for file in files] == before


def test_the_calls_of_a_job_share_its_time_limit(own_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each start makes at least one file, also if the first calls find theirs: the job comes to its end."""
    files = sorted(own_run.glob("trials/*/bg/dec/-030/*.npy"), key=lambda file: file.stem.partition("_first_")[2])
    before = [file.read_bytes() for file in files]
    calls = (own_run / "batches/bg_m030.txt").read_text().splitlines()
    words = [*" + ".join(calls).split(), f"--run={own_run}"]
    assert len(files) == len(calls) == 3
    for file in files[1:]:
        file.unlink()
    monkeypatch.setenv("WORKER_TIME_LIMIT_S", "0")
    assert main(words) == 85
    assert os.environ["WORKER_TIME_LIMIT_S"] == "0"
    assert [file.exists() for file in files] == [True, True, False]
    assert main(words) == 0, "nothing is left after the last call"
    assert [file.read_bytes() for file in files] == before
    files[1].unlink()
    assert main(["bg_trials", "--dec=1000", "--n=1", "+", *words]) == 2, "a failure is not hidden by the limit"
    assert main(words) == 0


def test_rings_of_a_full_sky_are_few_jobs(tmp_path: Path) -> None:
    spec = loads(FULL_SKY)
    made = plan.make(spec, "")
    packed, count = clusters.make(made), {"bg_trials": 0, "collect_bg": 0}
    for cluster in packed.clusters:
        if cluster.task in count:
            count[cluster.task] += len(cluster.lines)
    assert (len(spec.background.decs), spec.background.n_trials) == (511, 7500)
    assert count == {"bg_trials": 40, "collect_bg": 26}
    assert len(packed.clusters) == clusters.count(made) < 60
    calls = [call for cluster in packed.clusters for line in cluster.lines for call in line.split(" + ")]
    assert sorted(calls) == sorted(" ".join(p.argv) for node in made.nodes for p in processes.of(node)), "none is lost"
    stages = {stage.task: stage for stage in cost.estimate(made, spec).stages}
    assert (stages["bg_trials"].processes, stages["bg_trials"].jobs) == (511, 40)
    assert stages["bg_trials"].start_h < 0.1 * 511 * 0.45 / 3600 * 1.01
    assert stages["bg_trials"].cpu_h < 0.1


def test_few_declinations_have_a_job_each() -> None:
    made = plan.make(
        loads(FULL_SKY.replace("{tail: none}", "{tail: none, dec_deg: {start: -90, stop: 90, step: 2}}")), ""
    )
    names = [cluster.name for cluster in clusters.make(made).clusters if cluster.task == "bg_trials"]
    assert len(names) == 91
    assert "bg_all" not in names


def test_a_failed_job_is_traced_to_each_of_its_processes(tmp_path: Path) -> None:
    built = build(loads(FULL_SKY), tmp_path / "run")
    batches = Batches(built.run, built.plan)
    calls = batches.calls(("bg_all", 1))
    places = [batches.plan_position("bg_trials", call) for call in calls]
    assert len(calls) == 13
    assert [node.name for node, position in filter(None, places) if position == 0] == [
        node.name for node in built.plan.nodes if node.task == "bg_trials"
    ][13:26]
    assert batches.calls(("bg_all", 1000)) == ()
    dag = (built.run / "analysis.dag").read_text()
    assert "PARENT bg_all CHILD collect_bg_all\n" in dag
    assert "PARENT collect_bg_all CHILD distributions\n" in dag
