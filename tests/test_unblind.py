"""The real sky stays closed, and opens once, to the right token."""

import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path, PurePosixPath

import healpy
import numpy as np
import pytest
import yaml

from dagmaker import lock
from dagmaker.cli import main
from dagmaker.status import summary as terminal
from tests import report_run
from tests.answers import answered, holds_what_is_documented
from tests.dagmaker_spec import text
from tests.needs import needs
from worker import data
from worker.blinding import approval, clearance, unblind, unblinding_log
from worker.cli.main import main as worker
from worker.report import formats, headline
from worker.report.results import load
from worker.report.summary import summary
from worker.review import aggregates, pages
from worker.review import unblinding as audit
from worker.rundir import layout, store
from worker.rundir.ledger import open_run
from worker.rundir.record import Record
from worker.stats.posttrial import post_trial
from worker.tasks import blinded_positions, context, hot_places, scratch_run

pytestmark = pytest.mark.slow

WAIVED = "unblind: {waive: [enough_background_trials, enough_skies, smooth_map]}\n"


@pytest.fixture(scope="module")
def token(finished_run):
    return clearance.of(open_run(finished_run)).token


@pytest.fixture
def run(own_run):
    return own_run


def approved(run: Path, **changes: object) -> Path:
    """A spec like that of the run, with an approval."""
    spec = yaml.safe_load((run / "analysis.yaml").read_text())
    approval = {"approved_by": "A. Reviewer", "date": "2026-01-31", "reason": "all checks passed"}
    spec["unblind"] |= approval | changes
    (run.parent / "approved.yaml").write_text(yaml.safe_dump(spec))
    return run.parent / "approved.yaml"


def tree(run: Path) -> dict[str, bytes]:
    skip = ("log.jsonl", ".dagmaker.lock")
    return {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file() and p.name not in skip}


def log(run: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (run / layout.UNBLINDING_LOG).read_text().splitlines()]


# -- blind by construction -------------------------------------------------------------------------------------


def _holds(file: Path, positions: np.ndarray) -> list[str]:
    """Arrays of a file in which real right ascensions can be found: as such, sorted, in degrees, in turns, as text."""
    raw, found = file.read_bytes(), []
    arrays = dict(np.load(file)) if file.suffix == ".npz" else {}
    for scale in (1.0, 180 / np.pi, 0.5 / np.pi):
        wanted = np.sort(positions * scale)
        for name, array in arrays.items():
            values = np.sort(array.reshape(-1).astype(np.float64)) if array.dtype.kind in "fiu" else np.empty(0)
            for candidate in (values, np.unwrap(values)):
                if len(candidate) == len(wanted) and np.corrcoef(candidate, wanted)[0, 1] > 0.9999:
                    found.append(name)
        for dtype in (np.float64, np.float32):
            if any(dtype(value).tobytes() in raw for value in (positions * scale)[:20]):
                found.append(f"{dtype.__name__} in the bytes")
    return found


@pytest.mark.parametrize("column", ["ra", "mjd"])
def test_no_right_ascension_and_no_time_is_in_the_prepared_file(finished_run, column):
    """And the scan does find them where they are: in the sealed file."""
    run = open_run(finished_run)
    positions = np.concatenate([getattr(season, column) for season in data.read_positions(run.spec)])
    assert len(positions) == 20000
    assert _holds(finished_run / layout.DATA, positions) == []
    assert _holds(finished_run / layout.SEALED, positions)


@pytest.mark.parametrize("column", ["ra", "mjd"])
def test_declinations_tell_nothing_of_right_ascensions_and_times(finished_run, column):
    """The order of the prepared events is by declination: their places carry no right ascension and no time."""
    run = open_run(finished_run)
    positions = np.concatenate([getattr(season, column) for season in data.read_positions(run.spec)])
    ranks = np.corrcoef(np.arange(len(positions)), positions)[0, 1]
    assert abs(ranks) < 4 / np.sqrt(len(positions))


def test_everything_is_computed_without_the_sealed_file(tmp_path):
    """The report, too: tests/test_review.py removes the file before pages are made again."""
    run = report_run.built(tmp_path / "run")
    assert worker(["prepare", f"--run={run}"]) == 0
    shutil.rmtree(run / "sealed")
    (run / "sealed").touch()  # nobody can make it again, either
    report_run.compute(run)
    assert summary(open_run(run))["scan"]["sky"] == "scrambled"


