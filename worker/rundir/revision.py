"""The code that makes the results: commit of the source tree, and digest of the sources."""

import hashlib
import subprocess
from functools import cache
from pathlib import Path

from worker.base.reading import file_bytes

ROOT = Path(__file__).resolve().parents[2]
_SHA1 = 40


@cache
def revision() -> dict[str, str]:
    """Return ``commit`` (empty if the packages are installed) and ``source``, a sha256 of all sources of `worker`.

    Does not start git, since every process calls it. The digest shows whether the tree was edited.
    """
    return {"commit": _commit(ROOT), "source": _source(ROOT / "worker")}


def modified() -> str:
    """Return ``yes`` or ``no``: whether the source tree differs from its commit; empty if git does not know."""
    if not (ROOT / ".git").exists():
        return ""
    command = ["git", "-c", "safe.directory=*", "--no-optional-locks", "-C", str(ROOT), "status", "--porcelain"]
    try:
        done = subprocess.run(
            [*command, "--untracked-files=no"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    if done.returncode != 0:
        return ""
    return "yes" if done.stdout.strip() else "no"


def _source(package: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        raw = file_bytes(path)
        total.update(f"{path.relative_to(package).as_posix()}|{len(raw)}|".encode())
        total.update(raw)
    return total.hexdigest()


def _commit(root: Path) -> str:
    """Return HEAD of a checkout, read from its files; empty if there is none."""
    try:
        folder = _git_folder(root)
        head = _text(folder / "HEAD")
        name = head.removeprefix("ref: ")
        if name == head:
            return head
        common = folder / _text(folder / "commondir") if (folder / "commondir").exists() else folder
        if (common / name).exists():
            return _text(common / name)
        packed = _text(common / "packed-refs").splitlines()
        return next(line[:_SHA1] for line in packed if line[_SHA1:].strip() == name)
    except (OSError, ValueError, StopIteration):
        return ""


def _text(path: Path) -> str:
    return file_bytes(path).decode().strip()


def _git_folder(root: Path) -> Path:
    """Return ``.git``, or the folder that it names in a linked worktree."""
    folder = root / ".git"
    if folder.is_file():
        return root / _text(folder).partition("gitdir: ")[2].strip()
    return folder
