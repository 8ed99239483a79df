"""What a reviewer finds in a run directory, sound or spoilt."""

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from dagmaker.cli import main
from dagmaker.review import review as reviews
from tests.answers import answered, holds_what_is_documented
from tests.conftest import ROOT
from tests.needs import needs
from tests.processors import environment
from worker.base import pools
from worker.base.arrays import npy_bytes
from worker.base.errors import MachineError
from worker.cli.main import main as worker
from worker.review import aggregates, audit, decisive_rows, files, run_conditions, single_rows, trial_files, unblinding
from worker.rundir import layout, store
from worker.rundir.ledger import open_run
from worker.tasks import scratch_run

pytestmark = pytest.mark.slow

BG = "trials/tiny/bg/dec/+005/trials__N_000100_seed_0000.npy"
NEXT = "trials/tiny/bg/dec/+005/trials__N_000100_seed_0000_first_0000100.npy"


@pytest.fixture(scope="module")
def certificate(finished_run, tmp_path_factory):
    """Exit code and certificate of a review of the sound run, moved to another place and without sealed positions."""
    folder = tmp_path_factory.mktemp("reviewed")
    run, out = folder / "elsewhere", folder / "out"
    shutil.copytree(finished_run, run)
    shutil.rmtree(run / "sealed")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    said = io.StringIO()
    with redirect_stdout(said):
        code = main(["review", str(run), "--sample=2", f"--out={out}", "--json"])
    holds_what_is_documented("review", answered(said.getvalue()))
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before, "a review changes nothing"
    return code, json.loads((out / "certificate.json").read_text()), out


def test_a_sound_run_is_reproduced(certificate):
    code, found, _ = certificate
    assert code == 0
    assert [line for line in found["lines"] if line["verdict"] == "fault"] == []
    told = {line["what"]: line["found"] for line in found["lines"] if line["verdict"] == "same"}
    assert told["prepared/data.npz: read again from the raw data"].startswith("the same content, digest ")
    assert told["every file of the plan: loads, and has the sha256, digest and address of its record"] == "46 files"
    for task in ("bg_trials", "sig_trials", "scan_trials", "scan_map"):
        assert " files the same (" in told[f"{task}: files made again from the prepared data, bit by bit"]
    for task in ("collect_bg", "collect_sig", "distributions", "sensitivity", "collect_scan", "post_trial"):
        assert "the same bytes" in told[f"{task}: made again from all trials"]
    assert int(told["every number of results/summary.json, costs aside"].partition(" ")[0].replace(",", "")) > 400
    assert "pages and lists of numbers, the same text" in told["every number of the report"]


def test_waivers_stand_in_the_certificate(certificate):
    _, found, _ = certificate
    assert found["outcome"] == "reproduced, but"
    notes = {line["what"] for line in found["lines"] if line["verdict"] == "note"}
    assert {f"check {name}: failed, waived by the spec" for name in ("enough_skies", "smooth_map")} <= notes


def test_the_certificate_for_people(certificate):
    _, found, out = certificate
    text, page = (out / "certificate.md").read_text(), (out / "certificate.html").read_text()
    assert text.startswith("# tiny: reproduced, but\n")
    for line in found["lines"]:
        assert line["what"] in text
    assert found["token"] in text and found["token"] in page
    assert page.rstrip().endswith("</html>")


@needs("x86-64")
def test_a_reviewer_with_an_older_processor_reproduces_it(own_run, baseline):
    """Trials are the same bits; what scipy and a BLAS make of them may differ in the last digits, and is told."""
    argv = [sys.executable, "-m", "dagmaker", "review", str(own_run), "--sample=1"]
    env = os.environ | environment("baseline") | {"NUMBA_CACHE_DIR": str(baseline / "cache")}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((own_run / "review/certificate.json").read_text())["lines"]
    verdicts = {line["what"]: line["verdict"] for line in found}
    for task in ("bg_trials", "sig_trials", "scan_trials", "scan_map"):
        assert verdicts[f"{task}: files made again from the prepared data, bit by bit"] == "same"
    rounded = [line for line in found if "last digits" in line["found"]]
    assert all(line["verdict"] == "note" for line in rounded)


