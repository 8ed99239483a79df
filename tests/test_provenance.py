"""What records and results say of their origin."""

import hashlib
import json
import subprocess
import warnings
from pathlib import Path, PurePosixPath

import pytest
from rocrate.rocrate import ROCrate

from worker.rundir import input_digests, layout, revision, store
from worker.rundir.ledger import expected, open_run
from worker.rundir.record import from_json

pytestmark = pytest.mark.slow


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_trial_file_has_a_record_that_tells_what_made_it(finished_run):
    run = open_run(finished_run)
    for file in [f for task in ("bg_trials", "sig_trials", "scan_trials", "scan_map") for f in expected(run, task)]:
        record = store.load_record(run.path, file.path)
        assert record.sha256 == sha256(run.path / file.path)
        assert {"python", "numpy", "numba", "llvmlite", "scipy", "healpy", "dagmaker"} <= set(record.versions)
        assert record.code == revision.revision()
        assert record.host and record.cpu and record.max_rss_mb > 0 and record.wall_s > 0
        assert len(record.digest) == 64


def test_the_digest_of_the_sources_tells_an_edited_tree(tmp_path):
    (tmp_path / "a.py").write_text("1\n")
    before = revision._source(tmp_path)
    (tmp_path / "a.py").write_text("2\n")
    assert revision._source(tmp_path) != before


def test_the_commit_is_that_of_git():
    done = subprocess.run(
        ["git", "-C", str(revision.ROOT), "rev-parse", "HEAD"], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"not a checkout: {done.stderr.strip()}")
    assert revision.revision()["commit"] == done.stdout.strip()
    status = ["git", "-C", str(revision.ROOT), "status", "--porcelain", "--untracked-files=no"]
    differs = bool(subprocess.run(status, capture_output=True, text=True, check=True).stdout.strip())
    assert revision.modified() == ("yes" if differs else "no")


@pytest.mark.parametrize("stage", ["distributions", "sensitivity", "collect_scan", "post_trial"])
def test_results_name_the_sha256_of_what_they_were_computed_from(finished_run, stage):
    made_from = json.loads((finished_run / "results" / "summary.json").read_text())["made_from"][stage]
    assert made_from
    record = json.loads((finished_run / "results" / "timing" / f"{stage}.json").read_text())
    assert record["inputs"] == made_from
    result = {"distributions": "background", "collect_scan": "scan"}.get(stage, stage)
    told = record["sha256"] or record["outputs"]["results/scan.json"]
    assert told == sha256(finished_run / "results" / f"{result}.json")
    for path, told in made_from.items():
        if path.endswith(".files.json"):
            assert told == input_digests.listing_digest(json.loads((finished_run / path).read_text()))
        elif not path.endswith("(content)"):
            assert told == sha256(finished_run / path)


def test_one_digest_for_many_files_is_what_sha256sum_prints(finished_run):
    """collected/bg/dec/+005.files.json against the command line of coreutils."""
    record = store.load_record(finished_run, PurePosixPath("collected/bg/dec/+005.npz"))
    folder = "trials/tiny/bg/dec/+005"
    command = f"sha256sum {folder}/trials__*.npy | LC_ALL=C sort | sha256sum"
    done = subprocess.run(["bash", "-c", command], cwd=finished_run, capture_output=True, text=True, check=True)
    assert record.inputs == {"collected/bg/dec/+005.files.json": done.stdout.split()[0]}


def test_the_report_has_a_record_of_its_files(finished_run):
    outputs = json.loads((finished_run / layout.REPORT_RECORD).read_text())["outputs"]
    assert {"results/summary.json", "report/index.html", "report/report.md"} <= set(outputs)
    assert all(told == sha256(finished_run / path) for path, told in outputs.items())


def test_the_run_directory_is_a_research_object_crate(finished_run):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        crate = ROCrate(str(finished_run))
    assert [str(w.message) for w in said if "rocrate" in str(w.filename)] == []
    assert crate.root_dataset["name"] == "tiny"
    assert crate.metadata["conformsTo"] == "https://w3id.org/ro/crate/1.1"
    files = {entity.id: entity for entity in crate.get_by_type("File")}
    assert {"analysis.yaml", "plan.json", "prepared/data.npz", "results/post_trial.json", "report/index.html"} <= set(
        files
    )
    assert not [name for name in files if name.startswith("sealed")]
    for name, entity in files.items():
        assert entity["sha256"] == sha256(finished_run / name)
        assert int(entity["contentSize"]) == (finished_run / name).stat().st_size
    folders = {entity.id for entity in crate.get_by_type("Dataset")}
    assert {"trials/tiny/bg/", "trials/tiny/sig/", "trials/tiny/scan/", "trials/tiny/map/"} <= folders
    [action] = crate.get_by_type("CreateAction")
    assert "results/post_trial.json" in {result.id for result in action["result"]}


def test_a_record_of_the_first_version_is_still_read(finished_run):
    raw = json.loads((finished_run / "collected/bg/dec/+005.json").read_text())
    for later in ("code", "inputs", "outputs"):
        raw.pop(later, None)
    assert from_json(raw).inputs == {}
    with pytest.raises(ValueError, match="its keys are not those of one"):
        from_json(raw | {"mine": 1})
