"""Whether anything is left to do in a run directory: from listings and one small file, without opening an output."""

from pathlib import Path

from dagmaker.htcondor import dagjob
from dagmaker.htcondor.jobs import seconds
from dagmaker.plan.plan import Plan
from dagmaker.plan.presence import Presence
from worker.base.reading import json_object
from worker.rundir import layout


def complete(run: Path, plan: Plan) -> bool:
    """Whether every output is there, and the results were made with the spec as it is now, to their end.

    Results of an earlier spec stay where they are when a run is built anew with, say, another discovery potential.
    """
    presence = Presence(run)
    if any(len(presence.done(node)) < node.n_processes for node in plan.nodes):
        return False
    return not outdated(run) and not unfinished(run)


def outdated(run: Path) -> bool:
    """Whether the summary says that it was made with other numbers than those of the frozen spec."""
    try:
        found = json_object(run / layout.SUMMARY, {"digest": str})["digest"]
    except (OSError, ValueError):
        return False
    from worker.spec import specfile
    from worker.spec.numbers import digest_of_numbers

    return bool(found != digest_of_numbers(specfile.load_resolved(run / layout.SPEC)))


def unfinished(run: Path) -> bool:
    """Whether the last DAG failed or was removed, and nobody has made the report since: results may be older ones."""
    dags = dagjob.all_of(run)
    if not dags or dags[-1].state not in ("failed", "removed"):
        return False
    try:
        made = (run / layout.REPORT).stat().st_mtime
    except OSError:
        return True
    return made < seconds(dags[-1].since) + 1  # its own report is made before its end, which is told in whole seconds
