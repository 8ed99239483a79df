"""`dagmaker restore`: an edited spec and what else of a build is gone."""

import json
import os
import re
import shlex
import shutil

import pytest

from dagmaker.cli import main
from dagmaker.htcondor import restore, submit
from dagmaker.htcondor.build import build
from dagmaker.plan import templates
from tests.answers import answered, holds_what_is_documented
from tests.dagmaker_spec import spec, text
from tests.test_dagmaker_build import _bytes
from worker.base.errors import InputError, RefusedError
from worker.rundir import layout
from worker.rundir.ledger import open_run
from worker.spec import specfile


@pytest.fixture
def run(tmp_path):
    return build(spec(), tmp_path / "run").run


def edit(run):
    path = run / layout.SPEC
    path.write_text(path.read_text().replace("seed: 1", "seed: 2"))
    return path.read_text()


def test_an_edited_spec_is_put_back_and_the_edited_one_is_kept(run, capsys):
    before = _bytes(run)
    edited = edit(run)
    assert main(["restore", str(run), "--json"]) == 0
    found = answered(capsys.readouterr().out)
    holds_what_is_documented("restore", found)
    assert found["files"] == ["analysis.yaml"]
    kept = run / "analysis.edited.yaml"
    assert found["kept"] == str(kept)
    assert kept.read_text() == edited
    kept.unlink()
    assert _bytes(run) == before


def test_a_second_edit_is_kept_beside_the_first(run, capsys):
    for _ in range(2):
        edit(run)
        assert main(["restore", str(run)]) == 0
    assert (run / "analysis.edited.yaml").exists()
    assert (run / "analysis.edited2.yaml").exists()
    assert main(["restore", str(run)]) == 0
    assert capsys.readouterr().out.endswith("the spec is as it was built, and every file of the build is there\n")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("analysis.yaml", "remove"),
        ("analysis.yaml", "folder"),
        ("plan.json", "remove"),
        ("plan.json", "cut"),
        ("bg_trials.sub", "remove"),
        ("bg_trials.sub", "cut"),
        ("batches/bg_m030.txt", "remove"),
        ("analysis.dag", "remove"),
        ("dagman.config", "cut"),
    ],
)
def test_what_is_gone_or_cut_is_written_again(run, name, damage):
    before = _bytes(run)
    path = run / name
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    assert restore.restore(run).files == (name,)
    assert _bytes(run) == before


def test_every_refusal_of_an_edited_spec_says_how_to_put_it_back(run):
    edit(run)
    cure = re.escape(f"`dagmaker restore {run}` puts it back")
    with pytest.raises(InputError, match=cure):
        submit.check(run, "analysis.dag", restore.planned_digest(run))
    with pytest.raises(InputError, match=cure):
        open_run(run)


def test_building_with_ones_own_spec_puts_it_back_too(run, tmp_path):
    before = _bytes(run)
    edit(run)
    build(spec(), run)
    assert _bytes(run) == before
    (run / layout.SPEC).write_text("not a spec at all: [")
    build(spec(), run)
    assert _bytes(run) == before


def test_the_spec_of_then_puts_everything_back(run):
    """Whatever is gone of plan, spec and build: nothing of it is another analysis."""
    before = _bytes(run)
    for name in (layout.SPEC, layout.BUILD):
        edit(run)
        (run / name).unlink()
        build(spec(), run)
        assert _bytes(run) == before


def test_no_refusal_of_a_build_is_a_dead_end(run):
    """The edited spec built into its own run, and a run whose spec is gone: `dagmaker restore` cures both."""
    before, cure = _bytes(run), shlex.join(["dagmaker", "restore", str(run)])
    frozen = run / layout.SPEC
    frozen.write_text(frozen.read_text().replace("seed: 1\n", "seed: 2\n"))
    with pytest.raises(RefusedError, match=f"seed differ from what it was built from.*was edited: `{cure}`"):
        build(specfile.load(frozen), run)
    frozen.unlink()
    with pytest.raises(RefusedError, match=f"analysis.yaml: this file is missing; `{cure}`"):
        build(spec(seed=2), run)
    restore.restore(run)
    assert _bytes(run) == before
    with pytest.raises(RefusedError) as raised:
        build(spec(seed=2), run)
    assert "edited" not in str(raised.value)


