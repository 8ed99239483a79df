"""Engines outside this package: loading, protocol, faults of foreign code, determinism, review."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats

from dagmaker.htcondor.build import build
from dagmaker.status import failures
from worker.base import rng
from worker.base.arrays import npy_bytes
from worker.base.errors import SpecError
from worker.cli.main import main
from worker.review import run_conditions, trial_files
from worker.rundir import address
from worker.rundir.ledger import files_of_node, open_run
from worker.spec import specfile
from worker.stats import two_samples

TOY = Path(__file__).with_name("plugin_toy.py")
ROOT = Path(__file__).resolve().parents[1]
BG = "trials/toy/bg/point/dec_deg_-10/trials__N_000040_seed_0000.npy"


def spec_file(folder: Path, options=None, **engine) -> Path:
    """A spec with the toy beside it."""
    shutil.copy(TOY, folder / "toy.py")
    document = {
        "version": 1,
        "name": "toy",
        "seed": 1,
        "engine": {"kind": "plugin", "path": "toy.py", "options": options or {}, **engine},
        "hypothesis": {"kind": "points"},
        "points": [{"dec_deg": -10}, {"dec_deg": 30}],
        "background": {"n_trials": 80, "trials_per_file": 40},
        "signal": {"n_sig": [2, 5, 10], "n_trials": 40},
    }
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def spec_of(folder: Path, options=None, **engine):
    return specfile.load(spec_file(folder, options, **engine))


def run_of(folder: Path, options=None, **engine) -> Path:
    """A prepared run of the toy."""
    build(spec_of(folder, options, **engine), folder / "run")
    assert main(["prepare", f"--run={folder / 'run'}"]) == 0
    return folder / "run"


def trials(run: Path, *more: str) -> int:
    return main(["bg_trials", f"--run={run}", "--point=dec_deg_-10", "--n=40", *more])


def test_keys_are_philox_of_address_and_trial_and_do_not_depend_on_the_cut():
    key = (123456789, 987654321)
    keys = rng.trial_keys(key, 0, 1000)
    assert keys.dtype == np.uint64 and len(np.unique(keys)) == 1000
    assert np.array_equal(np.concatenate([rng.trial_keys(key, 0, 300), rng.trial_keys(key, 300, 700)]), keys)
    words = rng.block(*(np.uint64(word) for word in (*key, rng.PLUGIN, 7, 0)))
    assert int(keys[7]) == (int(words[0]) << 32) | int(words[1])
    assert rng.trial_keys(key, 2**33, 1)[0] not in keys


def test_a_plugin_is_frozen_with_the_spec_and_its_trials_do_not_depend_on_the_cut(tmp_path, capsys):
    run = run_of(tmp_path)
    frozen = yaml.safe_load((run / "analysis.yaml").read_text())["engine"]
    assert frozen["source"] == TOY.read_text() and frozen["class"] == "Engine" and set(frozen["sha256"]) == {"toy.py"}
    (tmp_path / "toy.py").write_text("an edit after the build changes nothing")
    assert trials(run) == 0
    whole = np.load(run / BG)
    assert main(["bg_trials", f"--run={run}", "--point=dec_deg_-10", "--n=10", "--first=25"]) == 0
    part = np.load(run / "trials/toy/bg/point/dec_deg_-10/trials__N_000010_seed_0000_first_0000025.npy")
    assert part.tobytes() == whole[25:35].tobytes()
    assert (run / "prepared/engine/table.txt").read_text() == "prepared\n"
    assert not (run / "sealed").exists()
    capsys.readouterr()


FAULTS = {
    "exception": (1, r"RuntimeError: no such table"),
    "refusal": (1, r"ValueError: nothing is accepted there"),
    "exit": (1, r"SystemExit: 3"),
    "hang": (1, r"engine.limit_minutes"),
    "dtype": (2, r"\('ts', '<f4'\)"),
    "list": (2, r"returned list"),
    "length": (2, r"\(14,\); must be \(15,\)"),
    "nan": (2, r"trial 1 of 15 has ns = nan"),
    "negative": (2, r"trial 1 of 15 has ts = -0.5"),
    "cwd": (2, r"working directory \(to /\)"),
    "global": (2, r"np.random.default_rng\(key\)"),
}
"""Exit code and message of faults in `trials`: an error may be gone with the next try, a broken protocol is not."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_trials_names_plugin_and_point_and_leaves_no_file(fault, tmp_path, capsys):
    run = run_of(tmp_path, {"fault": fault}, limit_minutes=0.002)
    code, text = FAULTS[fault]
    here, before = Path.cwd(), np.random.get_state()[1].tolist()
    assert trials(run) == code
    said = capsys.readouterr().err
    assert "the plug-in toy.py: Engine, trials at dec_deg = -10, n_sig = 0" in said.splitlines()[-1]
    assert re.search(text, said.splitlines()[-1])
    assert not list(run.glob("trials/**/*.npy"))
    assert Path.cwd() == here and np.random.get_state()[1].tolist() == before


