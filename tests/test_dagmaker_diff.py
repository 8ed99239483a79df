"""What changed between two specs, and what `dagmaker build` then plans."""

import json
import shutil

import pytest

from dagmaker.cli import main
from dagmaker.review import compared_results, diff
from dagmaker.status.status import look
from tests import report_run
from tests.answers import answered, holds_what_is_documented
from tests.dagmaker_spec import text
from worker.rundir import layout


@pytest.fixture
def compare(tmp_path):
    """A function of changes of the second spec: the difference."""

    def between(more="", before="", **changes):
        (tmp_path / "a.yaml").write_text(text() + before)
        (tmp_path / "b.yaml").write_text(text(**changes) + more)
        return diff.diff(tmp_path / "a.yaml", tmp_path / "b.yaml")

    return between


def work(found):
    return {w.task: (w.kept, w.new, w.dropped) for w in found.work if w.new or w.dropped}


RESULTS = {"distributions": (0, 1, 0), "sensitivity": (0, 1, 0), "collect_scan": (0, 1, 0), "post_trial": (0, 1, 0)}
LAST = {"upper_limits": (0, 1, 0), "report": (0, 1, 0)}


def test_nothing(compare):
    found = compare()
    assert found.changes == found.refused == ()
    assert work(found) == {}
    assert "\n".join(diff.text(found)) == "the specs are the same\nno file is invalid, and none is new"


def test_more_trials_keep_the_finished_ones(compare):
    found = compare(n_bg=450)
    assert [(c.key, c.before, c.after) for c in found.changes] == [("background.n_trials", 250, 450)]
    assert work(found) == {"bg_trials": (6, 9, 3), "collect_bg": (0, 3, 0)} | RESULTS | LAST
    assert found.refused == ()


def test_fewer_trials_are_new_results(compare):
    assert work(compare(n_bg=200)) == {"bg_trials": (6, 0, 3), "collect_bg": (0, 3, 0)} | RESULTS | LAST


def test_one_more_declination(compare):
    found = work(compare(decs=[-30, 5, 20, 40]))
    assert found["bg_trials"] == (9, 3, 0)
    assert found["sig_trials"] == (18, 6, 0)
    assert found["collect_bg"] == found["collect_sig"] == (3, 1, 0)
    assert "scan_trials" not in found and "scan_map" not in found


def test_more_skies_and_a_finer_map(compare):
    found = work(compare(n_skies=7, map_nside=16))
    assert found["scan_trials"] == (2, 2, 1)
    assert found["scan_map"] == (2, 2, 2)
    assert {"collect_scan", "post_trial", "report"} <= set(found)
    assert "bg_trials" not in found and "sensitivity" not in found


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("sensitivity: {beta: 0.5}\n", {"sensitivity": (0, 1, 0)} | LAST),
        ("unblind: {waive: [smooth_map]}\n", {"report": (0, 1, 0)}),
    ],
)
def test_definitions(compare, more, expected):
    assert work(compare(more)) == expected


@pytest.mark.parametrize(
    ("change", "nothing"), [({"site": "shared-fs"}, True), ({"resources": "{max_retries: 5}"}, True)]
)
def test_where_it_runs_changes_no_number(compare, change, nothing):
    found = compare(**change)
    assert found.changes
    assert work(found) == {}
    assert "no number" in found.changes[0].effect


def test_another_likelihood_is_another_analysis(compare):
    found = compare("likelihood: {gamma_max: 3.5}\n")
    assert found.refused == ("likelihood",)
    assert work(found)["bg_trials"] == (0, 9, 0)
    assert work(found)["scan_map"] == (0, 4, 0)
    assert "\n`dagmaker build` wants another run directory: likelihood differ" in "\n".join(diff.text(found))


