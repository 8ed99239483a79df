"""`include` and `vary`: the complete spec is what the run freezes, and a fault is named where it was written."""

import json

import pytest

from dagmaker.cli import main
from tests.dagmaker_spec import text
from worker.base.errors import SpecError
from worker.rundir import layout
from worker.spec import specfile
from worker.spec.hints import HINTS


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "base.yaml").write_text(text())
    return tmp_path


def loaded(folder, words):
    (folder / "spec.yaml").write_text(words)
    return specfile.load(folder / "spec.yaml")


def refusals(folder, words):
    with pytest.raises(SpecError) as caught:
        loaded(folder, words)
    return str(caught.value).splitlines()


def test_an_included_spec_is_the_spec(folder):
    assert specfile.resolved_text(loaded(folder, "include: base.yaml\n")) == specfile.resolved_text(
        specfile.load(folder / "base.yaml")
    )


def test_own_values_win_key_by_key_and_lists_are_taken_whole(folder):
    spec = loaded(
        folder, "include: base.yaml\nname: other\nsignal: {n_sig: [3, 7, 12, 20]}\nbackground: {n_trials: 30}\n"
    )
    base = specfile.load(folder / "base.yaml")
    assert (spec.name, spec.signal.n_sig, spec.background.n_trials) == ("other", (3.0, 7.0, 12.0, 20.0), 30)
    assert (spec.signal.n_trials, spec.background.decs) == (base.signal.n_trials, base.background.decs)


def test_the_frozen_spec_needs_no_other_file(folder, capsys):
    (folder / "spec.yaml").write_text("include: base.yaml\nseed: 5\n")
    assert main(["build", str(folder / "spec.yaml"), f"--run={folder / 'run'}"]) == 0
    for name in ("spec.yaml", "base.yaml"):
        (folder / name).unlink()
    frozen = folder / "run" / layout.SPEC
    assert "include" not in frozen.read_text()
    assert specfile.load_resolved(frozen).seed == 5
    capsys.readouterr()
    assert main(["verify-plan", str(folder / "run")]) == 0


def test_a_fault_is_named_in_the_file_that_has_it(folder):
    (folder / "base.yaml").write_text(text(n_bg=-3) + "nonsense: 1\n")
    lines = refusals(folder, "# a\n# b\ninclude: base.yaml\nsede: 1\nsignal: {n_trials: no}\n")
    where = {line.partition(": ")[0].rpartition("/")[2]: line for line in lines}
    number = text().splitlines().index(next(row for row in text().splitlines() if row.startswith("background"))) + 1
    assert "background.n_trials: found -3" in where[f"base.yaml:{number}"]
    assert "nonsense: unknown key" in where[f"base.yaml:{len(text().splitlines()) + 1}"]
    assert "did you mean 'seed'" in where["spec.yaml:4"]
    assert "signal.n_trials" in where["spec.yaml:5"]


def test_programs_get_the_file_of_a_fault(folder, capsys):
    (folder / "base.yaml").write_text(text(n_bg=-3))
    (folder / "spec.yaml").write_text("include: base.yaml\n")
    assert main(["check", str(folder / "spec.yaml"), "--json"]) == 2
    [problem] = json.loads(capsys.readouterr().out)["error"]["problems"]
    assert (problem["file"], problem["path"]) == (str(folder / "base.yaml"), "background.n_trials")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("include: ../base.yaml\n", "spec.yaml:1: include: found '../base.yaml'; must be the name of a file in"),
        ("include: [base.yaml]\n", "spec.yaml:1: include: found ['base.yaml']; must be the name"),
        ("include: gone.yaml\n", "gone.yaml does not exist; write the name of a spec"),
        ("include: bad.yaml\n", "bad.yaml:3: column 1: this is not YAML"),
        ("include: twice.yaml\n", "twice.yaml:2: include: an included file has no include"),
        ("include: base.yaml\nvary: {scan.nside: [4, 8]}\n", "vary.scan.nside: one run can vary signal.gamma only"),
        ("include: base.yaml\nvary: {signal.gamma: 2}\n", "vary.signal.gamma: found 2; must be a list"),
        ("include: base.yaml\nvary: [2, 3]\n", "spec.yaml:2: vary: found [2, 3]; write e.g. vary: {signal.gamma"),
        (
            "include: base.yaml\nsignal: {gamma: 2}\nvary: {signal.gamma: [2, 3]}\n",
            "spec.yaml:3: vary.signal.gamma: signal.gamma is written too (line 2)",
        ),
        ("include: base.yaml\nvary: {signal.gamma: [2, 9]}\n", "spec.yaml:2: signal.gamma"),
    ],
)
def test_what_cannot_be_composed_is_refused_with_place_and_cure(folder, words, told):
    (folder / "bad.yaml").write_text("name: x\nseed: [1\n")
    (folder / "twice.yaml").write_text("version: 1\ninclude: base.yaml\n")
    assert any(told in line for line in refusals(folder, words)), refusals(folder, words)


def test_spectra_vary_within_one_run_and_one_plan(folder):
    varied = loaded(folder, f"include: {HINTS['include'].example}\nvary: {HINTS['vary'].example}\n")
    listed = loaded(folder, "include: base.yaml\nsignal: {gamma: [2, 2.5, 3]}\n")
    assert specfile.resolved_text(varied) == specfile.resolved_text(listed)
    assert varied.signal.gammas == (2.0, 2.5, 3.0)


def test_changes_of_the_command_line_come_after_the_files(folder):
    (folder / "spec.yaml").write_text("include: base.yaml\nvary: {signal.gamma: [2, 3]}\n")
    spec = specfile.load(folder / "spec.yaml", ["signal.gamma=2.5", "background.n_trials=40"])
    assert (spec.signal.gammas, spec.background.n_trials, spec.signal.n_trials) == ((2.5,), 40, 150)
    with pytest.raises(SpecError, match="nor from --set"):
        specfile.load(folder / "spec.yaml", ["include=base.yaml"])


def test_a_frozen_spec_has_no_include(folder):
    with pytest.raises(SpecError, match="include: this key is read from a file that a user writes"):
        specfile.loads_resolved("include: base.yaml\n")
    assert {"include", "vary"} <= set(specfile.json_schema()["properties"])


@pytest.mark.parametrize("words", ["include: %s\n", "vary: %s\n", "vary: {signal.gamma: %s}\n", "vary: {%s: [1]}\n"])
def test_a_long_value_is_not_printed_whole(folder, words):
    assert max(map(len, refusals(folder, words % ("x" * 5000) + text()))) < 1500