def test_a_stopped_process_goes_on_between_two_calls(tmp_path, monkeypatch, capsys):
    run = run_of(tmp_path)
    assert trials(run) == 0
    whole = np.load(run / BG)
    (run / BG).unlink()
    monkeypatch.setenv("WORKER_TIME_LIMIT_S", "0")
    assert [trials(run) for _ in range(3)] == [85, 85, 0]
    assert np.load(run / BG).tobytes() == whole.tobytes()
    assert main(["replay", f"--run={run}", f"--file={BG}", "--trial=7"]) == 0
    key = address.bg_trials(open_run(run).spec, open_run(run).spec.all_points[0], 0)
    assert f"the key of this trial is {rng.trial_keys(key, 7, 1)[0]}" in capsys.readouterr().out


def test_the_files_of_a_plugin_travel_with_a_job_where_no_disk_is_shared(tmp_path, monkeypatch):
    monkeypatch.setenv("USER", "somebody")
    (tmp_path / "table.npz").write_text("one")
    document = yaml.safe_load(spec_file(tmp_path, inputs=["table.npz"]).read_text())
    build(specfile.loads(yaml.safe_dump({**document, "site": "ospool"}), base=tmp_path), tmp_path / "run")
    for task, travels in (("bg_trials", True), ("prepare", False)):
        text = (tmp_path / "run" / f"{task}.sub").read_text()
        files = re.findall(r"transfer_input_files = (.*)", text)
        assert bool(files) == travels
        assert not travels or {"prepared/engine.json", "prepared/engine", "analysis.yaml"} <= {*files[0].split(", ")}


def test_what_a_plugin_prints_goes_to_the_log(tmp_path, capfd):
    run = run_of(tmp_path, {"fault": "stdout"})
    capfd.readouterr()
    assert trials(run, "--json") == 0
    printed = capfd.readouterr()
    assert json.loads(printed.out)["result"] is None
    assert "{'a': 'dictionary'}" in printed.err and "and more" in printed.err


BAD = {
    "options": r"when it is made: ValueError: width must be a number",
    "protocol": r"protocol is 2; this program speaks version 1",
    "columns": r"the first must be 'ts'",
    "told": r"deterministic is 'always'",
    "identity": r"identity\(\) is no plain data",
    "flux": r"flux\(\) returned -1.0",
}


@pytest.mark.parametrize("fault", BAD)
def test_a_plugin_that_breaks_the_protocol_is_refused_when_it_is_prepared(fault, tmp_path, capsys):
    build(spec_of(tmp_path, {"fault": fault}), tmp_path / "run")
    assert main(["prepare", f"--run={tmp_path / 'run'}"]) == 2
    said = capsys.readouterr().err
    assert re.search(BAD[fault], said) and "toy.py: Engine" in said
    assert not (tmp_path / "run/prepared/data.npz").exists()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import no_such_module_of_mine\n", "no_such_module_of_mine"),
        ("class Other:\n    pass\n", "engine.class: found 'Engine'; toy.py has Other"),
        ("Engine = 3\n", "not a class"),
        ("class Engine:\n    def __init__(self, options, folder):\n        pass\n", "there is no method trials"),
    ],
)
def test_a_file_that_is_no_plugin(source, text, tmp_path, capsys):
    spec_of(tmp_path)
    (tmp_path / "toy.py").write_text(source)
    build(specfile.load(tmp_path / "spec.yaml"), tmp_path / "run")
    assert main(["prepare", f"--run={tmp_path / 'run'}"]) == 2
    assert text in capsys.readouterr().err


