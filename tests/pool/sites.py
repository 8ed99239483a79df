"""Site profiles of tests: as one of ours but for some values, and slots that do not see the run directory."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagmaker.plan import templates
from tests.pool import analysis
from worker.base import template_folders

# The interpreter of a slot elsewhere: the run directory is not there, an empty folder that nobody can write to is.
WITHOUT = """\
#!/bin/sh
exec unshare --user --map-root-user --mount sh -c \\
    'mount -t tmpfs -o ro nothing "$0" && exec {python} "$@"' {hidden} "$@"
"""


def own(folder: Path, site: str, profile: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Environment in which there is a site ``own``, as `site` but for some values; and all its values."""
    copied = folder / "templates"
    shutil.copytree(templates.folder(), copied)
    place = copied / "htcondor" / "sites"
    values = yaml.safe_load((place / f"{site}.yaml").read_text()) | profile
    (place / "own.yaml").write_text(yaml.safe_dump(values))
    return {template_folders.VARIABLE: str(copied)}, values


def elsewhere(folder: Path, hidden: Path) -> dict[str, Any]:
    """Values of a site whose slots have no shared disk: their interpreter does not see the folder `hidden`."""
    python = folder / "python"
    python.write_text(WITHOUT.format(python=shlex.quote(sys.executable), hidden=shlex.quote(str(hidden))))
    python.chmod(0o755)
    environment = {"PYTHONPATH": str(analysis.ROOT)}
    return {"python": str(python), "container_image": None, "environment": environment, "commands": {}}


def require_hidden(profile: dict[str, Any], hidden: Path) -> None:
    """Look into the folder as a slot does; skip where the host lets nobody hide one."""
    look = [profile["python"], "-c", f"import os; print(os.listdir({str(hidden)!r}))"]
    probe = subprocess.run(look, capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"this host lets nobody hide a folder from a process: {probe.stderr.strip()}")
    assert probe.stdout.strip() == "[]", "the folder is hidden"
