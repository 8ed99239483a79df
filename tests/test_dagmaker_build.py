import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dagmaker import lock
from dagmaker.cli import main
from dagmaker.htcondor.build import build, build_locked
from dagmaker.local.run import run as run_here
from tests.counted import calls
from tests.dagmaker_spec import spec, text
from tests.needs import needs
from tests.test_dagmaker_eventlog import end, execute, submit
from worker.base.errors import InputError, RefusedError, SpecError
from worker.spec import specfile


def _bytes(run: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(run)): p.read_bytes() for p in sorted(run.rglob("*")) if p.is_file() and p.name != lock.NAME
    }


def test_two_builds_have_the_same_bytes(tmp_path):
    """Two directories differ in nothing but their own path."""
    first, second = build(spec(), tmp_path / "one").run, build(spec(), tmp_path / "two").run
    there = {name: raw.replace(bytes(second), bytes(first)) for name, raw in _bytes(second).items()}
    assert there == _bytes(first)
    assert len(there) > 30


def test_the_same_in_another_process_with_another_hash_seed(tmp_path):
    (tmp_path / "spec.yaml").write_text(text())
    for seed, run in (("1", "run"), ("2", "run")):
        subprocess.run(
            [sys.executable, "-m", "dagmaker", "build", str(tmp_path / "spec.yaml"), f"--run={tmp_path / run}"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        )
        found = _bytes(tmp_path / run)
        if seed == "1":
            first = found
            (tmp_path / run).rename(tmp_path / "first")
    assert found == first


def test_building_again_changes_nothing(tmp_path):
    first = build(spec(), tmp_path / "run")
    times = {path: path.stat().st_mtime_ns for path in first.run.rglob("*") if path.is_file()}
    again = build(spec(), tmp_path / "run")
    assert (again.changed, again.same) == (0, first.changed)
    del times[first.run / lock.NAME]
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_a_damaged_file_is_written_again(tmp_path):
    run = build(spec(), tmp_path / "run").run
    before = _bytes(run)
    (run / "bg_trials.sub").write_text("spoilt")
    (run / "batches" / "scan.txt").unlink()
    assert build(spec(), run).changed == 2
    assert _bytes(run) == before


def test_more_trials_are_the_same_analysis_and_stale_lists_go(tmp_path):
    run = build(spec(decs=[-30, 5, 40]), tmp_path / "run").run
    assert (run / "batches" / "bg_m030.txt").exists()
    build(spec(decs=[5, 40], n_bg=500), run)
    assert not (run / "batches" / "bg_m030.txt").exists()
    assert (run / "batches" / "bg_p005.txt").read_text().count("\n") == 5


def test_what_was_said_of_another_plan_is_forgotten(tmp_path):
    run = build(spec(), tmp_path / "run").run
    left = [
        run / name
        for name in ("analysis.dag.rescue001", "repair.dag", "repair.dag.rescue001", "batches/repair01_x.txt")
    ]

    def leave():
        for path in left:
            path.touch()

    leave()
    assert build(spec(resources="{request_memory_mb: 2000}"), run).notes == ()
    assert [path.exists() for path in left] == [True, False, False, False], "the nodes are the same"
    leave()
    [note] = build(spec(n_bg=500), run).notes
    assert note.startswith("analysis.dag.rescue001: removed, since nodes of the DAG have other processes now")
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize(("change", "word"), [({"seed": 2}, "seed"), ({"name": "other"}, "name")])
def test_another_analysis_is_refused_and_nothing_is_touched(tmp_path, change, word):
    run = build(spec(), tmp_path / "run").run
    before = _bytes(run)
    with pytest.raises(RefusedError, match=f"holds another analysis: {word} differ"):
        build(spec(**change), run)
    assert _bytes(run) == before


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RefusedError, match=r"holds thesis\.tex, but no analysis\.yaml: it is not a run directory"):
        build(spec(), tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != lock.NAME] == ["thesis.tex"]


def test_frozen_spec_reads_back(tmp_path):
    run = build(spec(), tmp_path / "run").run
    assert specfile.load_resolved(run / "analysis.yaml") == spec()


def test_folders_of_the_logs_are_there(tmp_path):
    """HTCondor does not make the folder of an error file; a job without it is held."""
    run = build(spec(), tmp_path / "run").run
    clusters = [path.stem for path in (run / "batches").iterdir()]
    assert all((run / "logs" / name).is_dir() for name in clusters)


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="run: cannot be made: there is a file of this name"):
        build(spec(), tmp_path / "run")


@needs("ordinary user")
def test_an_unwritable_place(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="you may not write there"):
        build(spec(), tmp_path / "run")


