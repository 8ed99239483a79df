"""How a process of this program is started elsewhere: which python, and where it finds the packages."""

import os
import sys
from pathlib import Path

import worker


def python() -> str:
    """Path of the interpreter, absolute, not resolved: a venv's link knows its venv, its target does not."""
    return str(Path(sys.executable).absolute())


def import_path() -> str | None:
    """Folder to put on PYTHONPATH where the packages run from a source tree; None where they are installed."""
    root = Path(worker.__file__).resolve().parent.parent
    return None if root.name in ("site-packages", "dist-packages") else str(root)


def environment() -> dict[str, str]:
    """Environment of a local worker process: one thread, and this source tree."""
    env = dict(os.environ)
    for name in ("MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        env[name] = "1"
    if root := import_path():
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (root, env.get("PYTHONPATH"))))
    return env
