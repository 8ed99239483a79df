"""What HTCondor made is reviewed here, and what was made here is reviewed in a job: reproduced, both."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pool import analysis, client
from tests.pool.personal import Pool
from tests.pool.suites import on_one_release

pytestmark = [pytest.mark.slow]

JOB = """\
executable = {python}
transfer_executable = False
arguments = "-m dagmaker review {run} --sample=1 --out={out}"
environment = "PYTHONPATH={root} MPLBACKEND=Agg NUMBA_CACHE_DIR={out}/numba"
output = {out}/out.txt
error = {out}/err.txt
log = {out}/job.log
request_memory = 1000
request_disk = 10
queue
"""


def verdicts(folder: Path) -> dict[str, str]:
    """Verdict of every comparison of a certificate."""
    found: dict[str, Any] = json.loads((folder / "certificate.json").read_text())
    assert found["outcome"] in ("reproduced", "reproduced, but"), found["lines"]
    return {line["what"]: line["verdict"] for line in found["lines"]}


@on_one_release
def test_made_by_htcondor_and_reviewed_here_and_the_other_way_round(
    pool: Pool, tiny_here: Path, tiny_spec: Path, tmp_path: Path
) -> None:
    there = analysis.build(tiny_spec, tmp_path / "there")
    cluster = client.submit_dag(pool, there)
    assert client.wait(pool, cluster) == 0, analysis.errors(there)

    out = tmp_path / "reviewed"
    out.mkdir(mode=0o777)
    out.chmod(0o777)
    job = out / "review.sub"
    job.write_text(JOB.format(python=sys.executable, run=tiny_here, out=out, root=analysis.ROOT))
    cluster = client.submit(pool, job)
    done = analysis.dagmaker("review", str(there), "--sample=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert client.wait(pool, cluster) == 0, (out / "out.txt").read_text() + (out / "err.txt").read_text()

    mine, theirs = verdicts(there / "review"), verdicts(out)
    assert set(mine) == set(theirs)
    assert "fault" not in {*mine.values(), *theirs.values()}
    for task in ("bg_trials", "sig_trials", "scan_trials", "scan_map"):
        assert mine[f"{task}: files made again from the prepared data, bit by bit"] == "same"