def test_jobs_on_other_machines_are_not_sent_the_sealed_file(tmp_path):
    from dagmaker.htcondor.render import INPUT_FILES

    assert layout.SEALED not in INPUT_FILES
    (tmp_path / "spec.yaml").write_text(text())
    assert main(["build", str(tmp_path / "spec.yaml"), f"--run={tmp_path / 'run'}"]) == 0
    written = [p for p in (tmp_path / "run").rglob("*") if p.is_file()]
    assert not [p for p in written if b"sealed" in p.read_bytes()]


# -- who may open it -------------------------------------------------------------------------------------------


def refused(run: Path, capsys, *flags: str) -> str:
    before = tree(run)
    (run / lock.NAME).unlink(missing_ok=True)
    assert main(["unblind", str(run), *flags]) == 4
    assert tree(run) == before and not (run / lock.NAME).exists()
    assert log(run)[-1]["event"].startswith("refused: ")
    return capsys.readouterr().err


def test_no_token_and_wrong_tokens(run, token, capsys):
    spec = approved(run, token=token)
    assert "no --token: `dagmaker review" in refused(run, capsys)
    said = refused(run, capsys, "--token=sesame", f"--spec={spec}")
    assert "the token sesame does not open this run: it is not a token that `dagmaker review` printed" in said
    other = "0" * 8 + token[8:]
    assert "the analysis (spec or data) changed since it was given" in refused(run, capsys, f"--token={other}")
    assert [line["token"] for line in log(run)] == ["", "sesame", other], "what was tried is kept"


def test_the_token_must_be_in_the_spec_with_a_name_a_date_and_a_reason(run, token, capsys):
    said = refused(run, capsys, f"--token={token}")
    assert f"{run / 'analysis.yaml'}: the token must stand in the spec, too: unblind.token has none; write" in said
    assert f"unblind: {{token: {token}, approved_by: WHO, date: 'YYYY-MM-DD', reason: WHY}}" in said
    spec = approved(run, token=token, approved_by=None, reason="")
    said = refused(run, capsys, f"--token={token}", f"--spec={spec}")
    assert f"{spec}: unblind.approved_by, unblind.reason is empty: write who approved, when and why" in said


def test_another_spec_is_not_an_approval(run, token, capsys):
    spec = approved(run, token=token)
    changed = yaml.safe_load(spec.read_text())
    changed["scan"]["survival"] = "fit"
    spec.write_text(yaml.safe_dump(changed))
    said = refused(run, capsys, f"--token={token}", f"--spec={spec}")
    assert f"{spec}: scan differ from {run / 'analysis.yaml'}: this is not the spec of the run" in said
    spec = approved(run, token=token, waive=[])
    assert "unblind.waive differ from" in refused(run, capsys, f"--token={token}", f"--spec={spec}")


def test_a_new_background_set_makes_the_token_an_old_one(run, token, capsys):
    """More background trials, made and collected after the token was given."""
    (run.parent / "more.yaml").write_text(text(n_skies=4, n_bg=300) + WAIVED)
    assert main(["build", str(run.parent / "more.yaml"), f"--run={run}"]) == 0
    for dec in ("-30", "5", "40"):
        assert worker(["bg_trials", f"--run={run}", f"--dec={dec}", "--n=100", "--first=200"]) == 0
        assert worker(["collect_bg", f"--run={run}", f"--dec={dec}"]) == 0
    spec = approved(run, token=token)
    said = refused(run, capsys, f"--token={token}", f"--spec={spec}")
    assert "the analysis (spec or data) and the background set changed since it was given" in said


def test_no_token_while_a_check_fails(run, capsys):
    (run.parent / "strict.yaml").write_text(text(n_skies=4) + "unblind: {waive: [enough_skies, smooth_map]}\n")
    assert main(["build", str(run.parent / "strict.yaml"), f"--run={run}"]) == 0
    spec = approved(run, token="x")
    said = refused(run, capsys, "--token=x", f"--spec={spec}")
    assert "no token while checks fail" in said
    assert "enough_background_trials: 250 are there" in said


