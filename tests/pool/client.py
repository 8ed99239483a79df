"""What a user does with a pool: submit, look, wait."""

import json
import re
import time
from pathlib import Path
from typing import Any

from tests.pool.errors import PoolBrokenError
from tests.pool.personal import Pool
from tests.waiting import HANG_S

Ad = dict[str, Any]
"""A ClassAd, as ``-json`` prints it."""


class QueueTimeoutError(PoolBrokenError):
    """A cluster is still in the queue."""


def submit(pool: Pool, description: Path) -> int:
    """Submit a description from its folder; the cluster's number."""
    said = pool.run("condor_submit", "-terse", description.name, cwd=description.parent, check=True).stdout
    return int(said.split(".")[0])


def submit_dag(pool: Pool, dag: Path, *options: str) -> int:
    """``condor_submit_dag`` from the DAG's folder; the cluster of its DAGMan.

    `dag` is the file, or a run directory with an ``analysis.dag``.
    """
    file = dag / "analysis.dag" if dag.is_dir() else dag
    said = pool.run("condor_submit_dag", *options, file.name, cwd=file.parent, check=True).stdout
    found = re.search(r"submitted to cluster (\d+)", said)
    if found is None:
        raise PoolBrokenError(f"condor_submit_dag names no cluster:\n{said}")
    return int(found[1])


def q(pool: Pool, constraint: str = "true") -> list[Ad]:
    """Job ads in the queue."""
    return _ads(pool.run("condor_q", "-allusers", "-json", "-constraint", constraint, check=True).stdout)


def history(pool: Pool, constraint: str = "true") -> list[Ad]:
    """Job ads that have left the queue, oldest first."""
    return _ads(pool.run("condor_history", "-json", "-constraint", constraint, check=True).stdout)[::-1]


def wait(pool: Pool, cluster: int, timeout: float = HANG_S) -> int:
    """Wait until a cluster has left the queue; the exit code of its first process.

    A pool that does not answer meanwhile is borne: it may be restarting. For a DAG the code is DAGMan's:
    0 when everything is done. Raises PoolBrokenError after `timeout` seconds, or when the job was removed.
    """
    deadline = time.monotonic() + timeout
    mine = f"ClusterId == {cluster}"
    while True:
        done = pool.run("condor_q", "-allusers", "-json", "-constraint", mine)
        if done.returncode == 0 and not _ads(done.stdout):
            break
        if time.monotonic() > deadline:
            raise QueueTimeoutError(f"cluster {cluster} is still there after {timeout:.0f} s\n{explain(pool)}")
        time.sleep(0.5)
    return exit_code(pool, cluster)


def exit_code(pool: Pool, cluster: int) -> int:
    """Exit code of a cluster's first process, from the history."""
    for _ in range(20):  # the history is written just after the queue
        ads = history(pool, f"ClusterId == {cluster} && ProcId == 0")
        if ads:
            break
        time.sleep(0.5)
    else:
        raise PoolBrokenError(f"cluster {cluster} is neither in the queue nor in the history")
    if "ExitCode" not in ads[-1]:
        raise PoolBrokenError(f"cluster {cluster} was removed: {ads[-1].get('RemoveReason', 'no reason given')}")
    return int(ads[-1]["ExitCode"])


def explain(pool: Pool) -> str:
    """What an onlooker would want to see of a queue that does not move."""
    table = pool.run("condor_q", "-allusers", "-nobatch").stdout
    held = pool.run(
        "condor_q", "-allusers", "-held", "-af:j", "HoldReasonCode", "HoldReasonSubCode", "HoldReason"
    ).stdout
    return f"{table}\nheld:\n{held}"


def _ads(text: str) -> list[Ad]:
    ads: list[Ad] = json.loads(text) if text.strip() else []
    return ads
