"""Nodes that DAGMan could not run, from JOBSTATE_LOG: a script failed, or the schedd refused the submission."""

import re
from pathlib import Path
from typing import NamedTuple

from worker.base.reading import MAX_JSON, text_or_empty

JOBSTATE = Path("logs/jobstate.log")
_FAILED = re.compile(r"^\d+ (\S+) (PRE_SCRIPT|POST_SCRIPT|SUBMIT)_FAILURE\b", re.MULTILINE)
_AGAIN = re.compile(r"^\d+ (\S+) (?:PRE_SCRIPT_SUCCESS|POST_SCRIPT_SUCCESS|SUBMIT) ", re.MULTILINE)
_STARTED = "DAGMAN_STARTED"


class NodeFailure(NamedTuple):
    """A node, and the step that failed: ``PRE_SCRIPT``, ``POST_SCRIPT`` or ``SUBMIT``."""

    node: str
    step: str


def failures(run: Path) -> tuple[NodeFailure, ...]:
    """Nodes that failed since DAGMan last started and did not succeed later."""
    text = text_or_empty(run / JOBSTATE, MAX_JSON).rpartition(_STARTED)[2]
    last = {found[1]: found.start() for found in _AGAIN.finditer(text)}
    return tuple(
        dict.fromkeys(
            NodeFailure(found[1], found[2])
            for found in _FAILED.finditer(text)
            if last.get(found[1], -1) < found.start()
        )
    )