# -- opened ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened(finished_run, token, tmp_path_factory):
    """A run that was unblinded, and everything that was there before."""
    run = tmp_path_factory.mktemp("opened") / "run"
    shutil.copytree(finished_run, run)
    before = tree(run)
    said = io.StringIO()
    with redirect_stdout(said):
        spec = approved(run, token=token)
        assert main(["unblind", str(run), f"--token={token}", f"--spec={spec}", "--jobs=2", "--json"]) == 0
    found = answered(said.getvalue())
    holds_what_is_documented("unblind", found)
    assert found["first"]
    return run, before


def test_maps_spots_and_post_trial_p_value(opened):
    run, before = opened
    results = json.loads((run / layout.UNBLINDED_RESULTS).read_text())
    assert results["sky"] == "unblinded synthetic"
    assert (results["label"], set(results["regions"])) == ("synthetic", {"all", "north", "south"})
    skies = np.load(run / "results/skies_all.npy")["mlog10p"]
    assert results["post_trial"]["p"] == post_trial(results["hottest"]["mlog10p"], skies).p
    observed = np.load(run / "unblinded/map_nside_004.npy")
    scrambled = np.load(run / "results/map_nside_004.npy")
    assert observed.shape == scrambled.shape and not np.array_equal(observed, scrambled, equal_nan=True)
    best = int(np.nanargmax(observed[0]))
    assert observed[0, best] == results["hottest"]["mlog10p"]
    lon, lat = healpy.pix2ang(4, best, lonlat=True)
    assert np.allclose((lon, lat), (results["hottest"]["ra_deg"], results["hottest"]["dec_deg"]))
    changed = {name for name, raw in before.items() if (run / name).read_bytes() != raw}
    assert changed <= {"results/summary.json", "ro-crate-metadata.json"} | {
        n for n in before if n.startswith("report/")
    }


def test_events_around_the_hottest_spots_are_those_of_the_real_sky(opened):
    """Nothing of it is there before; each event is a measured one, in the panels of the scrambled sky none is."""
    run, before = opened
    assert not any("surroundings.json" in name for name in before)
    at, result = open_run(run), json.loads((run / layout.UNBLINDED_RESULTS).read_text())
    real, scrambled = hot_places.real(at), hot_places.scrambled(at, json.loads((run / layout.SCAN).read_text()))
    assert len(real) == len(scrambled) == hot_places.N_PLACES
    spot = max(result["maps"][max(result["maps"], key=int)].values(), key=lambda row: row["mlog10p"])
    assert real[0]["fit"] == pytest.approx({key: spot[key] for key in ("ts", "ns", "gamma")}, rel=1e-9)
    measured = np.sort(360 * blinded_positions.open_positions(at))
    for places, share in ((real, 1.0), (scrambled, 0.0)):
        ra = np.concatenate([place["events"]["ra_deg"] for place in places])
        known = np.searchsorted(measured, ra + 1e-4) > np.searchsorted(measured, ra - 1e-4)
        assert len(ra) > 20 and abs(np.mean(known) - share) < 0.1
    assert (run / "report/figures/surroundings.png").exists()
    assert (run / "report/figures/scrambled_surroundings.png").exists()


def test_the_scrambled_results_stay_and_say_so(opened):
    run, _ = opened
    summary = json.loads((run / "results/summary.json").read_text())
    assert summary["scan"]["sky"] == "scrambled"
    assert summary["unblinded"]["sky"] == "unblinded synthetic"
    page = (run / "report/index.html").read_text()
    assert "unblinded synthetic" in page
    assert "A. Reviewer" in page


