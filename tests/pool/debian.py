"""Debian's HTCondor packages, fetched by apt without touching the host's own package state.

apt is given directories of its own, one source (the mirror that this host uses already, at another
suite) and an empty list of installed packages, so that it resolves every library down to libc. What
it downloads is unpacked elsewhere (`tests.pool.relocate`); nothing is installed.
"""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from tests.pool.errors import PoolUnavailableError

SUITES = {"trixie": "23.9", "forky": "25.14"}
"""Debian suite -> the HTCondor release it carries."""

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TOOLS = ("apt-get", "apt-cache", "apt-config", "dpkg-deb")

# Bindings to interpreters that a private pool never calls; they would pull in whole interpreters.
UNUSED_LIBRARIES = re.compile(r"^lib(js-|python|boost|.*-perl$)")

APT_CONF = """\
Dir::State "{state}";
Dir::State::status "{state}/status";
Dir::State::lists "{state}/lists";
Dir::Cache "{state}";
Dir::Cache::archives "{state}/archives";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{state}/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "{state}/preferences";
APT::Sandbox::User "";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
// A mirror that lags behind still serves signed packages; their age is no concern of a test.
Acquire::Check-Valid-Until "false";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


def check_host() -> None:
    """Raise PoolUnavailableError where Debian packages cannot be had at all."""
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    if system.get("ID") != "debian":
        found = system.get("PRETTY_NAME", platform.system())
        raise PoolUnavailableError(
            f"this host is {found}, not Debian, and no condor_master is on PATH: install HTCondor to run the pool tests"
        )
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise PoolUnavailableError(f"{', '.join(missing)} not found on PATH: needed to fetch HTCondor's packages")


def host_mirror() -> str:
    """URI of the mirror from which this host's apt takes Debian's ``main``."""
    lines = _output(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    ).splitlines()
    releases = {platform.freedesktop_os_release().get("VERSION_CODENAME"), "stable", "testing", "unstable", "sid"}
    for line in lines:
        uri, release, component = line.split(" ")
        if release in releases and component == "main":
            return uri
    raise PoolUnavailableError(
        "no Debian mirror in this host's apt sources: HTCondor's packages have nowhere to come from"
    )


def fetch(suite: str, folder: Path) -> tuple[Path, list[Path]]:
    """Download HTCondor, the libraries it needs and patchelf.

    Parameters
    ----------
    suite : str
        A Debian suite, see `SUITES`.
    folder : Path
        An existing, empty folder.

    Returns
    -------
    condor : Path
        The package with the daemons and tools.
    others : list of Path
        Every other package.
    """
    check_host()
    env = _private_apt(suite, folder)
    _output(["apt-get", "-qq", "update"], env=env)
    record = _output(["apt-cache", "show", "--no-all-versions", "condor"], env=env)
    libraries = needed_libraries(record)
    _output(["apt-get", "-qq", "-y", "--download-only", "install", *libraries, "patchelf"], env=env)
    _output(["apt-get", "-qq", "download", "condor"], env=env, cwd=folder)
    [condor] = folder.glob("condor_*.deb")
    return condor, sorted((folder / "archives").glob("*.deb"))


def needed_libraries(record: str) -> list[str]:
    """Names of the library packages in the ``Depends`` field of a package's record."""
    field = re.search(r"^Depends: (.*)$", record, flags=re.MULTILINE)
    if field is None:
        raise PoolUnavailableError("the condor package of this suite has no dependencies listed: is it there at all?")
    names = {re.split(r"[ (:|]", item.strip())[0] for item in field[1].split(",")}
    return sorted(name for name in names if name.startswith("lib") and not UNUSED_LIBRARIES.match(name))


def _private_apt(suite: str, state: Path) -> dict[str, str]:
    """An environment in which apt works in `state` alone, on `suite` alone."""
    source = [f"Types: deb\nURIs: {host_mirror()}\nSuites: {suite}\nComponents: main\n"]
    if KEYRING.exists():
        source.append(f"Signed-By: {KEYRING}\n")
    for name in ("lists/partial", "archives/partial", "sources", "preferences"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    (state / "sources" / "pool.sources").write_text("".join(source))
    config = state / "apt.conf"
    config.write_text(APT_CONF.format(state=state))
    return os.environ | {"APT_CONFIG": str(config), "LC_ALL": "C.UTF-8"}


def _output(argv: list[str], env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    done = subprocess.run(argv, env=env, cwd=cwd, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-800:]
        raise PoolUnavailableError(f"`{' '.join(argv[:4])} ...` failed with {done.returncode}: {said}")
    return done.stdout
