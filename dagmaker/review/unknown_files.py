"""Files at the top of a run directory that neither dagmaker nor HTCondor wrote."""

from collections.abc import Iterator
from pathlib import Path

from dagmaker import lock
from dagmaker.htcondor import dagjob, render
from dagmaker.status import status_page
from worker.base.finding import Finding
from worker.rundir import layout

SHOWN = 8
_FOLDERS = (
    "batches", "collected", "logs", "openings", "prepared", "replay", "report", "results", "review", "rounds", "sealed",
    "trials", "unblinded",
)  # fmt: skip


def top_level(run: Path) -> Finding:
    """Finding on unknown files; the worker and verify-plan check the folders."""
    names = sorted(path.name for path in run.iterdir() if path.name not in set(_known()))
    dag_files = (str(layout.DAG), dagjob.REPAIR)  # verify-plan compares these and submit files
    unknown = [name for name in names if not (name.startswith(dag_files) or name.endswith((".sub", ".dot")))]
    what = "files at the top of the run directory that nothing knows"
    if not unknown:
        return Finding("same", what, "none")
    more = f"; and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
    return Finding("note", what, ", ".join(unknown[:SHOWN]) + more)


def _known() -> Iterator[str]:
    yield from _FOLDERS
    yield from (lock.NAME, str(status_page.FILE), "dagman.config", str(render.SANDBOX))
    yield from map(str, (layout.SPEC, layout.PLAN, layout.BUILD, layout.CRATE))
