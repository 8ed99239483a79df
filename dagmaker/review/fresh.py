"""Review in a new virtual environment, into which pip installs dagmaker."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from dagmaker import interpreter
from worker.base.errors import InputError

ENVIRONMENT_VARIABLE = "DAGMAKER_REVIEW_ENVIRONMENT"
"""Variable with the description of the environment, for the certificate."""


@contextmanager
def environment() -> Iterator[tuple[Path, str]]:
    """Python of a temporary venv with dagmaker, and its description.

    Raises
    ------
    InputError
        The venv cannot be made, or pip fails (no network).
    """
    with tempfile.TemporaryDirectory(prefix="dagmaker-venv-") as name:
        python = Path(name) / "bin" / "python"
        _run([sys.executable, "-m", "venv", name], "a new virtual environment cannot be made")
        source = _source()
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", source]
        _run(pip, f"pip cannot install {source} there (is there a network?)")
        code = "from importlib.metadata import version; print(version('dagmaker'))"
        version = _run([str(python), "-c", code], "the new environment has no dagmaker").strip()
        tree = f"{Path(source).name}/ (the source tree, version {version})"
        shown = source if source.startswith("dagmaker==") else tree
        yield python, f"a fresh virtual environment, made for this review by `pip install {shown}`"


def review(python: Path, description: str, arguments: Sequence[str]) -> tuple[int, dict[str, Any]]:
    """Run `dagmaker review --json` with this Python; exit code and document."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "DAGMAKER_TEMPLATES"))}
    command = [str(python), "-m", "dagmaker", "review", "--json", *arguments]
    with tempfile.TemporaryDirectory(prefix="dagmaker-") as folder:  # no source tree to import from
        env[ENVIRONMENT_VARIABLE] = description
        process = subprocess.run(command, env=env, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    return process.returncode, json.loads(process.stdout)


def _source() -> str:
    """Argument of pip install: this source tree, or this version."""
    root = interpreter.import_path()
    if root and (Path(root) / "pyproject.toml").is_file():
        return root
    return f"dagmaker=={metadata.version('dagmaker')}"


def _run(command: Sequence[str], what: str) -> str:
    """Run a command; its stdout."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    process = subprocess.run(command, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if process.returncode != 0:
        output = process.stderr.strip() or process.stdout.strip() or "it said nothing"
        message = output.splitlines()[-1]
        raise InputError(f"{what}: {message}; review without --fresh, in an environment that you trust")
    return process.stdout
