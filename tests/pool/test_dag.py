"""The example analysis, shrunken in counts but not in shape, on a real pool."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dagmaker.status import efficiency
from tests.conftest import unavailable
from tests.pool import analysis, client
from tests.pool.errors import PoolUnavailableError
from tests.pool.install import ensure
from tests.pool.personal import Pool
from tests.pool.suites import on_one_release

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="session")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return analysis.write_spec(tmp_path_factory.mktemp("shrunken") / "shrunken.yaml", analysis.SHRUNKEN)


@pytest.fixture(scope="session")
def here(spec: Path) -> Path:
    """A run without a pool."""
    return analysis.run_here(spec, spec.parent / "here")


@on_one_release
def test_condor_submit_dag_gives_the_bytes_of_dagmaker_run(pool: Pool, spec: Path, here: Path, tmp_path: Path) -> None:
    run = analysis.build(spec, tmp_path / "run")
    nodes = [line for line in (run / "analysis.dag").read_text().splitlines() if line.startswith(("JOB ", "FINAL "))]
    processes = sum(len(file.read_text().splitlines()) for file in (run / "batches").glob("*.txt"))
    assert len(nodes) >= 50
    assert processes >= 170
    code = client.wait(pool, client.submit_dag(pool, run))
    assert code == 0, analysis.errors(run)
    assert analysis.final_bytes(run) == analysis.final_bytes(here)
    assert analysis.leftovers(run) == []
    assert (run / "report" / "index.html").exists()
    used = efficiency.look(run).kinds
    assert {kind.task for kind in used} >= {
        "prepare",
        "bg_trials",
        "sig_trials",
        "scan_trials",
        "collect_scan",
        "report",
    }
    assert [(kind.task, kind.memory_mb) for kind in used if kind.memory_mb >= kind.asked_mb] == []
    assert 0 < json.loads((run / "results" / "summary.json").read_text())["post_trial"]["p"] <= 1


@pytest.mark.pool
def test_condor_dag_checker_finds_nothing(spec: Path, tmp_path: Path) -> None:
    """It came with HTCondor 24.10, so that only the newer release has it; it needs no pool."""
    try:
        checker = ensure("forky").bin / "condor_dag_checker"
    except PoolUnavailableError as error:
        unavailable(f"no condor_dag_checker: {error}")
    (tmp_path / "condor_config").touch()
    dag = analysis.build(spec, tmp_path / "run") / "analysis.dag"
    found = verdict(checker, dag)
    assert "Errors" not in found, found["Errors"]
    assert (found["TotalNodes"], found["FinalNode"]) == (76, "report")
    dag.write_text(dag.read_text().replace("CHILD collect_scan", "CHILD nowhere"))
    [fault] = verdict(checker, dag)["Errors"]
    assert "undefined nodes: Children [nowhere]" in fault["Reason"]


def verdict(checker: Path, dag: Path) -> dict[str, Any]:
    done = subprocess.run(
        [checker, "-Strict", "-CheckJDL", "-CheckExternalFiles", "-json", dag],
        env=os.environ | {"CONDOR_CONFIG": str(dag.parents[1] / "condor_config")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found