@pytest.mark.parametrize("file", ["analysis.dag", "repair.dag"])
def test_a_run_in_the_queue_is_neither_built_anew_nor_run_here(tmp_path, monkeypatch, file):
    """Its rescue file would tell of the old work that the new is done."""
    monkeypatch.setenv("CONDOR_CONFIG", os.devnull)  # no schedd answers: the files tell
    run = build(spec(), tmp_path / "run").run
    log = run / f"{file}.dagman.log"
    log.write_text((submit(0) + execute(0)).replace("(020.", "(007."))
    before = _bytes(run)
    with pytest.raises(RefusedError, match=r"cluster 7 is in the queue .* cannot be built anew") as refused:
        build(spec(n_bg=500), run)
    assert f"`dagmaker abort {run}` takes it out" in str(refused.value)
    with pytest.raises(RefusedError, match=r"cluster 7 is in the queue .* cannot be worked in from here"):
        run_here(spec(), run, 1)
    assert _bytes(run) == before
    assert build(spec(), run).changed == 0, "the same spec changes nothing"
    log.write_text((submit(0) + execute(0) + end(0, 1)).replace("(020.", "(007."))
    build(spec(n_bg=500), run)


def test_one_writer_at_a_time(tmp_path):
    run = build(spec(), tmp_path / "run").run
    with (
        lock.held(run),
        pytest.raises(RefusedError, match=r"dagmaker, process \d+ on .*, is working in this directory"),
    ):
        build(spec(), run)
    build(spec(), run)


def test_the_lock_of_a_file_that_is_gone_is_none(tmp_path, monkeypatch):
    """Who was refused removes its new lock file between our opening and our locking; a third one makes the next."""
    path, flock, locked = tmp_path / lock.NAME, fcntl.flock, []

    def disturbed(handle, how):
        if not locked:
            path.unlink()
            path.touch()
        locked.append(handle)
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", disturbed)
    with lock.held(tmp_path):
        assert len(locked) == 2
        assert lock.is_held(tmp_path)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_lock_file_is_said_at_once(tmp_path, make):
    make(tmp_path / lock.NAME)
    assert not lock.is_held(tmp_path)
    if make is Path.mkdir:
        with pytest.raises(InputError, match="a folder lies where the lock belongs"), lock.held(tmp_path):
            pass


@pytest.mark.slow
def test_a_million_processes(tmp_path):
    """170 declinations, 20 n_sig, 10,000 skies in 8 bands: under 1 GB and 5,000 nodes."""
    big = text(
        decs="{start: -84.5, stop: 84.5, step: 1}",
        n_bg=10_000_000,
        bg_file=10_000,
        n_sig=list(range(1, 21)),
        n_trials=22_000,
        sig_file=100,
        n_skies=10_000,
        sky_file=1,
        sky_bands=8,
    )
    (tmp_path / "big.yaml").write_text(big)
    script = (
        "import sys; from dagmaker.cli import main; code = main(sys.argv[1:]);"
        "peak = open('/proc/self/status').read().split('VmHWM:')[1].split()[0];"
        "print(code, int(peak) / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "build", str(tmp_path / "big.yaml"), f"--run={tmp_path / 'run'}"],
        capture_output=True,
        text=True,
        check=True,
    )
    code, rss_mb = map(float, done.stdout.splitlines()[-1].split())
    assert code == 0 and "998,351 processes" in done.stdout
    assert rss_mb < 1024
    dag = (tmp_path / "run" / "analysis.dag").read_text()
    assert 1000 < dag.count("\nJOB ") < 5000


def test_a_process_costs_some_calls(tmp_path):
    """Fourteen for each process more, so that the plan of a million takes half a minute."""

    def built(n):
        (tmp_path / "spec.yaml").write_text(text(n_bg=n, bg_file=1))
        code, n_calls = calls(main, ["build", str(tmp_path / "spec.yaml"), f"--run={tmp_path / str(n)}"])
        assert code == 0
        return n_calls

    built(20)  # compiles the templates
    few, many = built(200), built(2000)
    assert many - few < 3 * 1800 * 20


def test_a_path_that_dagman_cannot_use_is_for_dagmaker_run_only(tmp_path):
    run = tmp_path / "a b"
    with pytest.raises(SpecError, match="`dagmaker run SPEC --run=DIR` takes any path"):
        build(spec(), run)
    assert not run.exists()
    run.mkdir()
    built = build_locked(spec(), run)  # as `dagmaker run` does
    assert built.changed == 3
    assert sorted(path.name for path in run.iterdir() if path.is_file()) == ["analysis.yaml", "build.json", "plan.json"]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.EIO, errno.ENOSYS])
def test_a_file_system_without_locks_is_said_and_used(code, tmp_path, monkeypatch, capsys):
    def flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with lock.held(tmp_path):
        pass
    assert f"this file system has no file locks ({os.strerror(code)})" in capsys.readouterr().err
