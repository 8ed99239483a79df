"""Check the files of a run directory with HTCondor's own checkers before submission."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worker.base.errors import SpecError
from worker.base.reading import file_bytes
from worker.rundir import layout

CHECKER = "condor_dag_checker"  # HTCondor 24.10.1 and later
_EXPRESSIONS = (
    "checkpoint_exit_code", "on_exit_hold", "on_exit_hold_reason", "on_exit_hold_subcode", "on_exit_remove",
    "periodic_hold", "periodic_release", "periodic_remove", "rank", "request_cpus", "request_memory", "requirements",
    "retry_until",
)  # fmt: skip
_CURE = "correct the site's profile or templates (see docs/sites.md) and build again"


def verdicts(run: Path) -> Iterator[str]:
    """One line from each installed checker.

    Raises
    ------
    SpecError
        A checker refuses a file; the message gives file and reason.
    """
    try:
        import htcondor2  # noqa: F401 (is it installed?)
    except ImportError:
        pass
    else:
        yield _submit_files(run)
    if tool := shutil.which(CHECKER):
        yield _dag(tool, run / layout.DAG)


def _submit_files(run: Path) -> str:
    """Read every submit file and parse its expressions; HTCondor parses them only when a job runs."""
    import htcondor2

    files = sorted(run.glob("*.sub"))
    for file in files:
        try:
            submit = htcondor2.Submit(file_bytes(file).decode())
        except Exception as error:
            raise SpecError(f"{file}: not a submit description: {error}; {_CURE}") from error
        for key in submit:
            if key.lower() in _EXPRESSIONS or key.startswith(("+", "My.", "MY.")):
                _expression(file, key, submit.expand(key))
    return f"submit files: {len(files)} are good (htcondor2)"


def _expression(file: Path, key: str, text: str) -> None:
    import classad2

    try:
        classad2.ExprTree(text)
    except Exception as error:
        raise SpecError(f"{file}: {key} = {text}: not a ClassAd expression; {_CURE}") from error


def _dag(tool: str, dag: Path) -> str:
    command = [tool, "-Strict", "-CheckJDL", "-CheckExternalFiles", "-json", str(dag)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        verdict: dict[str, Any] = json.loads(process.stdout)[0]
    except (ValueError, LookupError, TypeError):
        return f"{CHECKER}: gave no verdict (exit code {process.returncode}): {process.stderr.strip()[-200:]}"
    if verdict.get("Errors"):
        shown = "\n".join(f"  {_reason(error)}" for error in verdict["Errors"][:5])
        raise SpecError(f"{dag}: {CHECKER} finds {len(verdict['Errors'])} errors:\n{shown}\n{_CURE}")
    return f"{CHECKER}: no errors, {verdict.get('TotalNodes', '?')} nodes"


def _reason(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    return " ".join(str(error[key]) for key in ("SourceLine", "DagCommand", "Reason") if key in error) or str(error)
