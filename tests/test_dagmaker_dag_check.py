import os
import stat

import pytest

from dagmaker.htcondor import dag_check, htcondor_version
from dagmaker.htcondor.build import build
from tests.dagmaker_spec import spec
from tests.needs import needs
from worker.base.errors import SpecError

pytest.importorskip("htcondor2", reason="no HTCondor bindings: pip install htcondor")


@pytest.fixture
def run(tmp_path):
    return build(spec(), tmp_path / "run").run


def _tool(folder, name, text, monkeypatch):
    """Put a program on PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_our_own_files_are_good(run):
    assert next(dag_check.verdicts(run)) == "submit files: 13 are good (htcondor2)"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("max_retries = 2", "requirements = (HasFastDisk", "requirements = .HasFastDisk: not a ClassAd expression"),
        ("universe = vanilla", "universe vanilla", "not a submit description"),
    ],
)
def test_a_slip_in_a_template_is_found(run, before, after, message):
    file = run / "bg_trials.sub"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    with pytest.raises(SpecError, match=rf"bg_trials\.sub: {message}.*docs/sites\.md"):
        list(dag_check.verdicts(run))


@needs("dag checker")
def test_what_the_dag_checker_finds_is_told(run):
    dag = run / "analysis.dag"
    dag.write_text(dag.read_text().replace("PARENT prepare CHILD", "PARENT nobody CHILD"))
    with pytest.raises(SpecError, match=r"condor_dag_checker finds 1 errors:\n.*nobody"):
        list(dag_check.verdicts(run))


def test_a_checker_without_a_verdict_stops_nothing(run, tmp_path, monkeypatch):
    _tool(tmp_path / "bin", dag_check.CHECKER, "echo broken >&2; exit 7", monkeypatch)
    assert list(dag_check.verdicts(run))[1] == "condor_dag_checker: gave no verdict (exit code 7): broken"


def test_the_release_of_the_tools_on_path(tmp_path, monkeypatch):
    _tool(tmp_path / "bin", "condor_version", "echo '$CondorVersion: 24.0.1 2024-10-31 $'", monkeypatch)
    assert htcondor_version.of_pool() == (24, 0, 1)


def test_a_release_that_is_none():
    with pytest.raises(SpecError, match="condor_version: stable: not a release"):
        htcondor_version.parse("stable")
