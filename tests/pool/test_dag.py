"""The example analysis, shrunken in counts but not in shape, on a real pool."""

import json
import time
from pathlib import Path

import pytest

from tests.pool import analysis, client
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
    assert processes >= 500
    begin = time.monotonic()
    code = client.wait(pool, client.submit_dag(pool, run), timeout=1500)
    assert code == 0, analysis.errors(run)
    print(f"{len(nodes)} nodes, {processes} processes: {time.monotonic() - begin:.0f} s")
    assert analysis.final_bytes(run) == analysis.final_bytes(here)
    assert analysis.leftovers(run) == []
    assert (run / "report" / "index.html").exists()
    assert 0 < json.loads((run / "results" / "summary.json").read_text())["post_trial"]["p"] <= 1