def test_all_faults_of_the_section_at_once(tmp_path):
    with pytest.raises(SpecError) as failure:
        spec_of(tmp_path, name="toy", inputs=["../outside", "absent.npz"])
    for text in ("both name and path", "engine.inputs: found '../outside'", "engine.inputs[1]", "absent.npz"):
        assert text in str(failure.value)
    spec_of(tmp_path)
    document = yaml.safe_load((tmp_path / "spec.yaml").read_text())
    for section, key in (({"format": "synthetic"}, "data"), ({"gamma_min": 1.5}, "likelihood")):
        with pytest.raises(SpecError, match=f"{key}: found"):
            specfile.loads(yaml.safe_dump({**document, key: section}), base=tmp_path)
    del document["engine"]
    with pytest.raises(SpecError, match="data: missing"):
        specfile.loads(yaml.safe_dump(document), base=tmp_path)


def test_an_unknown_entry_point_names_those_there_are(tmp_path, capsys):
    spec_of(tmp_path)
    document = yaml.safe_load((tmp_path / "spec.yaml").read_text())
    document["engine"] = {"kind": "plugin", "name": "no_such_engine"}
    build(specfile.loads(yaml.safe_dump(document), base=tmp_path), tmp_path / "run")
    assert main(["prepare", f"--run={tmp_path / 'run'}"]) == 2
    assert "engine.name: found 'no_such_engine'; no installed package has" in capsys.readouterr().err


def test_prepare_may_not_change_an_input(tmp_path, capsys):
    (tmp_path / "table.txt").write_text(
        "the table of the user\n"
    )  # a file of this name is what the toy's prepare writes
    build(spec_of(tmp_path, inputs=["table.txt"]), tmp_path / "run")
    assert main(["prepare", f"--run={tmp_path / 'run'}"]) == 2
    assert "prepare changed the input table.txt" in capsys.readouterr().err
    assert not (tmp_path / "run/prepared/engine.json").exists()


def test_signal_trials_at_some_points_only(tmp_path):
    spec_of(tmp_path)
    document = yaml.safe_load((tmp_path / "spec.yaml").read_text())
    document["signal"]["dec_deg"] = [30]
    spec = specfile.loads(yaml.safe_dump(document), base=tmp_path)
    assert [at.dec_deg for at in spec.all_points] == [-10, 30]
    assert [at.dec_deg for at in spec.signal_points] == [30]
    document["signal"]["dec_deg"] = [20]
    with pytest.raises(SpecError, match=r"signal\.dec_deg: found 20 without background trials.* of points"):
        specfile.loads(yaml.safe_dump(document), base=tmp_path)


def test_what_the_spec_asks_and_the_plugin_does_not_read_is_refused(tmp_path, capsys):
    spec_of(tmp_path)
    document = yaml.safe_load((tmp_path / "spec.yaml").read_text())
    document["signal"] |= {"gamma": 2.5, "poisson": False}
    build(specfile.loads(yaml.safe_dump(document), base=tmp_path), tmp_path / "run")
    assert main(["prepare", f"--run={tmp_path / 'run'}"]) == 2
    said = capsys.readouterr().err
    assert "signal.gamma: found 2.5" in said and "signal.poisson: found False" in said
    document["signal"] = {"strata": True, "n_sig": [1, 2, 5], "n_trials": 40}
    build(specfile.loads(yaml.safe_dump(document), base=tmp_path), tmp_path / "strata")
    assert main(["prepare", f"--run={tmp_path / 'strata'}"]) == 2
    assert "signal.strata: found True" in capsys.readouterr().err