def test_the_page_shows_the_real_sky_first_and_the_scrambled_one_beside_it(opened):
    """Cards, maps and their numbers, the interactive map and the text of the terminal."""
    run, before = opened
    results = load(open_run(run))
    real, scrambled = (view.of_sky["scan"]["hottest"] for view in (results, results.blind))
    assert real == results.summary["unblinded"]["hottest"] != scrambled == results.summary["scan"]["hottest"]
    cards = {card.title: card for card in headline.cards(results)}
    assert formats.position(real) in cards["Hottest spot of the unblinded synthetic sky"].notes
    assert cards["Post-trial p-value"].value == formats.p_value(results.summary["unblinded"]["post_trial"]["p"])
    folder = run / "report/figures"
    for name, rel, sky in (
        ("skymaps", layout.unblinded_map, "unblinded synthetic"), ("scrambled_skymaps", layout.map_file, "scrambled"),
    ):  # fmt: skip
        with np.load(folder / f"{name}.npz") as drawn:
            assert np.array_equal(drawn["ts"], np.load(run / rel(int(drawn["nside"])))[1], equal_nan=True)
            assert str(drawn["mark"]).endswith(f"{sky} sky")
    for name in ("ts_panels.png", "sensitivity.csv", "check_smooth.png"):
        assert (folder / name).read_bytes() == before[f"report/figures/{name}"], "it shows nothing of the real sky"
    assert "scrambled" not in (run / "report/skymap.html").read_text().partition("<script")[0]
    told = "\n".join(terminal.lines(run))
    assert f"dec {real['dec_deg']:+.2f}°" in told and f"dec {scrambled['dec_deg']:+.2f}°" not in told


def test_who_opened_it_is_recorded(opened, token):
    run, _ = opened
    told = json.loads((run / layout.OPENED).read_text())
    assert (told["token"], told["approved_by"], told["date"]) == (token, "A. Reviewer", "2026-01-31")
    assert told["reason"] == "all checks passed"
    assert told["opened_by"] and told["opened_at"] and told["host"]
    assert told["versions"]["numpy"] == np.__version__
    assert told["code"]["source"]
    assert told["waived"] == ["enough_background_trials", "enough_skies", "smooth_map"]
    assert [line["event"] for line in log(run)][:2] == ["opened", "written"]


def test_a_second_time_reproduces_and_overwrites_nothing(opened, token, capsys):
    run, _ = opened
    before, times = tree(run), {p: p.stat().st_mtime_ns for p in (run / "unblinded").iterdir() if p.suffix != ".jsonl"}
    assert main(["unblind", str(run), f"--token={token}", f"--spec={run.parent / 'approved.yaml'}"]) == 0
    assert tree(run) == before
    assert {p: p.stat().st_mtime_ns for p in times} == times
    assert [line["event"] for line in log(run)][-2:] == ["opened again", "reproduced"]


def test_a_second_time_with_another_result_is_said(opened, token, capsys):
    run, _ = opened
    path = run / layout.UNBLINDED_RESULTS
    raw = path.read_bytes()
    results = json.loads(raw)
    results["post_trial"]["p"] = 1e-9
    path.write_bytes(store.json_bytes(results))
    try:
        assert main(["unblind", str(run), f"--token={token}", f"--spec={run.parent / 'approved.yaml'}"]) == 3
        assert "not reproduced, and nothing was overwritten: unblinded/results.json: post_trial.p is 1e-09" in (
            capsys.readouterr().err
        )
        assert log(run)[-1]["event"] == "differs"
    finally:
        path.write_bytes(raw)


def test_an_unblinded_run_is_reviewed_and_an_edited_report_is_found(opened, capsys):
    run = open_run(opened[0])
    before = len(log(opened[0]))
    _, who, again = audit.findings(run, 1)
    assert (again.verdict, who.verdict) == ("same", "same"), again.found
    assert "approved by A. Reviewer: all checks passed" in who.found
    assert [line["event"] for line in log(opened[0])[before:]] == [unblinding_log.SCANNED]
    with scratch_run.create(run, trials=True) as root:
        assert {line.verdict for line in aggregates.findings(run, root, set())} == {"same"}
        assert {line.verdict for line in aggregates.summary_findings(run, root)} == {"same"}
        sound, drawn = pages.findings(run, root)
        path = run.path / "report/report.md"
        raw = path.read_text()
        path.write_text(raw.replace("Post-trial p-value: ", "Post-trial p-value: 0"))
        spoilt = pages.compared(run, root)
        path.write_text(raw)
    assert (sound.verdict, drawn.verdict) == ("same", "same"), sound.found + drawn.found
    assert spoilt.verdict == "fault"
    assert "report/report.md: says '- **Post-trial p-value: 0" in spoilt.found


@pytest.fixture
def copy(opened, tmp_path):
    """A copy of the unblinded run."""
    return Path(shutil.copytree(opened[0], tmp_path / "run"))


def said(run: Path) -> str:
    """What a review says of the real sky."""
    return "\n".join(f"{line.verdict} {line.what}: {line.found}" for line in audit.findings(open_run(run), 1))