# -- damage ----------------------------------------------------------------------------------------------------


def faults(path: Path) -> str:
    """What a review finds wrong by loading everything."""
    run = open_run(path)
    found = list(files.findings(run, 1, files.holes(run)))
    return "\n".join(f"{line.what}: {line.found}" for line in found if line.verdict == "fault")


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize(
    "name",
    [
        "prepared/data.npz",
        BG,
        "trials/tiny/sig/dec/-030/nsig/010.0/trials__N_000100_seed_0000.npy",
        "trials/tiny/scan/nside/004/rings__N_000002_seed_0000.npy",
        "trials/tiny/map/nside/008/map__band_01_of_02.npy",
        "collected/bg/dec/+040.npz",
        "collected/sig/dec/+040.npz",
        "results/background.json",
        "results/sensitivity.json",
        "results/scan.json",
        "results/post_trial.json",
        "results/summary.json",
        "results/skies_all.npy",
        "results/map_nside_008.npy",
        "results/map_nside_008.fits",
        "report/index.html",
        "report/report.md",
        "report/figures/bias.png",
    ],
)
def test_one_byte_in_any_kind_of_file_is_found_and_named(own_run, name):
    path = own_run / name
    flip(path)
    assert f"{name}: " in faults(own_run)


def test_no_fault_is_found_in_a_sound_run(finished_run):
    assert faults(finished_run) == ""


def test_the_trial_of_another_seed_is_found(own_run, capsys):
    """A whole file with its own record, of the right length, under the name of another."""
    assert worker(["bg_trials", f"--run={own_run}", "--dec=5", "--n=100", "--seed=9"]) == 0
    other = own_run / "trials/tiny/bg/dec/+005/trials__N_000100_seed_0009.npy"
    mine = own_run / BG
    for suffix in (".npy", ".json"):
        mine.with_suffix(suffix).write_bytes(other.with_suffix(suffix).read_bytes())
    text = faults(own_run)
    assert f"{BG}: this file holds other trials than its name says (seed = 9 instead of 0)" in text
    assert worker(["collect_bg", f"--run={own_run}", "--dec=5"]) == 3
    assert f"{BG}: this file holds other trials than its name says (seed = 9 instead of 0)" in capsys.readouterr().err
    # Now with a record that lies: only the numbers themselves tell.
    record = json.loads(mine.with_suffix(".json").read_text())
    record["args"]["seed"] = 0
    mine.with_suffix(".json").write_text(json.dumps(record))
    assert "holds other trials" not in faults(own_run)
    found = {line.what: line for line in trial_files.findings(open_run(own_run), 100, 1, set())}
    told = found["bg_trials: files made again from the prepared data, bit by bit"]
    assert told.verdict == "fault"
    assert f"{BG}: 100 of 100 entries differ, the first is 0: " in told.found or "entries differ" in told.found


def test_two_files_that_changed_places_are_found(own_run):
    one, two = own_run / BG, own_run / NEXT
    pairs = [(one, two), (one.with_suffix(".json"), two.with_suffix(".json"))]
    for a, b in pairs:
        raw = a.read_bytes()
        a.write_bytes(b.read_bytes())
        b.write_bytes(raw)
    text = faults(own_run)
    assert f"{BG}: this file holds other trials than its name says (first = 100 instead of 0)" in text
    assert f"{NEXT}: this file holds other trials than its name says (first = 0 instead of 100)" in text


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("digest", "0" * 64, "its digest is 000000000000, this analysis has"),
        ("sha256", "0" * 64, "its bytes are not those that its record was written for"),
        ("args", {"dec": 5.0, "seed": 0, "first": 7}, "first = 7 instead of 0"),
        ("n", "many", "cannot be read"),
    ],
)
def test_an_edited_record_is_found(own_run, key, value, told):
    path = (own_run / BG).with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    text = faults(own_run)
    assert BG in text
    assert told in text


