"""Engines of two runs beside each other, on the page of `dagmaker diff --html`."""

import json
import re
import shutil

import numpy as np
import pytest
import yaml

from dagmaker.cli import main as dagmaker
from dagmaker.htcondor.build import build
from dagmaker.plan import processes
from dagmaker.plan.plan import make
from dagmaker.review import curves, side_by_side
from dagmaker.review.side_by_side import Trials
from tests.test_plugins import spec_file
from worker.cli.main import main
from worker.rundir import layout
from worker.spec import specfile


def finished(folder, width: float):
    """A finished run of the toy: TS of counts over a background of this width."""
    folder.mkdir()
    document = yaml.safe_load(spec_file(folder, {"width": width}).read_text())
    document["sensitivity"] = {"discovery_nsigma": 1, "n_bootstrap": 20}
    built = build(specfile.loads(yaml.safe_dump(document), base=folder), folder / "run")
    for node in make(built.spec, "").nodes:
        for process in processes.of(node):
            assert main([*process.argv, f"--run={built.run}"]) == 0
    return built.run


def test_quantiles_are_those_of_all_trials():
    ts = np.array([0.0] * 60 + [0.5 * i for i in range(1, 41)])
    of = Trials(ts[ts > 0], len(ts), {})
    for q in (0.3, 0.5, 0.61, 0.9, 0.99):
        assert of.quantile(q) == np.quantile(ts, q, method="inverted_cdf")
    assert of.quantile(0.5) == 0.0 < of.quantile(0.61)


def test_a_curve_is_the_fraction_of_all_trials():
    rng = np.random.default_rng(1)
    ts = np.sort(rng.chisquare(1, 3000))
    above = curves.Curve("a", "first", ts, 6000).above(np.array([0.0, 1.0, 4.0, 1e3]))
    assert above[0] == 0.5 and above[3] == 0.0
    assert above[1] == np.mean(ts > 1.0) / 2 and above[2] == np.mean(ts > 4.0) / 2


@pytest.mark.parametrize("ends", [(), (0.2,), (7.3, 14.0), (130.0,), (4999.0,)])
def test_a_drawing_stays_within_its_frame(ends):
    text = curves.svg([curves.Curve("a < b", "first", np.array([1e-3, end]), 40) for end in ends] or
                      [curves.Curve("none", "second", np.empty(0), 0)])  # fmt: skip
    assert "a < b" not in text and "nan" not in text and "inf" not in text
    for points in re.findall(r'points="([^"]*)"', text):
        for place in points.split():
            x, y = map(float, place.split(","))
            assert curves.LEFT <= x <= curves.RIGHT and curves.TOP <= y <= curves.BOTTOM
    assert text.count("<text") < 40


def test_the_page_of_two_engines(tmp_path, capsys):
    """A wider background: another TS distribution and sensitivity; what each plug-in says of itself stands there."""
    runs = finished(tmp_path / "one", 3.0), finished(tmp_path / "two", 6.0)
    capsys.readouterr()
    page = tmp_path / "diff.html"
    assert dagmaker(["diff", *map(str, runs), f"--html={page}"]) == 0
    text = page.read_text()
    assert text.count("<svg") == 2 and text.count("<polyline") == 8
    assert "http:" not in text and "https:" not in text
    beside = side_by_side.of_runs(runs, [json.loads((run / layout.SUMMARY).read_text())["timing"] for run in runs])
    told = {key: (one, other) for key, one, other in beside.engines}
    assert told["engine"] == ("toy.py: Engine",) * 2 and told["its options"] == ("width 3.0", "width 6.0")
    assert all("ms (160 trials)" in text for text in told["CPU time of a background trial"])
    assert all(f"numpy {np.__version__}" in text for text in told["packages of the trials"])
    assert [shown.at for shown in beside.points] == ["dec -10 deg", "dec 30 deg"] and beside.n_common == 2
    texts = {what: both for what, *both in beside.points[0].rows}
    assert texts.pop("background TS, quantile 0.99") == ["too few trials"] * 2
    rows = {what: [float(text.split(" ")[0]) for text in both] for what, both in texts.items()}
    ts = [
        np.concatenate([np.load(file)["ts"] for file in run.glob("trials/toy/bg/point/dec_deg_-10/*.npy")])
        for run in runs
    ]
    for i in (0, 1):
        assert rows["background trials"][i] == len(ts[i]) == 80
        assert rows["fraction with TS > 0"][i] == pytest.approx(np.mean(ts[i] > 0), abs=5e-4)
        assert rows["background TS, quantile 0.9"][i] == pytest.approx(
            np.quantile(ts[i], 0.9, method="inverted_cdf"), abs=6e-3
        )
    passing = rows["above the run's own background median, n_sig 5"]
    assert passing[0] > passing[1] + 0.05  # 5 counts over a width of 3 are seen more often than over 6


def test_points_that_only_one_run_has(tmp_path, capsys):
    run = finished(tmp_path / "one", 3.0)
    other = shutil.copytree(run, tmp_path / "other")
    shutil.rmtree(other / "collected/bg/point")
    beside = side_by_side.of_runs((run, other), [{}, {}])
    assert (beside.points, beside.n_common) == ([], 0)
    assert dict(row[:2] for row in beside.engines)["engine"] == "toy.py: Engine"
    capsys.readouterr()
