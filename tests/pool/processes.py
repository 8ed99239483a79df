"""The processes of a pool, found by what their environment says, whoever their parent is now.

A master that dies by SIGKILL leaves daemons, DAGMan and jobs behind; nothing but /proc knows them then.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

POOL = "DAGMAKER_POOL"
"""Environment variable of the daemons: the pool's folder."""

OWNER = "DAGMAKER_POOL_OWNER"
"""Environment variable of the daemons: the process without which the pool has no purpose."""


def environ(pid: int) -> dict[str, str]:
    """The environment a process was started with; empty if it is gone or not ours to read."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (item.partition("=") for item in raw.decode(errors="replace").split("\0") if "=" in item)
    return {key: value for key, _, value in pairs}


def all_environs() -> Iterator[tuple[int, dict[str, str]]]:
    """Every process but this one, with its environment."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            yield int(entry.name), environ(int(entry.name))


def is_daemon(env: dict[str, str], home: Path) -> bool:
    """Whether this is the environment of one of the daemons of the pool in `home`."""
    return env.get(POOL) == str(home)


def is_job(env: dict[str, str], home: Path) -> bool:
    """Whether this is the environment of a job, or of what a job started."""
    return env.get("_CONDOR_SCRATCH_DIR", "").startswith(f"{home}/execute/")


def is_dagman(env: dict[str, str], home: Path) -> bool:
    """Whether this is the environment of a DAGMan, or of a script it started."""
    return env.get("CONDOR_CONFIG") == str(home / "condor_config") and "_CONDOR_DAGMAN_LOG" in env


def of_pool(home: Path) -> list[int]:
    """Process ids of everything that the pool in `home` has started."""
    kinds = (is_daemon, is_job, is_dagman)
    return sorted(pid for pid, env in all_environs() if any(kind(env, home) for kind in kinds))


def jobs_of(home: Path) -> dict[int, str]:
    """Process id -> command line of every running job process of the pool in `home`."""
    return {pid: command_line(pid) for pid, env in all_environs() if is_job(env, home)}


def command_line(pid: int) -> str:
    """The arguments of a process, separated by blanks; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def kill_pool(home: Path, timeout: float = 20) -> list[int]:
    """SIGKILL everything of the pool in `home`, again until nothing is left; the processes killed."""
    killed: list[int] = []
    deadline = time.monotonic() + timeout
    while pids := of_pool(home):
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {pids} of the pool in {home} survive SIGKILL")
        for pid in pids:
            kill(pid)
        killed += pids
        time.sleep(0.1)  # one may have started another between two looks
    return killed


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal; a process that is gone already is fine."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def abandoned() -> set[Path]:
    """Folders of running pools whose owner has died without stopping them."""
    found = set()
    for _, env in all_environs():
        owner = env.get(OWNER, "")
        if POOL in env and owner and not Path(f"/proc/{owner}").exists():
            found.add(Path(env[POOL]))
    return found
