"""A plug-in that fits its points in the same skies: correction for trials, review, and its own real sky."""

import json
from pathlib import Path

import numpy as np
import pytest

from dagmaker.cli import main as dagmaker
from worker.base import rng
from worker.base.errors import SpecError
from worker.blinding import clearance, unblinding_log
from worker.cli.main import main
from worker.review import distributions, single_rows, trial_files
from worker.rundir import address, layout, store
from worker.rundir.ledger import expected, open_run
from worker.spec.specfile import loads
from worker.tasks import context, scratch_run

pytestmark = pytest.mark.slow

PLUGIN = '''
from pathlib import Path

import numpy as np


class Engine:
    """Two detectors that share half of their noise; TS is the square of an excess."""

    protocol = 1
    columns = (("ts", "<f8"), ("excess", "<f8"))
    reads = ("detector",)

    def __init__(self, options, folder):
        self.witness, self.fault, self.calls = Path(options["witness"]), options.get("fault"), 0
        self.deterministic = options.get("told", "per-trial")
        if self.fault == "no skies":
            self.__class__ = Less

    def identity(self):
        return {"shared": 1}

    def trials(self, point, keys):
        return self._rows([np.random.default_rng(key).standard_normal() + point["n_sig"] for key in keys])

    def skies(self, points, keys):
        self.calls += 1
        noise = np.array([np.random.default_rng(key).standard_normal(1 + len(points)) for key in keys])
        rows = self._rows(np.sqrt(0.5) * (noise[:, :1] + noise[:, 1:]))
        if self.fault == "cut":
            rows["ts"] += 1e-9 * self.calls
        if self.fault == "shape":
            return rows.T
        if self.fault == "negative" and len(keys) > 1:
            rows["ts"][3, 1] = -1.0
        return rows

    def observed(self, points, token):
        with self.witness.open("a") as file:
            file.write(f"{token}\\n")
        return self._rows(np.array([0.5, 3.0]))

    def _rows(self, excess):
        rows = np.zeros(np.shape(excess), list(self.columns))
        rows["excess"] = excess
        rows["ts"] = np.maximum(rows["excess"], 0.0) ** 2
        return rows


class Less(Engine):
    skies = property()
    observed = property()
'''
SPEC = """
version: 1
name: pair
seed: 3
engine: {kind: plugin, path: PATH, class: Engine, options: {witness: WITNESS}}
hypothesis: {kind: points}
points: [{detector: a}, {detector: b}]
background: {n_trials: 2000, trials_per_file: 1000}
signal: {n_sig: [0.5, 1, 2, 3, 4, 6], n_trials: 200, poisson: false}
sensitivity: {n_bootstrap: 20, discovery_nsigma: 2}
scan: {kind: points, n_skies: 600, skies_per_file: 300}
unblind: {quote_nsigma: 1.0, waive: [enough_background_trials]}
"""
NAMES = ["detector_a", "detector_b"]


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    """The plug-in and its spec in a folder; returns the spec."""
    (folder / "pair.py").write_text(PLUGIN)
    text = SPEC.replace("PATH", str(folder / "pair.py")).replace("WITNESS", str(folder / "witness"))
    text = text.replace("poisson: false", "poisson: true")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "spec.yaml").write_text(text)
    return folder / "spec.yaml"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = written(tmp_path_factory.mktemp("pair"))
    assert dagmaker(["run", str(spec), f"--run={spec.parent / 'run'}", "--jobs=1"]) == 0
    return spec.parent / "run"


def plugin() -> type:
    """The class of the plug-in, by itself."""
    names: dict[str, type] = {}
    exec(PLUGIN, names)  # the text above
    return names["Engine"]


def own(run: Path) -> np.ndarray:
    """All skies, from the plug-in itself with keys of the same addresses."""
    keys = rng.trial_keys(address.scan_trials(open_run(run).spec, 0), 0, 600)
    return plugin()({"witness": run / "other"}, run).skies([{}, {}], keys)


def skies(run: Path) -> np.ndarray:
    return np.concatenate([np.load(run / file.path) for file in expected(open_run(run), "scan_trials")])


def test_skies_are_those_of_the_plugin_called_by_hand(run):
    assert np.array_equal(skies(run), own(run))
    assert skies(run).dtype.names == ("ts", "excess")


def test_p_of_the_hottest_point_is_corrected_with_its_skies(run):
    summary = json.loads((run / layout.SUMMARY).read_text())
    ts = own(run)["ts"]
    trials = [np.sort(np.concatenate([np.load(run / file.path)["ts"] for file in expected(open_run(run), "bg_trials",
              point=name)])) for name in NAMES]  # fmt: skip
    p = np.stack([1.0 - np.searchsorted(one, ts[:, i]) / len(one) for i, one in enumerate(trials)])
    hottest = summary["scan"]["hottest"]
    assert [row["name"] for row in summary["scan"]["points"]] == NAMES
    k = np.count_nonzero(p.min(axis=0) <= hottest["p"])
    assert summary["post_trial"]["p"] == pytest.approx((k + 1) / 601, abs=0.01)
    assert np.corrcoef(ts.T)[0, 1] > 0.2


