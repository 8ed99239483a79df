"""Tasks on a real run directory: cutting, holes, foreign and damaged files, blindness."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dagmaker.htcondor.build import build
from worker.base.errors import InputError, RefusedError
from worker.bookkeeping import get_all
from worker.cli.main import main
from worker.engines.builtin import engine as builtin
from worker.hypotheses import hottest_spots
from worker.review import streams, verify
from worker.rundir import layout, store
from worker.rundir.ledger import expected, open_run
from worker.spec.point import declination
from worker.spec.specfile import load
from worker.tasks import collect, limits, prepare, results, scans, scratch_run, trials

SPEC = """
version: 1
name: tiny
seed: 3
data: {format: synthetic, n_events: 10000}
background: {tail: none, dec_deg: [-60, 5], n_trials: 120, trials_per_file: %(bg)d}
signal: {n_sig: [3, 8, 20], n_trials: 60, trials_per_file: %(sig)d}
scan:
  {nside: 4, n_skies: 6, skies_per_file: %(sky)d, bands: %(bands)d, sky_bands: %(sky_bands)d,
   dec_min_deg: -60, dec_max_deg: 5}
"""


# Times as of a slow machine: points that cost more are cut finer, and a sky is longer than a process may be.
PILOT = {
    "pilot_version": 1,
    "cpu": "a slow one",
    "bg_trials": {
        "start_s": 0.6,
        "start_s_error": 0.1,
        "memory_mb": 200,
        "rates": [
            {"dec_deg": -60, "unit_s": 0.04, "unit_s_error": 0.001},
            {"dec_deg": 5, "unit_s": 0.11, "unit_s_error": 0.001},
        ],
    },
    "sig_trials": {
        "start_s": 0.6,
        "start_s_error": 0.1,
        "memory_mb": 200,
        "rates": [{"unit_s": 0.07, "unit_s_error": 0.001}],
    },
    "scan_trials": {
        "start_s": 0.6,
        "start_s_error": 0.1,
        "memory_mb": 200,
        "rates": [{"unit_s": 0.05, "unit_s_error": 0.001}],
    },
}


def make(folder: Path, resources: str = "", **cuts: int) -> Path:
    """A built run directory with prepared data."""
    folder.mkdir(parents=True, exist_ok=True)
    text = SPEC % {"bg": 120, "sig": 60, "sky": 6, "bands": 1, "sky_bands": 1, **cuts}
    (folder / "spec.yaml").write_text(text + resources)
    run = folder / "run"
    build(load(folder / "spec.yaml"), run)
    prepare.prepare(run)
    return run


def run_all(run: Path) -> None:
    """Every trial and scan process of the plan, then the collection."""
    opened = open_run(run)
    for e in expected(opened, "bg_trials"):
        trials.bg_trials(run, e.point["dec"], e.n, e.seed, e.first, int(e.point.get("part", 0)))
    for e in expected(opened, "sig_trials"):
        part = int(e.point.get("part", 0))
        trials.sig_trials(run, e.point["dec"], e.point["n_sig"], e.n, e.seed, e.first, part=part)
    for e in expected(opened, "scan_trials"):
        band = f"{e.band[0]}of{e.band[1]}" if e.band else None
        scans.scan_trials(run, e.n, e.seed, e.first, band, int(e.point.get("part", 0)))
    for e in expected(opened, "scan_map"):
        scans.scan_map(run, int(e.point["nside"]), *(e.band or (0, 1)))
    for dec in opened.spec.background.decs:
        collect.collect_bg(run, dec, False)
        collect.collect_sig(run, dec, False)
    collect.collect_scan(run, False)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose trials are all collected."""
    run = make(tmp_path_factory.mktemp("done"))
    run_all(run)
    return run


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(done, tmp_path / "run"))


def merged(run: Path) -> dict[str, bytes]:
    """Bytes of everything collected, less what says how long it took."""
    files = [*run.glob("collected/**/*.npz"), *run.glob("results/*.npy"), run / layout.SCAN]
    return {str(f.relative_to(run)): f.read_bytes() for f in files}


