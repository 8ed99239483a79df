"""Absurd values of every key: refused or taken, never a traceback. `python -m tests.mutations` tries all."""

import json
from pathlib import Path
from typing import Any

import pytest

from dagmaker.htcondor import build_record
from dagmaker.htcondor.build import build
from tests import mutated_runs
from tests.dagmaker_spec import spec
from tests.mutations import VALUES, Ended, run
from worker.base.errors import InputError
from worker.review import result_state
from worker.rundir import input_digests, layout, rounds
from worker.rundir.ledger import open_run
from worker.spec.hints import HINTS
from worker.spec.point import declination

KEYS = list(HINTS)


@pytest.mark.parametrize("key", KEYS)
def test_a_value_of_each_key(key: str, tmp_path: Path) -> None:
    for step in range(2):
        value = VALUES[(7 * KEYS.index(key) + 16 * step) % len(VALUES)]
        ended = run("check", key, value, tmp_path)
        assert (ended.fault, ended.code in (0, 2)) == ("", True), (value[:60], ended.printed[-500:])


def test_what_counts_as_a_fault() -> None:
    """Negative control."""
    assert Ended(1, 0.0, "Traceback (most recent call last)").fault == "exit code 1, traceback"
    assert Ended(2, 9.0, "x" * 2000).fault == "9.0 s, a line of 2000"


@pytest.mark.slow
def test_damaged_files_of_a_run(tmp_path: Path) -> None:
    """A part of `python -m tests.mutations RUN N`, of a run that is built and not begun."""
    run_directory = build(spec(), tmp_path / "run").run
    everything = list(mutated_runs.everything(run_directory, 6, seed=1))
    assert len(everything) > 60
    assert [name for name, ended in everything if mutated_runs.fault(ended)] == []


def test_a_damaged_file_of_a_run_can_be_a_fault() -> None:
    """Negative control."""
    assert mutated_runs.fault(Ended(1, 0.0, "Traceback (most recent call last)")) == "traceback"
    assert mutated_runs.fault(Ended(0, 9.0, "")) == "9.0 s"
    assert mutated_runs.fault(Ended(3, 0.0, "refused")) == ""


@pytest.mark.parametrize("item", [None, 7, {}, {"path": "x"}, {"path": 1, "sha256": "x"}])
def test_a_list_of_files_is_one(tmp_path: Path, item: Any) -> None:
    made = open_run(build(spec(), tmp_path / "run").run)
    name = made.path / layout.files_of(layout.SCAN)
    name.parent.mkdir()
    name.write_text(json.dumps([item]))
    with pytest.raises(InputError, match="list of files"):
        input_digests.listed(made, layout.SCAN)


GOOD = {"dec_deg": 5.0, "gamma": 2.0, "n_trials": 60, "add": [{"n_sig": 1.0, "first": 0, "n": 10}]}


@pytest.mark.parametrize(
    "change",
    [
        {"gamma": None}, {"n_trials": [1]}, {"add": [{"n_sig": 1.0, "first": 0, "n": [None]}]},
        {"add": {}}, {"add": [None]}, {"add": [{"first": 0, "n": 10}]},
        {"add": [{"n_sig": 1.0, "first": -1, "n": 10}]}, {"add": [{"n_sig": 1.0, "first": 0, "n": 10**400}]},
    ],
)  # fmt: skip
def test_a_decision_is_one(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / layout.decision(1)
    path.parent.mkdir()
    decided: dict[str, Any] = {"round": 1, "added": {}, "background": []}
    path.write_text(json.dumps({**decided, "points": [GOOD]}))
    assert rounds.decision(tmp_path, 1) is not None
    path.write_text(json.dumps({**decided, "points": [GOOD | change]}))
    with pytest.raises(InputError, match="is not a decision of the judge"):
        rounds.decision(tmp_path, 1)


@pytest.mark.parametrize("change", [{"accounting_group": [[]]}, {"environment": {"A": []}}, {"name": 7}])
def test_a_site_in_the_account_of_a_build_is_one(tmp_path: Path, change: dict[str, Any]) -> None:
    run_directory = build(spec(), tmp_path / "run").run
    path = run_directory / layout.BUILD
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "site": raw["site"] | change}))
    with pytest.raises(InputError, match=f"not what `dagmaker build` writes .*{next(iter(change))}"):
        build_record.read(run_directory)


def test_an_item_of_a_list_of_files_without_a_name_is_none(tmp_path: Path) -> None:
    run = open_run(Path(build(spec(), tmp_path / "run").run))
    rel = layout.bg_collected(declination(5.0))
    (run.path / layout.files_of(rel)).parent.mkdir(parents=True, exist_ok=True)
    good = {"path": "a", "sha256": "b"}
    (run.path / layout.files_of(rel)).write_text(json.dumps([good, good | {"path": {}}, {"path": "a"}, 7]))
    assert result_state.listed_files(run, rel, {"path", "sha256"}) == [good]
