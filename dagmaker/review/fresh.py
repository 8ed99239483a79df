"""A review in an environment that nobody has touched: a new venv, dagmaker installed into it by pip."""

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
"""What a certificate says of the environment that it was made in."""


@contextmanager
def environment() -> Iterator[tuple[Path, str]]:
    """Python of a new venv with dagmaker, and a sentence about it; removed at the end.

    Raises
    ------
    InputError
        The venv cannot be made, or pip cannot get what is needed (no network).
    """
    with tempfile.TemporaryDirectory(prefix="dagmaker-venv-") as name:
        python = Path(name) / "bin" / "python"
        _run([sys.executable, "-m", "venv", name], "a new virtual environment cannot be made")
        source = _source()
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", source]
        _run(pip, f"pip cannot install {source} there (is there a network?)")
        code = "from importlib.metadata import version; print(version('dagmaker'))"
        version = _run([str(python), "-c", code], "the new environment has no dagmaker").strip()
        yield python, f"a fresh virtual environment, made for this review by `pip install {_shown(source, version)}`"


def review(python: Path, description: str, arguments: Sequence[str]) -> tuple[int, dict[str, Any]]:
    """Run `dagmaker review --json` there, which says on stderr what it compares; exit code and document."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "DAGMAKER_TEMPLATES"))}
    command = [str(python), "-m", "dagmaker", "review", "--json", *arguments]
    with tempfile.TemporaryDirectory(prefix="dagmaker-") as folder:  # not where a source tree could be imported from
        done = subprocess.run(
            command,
            env={**env, ENVIRONMENT_VARIABLE: description},
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    return done.returncode, json.loads(done.stdout)


def _source() -> str:
    """What pip is to install: this source tree, or this version."""
    root = interpreter.import_path()
    if root and (Path(root) / "pyproject.toml").is_file():
        return root
    return f"dagmaker=={metadata.version('dagmaker')}"


def _shown(source: str, version: str) -> str:
    return source if source.startswith("dagmaker==") else f"{Path(source).name}/ (the source tree, version {version})"


def _run(command: Sequence[str], what: str) -> str:
    """What it said on stdout."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    process = subprocess.run(command, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if process.returncode != 0:
        message = (process.stderr.strip().splitlines() or process.stdout.strip().splitlines() or ["it said nothing"])[
            -1
        ]
        raise InputError(f"{what}: {message}; review without --fresh, in an environment that you trust")
    return process.stdout