CUTTINGS: dict[str, dict[str, int]] = {
    "by hand": {"bg": 50, "sig": 7, "sky": 4, "bands": 5, "sky_bands": 3},
    "a file for every trial": {"bg": 1, "sig": 1, "sky": 1, "bands": 6, "sky_bands": 1},
    "by a pilot": {},
}


@pytest.mark.parametrize(
    "how", ["by hand", pytest.param("a file for every trial", marks=pytest.mark.slow), "by a pilot"]
)
def test_merged_bytes_do_not_depend_on_the_cutting(
    how: str, done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "by hand":
        monkeypatch.setattr(layout, "FILES_PER_FOLDER", 4)  # two outputs with their records, or those of one sky
    if how == "by a pilot":
        (tmp_path / "pilot.json").write_text(json.dumps(PILOT))
    other = make(tmp_path, "resources: {target_hours: 0.001, pilot: pilot.json}" * (not CUTTINGS[how]), **CUTTINGS[how])
    opened = open_run(other)
    files = {task: len(expected(opened, task)) for task in ("bg_trials", "sig_trials", "scan_trials", "scan_map")}
    assert (
        files
        == {
            "by hand": {"bg_trials": 6, "sig_trials": 54, "scan_trials": 6, "scan_map": 5},
            "a file for every trial": {"bg_trials": 240, "sig_trials": 360, "scan_trials": 6, "scan_map": 6},
            "by a pilot": {"bg_trials": 2 + 5, "sig_trials": 6 * 2, "scan_trials": 5 * 2, "scan_map": 1},
        }[how]
    )
    run_all(other)
    assert merged(other) == merged(done)
    assert len(merged(done)) == 2 + 2 + 1 + 3 + 1
    if how == "by hand":
        _check_crowded_folders(other)


def _check_crowded_folders(run: Path) -> None:
    """Whatever reads a run finds the files of further folders: notebooks, disjoint streams, replay, review, repair."""
    folders = {path.parent for path in run.glob("trials/**/*.npy") if "__N_" in path.name and "/map/" not in str(path)}
    assert any(folder.name.startswith("first_") for folder in folders)
    merged_trials = get_all(run / "trials/tiny")
    assert len(merged_trials["bg"]["dec"][5]) == 120 and len(merged_trials["sig"]["dec"][5]["nsig"][8.0]) == 60
    assert streams.streams(run) == {"keys": streams.streams(run)["keys"], "files": 66, "trials": 606, "faults": []}
    assert {
        fault.path for _, faults in verify.faults_of(open_run(run), 1) for fault in faults if fault.why == ""
    } == set()
    [last] = [e for e in expected(open_run(run), "bg_trials", dec=5) if e.first == 100]
    assert last.path.parent.name == "first_0000100"
    assert main(["replay", f"--run={run}", f"--file={last.path}"]) == 0
    with scratch_run.create(open_run(run), trials=True) as root:
        assert (root / last.path).read_bytes() == (run / last.path).read_bytes()
    assert main(["bg_trials", f"--run={run}", "--dec=5", "--n=10", "--first=100", "--part=101"]) == 2


def test_by_hand_writes_the_tutorials_file(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bg_trials", f"--run={done}", "--dec=5", "--n=100", "--seed=0"]
    assert main(words) == 0
    rel = "trials/tiny/bg/dec/+005/trials__N_000100_seed_0000.npy"
    assert f"-> {rel}" in capsys.readouterr().out
    array = np.load(done / rel)
    assert array.dtype.names == ("ts", "ns", "gamma")
    whole = np.load(done / "trials/tiny/bg/dec/+005/trials__N_000120_seed_0000.npy")
    assert array.tobytes() == whole[:100].tobytes(), "the same stream, cut elsewhere"
    assert main(words) == 0
    assert "already done" in capsys.readouterr().out
    assert main(["bg_trials", f"--run={done}", "--dec=5", "--n=100", "--seed=1"]) == 0
    other = np.load(done / "trials/tiny/bg/dec/+005/trials__N_000100_seed_0001.npy")
    assert not set(other["ts"][other["ts"] > 0]) & set(whole["ts"])


def test_skies_by_hand_give_hottest_spots_in_the_tutorials_columns(done: Path) -> None:
    assert main(["scan_trials", f"--run={done}", "--n=3", "--seed=7"]) == 0
    spots = np.load(done / "trials/tiny/scan/nside/004/trials__N_000003_seed_0007.npy")
    assert spots.dtype.names == ("dec", "gamma", "mlog10p", "ns", "ra", "ts")
    assert np.all(np.abs(spots["dec"]) <= np.radians(60))
    assert main(["scan_trials", f"--run={done}", "--n=3", "--seed=7", "--band=1of2"]) == 0


def test_hottest_spot_is_the_hottest_pixel(done: Path) -> None:
    """The spot from ring maxima equals a search over the full map of p-values."""
    full = np.load(done / layout.map_file(4))
    spot = json.loads((done / layout.SCAN).read_text())["hottest"]
    pixel = int(np.nanargmax(full[0]))
    assert full[0, pixel] == spot["mlog10p"]
    assert full[1, pixel] == spot["ts"]
    import healpy

    theta, phi = healpy.pix2ang(4, pixel)
    assert (np.pi / 2 - theta, phi) == pytest.approx((spot["dec"], spot["ra"]), abs=1e-12)
    seen = healpy.read_map(done / layout.map_file(4, ".fits"), field=None)
    np.testing.assert_array_equal(np.isfinite(full[0]), seen[0] != healpy.UNSEEN)
    north = np.degrees(np.pi / 2 - healpy.pix2ang(4, np.arange(192))[0])
    np.testing.assert_array_equal(np.isfinite(full[0]), (north >= -60) & (north <= 5))


def test_a_hole_is_refused_and_named(copy: Path) -> None:
    lost = copy / "trials/tiny/sig/dec/+005/nsig/008.0/trials__N_000060_seed_0000.npy"
    lost.unlink()
    with pytest.raises(RefusedError, match="1 of 3 promised files of sig_trials are missing") as error:
        collect.collect_sig(copy, 5.0, False)
    assert str(lost) in str(error.value)
    assert "dagmaker run" in str(error.value)
    collect.collect_sig(copy, 5.0, True)
    arrays = store.load_arrays(copy, layout.sig_collected(declination(5.0)))
    assert int(arrays["n_missing"]) == 1
    np.testing.assert_array_equal(arrays["n_sig"], [3, 20])


@pytest.mark.parametrize("damage", ["truncated", "of another seed", "swapped with its record", "of another analysis"])
def test_a_damaged_or_foreign_file_stops_the_collection(copy: Path, damage: str) -> None:
    folder = copy / "trials/tiny/bg/dec/+005"
    file = folder / "trials__N_000120_seed_0000.npy"
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage in ("of another seed", "swapped with its record"):
        trials.bg_trials(copy, 5.0, 120, 9, 0)
        other = folder / "trials__N_000120_seed_0009.npy"
        shutil.copy(other, file)
        if damage == "swapped with its record":
            shutil.copy(other.with_suffix(".json"), file.with_suffix(".json"))
    else:
        record = json.loads(file.with_suffix(".json").read_text())
        file.with_suffix(".json").write_text(json.dumps(record | {"digest": "0" * 64}))
    with pytest.raises(InputError, match=r"trials__N_000120_seed_0000\.npy"):
        collect.collect_bg(copy, 5.0, False)


def test_a_truncated_file_is_made_again_with_the_same_bytes(copy: Path) -> None:
    file = copy / "trials/tiny/bg/dec/-060/trials__N_000120_seed_0000.npy"
    before = file.read_bytes()
    file.write_bytes(before[: len(before) // 2])
    trials.bg_trials(copy, -60.0, 120, 0, 0)
    assert file.read_bytes() == before


def test_the_trial_side_has_no_right_ascensions_and_no_times(done: Path) -> None:
    names = set(store.load_arrays(done, layout.DATA))
    assert not [n for n in names if "ra" in n.lower().replace("area", "").replace("grad", "").split("_")]
    assert not [n for n in names if any(word in n.lower() for word in ("time_", "mjd", "azimuth", "right"))]
    assert json.loads((done / layout.SCAN).read_text())["sky"] == "scrambled"


def test_trials_before_prepare_say_what_comes_first(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC % {"bg": 120, "sig": 60, "sky": 6, "bands": 1, "sky_bands": 1})
    build(load(tmp_path / "spec.yaml"), tmp_path / "run")
    with pytest.raises(InputError, match="worker prepare"):
        trials.bg_trials(tmp_path / "run", 5.0, 10, 0, 0)


def test_more_background_changes_p_without_a_new_scan(copy: Path) -> None:
    """Ring maxima do not know the background: collect_scan alone gives new p-values from them."""
    before = store.load_array(copy, layout.skies_file())
    rings = sorted(copy.glob("trials/tiny/scan/nside/004/rings*.npy"))
    stamps = [f.stat().st_mtime_ns for f in rings]
    rel = layout.bg_collected(declination(5.0))
    arrays = dict(store.load_arrays(copy, rel))
    arrays["ts_even"] = arrays["ts_even"] * 1.5
    from worker.rundir.record import measure

    with measure("test", {}) as meter:
        store.save_arrays(copy, rel, arrays, meter.record(1))
    collect.collect_scan(copy, False)
    after = store.load_array(copy, layout.skies_file())
    assert (after["mlog10p"] <= before["mlog10p"] + 1e-12).all()
    assert (after["mlog10p"] < before["mlog10p"]).any()
    assert [f.stat().st_mtime_ns for f in rings] == stamps
    assert hottest_spots.load_tsds(open_run(copy))[5.0].n == 120


@pytest.mark.parametrize("task", ["bg", "sig", "scan", "map"])
def test_a_task_at_its_time_limit_keeps_what_it_has_and_resumes_to_the_same_bytes(
    copy: Path, task: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(builtin, "BLOCK", 10)
    words, rel = {
        "bg": (["bg_trials", "--dec=5", "--n=120", "--seed=0"], "bg/dec/+005/trials__N_000120_seed_0000.npy"),
        "sig": (
            ["sig_trials", "--dec=5", "--n_sig=8", "--n=60", "--seed=0"],
            "sig/dec/+005/nsig/008.0/trials__N_000060_seed_0000.npy",
        ),
        "scan": (["scan_trials", "--n=6", "--seed=0"], "scan/nside/004/rings__N_000006_seed_0000.npy"),
        "map": (["scan_map", "--nside=4"], "map/nside/004/map__band_00_of_01.npy"),
    }[task]
    words.append(f"--run={copy}")
    file = copy / "trials/tiny" / rel
    before = file.read_bytes()
    file.unlink()
    monkeypatch.setenv("WORKER_TIME_LIMIT_S", "0")
    assert main(words) == 85
    assert "run again to resume" in capsys.readouterr().err
    assert not file.exists()
    assert (copy / "partial/trials/tiny" / rel).exists()
    codes = [main(words) for _ in range(2)]
    assert codes == [85, 85], "every start gets a little further"
    monkeypatch.delenv("WORKER_TIME_LIMIT_S")
    assert main(words) == 0
    assert "resuming after" in capsys.readouterr().out
    assert file.read_bytes() == before
    assert not [f for f in copy.glob("partial/**/*") if f.is_file()]


@pytest.mark.parametrize("raw", ['"x"', "[]", '{"sky": 1}', '{"regions": {"all": 5}}', "null"])
def test_a_result_that_was_changed_is_refused_by_its_readers(copy, raw):
    """Whatever it says now: what reads it names it, and the task that makes it again."""
    (copy / layout.SCAN).write_text(raw)
    for read in (results.post_trial, limits.upper_limits):
        with pytest.raises(
            InputError, match=r"scan\.json: its bytes are not those that collect_scan wrote; run `worker "
        ):
            read(copy)
