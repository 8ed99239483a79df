"""Where HTCondor's programs are: on PATH already, or fetched into a cache folder."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.pool import debian, relocate
from tests.pool.errors import PoolUnavailableError

HOST = "host"
"""The name, beside Debian's suites, of an HTCondor that is on PATH already."""

LAYOUT = 1  # raise it when what `ensure` leaves behind changes: older caches are then made anew


class Install(NamedTuple):
    """Folders of one HTCondor installation."""

    release: Path
    bin: Path
    sbin: Path
    lib: Path
    libexec: Path

    def environ(self) -> dict[str, str]:
        """PATH with this installation first."""
        return {"PATH": os.pathsep.join([str(self.bin), str(self.sbin), os.environ.get("PATH", os.defpath)])}

    def version(self) -> tuple[int, int, int]:
        """Such as (23, 9, 6)."""
        said = subprocess.run([self.bin / "condor_version"], check=True, text=True, capture_output=True).stdout
        major, minor, patch = said.split()[1].split(".")[:3]
        return int(major), int(minor), int(patch)


def default_prefix(suite: str) -> Path:
    """The cache folder of a suite: below DAGMAKER_POOL_CACHE, or ``~/.cache/dagmaker``."""
    cache = os.environ.get("DAGMAKER_POOL_CACHE") or Path.home() / ".cache" / "dagmaker"
    return Path(cache).absolute() / f"condor-{suite}"


def on_path() -> Install | None:
    """The installation whose ``condor_master`` is on PATH, if there is one."""
    master = shutil.which("condor_master")
    tools = shutil.which("condor_submit_dag")
    if master is None or tools is None:
        return None
    sbin, bin_ = Path(master).resolve().parent, Path(tools).resolve().parent
    release = sbin.parent
    lib = _first_with("libcondor_utils*", release / "lib/condor", release / "lib", release / "lib64")
    libexec = _first_with("condor_*", release / "libexec/condor", release / "lib/condor/libexec", release / "libexec")
    return Install(release, bin_, sbin, lib, libexec)


def ensure(suite: str, prefix: Path | None = None) -> Install:
    """The installation of `suite`, fetched and unpacked under `prefix` if it is not there yet.

    Safe to call from several processes at once. Raises PoolUnavailableError with the reason where it cannot be had.
    """
    if suite == HOST:
        found = on_path()
        if found is None:
            raise PoolUnavailableError("no condor_master on PATH")
        return found
    if suite not in debian.SUITES:
        raise PoolUnavailableError(f"unknown suite {suite!r}: choose from {HOST}, {', '.join(debian.SUITES)}")
    prefix = (prefix or default_prefix(suite)).absolute()
    install = installed_at(prefix)
    stamp = f"{LAYOUT} {suite} {prefix}\n"
    with _locked(prefix.with_name(prefix.name + ".lock")):
        if _read(prefix / "installed") != stamp:
            _make(suite, prefix, stamp)
    return install


def installed_at(prefix: Path) -> Install:
    """The folders of an installation made by `ensure`."""
    usr = prefix / "usr"
    return Install(usr, usr / "bin", usr / "sbin", usr / "lib/condor", usr / "libexec/condor")


def _make(suite: str, prefix: Path, stamp: str) -> None:
    if prefix.exists():
        # Never empty a folder that is not of our making.
        if not (prefix / "installed").is_file():
            raise PoolUnavailableError(f"{prefix} exists and is no earlier installation: choose another --prefix")
        shutil.rmtree(prefix)
    part = prefix.with_name(f"{prefix.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    tree = part / "tree"
    packages = part / "apt"
    packages.mkdir(parents=True)
    condor, others = debian.fetch(suite, packages)
    relocate.assemble(condor, others, tree, prefix)
    (tree / "installed").write_text(stamp)
    tree.rename(prefix)
    shutil.rmtree(part)
    try:
        installed_at(prefix).version()
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(prefix)
        raise PoolUnavailableError(f"HTCondor from {suite} was unpacked but does not run here: {error}") from error


def _first_with(pattern: str, *folders: Path) -> Path:
    return next((folder for folder in folders if any(folder.glob(pattern))), folders[0])


def _read(file: Path) -> str | None:
    return file.read_text() if file.is_file() else None


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = file.open("w")
    except OSError as error:
        raise PoolUnavailableError(f"cannot write {file.parent}: {error}; set DAGMAKER_POOL_CACHE") from error
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
