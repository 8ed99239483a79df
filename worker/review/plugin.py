"""The plug-in of a run: whether it is the one that made the trials, and how its trials are compared."""

from collections.abc import Iterator

from worker.base.errors import DagmakerError
from worker.base.finding import Finding
from worker.engines.plugin.engine import Described
from worker.rundir import layout
from worker.rundir.ledger import Run
from worker.tasks import context, plugin_files

_HOW = {
    "per-trial": "single trials are made again bit by bit",
    "per-file": "whole files are made again bit by bit, single trials are not",
    "no": "no trial is made again: distributions are compared",
}


def findings(run: Run) -> Iterator[Finding]:
    """Compare the plug-in here with what `prepare` wrote down; nothing for the built-in engine."""
    if run.spec.engine.kind == "builtin":
        return
    what = f"{layout.ENGINE}: the plug-in here is the one that the run was prepared with"
    try:
        told = Described(run.spec, plugin_files.facts(run))
        context.engine(run)
    except DagmakerError as error:
        yield Finding("fault", what, str(error).replace("\n", " "))
        return
    files = ", ".join(f"{name} {sha256[:12]}" for name, sha256 in told.facts.identity["files"].items())
    how = f"it says that it is deterministic {told.deterministic!r}: {_HOW[told.deterministic]}"
    yield Finding("same", what, f"{files}; {how}. {told.blindness()}")