def edit(path: Path, **changes: object) -> None:
    path.write_bytes(store.json_bytes(json.loads(path.read_text()) | changes))


def remove_a_line(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[2:]))


WITHOUT_A_SCAN = {
    "no opened.json": lambda run: (run / layout.OPENED).unlink(),
    "another token": lambda run: edit(run / layout.OPENED, token="0" * 8),
    "a list": lambda run: (run / layout.OPENED).write_text("[1]"),
    "no name": lambda run: edit(run / layout.OPENED, approved_by=""),
    "nesting": lambda run: (run / layout.OPENED).write_text("[" * 100_000),
    "no log": lambda run: (run / layout.UNBLINDING_LOG).unlink(),
    "another run's log": lambda run: (run / layout.UNBLINDING_LOG).write_text(json.dumps({"event": "opened"}) + "\n"),
}


@pytest.mark.parametrize("change", WITHOUT_A_SCAN)
def test_a_review_scans_nothing_without_the_token_of_the_run(copy, monkeypatch, change):
    """Whatever lies in unblinded/: the scan is not begun."""
    WITHOUT_A_SCAN[change](copy)
    monkeypatch.setattr(unblind, "write_results", lambda *_: pytest.fail("the real sky was scanned"))
    before = tree(copy)
    assert "fault the unblinding: opened with the token of this run: the real sky was not scanned: " in said(copy)
    assert tree(copy) == before


@pytest.mark.parametrize("raw", ["{}", "[]", "x", '{"post_trial": 1, "regions": [], "hottest": null}'])
def test_results_that_nobody_opened(run, monkeypatch, raw):
    """`{}` in the place of the results is enough for nothing."""
    (run / layout.UNBLINDED).mkdir()
    (run / layout.UNBLINDED_RESULTS).write_text(raw)
    monkeypatch.setattr(unblind, "write_results", lambda *_: pytest.fail("the real sky was scanned"))
    assert "the real sky was not scanned: " in said(run)
    assert f"it has no line of the opening that {layout.UNBLINDED_RESULTS} tell of" in said(run)


def test_a_review_does_not_tell_what_the_real_sky_gives(copy):
    results = json.loads((copy / layout.UNBLINDED_RESULTS).read_text())
    edit(copy / layout.UNBLINDED_RESULTS, hottest={}, post_trial={**results["post_trial"], "p": 1e-9})
    found = said(copy)
    assert (
        f"fault unblinded: the real sky scanned again: {layout.UNBLINDED_RESULTS}: is not what the scan gives" in found
    )
    values = [results["post_trial"]["p"], *results["hottest"].values()]
    assert not [
        value for value in values if isinstance(value, float) and repr(value)[:6] in found.partition("fault")[2]
    ]


def test_positions_that_were_forged_with_their_record_are_found(copy):
    arrays = dict(np.load(copy / layout.SEALED))
    record = store.load_record(copy, layout.SEALED)
    store.save_arrays(copy, layout.SEALED, {"season0": arrays["season0"][::-1]}, record)
    assert f"{layout.SEALED}: does not hold the right ascensions of the raw data; not scanned" in said(copy)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (remove_a_line, "a line before line 2 was changed or removed"),
        (lambda path: path.write_text(path.read_text().replace('"opened"', '"read"')), "was changed or removed"),
        (lambda path: path.write_text(path.read_text() + "{}\n"), "is not a line of this log"),
        (lambda path: path.write_bytes(b"\xff\n" + path.read_bytes()), "line 1 is not a line of this log"),
    ],
)  # fmt: skip
def test_a_line_of_the_log_that_was_changed_or_removed_is_noticed(copy, change, told):
    change(copy / layout.UNBLINDING_LOG)
    first = next(iter(audit.findings(open_run(copy), 1)))
    assert first.verdict == "fault"
    assert told in first.found


def test_a_log_that_lost_its_end_is_noticed_by_the_certificate(copy):
    """A chain does not tell that its end is missing: the last certificate does."""
    state = unblinding_log.read(open_run(copy)).state()
    (copy / layout.CERTIFICATE).parent.mkdir(exist_ok=True)
    (copy / layout.CERTIFICATE).write_bytes(store.json_bytes({"real_sky_log": state}))
    path = copy / layout.UNBLINDING_LOG
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    first = next(iter(audit.findings(open_run(copy), 1)))
    assert f"it does not begin with the lines that {layout.CERTIFICATE} saw" in first.found


