"""What HTCondor itself says of the files of a run directory, before anything is submitted."""

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
    "checkpoint_exit_code",
    "on_exit_hold",
    "on_exit_hold_reason",
    "on_exit_hold_subcode",
    "on_exit_remove",
    "periodic_hold",
    "periodic_release",
    "periodic_remove",
    "rank",
    "request_cpus",
    "request_memory",
    "requirements",
    "retry_until",
)
_CURE = "correct the site's profile or templates (see docs/sites.md) and build again"


def verdicts(run: Path) -> Iterator[str]:
    """One line from each checker that is installed; nothing where there is none.

    Raises
    ------
    SpecError
        A checker refuses a file; the text says which, and why.
    """
    try:
        import htcondor2  # noqa: F401 (only whether it is there)
    except ImportError:
        pass
    else:
        yield _submit_files(run)
    if tool := shutil.which(CHECKER):
        yield _dag(tool, run / layout.DAG)


def _submit_files(run: Path) -> str:
    """Read every submit file, and parse the expressions in it, which HTCondor would not do before a job runs."""
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
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found: dict[str, Any] = json.loads(done.stdout)[0]
    except (ValueError, LookupError, TypeError):
        return f"{CHECKER}: gave no verdict (exit code {done.returncode}): {done.stderr.strip()[-200:]}"
    if found.get("Errors"):
        shown = "\n".join(f"  {_reason(error)}" for error in found["Errors"][:5])
        raise SpecError(f"{dag}: {CHECKER} finds {len(found['Errors'])} errors:\n{shown}\n{_CURE}")
    return f"{CHECKER}: no errors, {found.get('TotalNodes', '?')} nodes"


def _reason(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    return " ".join(str(error[key]) for key in ("SourceLine", "DagCommand", "Reason") if key in error) or str(error)