def test_another_version_of_the_plugin_is_refused_and_makes_files_foreign_once_adopted(tmp_path, capsys):
    (tmp_path / "helper.py").write_text("VERSION = 1\n")
    run = run_of(tmp_path, inputs=["helper.py"])
    assert trials(run) == 0
    kept = json.loads((run / "prepared/engine.json").read_text())
    kept["facts"]["identity"]["plugin"]["toy"] = 0.5  # as if it had been prepared with an older package
    (run / "prepared/engine.json").write_text(json.dumps(kept))
    assert main(["sig_trials", f"--run={run}", "--point=dec_deg_-10", "--n_sig=5", "--n=40"]) == 3
    assert "identity.plugin.toy: 0.5 -> 1.0" in capsys.readouterr().err
    assert trials(run) == 3  # the older version's digest is another
    assert main(["prepare", f"--run={run}"]) == 0
    assert trials(run) == 0
    (run / "prepared/engine/helper.py").write_text("VERSION = 2\n")
    assert trials(run, "--first=40") == 3
    assert "helper.py: this file of the plug-in was changed" in capsys.readouterr().err


def test_an_input_that_changed_after_the_build_is_refused(tmp_path, capsys):
    (tmp_path / "table.npz").write_text("one")
    build(spec_of(tmp_path, inputs=["table.npz"]), tmp_path / "run")
    (tmp_path / "table.npz").write_text("two")
    assert main(["prepare", f"--run={tmp_path / 'run'}"]) == 3
    assert "table.npz: this input of the plug-in was changed" in capsys.readouterr().err


def test_files_whose_trials_depend_on_the_cut_are_never_cut_otherwise(tmp_path, capsys):
    run = run_of(tmp_path, {"told": "per-file", "fault": "cut"})
    assert trials(run) == 0
    document = yaml.safe_load((tmp_path / "spec.yaml").read_text())
    document["background"]["trials_per_file"] = 20
    build(specfile.loads(yaml.safe_dump(document), base=tmp_path), run)
    for task in (["prepare"], ["bg_trials", "--point=dec_deg_-10", "--n=20"]):
        assert main([task[0], f"--run={run}", *task[1:]]) == 2
        assert "background.trials_per_file: was 40" in capsys.readouterr().err
    document["resources"] = {"target_hours": 1}
    build(specfile.loads(yaml.safe_dump(document), base=tmp_path), tmp_path / "other")
    assert main(["prepare", f"--run={tmp_path / 'other'}"]) == 2
    assert "resources.target_hours" in capsys.readouterr().err


def engine_check(folder: Path, capsys) -> tuple[int, dict[str, str]]:
    """Exit code of `worker check_engine`, and the verdicts by what was tried."""
    capsys.readouterr()
    code = main(["check_engine", f"--spec={folder / 'spec.yaml'}"])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return code, {one["what"].rpartition(": ")[2]: one["verdict"] for one in found}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("told", "fault", "faults", "notes"),
    [
        ("per-trial", None, [], []),
        ("per-trial", "cut", ["cut after 5 keys", "each key alone"], []),
        ("per-trial", "state", 5, []),
        ("per-file", "cut", [], ["cut after 5 keys", "each key alone"]),
        ("per-file", "random", ["the same keys again", "the same keys in another process"], 3),
        ("no", "random", [], 5),
    ],
)
def test_determinism_is_tried(told, fault, faults, notes, tmp_path, capsys):
    spec_of(tmp_path, {"told": told, "fault": fault})
    code, verdicts = engine_check(tmp_path, capsys)
    tried = {what: verdict for what, verdict in verdicts.items() if "key" in what}
    assert len(tried) == 5
    for wanted, name in ((faults, "fault"), (notes, "note")):
        found = [what for what, verdict in tried.items() if verdict == name]
        assert (len(found) == wanted) if isinstance(wanted, int) else (found == wanted)
    assert code == (2 if faults else 0)


def bg_findings(run: Path) -> dict[str, str]:
    """Verdicts of a review on background trials."""
    opened = open_run(run)
    files = [file for node in opened.plan["nodes"] if not node["file"] for file in files_of_node(node)]
    absent = {str(file.path) for file in files if not (run / file.path).exists()}
    found = trial_files.findings(opened, 2, 1, absent)
    return {one.what: f"{one.verdict}: {one.found}" for one in found if one.what.startswith("bg_trials")}


