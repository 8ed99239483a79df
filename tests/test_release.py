"""What a release holds, tried as a stranger would: the wheel in an empty environment, far from any checkout."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.conftest import ROOT, unavailable
from tests.waiting import HANG_S
from worker import open_analysis
from worker.rundir import layout
from worker.rundir.ledger import open_run
from worker.spec.point import declination
from worker.tasks import context

pytestmark = pytest.mark.slow

SOURCES = ("dagmaker", "worker", "templates", "pyproject.toml", "README.md", "LICENSE", "CITATION.cff")
NO_INDEX = ("No matching distribution found for setuptools", "Failed to establish a new connection")
SPEC = """
version: 1
name: released
seed: 4
data: {format: synthetic, n_events: 8000}
background: {tail: none, dec_deg: [-30, 40], n_trials: 200}
signal: {n_sig: [3, 8, 20], n_trials: 40}
sensitivity: {n_bootstrap: 20}
scan: {nside: 2, map_nside: 4, n_skies: 4, dec_min_deg: -30, dec_max_deg: 40}
"""


def say(argv: list[str], cwd: Path, rc: int = 0) -> str:
    """What a command prints; the index of packages may be out of reach."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DAGMAKER", "GIT_"))}
    done = subprocess.run(argv, cwd=cwd, env=clean, text=True, capture_output=True, check=False, timeout=HANG_S)
    if any(words in done.stderr for words in NO_INDEX):
        unavailable("pip cannot fetch setuptools")
    assert done.returncode == rc, done.stdout + done.stderr
    return done.stdout


def pip(*words: str, cwd: Path) -> None:
    say([sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *words], cwd)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of today, as an archive without git has them."""
    out = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, out / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, out)
    return out


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that has what pyproject.toml asks for to build, and nothing else."""
    place = tmp_path_factory.mktemp("builder")
    say([sys.executable, "-m", "venv", "--without-pip", "env"], place)
    python = str(place / "env/bin/python")
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    pip(f"--python={python}", "install", *needs, cwd=place)
    return python


def build(builder: str, kind: str, sources: Path, out: Path) -> Path:
    """What the build backend makes of sources; pip itself has no command for an sdist."""
    script = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
    say([builder, "-c", script, f"build_{kind}", str(out)], sources)
    (made,) = (*out.glob("*.whl"), *out.glob("*.tar.gz"))
    return made


@pytest.fixture(scope="module")
def wheel(sources: Path, builder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a tagged commit of them."""
    tagged = tmp_path_factory.mktemp("tagged") / "repository"
    shutil.copytree(sources, tagged)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"], ["tag", "v7.8.9"]):
        say([*git, *words], tagged)
    return build(builder, "wheel", tagged, tagged.parent)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bin/ of an environment that has the wheel and what it needs, and knows nothing of this checkout."""
    place = tmp_path_factory.mktemp("empty")
    say([sys.executable, "-m", "venv", "--without-pip", "env"], place)
    python = str(place / "env/bin/python")
    pip(f"--python={python}", "install", "--no-deps", "--no-index", str(wheel), cwd=place)
    # A .pth of a .pth is not read: the dependencies come along, this checkout (installed as editable) does not.
    purelib = say([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], place).strip()
    packages = [folder for folder in sys.path if folder.endswith("-packages")]
    Path(purelib, "dependencies.pth").write_text("".join(f"{folder}\n" for folder in packages))
    return place / "env/bin"


def test_the_version_is_that_of_the_tag(wheel: Path) -> None:
    assert wheel.name == "dagmaker-7.8.9-py3-none-any.whl"


def test_the_wheel_holds_every_template(wheel: Path) -> None:
    inside = {
        name.partition("/templates/")[2]: zipfile.ZipFile(wheel).read(name)
        for name in zipfile.ZipFile(wheel).namelist()
        if "/share/dagmaker/templates/" in name
    }
    ours = {
        path.relative_to(ROOT / "templates").as_posix(): path.read_bytes()
        for path in (ROOT / "templates").rglob("*")
        if path.is_file()
    }
    assert len(ours) > 15 and inside == ours


def test_sources_without_git_have_a_version_and_an_archive_of_them(sources: Path, builder: str, tmp_path: Path) -> None:
    archive = build(builder, "sdist", sources, tmp_path)
    assert archive.name == "dagmaker-0.1.0.dev0.tar.gz"
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"PKG-INFO", "worker/base/rng.py", "templates/report/vendor/d3.min.js", "templates/status/page.css"} <= names


def test_from_the_wheel_to_a_report(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SPEC)
    where = say([str(installed / "python"), "-c", "import dagmaker, worker; print(dagmaker, worker)"], tmp_path)
    assert str(ROOT) not in where
    dagmaker = str(installed / "dagmaker")
    assert say([dagmaker, "--version"], tmp_path).strip() == "dagmaker 7.8.9"
    say([dagmaker, "check", "tiny.yaml"], tmp_path)
    say([dagmaker, "build", "tiny.yaml", "--run=run"], tmp_path)
    assert json.loads((tmp_path / "run/build.json").read_text())["dagmaker"] == "7.8.9"
    say([dagmaker, "run", "tiny.yaml", "--run=run", "--jobs=1"], tmp_path)
    assert "released" in (tmp_path / "run/report/index.html").read_text(encoding="utf-8")
    assert "d3" in (tmp_path / "run/report/skymap.html").read_text(encoding="utf-8")
    record = json.loads((tmp_path / "run/prepared/data.json").read_text())
    assert record["versions"]["dagmaker"] == "7.8.9"
    assert record["code"]["commit"] == "" and len(record["code"]["source"]) == 64
    # Numbers and digests are those of this checkout, whatever its version is.
    file = tmp_path / "run" / layout.bg_dir("released", declination(-30)) / layout.trials_name(200, 0)
    assert np.array_equal(np.load(file), open_analysis(tmp_path / "tiny.yaml").trials(-30, 200))
    digest = json.loads(file.with_suffix(".json").read_text())["digest"]
    assert digest == context.trial_digest(open_run(tmp_path / "run"), "bg_trials")


def test_the_citation_names_the_licence_and_the_description_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert citation["license"] == project["license"]
    assert project["description"] in citation["abstract"]