def test_an_edited_spec_is_found_and_stops_every_task(own_run, tmp_path, capsys):
    path = own_run / "analysis.yaml"
    path.write_text(path.read_text().replace("gamma_max: 4.0", "gamma_max: 3.5"))
    assert main(["review", str(own_run), f"--out={tmp_path}"]) == 1
    out = capsys.readouterr().out
    assert "NOT  plan.json" in out
    assert f"{path}: the spec was changed since the run was built" in out
    assert "tiny: not reproduced" in out
    assert "no token for unblinding: the run was not reproduced" in out
    for task in ("collect_bg --dec=5", "distributions", "collect_scan", "post_trial"):
        assert worker([*task.split(), f"--run={own_run}"]) == 3
        assert f"{path}: the spec was changed" in capsys.readouterr().err


def test_other_data_are_found(own_run):
    """The prepared file of another season, whole, with its record: every trial is foreign to it."""
    path = own_run / layout.record_name(layout.DATA)
    record = json.loads(path.read_text()) | {"digest": "1" * 64}
    path.write_text(json.dumps(record))
    run = open_run(own_run)
    assert run_conditions.prepared(run).found.startswith("its content has the digest 111111111111, the raw data give")
    assert f"{BG}: this file belongs to another analysis" in faults(own_run) or "its digest is" in faults(own_run)


def test_mixed_versions_that_change_a_bit_are_found(own_run):
    """A file of another engine: its record is honest, its digest not that of the others."""
    path = own_run / BG
    array = np.load(path)
    array["ts"][0] = np.nextafter(array["ts"][0], 1)
    record = store.load_record(own_run, layout.PurePosixPath(BG))
    store._save_with_record(
        own_run,
        layout.PurePosixPath(BG),
        npy_bytes(array),
        record.__class__(**{**record.as_json(), "digest": "2" * 64}),
    )
    assert f"{BG}: this file belongs to another analysis: its digest is 222222222222" in faults(own_run)
    assert worker(["collect_bg", f"--run={own_run}", "--dec=5"]) == 3


def test_changed_versions_are_told_and_are_no_fault(own_run):
    path = own_run / layout.record_name(layout.DATA)
    record = json.loads(path.read_text())
    record["versions"]["numpy"] = "1.0"
    record["code"]["source"] = "3" * 64
    path.write_text(json.dumps(record))
    versions, code = run_conditions.software(open_run(own_run))
    assert versions.verdict == code.verdict == "note"
    assert "numpy 1.0/" in versions.found
    assert code.found.startswith("is not the code that reviews it; commit ")


def test_allowed_holes_are_listed(own_run):
    for suffix in (".npy", ".json"):
        (own_run / NEXT).with_suffix(suffix).unlink()
    assert NEXT in faults(own_run), "a file that vanished afterwards is a fault"
    stages = ("collect_bg --dec=5 --allow_missing", "distributions", "sensitivity", "collect_scan", "post_trial")
    for task in (*stages, "upper_limits"):
        assert worker([*task.split(), f"--run={own_run}"]) == 0
    run = open_run(own_run)
    assert files.holes(run) == {NEXT}
    first, _ = files.findings(run, 1, files.holes(run))
    assert first.verdict == "same", first.found
    [line] = run_conditions.holes(files.holes(run))
    assert (line.verdict, NEXT in line.found) == ("note", True)
    with scratch_run.create(run, trials=True) as root:
        found = list(aggregates.findings(run, root, {NEXT}))
    assert [line.found for line in found if line.verdict == "fault"] == []


JSON_FILES = (
    "results/timing/sensitivity.json", "results/summary.json", "collected/bg/dec/+005.files.json",
    "collected/bg/dec/+005.json", "report/record.json", "results/scan.files.json", "results/post_trial.json",
    "results/scan.json", "review/certificate.json",
)  # fmt: skip


@pytest.mark.parametrize("raw", ["", "[1]", "{}", "null", '"text"', "[" * 100_000, '{"wall_s": "5 sigma"}'])
def test_no_mangled_file_ends_a_review(own_run, raw):
    """Nonsense in every JSON file: faults, and no other error."""
    (own_run / "review").mkdir(exist_ok=True)
    (own_run / "review/certificate.json").touch()
    run = open_run(own_run)
    for name in JSON_FILES:
        (own_run / name).write_text(raw)
    found = list(audit.guarded("files", lambda: files.findings(run, 1, files.holes(run))))
    found += audit.guarded("costs", lambda: [aggregates.costs(run)])
    found += audit.guarded("software", lambda: run_conditions.software(run))
    found += audit.guarded("the real sky", lambda: unblinding.findings(run, 1))
    told = "\n".join(line.found for line in found if line.verdict == "fault")
    for name in ("report/record.json", "results/timing/sensitivity.json", "collected/bg/dec/+005"):
        assert name in told