def test_another_spectrum_keeps_the_background(compare, tmp_path):
    (tmp_path / "a.yaml").write_text(text())
    (tmp_path / "b.yaml").write_text(text().replace("signal: {", "signal: {gamma: 2.5, "))
    found = diff.diff(tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert found.refused == ("signal.gamma",)
    assert work(found)["sig_trials"] == (0, 18, 0)
    assert "bg_trials" not in work(found)


def test_for_programs(tmp_path, capsys):
    (tmp_path / "a.yaml").write_text(text())
    (tmp_path / "b.yaml").write_text(text(n_skies=7))
    assert main(["diff", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["changes"][0]["key"] == "scan.n_skies"
    assert main(["diff", str(tmp_path / "a.yaml")]) == 2
    assert "--b is missing" in capsys.readouterr().err


def test_of_nothing(tmp_path, capsys):
    assert main(["diff", str(tmp_path), str(tmp_path)]) == 3
    assert "this is not a run directory" in capsys.readouterr().err


@pytest.mark.slow
def test_build_on_a_finished_run_plans_what_diff_says(finished_run, own_run, tmp_path, capsys):
    run = own_run
    shutil.rmtree(run / "sealed")
    waived = "unblind: {waive: [enough_background_trials, enough_skies, smooth_map]}\n"
    (tmp_path / "more.yaml").write_text(text(n_skies=4, n_bg=300, decs=[-30, 5, 20, 40]) + waived)
    assert main(["diff", str(run), str(tmp_path / "more.yaml"), "--json"]) == 0
    told = {w["task"]: w for w in json.loads(capsys.readouterr().out)["work"]}
    times = {p: p.stat().st_mtime_ns for p in (run / "trials").rglob("*.npy")}
    assert main(["build", str(tmp_path / "more.yaml"), f"--run={run}"]) == 0
    missing = {stage.task: stage.total - stage.done for stage in look(run).stages}
    for task in ("bg_trials", "sig_trials", "scan_trials", "scan_map"):
        assert missing[task] == told[task]["new"], task
    report_run.run_without(run, tmp_path / "more.yaml")
    assert not [stage.task for stage in look(run).stages if stage.done < stage.total]
    assert {p: p.stat().st_mtime_ns for p in times if "scan" not in p.parts} == {
        p: t for p, t in times.items() if "scan" not in p.parts
    }
    assert main(["diff", str(finished_run), str(run)]) == 0
    assert "prepared data: the same content" in capsys.readouterr().out


def test_a_record_with_another_kind_of_code_is_compared_without_it(tmp_path):
    file = tmp_path / layout.record_name(layout.DATA)
    file.parent.mkdir()
    file.write_text('{"digest": "x", "versions": {}, "code": [{}]}')
    assert list(diff._notes(tmp_path, tmp_path)) == ["prepared data: the same content"]


def edited(run, change):
    """The summary of a run, changed."""
    file = run / layout.SUMMARY
    found = json.loads(file.read_text())
    change(found)
    file.write_text(json.dumps(found))
    return found


def test_numbers_of_two_runs_have_pulls(finished_run, own_run, tmp_path, capsys):
    """Three of its own errors away is a pull of three over root two; a number without an error has none."""

    def change(found):
        found["sensitivity"][0]["flux"] += 3 * found["sensitivity"][0]["flux_error"]
        found["scan"]["regions"]["all"]["ts"] += 1.0
        for row in found["post_trial_regions"].values():
            row["p"] *= 0.5
        del found["discovery"][0]

    edited(own_run, change)
    page = tmp_path / "diff.html"
    assert main(["diff", str(finished_run), str(own_run), f"--html={page}", "--json"]) == 0
    document = answered(capsys.readouterr().out)
    holds_what_is_documented("diff", document)
    rows = {(row["quantity"], row["at"]): row for row in document["results"]}
    first, *others = document["results"]
    assert (first["quantity"], first["at"]) == ("sensitivity, 90 %, gamma 2: flux", "dec -30")
    assert first["pull"] == pytest.approx(3 / 2**0.5)
    assert all(row["pull"] in (0.0, None) for row in others if "post-trial" not in row["quantity"])
    p = {row["at"]: row["pull"] for row in others if "post-trial" in row["quantity"]}
    assert p["all"] is None and p["south"] < 0, "the p of another TS is of another sky"
    spot = rows["scrambled sky, hottest: ts", "all"]
    assert (spot["pull"], spot["after"]) == (None, pytest.approx(spot["before"] + 1))
    lost = rows["discovery, 50 %, 5 sigma, gamma 2: n_sig", "dec -30"]
    assert lost["after"] is None and lost["before"] > 0
    assert any("files of trials are the same in both" in note for note in document["notes"])
    text = page.read_text()
    figures = {path.name for path in (finished_run / "report" / "figures").glob("*.png")}
    assert text.count("data:image/png;base64,") == 2 * len(figures) > 0
    assert "http" not in text and "+2.1" in text
    lines = list(diff.text(diff.diff(finished_run, own_run)))
    assert any(line.startswith("results: ") and " 7 of them differ; 3 pulls: " in line for line in lines)


def test_fluxes_of_another_unit_are_not_compared(finished_run, own_run):
    compared = compared_results.compare(finished_run, own_run, ["sensitivity.flux_unit"], 0)
    assert {number.quantity.rpartition(": ")[2] for number in compared.numbers} >= {"n_sig", "slope"}
    assert not [number for number in compared.numbers if number.quantity.endswith("flux")]
    assert any("sensitivity.flux_unit" in note for note in compared.notes)


def test_results_that_cannot_be_compared(finished_run, own_run, tmp_path, capsys):
    (tmp_path / "a.yaml").write_text(text())
    assert main(["diff", str(finished_run), str(tmp_path / "a.yaml"), f"--html={tmp_path / 'x'}"]) == 2
    assert "must both be runs with results/summary.json" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
    edited(own_run, lambda found: found.update(sensitivity=[3]))
    assert main(["diff", str(finished_run), str(own_run)]) == 3
    assert "worker report" in capsys.readouterr().err