def test_a_second_opening_leaves_a_trace_where_the_first_was_removed(copy, token, capsys):
    shutil.rmtree(copy / "unblinded")
    spec = approved(copy, token=token)
    assert main(["unblind", str(copy), f"--token={token}", f"--spec={spec}"]) == 0
    assert "opened anew: unblinded was removed since it was opened at " in capsys.readouterr().out
    assert "opened before" in (copy / "report/index.html").read_text()
    first = next(iter(audit.findings(open_run(copy), 1)))
    assert first.verdict == "note"
    assert "OPENED MORE THAN ONCE: at " in first.found
    shutil.rmtree(copy / "openings")
    shutil.rmtree(copy / "unblinded")
    assert next(unblinding_log.traces(open_run(copy))) == str(layout.SUMMARY), "the summary still tells of it"


def test_only_the_owner_reads_the_sealed_positions(finished_run):
    assert (finished_run / layout.SEALED.parent).stat().st_mode & 0o777 == 0o700
    for path in (finished_run / layout.SEALED.parent).iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert (finished_run / layout.DATA).stat().st_mode & 0o044, "other files are read by others as before"


@pytest.mark.parametrize("raw", ["", "null", '{"token": 1}'])
def test_an_unfinished_opening_with_a_mangled_record_is_told(run, token, capsys, raw):
    (run / layout.UNBLINDED).mkdir()
    (run / layout.OPENED).write_text(raw)
    assert worker(["unblind", f"--run={run}", f"--token={token}", f"--spec={approved(run, token=token)}"]) == 3
    assert f"{run / layout.OPENED}: " in capsys.readouterr().err
    assert not (run / layout.UNBLINDED_RESULTS).exists()


def test_a_token_with_escapes_is_kept_and_not_obeyed(run, capsys):
    assert main(["unblind", str(run), "--token=\x1b[2J\udcff", f"--spec={approved(run, token='x')}"]) == 4
    assert "\x1b" not in capsys.readouterr().err
    assert log(run)[-1]["token"] == "\x1b[2J\udcff"


def test_an_approval_can_be_built_in(run, token):
    """The other way: the approval goes into the frozen spec, and the token stays what it was."""
    before = {name: raw for name, raw in tree(run).items() if name.startswith(("trials", "collected", "results"))}
    assert main(["build", str(approved(run, token=token)), f"--run={run}"]) == 0
    after = tree(run)
    assert {name: after[name] for name in before} == before
    now, approval_ = approval.approved_clearance(open_run(run), token, None)
    assert (now.token, approval_.approved_by) == (token, "A. Reviewer")


def test_positions_that_do_not_belong_to_the_data_are_refused(run, token, capsys):
    positions = dict(np.load(run / layout.SEALED))
    record = store.load_record(run, layout.SEALED)
    store.save_arrays(run, layout.SEALED, {"season0": positions["season0"][:-1]}, Record(**record.as_json()))
    spec = approved(run, token=token)
    assert main(["unblind", str(run), f"--token={token}", f"--spec={spec}"]) == 3
    assert "positions of [19999] events, the prepared data have [20000]" in capsys.readouterr().err
    assert not (run / layout.UNBLINDED_RESULTS).exists()


def test_lost_positions_are_read_from_the_raw_data(run):
    run = open_run(run)
    sealed_ones = blinded_positions.open_positions(run)
    shutil.rmtree(run.path / "sealed")
    assert np.array_equal(blinded_positions.open_positions(run), sealed_ones)
    assert sealed_ones.min() >= 0 and sealed_ones.max() < 1
    assert len(sealed_ones) == len(context.skies(run).scrambled((0, 0), 0))


@needs("ordinary user")
def test_nothing_is_opened_without_a_record(run, token, capsys):
    (run / "openings").mkdir(mode=0o500)
    assert main(["unblind", str(run), f"--token={token}", f"--spec={approved(run, token=token)}"]) == 3
    assert "nothing is opened without a record" in capsys.readouterr().err
    assert PurePosixPath("unblinded/results.json") == layout.UNBLINDED_RESULTS
