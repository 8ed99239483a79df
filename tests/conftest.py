"""What all tests share: where real data lie, how a missing thing is reported, a fixed environment."""

import fcntl
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings

from tests.cpu_time import CpuTable
from tests.needs import NEEDS, header, real_data_dir
from tests.waiting import HANG_S

ROOT = Path(__file__).resolve().parents[1]

# One thread per process, as in a job; before any test imports numpy or numba.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# The same examples in every run, and no verdict that depends on how busy the machine is.
settings.register_profile("dagmaker", derandomize=True, deadline=None)
settings.load_profile("dagmaker")

# Hundreds of processes start: what one of them has compiled to bytecode the next ones read.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Files whose tests go to the same process, as those of one file always do: they share what takes long to make.
TOGETHER = dict.fromkeys(
    (
        "tests/engine/test_oracle.py",
        "tests/test_calibration.py",
        "tests/test_coverage.py",
        "tests/test_examples.py",
        "tests/test_data_real.py",
        "tests/test_plugin_adapters.py",
    ),
    "real data",
)
TOGETHER["tests/test_docs.py"] = "browser"  # the site


def in_ci() -> bool:
    """Whether the environment says CI, as in CI=true."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def unavailable(reason: str) -> NoReturn:
    """Skip for want of something that an ordinary machine may lack; in CI nothing may be lacking."""
    if in_ci():
        pytest.fail(f"in CI this may not be skipped: {reason}")
    pytest.skip(reason)


def pytest_configure(config: pytest.Config) -> None:
    """End on SIGTERM as on Ctrl-C: fixtures are torn down, and a pool is not left running after a time limit."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.pluginmanager.register(CpuTable())


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say at the beginning what will be done, how long it takes, and what will skip."""
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.keyword
    return list(header(config.option.markexpr if everything else None))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Under xdist, hand out the pool tests first: they take longest and mostly wait."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("pool") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Hand out tests by file, and files that share something costly to the same process."""
    # Not --dist loadgroup: xdist 3.8 marks groups in a node's id, which pytest 9.2 makes anew.
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Grouped(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    config.option.loadscopereorder = False  # the pool first, however many tests another file has
    return Grouped(config, log)


def group(nodeid: str) -> str:
    """What a test shares a process with: a pool, whose daemons are killed; something costly; the tests of its file."""
    file, _, parameter = nodeid.rstrip("]").partition("[")
    if file.startswith("tests/pool/") and parameter:
        return f"pool {parameter}"
    if file.startswith("tests/browser/"):
        return "browser"
    name = file.partition("::")[0]
    return TOGETHER.get(name, name)


@pytest.fixture(scope="session")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of `finished_run`, which looks after it."""
    from dagmaker.cli import main
    from tests.answers import answered, holds_what_is_documented
    from tests.dagmaker_spec import text

    def make(root: Path) -> None:
        waived = "unblind: {waive: [enough_background_trials, enough_skies, smooth_map]}\n"  # it is tiny
        (root / "spec.yaml").write_text(text(n_skies=4) + waived)
        said = io.StringIO()
        with redirect_stdout(said):
            assert main(["run", str(root / "spec.yaml"), f"--run={root / 'run'}", "--jobs=2", "--json"]) == 0
        found = answered(said.getvalue())
        holds_what_is_documented("run", found)
        assert found["failed"] == []
        assert found["summary"] == json.loads((root / "run" / "results" / "summary.json").read_text())

    return made_once(tmp_path_factory, "finished", make) / "run"


@pytest.fixture(scope="session")
def made_files(made_run: Path) -> list[set[tuple[str, int, int]]]:
    """The files of `made_run` as they were after the last test."""
    return [listing(made_run)]


@pytest.fixture(autouse=True)
def nobody_changes_the_finished_run(request: pytest.FixtureRequest) -> Iterator[None]:
    """Name the test that changes a file of the run that others read, too."""
    if "made_run" not in request.fixturenames:
        yield
        return
    run, last = request.getfixturevalue("made_run"), request.getfixturevalue("made_files")
    yield
    now = listing(run)
    changed, last[0] = last[0] ^ now, now
    assert not changed, (
        f"this test changed files of finished_run: {sorted({name for name, *_ in changed})}: use own_run"
    )


def listing(folder: Path) -> set[tuple[str, int, int]]:
    """Every file below a folder, with what differs once it was written again."""
    found = ((path, path.stat()) for path in folder.rglob("*") if path.is_file())
    return {(str(path.relative_to(folder)), stat.st_ino, stat.st_mtime_ns) for path, stat in found}


@pytest.fixture(scope="session")
def finished_run(made_run: Path) -> Path:
    """A small analysis, complete with its report, for every test to read; a test that writes works on `own_run`."""
    return made_run


@pytest.fixture
def own_run(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first process of the session makes and the others of xdist read; nobody changes it."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, whole = shared / name, shared / f"{name}.whole"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
            folder.mkdir()
            make(folder)
            whole.touch()
    return folder


@pytest.fixture(scope="session")
def reported_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small run of tests/report_run.py with its report, for every process; tests that change a file copy it."""
    from tests import report_run
    from worker.report import produce

    def make(folder: Path) -> None:
        produce.report(report_run.finished(folder / "run"), None, None)

    return made_once(tmp_path_factory, "reported", make) / "run"


@pytest.fixture(scope="session")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tests.engine.bits` as the oldest processor computes it (bits.json), and the code that it compiled (cache/)."""
    from tests.engine import bits
    from tests.processors import environment

    def make(folder: Path) -> None:
        env = environment("baseline") | {"NUMBA_CACHE_DIR": str(folder / "cache")}
        (folder / "bits.json").write_text(json.dumps(bits.compute(folder / "bits", env)))

    return made_once(tmp_path_factory, "baseline", make)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site; warnings are errors, and so is a command of the tutorial that ends otherwise than it says."""
    out = tmp_path_factory.mktemp("docs") / "html"
    docs = str(ROOT / "docs")
    argv = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", docs, str(out)]
    done = subprocess.run(argv, cwd=ROOT, text=True, capture_output=True, check=False, timeout=HANG_S)
    assert (done.returncode, done.stderr[-3000:]) == (0, "")
    return out


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real neutrino data: DAGMAKER_DATA, or ``../shared/data`` beside the checkout."""
    if reason := NEEDS["real data"].lacking():
        pytest.skip(reason)
    return real_data_dir()


@pytest.fixture(scope="session")
def ic86_2011_dir(data_dir: Path) -> Path:
    """The first-year release: ``upgoing_events.txt`` and its companions."""
    return _part(data_dir, "ic86_2011")


@pytest.fixture(scope="session")
def icetracks_dr2_dir(data_dir: Path) -> Path:
    """Parts of the ten- and 14-year track releases."""
    return _part(data_dir, "icetracks_dr2")


@pytest.fixture(scope="session")
def icetracks_release(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in the published format with IC86_I and IC40, 1.2 GB; tests that use it share one process."""
    script = data_dir / "build_icetracks.py"
    if not script.is_file():
        pytest.skip(f"no real data: {data_dir} has no build_icetracks.py")
    out = tmp_path_factory.mktemp("data") / "icetracks"
    subprocess.run([sys.executable, str(script), str(out)], check=True, capture_output=True, timeout=HANG_S)
    yield out
    shutil.rmtree(out)


def _part(data_dir: Path, name: str) -> Path:
    if not (data_dir / name).is_dir():
        pytest.skip(f"no real data: {data_dir} has no folder {name}")
    return data_dir / name