# -- the machine of the reviewer ---------------------------------------------------------------------------------------


def test_a_certificate_that_cannot_be_written_is_told_before_the_work(finished_run, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    for flags in ([], ["--fresh"]):
        assert main(["review", str(finished_run), f"--out={tmp_path / 'file'}", *flags]) == 3
        out, err = capsys.readouterr()
        assert out == ""
        assert "the certificate cannot be written there (File exists); say where with --out=DIR" in err


@pytest.mark.parametrize(("ends", "told"), [("exit 1", "it ended with exit code 1"), ("kill -9 $$", "exit code -9")])
def test_a_worker_that_the_machine_ends_is_no_verdict(finished_run, tmp_path, monkeypatch, capsys, ends, told):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{ends}\n")
    python.chmod(0o755)
    monkeypatch.setattr(reviews, "_findings", reviews._audit)
    monkeypatch.setattr(reviews.interpreter, "python", lambda: str(python))
    assert main(["review", str(finished_run), f"--out={tmp_path / 'out'}"]) == 1
    assert f"the review did not get to its end, which says nothing of the run: {told}" in " ".join(
        capsys.readouterr().err.split()
    ).replace("dagmaker review: ", "").replace("it ended with exit code -9", "exit code -9")
    assert not list((tmp_path / "out").iterdir())


def test_a_scratch_directory_without_space_is_no_verdict(tmp_path):
    (tmp_path / "results").write_text("in the way")
    with (
        pytest.raises(MachineError, match="a scratch directory lies in TMPDIR"),
        scratch_run.disk_errors_as_machine_errors(),
    ):
        store.save_text(tmp_path, PurePosixPath("results/x.txt"), "x")


def test_processes_without_semaphores(monkeypatch, capsys):
    """Where /dev/shm cannot be written, Python refuses to make a pool, as here."""

    def refuses(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pools.ProcessPoolExecutor, "__init__", refuses)
    assert list(pools.map_in_processes(abs, [-1, 2, -3], 2)) == [1, 2, 3]
    assert "this machine has no semaphores ([Errno 13] Permission denied; look at /dev/shm)" in capsys.readouterr().err


def test_a_process_that_is_killed_is_no_verdict():
    with pytest.raises(MachineError, match="one of 2 processes was killed"):
        list(pools.map_in_processes(os._exit, [1, 1], 2))


# -- what is left to chance --------------------------------------------------------------------------------------------


def test_the_probability_to_find_a_forgery_is_what_it_says():
    """Of 740 files 3 made again, of 10 forged ones: 4 %, as by counting; with rows of every file nearly always."""
    rng = np.random.default_rng(1)
    hits = [(rng.choice(740, 3, replace=False) < 10).any() for _ in range(20_000)]
    assert abs(np.mean(hits) - single_rows.detected(740, 3, 0.0, 10)) < 4 * np.sqrt(0.04 / 20_000)
    assert single_rows.detected(740, 0, 0.5, 10) == pytest.approx(1 - 0.5**10)
    assert single_rows.detected(20, 20, 0.0, 1) == 1.0


def test_the_rows_nearest_to_a_threshold():
    ts = np.array([0.0, 9.0, 3.0, 5.0, 4.0, 0.0])
    assert decisive_rows.nearest(ts, 4.0, 1).tolist() == [2, 4]
    assert decisive_rows.nearest(ts, 100.0, 2).tolist() == [1, 3]
    assert decisive_rows.nearest(ts, -1.0, 1).tolist() == [0]


def test_a_fresh_environment_without_a_network_is_said(finished_run, monkeypatch, capsys):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    assert main(["review", str(finished_run), "--fresh"]) == 3
    err = capsys.readouterr().err
    assert "pip cannot install" in err
    assert "is there a network?" in err
