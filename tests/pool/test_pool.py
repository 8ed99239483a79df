"""The pool itself: it runs jobs and DAGs, listens on loopback only, and leaves nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.pool import client, debian, processes
from tests.pool.errors import PoolUnavailableError
from tests.pool.install import ensure
from tests.pool.personal import Pool, sweep

JOB = """\
executable = /bin/sh
arguments = "-c 'id -u; echo $HOME; exit {code}'"
output = out.txt
error = err.txt
log = job.log
request_memory = 100
request_disk = 10
queue
"""

DAG = """\
SUBMIT-DESCRIPTION touch {
  executable = /usr/bin/touch
  transfer_executable = False
  arguments = $(file)
  log = nodes.log
  request_memory = 100
  request_disk = 10
}
JOB first touch
JOB second touch
VARS first file="first.txt"
VARS second file="second.txt"
PARENT first CHILD second
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    file = tmp_path / "job.sub"
    file.write_text(JOB.format(code=0))
    return file


def sockets_of(pid: int) -> set[str]:
    links = [link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return {name[len("socket:[") : -1] for name in links if name.startswith("socket:[")}


def listening(home: Path) -> dict[str, str]:
    """Inode -> local address, as hexadecimal, of every listening TCP socket of the pool."""
    mine = {inode for pid in processes.of_pool(home) for inode in sockets_of(pid)}
    rows = [line.split() for file in ("tcp", "tcp6") for line in Path(f"/proc/net/{file}").read_text().splitlines()[1:]]
    return {row[9]: row[1] for row in rows if row[3] == "0A" and row[9] in mine}


def test_pool_is_the_release_asked_for(pool: Pool) -> None:
    suite = pool.home.name.removeprefix("pool-").rstrip("0123456789")
    if suite in debian.SUITES:
        major, minor, _ = pool.install.version()
        assert f"{major}.{minor}" == debian.SUITES[suite]
    assert pool.answers()


def test_one_job_runs_unprivileged_in_a_home_of_its_own(pool: Pool, job: Path) -> None:
    assert client.wait(pool, client.submit(pool, job)) == 0
    uid, home = (job.parent / "out.txt").read_text().split()
    assert uid != "0"
    assert home == str(pool.home / "home")


def test_wait_returns_the_exit_code(pool: Pool, job: Path) -> None:
    job.write_text(JOB.format(code=3))
    assert client.wait(pool, client.submit(pool, job)) == 3


def test_one_dag_runs(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "small.dag").write_text(DAG)
    (tmp_path / "nodes.log").touch()
    cluster = client.submit_dag(pool, tmp_path / "small.dag")
    assert client.wait(pool, cluster) == 0
    assert (tmp_path / "second.txt").stat().st_mtime >= (tmp_path / "first.txt").stat().st_mtime
    [ad] = client.history(pool, f"ClusterId == {cluster}")
    assert ad["DAG_NodesDone"] == 2


def test_it_listens_on_loopback_only(pool: Pool) -> None:
    addresses = listening(pool.home)
    assert addresses, "daemons listen somewhere"
    assert {address.split(":")[0] for address in addresses.values()} == {"0100007F"}


@pytest.mark.slow
def test_a_pool_whose_owner_was_killed_is_swept(pool: Pool, tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from tests.pool.personal import Pool; from tests.pool.install import Install\n"
        "Pool(Install(*map(Path, sys.argv[2:])), Path(sys.argv[1])).start(owner=os.getpid())\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    home = tmp_path / "abandoned"
    root = Path(__file__).parents[2]
    argv = [sys.executable, "-c", program, str(home), *map(str, pool.install)]
    assert subprocess.run(argv, cwd=root, check=False).returncode == -9
    assert processes.of_pool(home)
    assert home in sweep()
    assert processes.of_pool(home) == []
    assert pool.answers(), "a pool with a living owner is left alone"


def test_libraries_are_taken_from_the_record_less_the_bindings() -> None:
    record = (
        "Package: condor\nDepends: adduser, libc6 (>= 2.38), libboost-python1.83.0, libssl3t64 | libssl3, perl:any\n"
    )
    assert debian.needed_libraries(record) == ["libc6", "libssl3t64"]


def test_a_record_without_dependencies_is_no_package() -> None:
    with pytest.raises(PoolUnavailableError, match="no dependencies"):
        debian.needed_libraries("")


def test_an_unknown_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PoolUnavailableError, match="unknown suite 'sarge'"):
        ensure("sarge", tmp_path / "prefix")


def test_a_folder_of_other_things_is_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(PoolUnavailableError, match="no earlier installation"):
        ensure("trixie", tmp_path)
    assert (tmp_path / "precious").exists()


def test_a_host_that_is_not_debian_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"ID": "fedora", "PRETTY_NAME": "Fedora 44"})
    with pytest.raises(PoolUnavailableError, match="Fedora 44, not Debian"):
        debian.check_host()
