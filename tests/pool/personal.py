"""One pool: its daemons' life."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.pool import config, processes
from tests.pool.errors import PoolBrokenError, PoolUnavailableError
from tests.pool.install import Install
from tests.waiting import HANG_S

FOLDERS = ("log", "spool", "execute", "lock", "run", "home")


@dataclass(frozen=True)
class Pool:
    """A personal HTCondor pool whose every file is below `home`."""

    install: Install
    home: Path

    @property
    def config_file(self) -> Path:
        """What CONDOR_CONFIG points to."""
        return self.home / "condor_config"

    @property
    def settings(self) -> dict[str, str]:
        """The two environment variables with which tools and bindings find this pool."""
        return {"CONDOR_CONFIG": str(self.config_file), **self.install.environ()}

    @property
    def env(self) -> dict[str, str]:
        """A whole environment for a subprocess."""
        return os.environ | self.settings

    def start(self, timeout: float = 240, owner: int | None = None) -> None:
        """Start the daemons and wait until jobs can be submitted and run; fine if they run already.

        Parameters
        ----------
        timeout : float, s
            How long daemons may take to answer.
        owner : int, optional
            Process without which this pool has no purpose: when it is dead, `sweep` stops the pool.
        """
        if self.answers():
            return
        as_root = os.geteuid() == 0
        wrapper = unprivileged() if as_root else []
        self.stop()
        for name in FOLDERS:
            (self.home / name).mkdir(parents=True, exist_ok=True)
        for stale in (self.home / "log").glob(".*_address"):
            stale.unlink()
        self.config_file.write_text(config.render(self.install, self.home, as_root=as_root))
        env = self.env | {processes.POOL: str(self.home)} | ({processes.OWNER: str(owner)} if owner else {})
        said = self.home / "log" / "master.out"
        with said.open("wb") as stream:
            done = subprocess.run(
                [*wrapper, str(self.install.sbin / "condor_master"), "-pidfile", str(self._pidfile)],
                env=env, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, cwd=self.home, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            raise PoolBrokenError(f"condor_master ended with {done.returncode}: {said.read_text()[-2000:]}")
        self._wait_until_ready(timeout)

    def stop(self, timeout: float = 30) -> None:
        """End daemons and jobs, politely where a master is there to listen; the queue is kept on disk."""
        master = self.master()
        if master is not None:
            processes.kill(master, signal.SIGQUIT)  # HTCondor's fast shutdown
            deadline = time.monotonic() + timeout
            while Path(f"/proc/{master}").exists() and time.monotonic() < deadline:
                time.sleep(0.1)
        self.kill_all()

    def kill_all(self) -> list[int]:
        """SIGKILL every process of the pool, jobs included, as a power cut would; the queue is kept on disk."""
        killed = processes.kill_pool(self.home)
        self._pidfile.unlink(missing_ok=True)
        return killed

    def restart(self) -> None:
        """Stop, then start on the same queue."""
        owner = self._owner()
        self.stop()
        self.start(owner=owner)

    def master(self) -> int | None:
        """Process id of this pool's master, if it lives."""
        try:
            pid = int(self._pidfile.read_text())
        except (OSError, ValueError):
            return None
        return pid if processes.is_daemon(processes.environ(pid), self.home) else None

    def answers(self) -> bool:
        """Whether the collector knows a schedd, a negotiator and a slot, and the schedd lists its queue."""
        if self.master() is None:
            return False
        daemons = (["condor_status", f"-{kind}", "-af", "Name"] for kind in ("schedd", "negotiator", "startd"))
        return all(self.run(*ask).stdout.strip() for ask in daemons) and self.run("condor_q", "-totals").returncode == 0

    def daemon(self, name: str) -> int:
        """Process id of the pool's daemon of that name, such as ``condor_schedd``."""
        for pid, env in processes.all_environs():
            if processes.is_daemon(env, self.home) and processes.command_line(pid).split(" ")[0].endswith(name):
                return pid
        raise PoolBrokenError(f"no {name} in the pool in {self.home}")

    def run(self, *argv: str, check: bool = False, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a command that finds this pool's tools and queue."""
        program = shutil.which(argv[0], path=self.env["PATH"])
        if program is None:
            raise PoolBrokenError(f"no {argv[0]} in {self.install.bin} or on PATH")
        done = subprocess.run(
            [program, *argv[1:]], env=self.env, cwd=cwd, text=True, capture_output=True, stdin=subprocess.DEVNULL,
            check=False, timeout=HANG_S,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise PoolBrokenError(f"`{' '.join(argv)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    @property
    def _pidfile(self) -> Path:
        return self.home / "master.pid"

    def _owner(self) -> int | None:
        master = self.master()
        owner = processes.environ(master).get(processes.OWNER) if master else None
        return int(owner) if owner else None

    def _wait_until_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not self.answers():
            if time.monotonic() > deadline:
                log = self.home / "log" / "MasterLog"
                tail = log.read_text(errors="replace")[-2000:] if log.exists() else "(no MasterLog)"
                raise PoolBrokenError(f"the pool in {self.home} does not answer after {timeout:.0f} s:\n{tail}")
            time.sleep(0.2)


def unprivileged() -> list[str]:
    """A prefix to a command of root's that makes it see itself, and root's files, as user ``daemon``'s.

    HTCondor runs no job as root. In such a user namespace nothing is privileged, yet a Python below root's
    home can be read, and what jobs write is root's outside.
    """
    if shutil.which("unshare") is None:
        raise PoolUnavailableError("`unshare` (util-linux) not found: root needs it to start an unprivileged pool")
    user = pwd.getpwnam("daemon")
    wrapper = ["unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", "--"]
    done = subprocess.run([*wrapper, "true"], text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise PoolUnavailableError(
            f"this host lets root make no user namespace ({done.stderr.strip()}): run the tests as an ordinary user"
        )
    return wrapper


def sweep() -> list[Path]:
    """Stop the pools whose owner was killed before it could; their folders."""
    homes = sorted(processes.abandoned())
    for home in homes:
        processes.kill_pool(home)
    return homes
