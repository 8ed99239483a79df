"""`dagmaker check --engine`: the worker loads the engine and tries it."""

import json
import sys
from collections.abc import Iterator, Sequence

from dagmaker import interpreter
from dagmaker.review import verdict
from dagmaker.status import failures
from worker.base.errors import DagmakerError, SpecError
from worker.base.finding import Finding

_PREFIX = "worker check_engine: "


def findings(spec: str) -> list[Finding]:
    """Return what the worker finds.

    Raises
    ------
    SpecError
        The engine cannot be used for this spec.
    DagmakerError
        It raised an error, or ended the process.
    """
    done = interpreter.run_worker("check_engine", f"--spec={spec}")
    found = [Finding(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode == 0:
        return found
    print(*verdict.text(one for one in found if one.verdict != "fault"), sep="\n", file=sys.stderr)
    own = [line.removeprefix(_PREFIX) for line in done.stderr.splitlines() if line.startswith(_PREFIX)]
    print(*(line for line in done.stderr.splitlines() if not line.startswith(_PREFIX)), sep="\n", file=sys.stderr)
    ended = f"the engine ended its process: {failures.cause(done.returncode)}{failures.crash_place(done.stderr)}"
    text = "\n".join(own) or ended
    raise SpecError(text) if done.returncode == SpecError.exit_code else DagmakerError(text)


def lines(found: Sequence[Finding]) -> Iterator[str]:
    """Findings for the terminal."""
    return verdict.text(found)