def test_the_real_sky_is_asked_for_by_unblinding_alone(run, capsys):
    witness, opened = run.parent / "witness", open_run(run)
    assert not witness.exists(), "observed was called before unblinding"
    assert main(["unblind", f"--run={run}"]) == 4 and not witness.exists()
    assert main(["unblind", f"--run={run}", "--token=12345678-12345678-12345678"]) == 4 and not witness.exists()
    capsys.readouterr()
    state = json.dumps({"real_sky_log": unblinding_log.read(opened).state()})
    (run / layout.CERTIFICATE).parent.mkdir()
    (run / layout.CERTIFICATE).write_text(state)
    assert not list(unblinding_log.traces(opened)), "a review saw refused attempts: that is no opening"
    token = clearance.of(opened).token
    spec = run.parent / "approved.yaml"
    approval = f"approved_by: A. Reader, date: 2026-01-01, reason: the test, token: {token}, "
    spec.write_text((run.parent / "spec.yaml").read_text().replace("unblind: {", "unblind: {" + approval))
    assert dagmaker(["unblind", str(run), f"--token={token}", f"--spec={spec}"]) == 0
    assert {*witness.read_text().split()} == {token}
    real = json.loads((run / layout.UNBLINDED_RESULTS).read_text())
    assert [row["ts"] for row in real["points"]] == [0.25, 9.0]
    assert real["hottest"]["name"] == "detector_b"
    assert "blindness of this engine is its own" in (run / "report/report.md").read_text()


def test_rows_of_skies_are_made_again_in_a_review_and_another_cut_is_found(run, tmp_path):
    opened = open_run(run)
    files = list(expected(opened, "scan_trials"))
    assert {one.verdict for one in single_rows.findings(opened, "scan_trials", files, files, 1)} == {"same"}
    assert {one.verdict for one in trial_files.findings(opened, 1, 1, set())} == {"same"}
    other = written(tmp_path, ("options: {", "options: {fault: cut, "))
    assert dagmaker(["run", str(other), f"--run={tmp_path / 'run'}", "--jobs=1"]) == 0
    opened = open_run(tmp_path / "run")
    files = list(expected(opened, "scan_trials"))
    assert "fault" in {one.verdict for one in single_rows.findings(opened, "scan_trials", files, files, 1)}


def test_skies_of_an_engine_with_random_numbers_of_its_own_are_compared_by_distribution(tmp_path):
    spec = written(tmp_path, ("options: {", "options: {told: 'no', "))
    assert dagmaker(["run", str(spec), f"--run={tmp_path / 'run'}", "--jobs=1"]) == 0
    opened = open_run(tmp_path / "run")
    files = list(expected(opened, "scan_trials"))
    assert distributions.finding_of(opened, "scan_trials", files, files[:1]).verdict == "note"
    rows = np.load(opened.path / files[0].path)
    rows["ts"][:, 1] += 1.0
    store.save_array(opened.path, files[0].path, rows, store.load_record(opened.path, files[0].path))
    assert distributions.finding_of(opened, "scan_trials", files, files[:1]).verdict == "fault"


def test_files_that_are_made_at_once_are_not_cut_otherwise(tmp_path):
    spec = written(tmp_path, ("options: {", "options: {told: per-file, "))
    assert dagmaker(["build", str(spec), f"--run={tmp_path / 'run'}"]) == 0
    assert main(["prepare", f"--run={tmp_path / 'run'}"]) == 0
    opened = open_run(tmp_path / "run")
    assert context.engine(opened).point_scanner(opened.spec.all_points).block > 600
    with scratch_run.create(opened):
        pass
    text = (tmp_path / "spec.yaml").read_text().replace("skies_per_file: 300", "skies_per_file: 200")
    spec.write_text(text)
    assert dagmaker(["build", str(spec), f"--run={tmp_path / 'run'}"]) == 0
    assert main(["scan_trials", f"--run={tmp_path / 'run'}", "--n=200", "--seed=0"]) == 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [("shape", "shape (2, 1)"), ("negative", "sky 3 of 100, point 1 of 2"), ("no skies", "no method skies")],
)
def test_faults_of_skies_name_the_plugin_and_the_place(tmp_path, capsys, fault, said):
    spec = written(tmp_path, ("options: {", f"options: {{fault: {fault}, "))
    run = tmp_path / "run"
    assert dagmaker(["build", str(spec), f"--run={run}"]) == 0
    code = main(["prepare", f"--run={run}"])
    if not code:
        code = main(["scan_trials", f"--run={run}", "--n=300", "--seed=0"])
    assert code == 2 and not list(run.rglob("trials__*scan*.npy"))
    text = capsys.readouterr().err
    assert said in text and "pair.py: Engine" in text


def test_a_plugin_tests_listed_points_and_scans_no_map(tmp_path):
    text = written(tmp_path).read_text()
    with pytest.raises(SpecError, match=r"scan\.kind"):
        loads(text.replace("scan: {kind: points, n_skies: 600, skies_per_file: 300}", "scan: {nside: 4, n_skies: 2}"))
