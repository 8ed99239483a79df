"""Whether a run is complete, from directory listings and the summary; no output is opened."""

from pathlib import Path

from dagmaker.htcondor import dagjob
from dagmaker.htcondor.jobs import seconds
from dagmaker.plan.plan import Plan
from dagmaker.plan.presence import Presence
from worker.base.reading import json_object
from worker.rundir import layout


def complete(run: Path, plan: Plan) -> bool:
    """Whether every output exists and the results were made with the present spec.

    Building a run again, for example with another discovery potential, leaves the old results in place.
    """
    presence = Presence(run)
    if any(len(presence.done(node)) < node.n_processes for node in plan.nodes):
        return False
    return not outdated(run) and not unfinished(run)


def outdated(run: Path) -> bool:
    """Whether the summary was made with other numbers than those of the frozen spec."""
    try:
        digest = json_object(run / layout.SUMMARY, {"digest": str})["digest"]
    except (OSError, ValueError):
        return False
    from worker.spec import specfile
    from worker.spec.numbers import digest_of_numbers

    return bool(digest != digest_of_numbers(specfile.load_resolved(run / layout.SPEC)))


def unfinished(run: Path) -> bool:
    """Whether the last DAG failed or was removed and the report is older than that: results may be outdated."""
    dags = dagjob.last_submissions(run)
    if not dags or dags[-1].state not in ("failed", "removed"):
        return False
    try:
        reported_at = (run / layout.REPORT).stat().st_mtime
    except OSError:
        return True
    return reported_at < seconds(dags[-1].since) + 1  # the DAG's own report is older than its end, logged in whole s
