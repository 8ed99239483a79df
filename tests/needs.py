"""What some tests need and a machine may lack; its reason is printed when a session begins, and where a test skips."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
# CPU minutes of a whole session, by what `make` selects; compiling everything for the first time is a minute of each.
CPU_MINUTES = {"": 43, "not slow and not pool": 3}


class Need(NamedTuple):
    """Something that tests need.

    Attributes
    ----------
    tests : str
        The tests that skip without it.
    lacking : callable
        Why it is not there, and what to do; empty if it is.
    """

    tests: str
    lacking: Callable[[], str]


def real_data_dir() -> Path:
    """Folder of real neutrino data: DAGMAKER_DATA, or ``../shared/data`` beside the checkout."""
    chosen = os.environ.get("DAGMAKER_DATA")
    return Path(chosen) if chosen else ROOT.parent / "shared" / "data"


def _real_data() -> str:
    folder = real_data_dir()
    return "" if folder.is_dir() else f"no real data: {folder} is not a folder (set DAGMAKER_DATA to one)"


def _x86_64() -> str:
    machine = os.uname().machine
    return "" if machine == "x86_64" else f"compiles for x86-64 processors, and this is {machine}"


def _ordinary_user() -> str:
    return "" if os.geteuid() else "root may write everywhere: run the tests as an ordinary user"


def _cuda() -> str:
    driver = Path("/proc/driver/nvidia/version")
    return "" if driver.exists() else f"no CUDA device here: no NVIDIA driver is loaded ({driver})"


def _dag_checker() -> str:
    found = shutil.which("condor_dag_checker")
    return "" if found else "condor_dag_checker (HTCondor 24.10.1 and later) is not on PATH"


def _bindings() -> str:
    return "" if find_spec("htcondor2") else "no HTCondor bindings: pip install htcondor"


def _chromium() -> str:
    from tests.browser.chromium import lacking

    return lacking()


def _pool() -> str:
    from tests.pool import debian, install, personal, suites
    from tests.pool.errors import PoolUnavailableError

    fetched = (suite for suite in suites.chosen() if suite != install.HOST)
    try:
        if any(not (install.default_prefix(suite) / "installed").is_file() for suite in fetched):
            debian.check_host()
        if os.geteuid() == 0:
            personal.unprivileged()
    except PoolUnavailableError as error:
        return f"no HTCondor pool: {error}"
    return ""


NEEDS = {
    "real data": Need("published events: readers, examples, engine", _real_data),
    "pool": Need("tests/pool", _pool),
    "chromium": Need("tests/browser", _chromium),
    "bindings": Need("submit files and DAGs read by HTCondor's own code", _bindings),
    "dag checker": Need("the DAG read by condor_dag_checker, beside those of tests/pool", _dag_checker),
    "x86-64": Need("the same bits on older processors", _x86_64),
    "ordinary user": Need("folders that may not be written", _ordinary_user),
    "cuda": Need("the engine on a device (its simulator is tested everywhere)", _cuda),
}


def needs(name: str) -> pytest.MarkDecorator:
    """A mark of tests that skip without a thing; its reason is the one that the session began with."""
    reason = NEEDS[name].lacking()
    return pytest.mark.skipif(bool(reason), reason=reason)


def header(selected: str | None) -> Iterator[str]:
    """What a session will do, how long it takes, and which tests will skip for want of what.

    Parameters
    ----------
    selected : str, optional
        The expression of marks that selects among all tests; None if files were named.
    """
    if selected in CPU_MINUTES:
        n = os.cpu_count() or 1
        minutes = CPU_MINUTES[selected]
        which = {"": "every test, on a real HTCondor pool too"}.get(selected, f"tests that are {selected}")
        wall = max(1, round(minutes / n))
        yield f"dagmaker: {which}: about {minutes} CPU minutes, so {wall} minutes on {n} idle cores"
    for need in NEEDS.values():
        if reason := need.lacking():
            yield f"will skip: {need.tests}: {reason}"


if __name__ == "__main__":
    print("\n".join(header(sys.argv[1] if sys.argv[1:] else "")))