def test_a_spec_that_is_kept_nowhere_is_not_made_up(run):
    """A run of before this was kept: its own files are made again while the spec is sound, and no spec without it."""
    built = json.loads((run / layout.BUILD).read_text())
    del built["spec"]
    (run / layout.BUILD).write_text(json.dumps(built, indent=2) + "\n")
    (run / "bg_trials.sub").unlink()
    assert set(restore.restore(run).files) == {"build.json", "bg_trials.sub"}
    (run / layout.BUILD).write_text(json.dumps(built, indent=2) + "\n")
    edited = edit(run)
    with pytest.raises(
        InputError, match=r"was edited, and no copy of the spec .* is kept in build.json; `dagmaker build"
    ):
        restore.restore(run)
    assert (run / layout.SPEC).read_text() == edited
    built["spec"] = edited
    (run / layout.BUILD).write_text(json.dumps(built, indent=2) + "\n")
    with pytest.raises(InputError, match="no copy of the spec"):
        restore.restore(run)


def test_a_submit_file_is_not_made_from_other_templates(run):
    built = json.loads((run / layout.BUILD).read_text())
    (run / layout.BUILD).write_text(json.dumps({**built, "templates": "others"}, indent=2) + "\n")
    edit(run)
    assert restore.restore(run).files == ("analysis.yaml",)
    (run / "bg_trials.sub").unlink()
    with pytest.raises(
        InputError, match=r"bg_trials\.sub: this file is missing, and the templates here .* DAGMAKER_TEMPLATES"
    ):
        restore.restore(run)


def test_what_is_no_run_directory(tmp_path, capsys):
    assert main(["restore", str(tmp_path)]) == 3
    assert f"{tmp_path}: this is not a run directory: it has no build.json" in capsys.readouterr().err
    (tmp_path / "analysis.yaml").write_text(text())
    assert main(["restore", str(tmp_path)]) == 3
    assert "build.json: this file is missing; `dagmaker build` writes it" in capsys.readouterr().err


def test_a_profile_with_tasks_is_kept_with_the_build(tmp_path, monkeypatch, capsys):
    """Memory of one kind of task, from a site's own profile, is read back as it was built."""
    own = shutil.copytree(templates.folder(), tmp_path / "templates")
    profile = own / "htcondor" / "sites" / "own.yaml"
    tasks = "\ntasks: {scan_trials: {request_memory_mb: 2345}}\n"
    profile.write_text((profile.parent / "personal.yaml").read_text() + tasks)
    monkeypatch.setenv(templates.VARIABLE, str(own))
    (tmp_path / "spec.yaml").write_text(text().replace("site: personal", "site: own"))
    run = tmp_path / "run"
    assert main(["build", str(tmp_path / "spec.yaml"), f"--run={run}"]) == 0
    assert "2345" in (run / "scan_trials.sub").read_text()
    before = _bytes(run)
    (run / "scan_trials.sub").unlink()
    assert main(["restore", str(run)]) == 0
    assert _bytes(run) == before
    assert main(["verify-plan", str(run)]) == 0


def test_a_run_directory_that_was_copied_is_not_submitted(run, tmp_path):
    """Its DAG works in the directory that it was built for."""
    copied = shutil.copytree(run, tmp_path / "copied")
    with pytest.raises(InputError, match=rf"was built as {re.escape(str(run))}, where its DAG works; `dagmaker build "):
        submit.check(copied, "analysis.dag", restore.planned_digest(copied))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plan.json", "analysis.yaml", "build.json"])
@pytest.mark.parametrize("command", ["status", "restore", "repair"])
def test_a_pipe_in_place_of_a_file_ends_no_command(run, name, command, capsys):
    """A pipe that nobody writes to would be waited for without end."""
    (run / name).unlink()
    os.mkfifo(run / name)
    assert main([command, str(run)]) in (0, 3)
