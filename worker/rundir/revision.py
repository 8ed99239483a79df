"""Which code makes the results: the commit of a source tree, and a digest of the sources themselves."""

import hashlib
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SHA1 = 40


@cache
def revision() -> dict[str, str]:
    """``commit`` (empty where the packages are installed) and ``source``, a sha256 of all sources of `worker`.

    No git is asked: this is written by every process on every node. The digest tells an edited tree from its commit.
    """
    return {"commit": _commit(ROOT), "source": _source(ROOT / "worker")}


def modified() -> str:
    """``yes`` or ``no``: whether the source tree differs from its commit; empty where git cannot tell."""
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
        raw = path.read_bytes()
        total.update(f"{path.relative_to(package).as_posix()}|{len(raw)}|".encode())
        total.update(raw)
    return total.hexdigest()


def _commit(root: Path) -> str:
    """HEAD of a checkout, read from its files; empty where there is none."""
    try:
        folder = _git_folder(root)
        head = (folder / "HEAD").read_text(encoding="ascii").strip()
        name = head.removeprefix("ref: ")
        if name == head:
            return head
        common = folder / (folder / "commondir").read_text().strip() if (folder / "commondir").exists() else folder
        if (common / name).exists():
            return (common / name).read_text(encoding="ascii").strip()
        packed = (common / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next(line[:_SHA1] for line in packed if line[_SHA1:].strip() == name)
    except (OSError, ValueError, StopIteration):
        return ""


def _git_folder(root: Path) -> Path:
    """``.git``, or where it points to in a linked worktree."""
    folder = root / ".git"
    if folder.is_file():
        return root / folder.read_text(encoding="utf-8").partition("gitdir: ")[2].strip()
    return folder
