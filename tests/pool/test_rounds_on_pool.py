"""Rounds as sub-DAGs that are written at run time: aborted inside one, gone on, the same bytes as on this machine."""

import os
import shutil
from pathlib import Path

import pytest

from dagmaker.plan import templates
from tests.pool import analysis, client, faults
from tests.pool.personal import Pool
from tests.pool.suites import on_one_release
from worker.base import template_folders
from worker.rundir import layout

pytestmark = [pytest.mark.slow]

ADAPTIVE = {
    **{section: dict(values) for section, values in analysis.TINY.items()},
    "goal": {"sensitivity_error": 0.1},
}


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ADAPTIVE["signal"] |= {"n_sig": [1, 2, 3], "n_trials": 50}
    file = analysis.write_spec(tmp_path_factory.mktemp("rounds") / "tiny.yaml", ADAPTIVE)
    file.write_text(file.read_text().replace("adaptive: false", "adaptive: {max_rounds: 2}"))
    return file


def wait_for(path: Path) -> None:
    faults.until(path.exists, f"the file {path}")


@on_one_release
def test_aborted_inside_a_round_it_goes_on_to_the_bytes_of_dagmaker_run(pool: Pool, spec: Path, tmp_path: Path) -> None:
    """The site's profile is known where the run is built, and not where DAGMan calls `dagmaker round`."""
    shutil.copytree(templates.folder(), tmp_path / "templates")
    sites = tmp_path / "templates" / "htcondor" / "sites"
    (sites / "personal.yaml").rename(sites / "own.yaml")
    own = tmp_path / "own.yaml"
    own.write_text(spec.read_text().replace("site: personal", "site: own"))
    there, here = tmp_path / "there", analysis.run_here(spec, tmp_path / "here")
    known = os.environ | {template_folders.VARIABLE: str(tmp_path / "templates")}
    assert analysis.dagmaker("build", str(own), f"--run={there}", env=known).returncode == 0
    script = there / layout.ROUNDS / "plan_round.sh"
    script.write_text(script.read_text().replace("-m dagmaker round", "-m dagmaker no_round"))

    cluster = client.submit_dag(pool, there)
    assert client.wait(pool, cluster) != 0
    said = faults.status_of(pool, there)
    assert "failed node: 1 x round_1: its PRE script failed\n    | dagmaker no-round: there is no command" in said
    assert "from:    logs/round_1.out" in said
    assert faults.follow(pool, there) == f"dagmaker restore {there} && dagmaker submit {there}"
    wait_for(there / f"{layout.round_dag(1)}.dagman.log")
    done = analysis.dagmaker("abort", str(there), env=pool.env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert client.q(pool) == [], "the DAG of the round went with it"
    assert not (there / layout.SENSITIVITY).exists()

    done = analysis.dagmaker("submit", str(there), env=pool.env)
    assert done.returncode == 0, done.stdout + done.stderr
    cluster = int(done.stdout.partition("submitted, cluster ")[2].split()[0])
    assert client.wait(pool, cluster) == 0, analysis.errors(there)
    assert analysis.final_bytes(there) == analysis.final_bytes(here)
    for number in (1, 2):
        for rel in (layout.decision(number), layout.round_plan(number)):
            assert (there / rel).read_bytes() == (here / rel).read_bytes()
    shown = analysis.dagmaker("status", str(there)).stdout
    assert "judge                  2         2" in shown, shown