def test_a_review_compares_bits_of_a_plugin_whose_trials_are_its_keys(tmp_path, capsys):
    run = run_of(tmp_path)
    assert trials(run) == 0 and trials(run, "--first=40") == 0
    assert [text[:4] for text in bg_findings(run).values()] == ["same", "same"]
    [line] = run_conditions.plugin(open_run(run))
    assert line.verdict == "same" and "toy.py" in line.found and "blindness of this engine is its own" in line.found
    forged = np.load(run / BG)
    forged["ts"][7] += 1e-9
    (run / BG).write_bytes(npy_bytes(forged))
    assert {text[:5] for text in bg_findings(run).values()} == {"fault"}
    (run / "prepared/engine/table.txt").write_text("another\n")
    assert [one.verdict for one in run_conditions.plugin(open_run(run))] == ["fault"]
    capsys.readouterr()


def test_a_review_compares_distributions_of_a_plugin_that_draws_by_itself(tmp_path, capsys):
    run = run_of(tmp_path, {"told": "no", "fault": "random"})
    assert trials(run) == 0 and trials(run, "--first=40") == 0
    [(what, found)] = bg_findings(run).items()
    assert "distributions" in what and found.startswith("note") and "Kolmogorov-Smirnov" in found
    assert main(["replay", f"--run={run}", f"--file={BG}"]) == 2
    forged = np.load(run / BG)
    forged["ts"] = forged["ts"][::-1] + 4.0  # of another analysis
    (run / BG).write_bytes(npy_bytes(forged))
    assert all("sha256 differs" in text for text in bg_findings(run).values())
    record = (run / BG).with_suffix(".json")
    sha256 = hashlib.sha256((run / BG).read_bytes()).hexdigest()
    record.write_text(json.dumps({**json.loads(record.read_text()), "sha256": sha256}))
    [found] = bg_findings(run).values()
    assert found.startswith("fault") and "ts is distributed otherwise" in found
    capsys.readouterr()


def test_the_power_that_a_comparison_of_distributions_claims():
    """At the difference that it calls detectable, 400 pairs of samples: at least 90 %; without one, at most alpha."""
    n, m, alpha, generator = 300, 200, 0.01, np.random.default_rng(5)
    shift = two_samples.detectable(n, m, alpha)  # of uniform numbers: the cumulative distributions differ by it
    same, moved = 0, 0
    for _ in range(400):
        one, other = generator.random(n), generator.random(m)
        same += two_samples.compare(one, other).p < alpha
        moved += two_samples.compare(one, other + shift).p < alpha
    assert moved >= 0.9 * 400 - 3 * np.sqrt(400 * 0.9 * 0.1)
    assert same <= 400 * alpha + 3 * np.sqrt(400 * alpha)
    one, other = generator.normal(size=30), generator.normal(size=50)
    exact = stats.ks_2samp(one, other, method="asymp")
    assert two_samples.compare(one, other) == pytest.approx((exact.statistic, exact.pvalue), rel=1e-8)


CRASHES = {"crash": ("toy.py", "Fatal Python error"), "stuck": ("toy.py", "Timeout")}


@pytest.mark.parametrize("fault", CRASHES)
def test_a_crash_and_a_hang_in_compiled_code_show_the_line_of_the_plugin(fault, tmp_path):
    """What DAGMan and `dagmaker run` see: a signal, or exit code 1; the log has the line of Python."""
    run = run_of(tmp_path, {"fault": fault}, limit_minutes=0.002)
    argv = [sys.executable, "-m", "worker", "bg_trials", f"--run={run}", "--point=dec_deg_-10", "--n=40"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == (-signal.SIGABRT if fault == "crash" else 1)
    assert all(text in done.stderr for text in CRASHES[fault])
    line = failures.crash_place(done.stderr)
    assert re.fullmatch(r" in toy.py, line \d+ \((spoiled|<lambda>)\)", line)
    assert failures.crash_place('Traceback (most recent call last):\n  File "toy.py", line 3, in trials\n') == ""
    assert not list(run.glob("trials/**/*.npy"))
