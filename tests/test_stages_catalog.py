"""A list of sources, end to end on a real run directory: the numbers, cutting, holes, repair, report."""

import json
import math
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dagmaker.cli import main as dagmaker
from dagmaker.htcondor import repair
from dagmaker.htcondor.build import build
from dagmaker.status import summary as terminal
from tests import report_run
from worker.base.compare import Rounding
from worker.base.errors import RefusedError
from worker.blinding import unblind
from worker.cli.main import main
from worker.hypotheses import hottest_spots
from worker.hypotheses.source_list.sources import positions
from worker.report import unblinded
from worker.report.results import Results
from worker.rundir import address, layout, store
from worker.rundir.ledger import open_run
from worker.spec.specfile import load
from worker.stats.population import binomial_test
from worker.stats.posttrial import post_trial
from worker.tasks import collect, flux_rows, limits, scans, scratch_run

pytestmark = pytest.mark.slow

ODD = r"$\undefined{$ |<b>`[x](y)"
CSV = f"name,ra_deg,dec_deg\nA,77.3,5.5\nB,300,-25\nC,77.6,5.5\n{ODD},180,39\nE,12,5\n"
SPEC = """
version: 1
name: listed
seed: 3
data: {format: synthetic, n_events: 10000}
background: {tail: none, dec_deg: [-30, 5, 40], n_trials: 600, trials_per_file: %(bg)d}
signal: {gamma: [2, 3], n_sig: [1, 3, 8, 20, 50], n_trials: 100}
sensitivity: {n_bootstrap: 20, discovery_nsigma: [2, 3]}
scan: {kind: catalog, file: sources.csv, n_skies: 40, skies_per_file: %(sky)d}
"""


def make(folder: Path, **cuts: int) -> Path:
    """The spec file of a run, beside its list."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sources.csv").write_text(CSV)
    (folder / "spec.yaml").write_text(SPEC % {"bg": 600, "sky": 40, **cuts})
    return folder / "spec.yaml"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, by the local runner; its list is gone, and its skies were cut into pieces."""
    spec = make(tmp_path_factory.mktemp("listed"), bg=250, sky=15)
    assert dagmaker(["run", str(spec), f"--run={spec.parent / 'run'}", "--jobs=1"]) == 0
    (spec.parent / "sources.csv").unlink()
    return spec.parent / "run"


@pytest.fixture(scope="module")
def summary(done: Path) -> dict:
    return dict(json.loads((done / layout.SUMMARY).read_text()))


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done, tmp_path / "run"))


def skies(run: Path) -> np.ndarray:
    """TS, ns, gamma of every background sky and source, straight from the files."""
    files = run.glob("trials/listed/scan/catalog/*/sources__*.npy")
    files = sorted(files, key=lambda file: file.stem.partition("first_")[2])
    return np.concatenate([np.load(file) for file in files])


def test_one_sky_of_a_list_is_replayed(done, capsys):
    """It has no pixels, and is told by source."""
    (file,) = done.glob("trials/listed/scan/catalog/*/sources__N_000015_seed_0000.npy")
    assert main(["replay", f"--run={done}", f"--file={file.relative_to(done)}", "--trial=3"]) == 0
    row = np.load(file)[3]
    assert f"is at {np.argmax(row['ts'])}, counted from 0: ts {row['ts'].max():.4f}, ns " in capsys.readouterr().out


def test_every_source_has_its_numbers(done: Path, summary: dict) -> None:
    scan = summary["scan"]
    assert (scan["sky"], scan["kind"], scan["n_sources"], scan["n_skies"]) == ("scrambled", "catalog", 5, 40)
    run = open_run(done)
    tsds = hottest_spots.load_tsds(run)
    (observed,) = done.glob("trials/listed/map/catalog/*/map__band_00_of_01.npy")
    row = np.load(observed)[0]
    for i, source in enumerate(scan["sources"]):
        assert (source["ts"], source["ns"], source["gamma"]) == tuple(row[i])
        p = float(hottest_spots.p_map(run.spec, tsds, np.radians(source["dec_deg"]), np.float64(source["ts"])))
        assert source["mlog10p"] == p
        assert source["p"] == pytest.approx(10**-p)
    best = max(scan["sources"], key=lambda source: source["mlog10p"])
    assert scan["hottest"]["name"] == best["name"]
    assert set(scan["regions"]) == {"all", "north", "south"}
    assert scan["regions"]["south"]["name"] == "B"


def test_the_terminal_has_every_spectrum_and_source(done: Path, summary: dict) -> None:
    lines = terminal.lines(done)
    assert [line.partition("gamma ")[2] for line in lines if "sensitivity, 90 %" in line] == ["2]", "3]"]
    assert all("discovery, 3 sigma" in line for line in lines if "sensitivity, 90 %" in line)
    first = next(i for i, line in enumerate(lines) if line.startswith("source "))
    in_order = sorted(summary["scan"]["sources"], key=lambda source: -source["mlog10p"])
    for source, line in zip(in_order, lines[first + 1 :], strict=False):
        assert line.startswith(source["name"]) and line.endswith(f" {source['p']:.3g}")
    assert len(in_order) == 5 and lines[first + 6] == ""


def test_the_observed_sky_is_one_more_scrambled_sky_at_its_own_address(done: Path) -> None:
    run = open_run(done)
    assert address.observed(run.spec) != address.scan_trials(run.spec, 0)
    (observed,) = done.glob("trials/listed/map/catalog/*/map__band_00_of_01.npy")
    assert not any(np.array_equal(np.load(observed)[0], sky) for sky in skies(done))


def test_corrections_are_counts_of_whole_skies(done: Path, summary: dict) -> None:
    """The post-trial p of the hottest source and of the binomial test, counted by hand from the files of skies."""
    run = open_run(done)
    ts = skies(done)["ts"]
    assert ts.shape == (40, 5)
    where = positions(run.spec)
    heat = hottest_spots.p_map(run.spec, hottest_spots.load_tsds(run), np.broadcast_to(where.dec, ts.shape), ts)
    expected = post_trial(summary["scan"]["hottest"]["mlog10p"], heat.max(axis=1))
    assert (summary["post_trial"]["p"], summary["post_trial"]["k"]) == (expected.p, expected.k)
    tests = binomial_test(heat).mlog10p
    mine = summary["scan"]["binomial"]["all"]["mlog10p"]
    found = summary["binomial"]["all"]
    assert found["n_at_least"] == np.count_nonzero(tests >= mine)
    assert found["p"] == (found["n_at_least"] + 1) / 41
    assert ts[:, 0] != pytest.approx(ts[:, 1])
    assert np.corrcoef(ts[:, 0], ts[:, 2])[0, 1] > 0.5, "A and C are neighbours and see the same sky"
    shuffled = np.stack([np.random.default_rng(i).permutation(column) for i, column in enumerate(heat.T)], axis=1)
    assert not np.array_equal(np.sort(shuffled.max(axis=1)), np.sort(heat.max(axis=1))), "correlation matters"


def test_limits_interpolate_in_declination_and_never_undercut_the_sensitivity(done: Path, summary: dict) -> None:
    run = open_run(done)
    found = {row["name"]: row for row in summary["upper_limits"]["limits"]}
    assert list(found) == ["A", "B", "C", ODD, "E"]
    at = {
        dec: flux_rows.load(run, run.spec.at(dec), 2.0, hottest_spots.load_tsd(run, run.spec.at(dec)))
        for dec in (-30.0, 5.0, 40.0)
    }
    for name, parts in {
        "A": [(5.0, 69 / 70), (40.0, 1 / 70)],
        "B": [(-30.0, 6 / 7), (5.0, 1 / 7)],
        "E": [(5.0, 1.0)],
    }.items():
        ts = found[name]["ts"]
        row = found[name]["limits"][0]
        grid = [flux_rows.limit(run, at[dec], ts)["n_sig"] for dec, _ in parts]
        assert row["gamma"] == 2
        assert row["n_sig"] == pytest.approx(sum(w * n for (_, w), n in zip(parts, grid, strict=True)), rel=1e-12)
        assert row["flux"] == pytest.approx(
            row["n_sig"] * flux_rows.flux_per_event(run, run.spec.at(found[name]["dec_deg"]), 2.0), rel=1e-12
        )
        floor = [flux_rows.limit(run, at[dec], 0.0)["n_sig"] for dec, _ in parts]
        assert row["n_sig"] >= sum(w * n for (_, w), n in zip(parts, floor, strict=True)) * (1 - 1e-12)
        hot = [flux_rows.limit(run, at[dec], 9.0)["n_sig"] for dec, _ in parts]
        assert all(h > f for h, f in zip(hot, floor, strict=True))
    sensitivity = {row["dec_deg"]: row["n_sig"] for row in summary["sensitivity"]}
    for dec, trials in at.items():
        assert flux_rows.limit(run, trials, 0.0)["n_sig"] == sensitivity[dec], (
            "at a low TS the limit is the sensitivity"
        )


@pytest.mark.parametrize(
    ("dec", "expected"),
    [(-30, [(-30, 1)]), (5, [(5, 1)]), (12, [(5, 0.8), (40, 0.2)]), (40, [(40, 1)])],
)
def test_bracket(dec: float, expected: list[tuple[float, float]]) -> None:
    found = limits.bracket((-30.0, 5.0, 40.0), dec)
    assert [place for place, _ in found] == [place for place, _ in expected]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in expected])


def test_a_limit_that_the_trials_do_not_reach_says_what_to_add(done: Path) -> None:
    row = limits.Limits(open_run(done)).of(limits.Target("A", 5.0, 500.0))[0]
    assert row["flux"] is None
    assert "add n_sig up to about" in row["reason"]


def test_several_spectra_have_a_level_and_results_of_their_own(done: Path, summary: dict) -> None:
    for gamma in ("2.000", "3.000"):
        assert len(list(done.glob(f"trials/listed/sig/gamma/{gamma}/dec/+005/nsig/*/trials*.npy"))) == 5
    assert [part["gamma"] for part in summary["more_spectra"]] == [3]
    soft = {row["dec_deg"]: row for row in summary["more_spectra"][0]["sensitivity"]}
    assert soft.keys() == {row["dec_deg"] for row in summary["sensitivity"]}
    assert {row["gamma"] for row in summary["sensitivity"]} == {2}

    def seen_with_one_event(rows: Iterable[dict[str, Any]]) -> int:
        return sum(point["k"] for row in rows for point in row["points"] if point["n_sig"] == 1)

    hard_k, soft_k = seen_with_one_event(summary["sensitivity"]), seen_with_one_event(soft.values())
    assert soft_k < hard_k - math.sqrt(hard_k), f"{soft_k}, {hard_k} of 300: one soft event hides in the background"
    assert {row["nsigma"] for row in summary["discovery"]} == {3}
    assert {row["nsigma"] for row in summary["discovery_lower"]} == {2}
    streams = [
        np.load(next(done.glob(f"trials/listed/sig/gamma/{g}/dec/+005/nsig/008.0/*.npy"))) for g in ("2.000", "3.000")
    ]
    assert not set(streams[0]["ts"][streams[0]["ts"] > 0]) & set(streams[1]["ts"])


def test_checks_are_all_made(summary: dict) -> None:
    named = {check["name"]: check for check in summary["checks"]}
    for name in ("files_complete", "n_eff_bands", "ra_uniform", "smooth_map"):
        assert named[name]["passed"], named[name]["sentence"]
    assert "no map" in named["smooth_map"]["sentence"]


def test_the_report_has_the_table_and_the_figures(done: Path, summary: dict) -> None:
    page = (done / layout.REPORT).read_text(encoding="utf-8")
    assert "List of sources" in page
    assert "no figure" not in page
    for figure in ("sources", "binomial", "positions", "post_trial"):
        assert (done / "report/figures" / f"{figure}.png").stat().st_size > 5000
    assert not (done / "report/skymap.html").exists()
    assert report_run.claims(done) == []
    assert r"| \$\\undefined{\$ \|\<b\>\`\[x\](y) |" in (done / "report/report.md").read_text(encoding="utf-8")
    assert r"$\undefined{$ |&lt;b&gt;`[x](y)" in (done / "report/index.html").read_text(encoding="utf-8")
    from worker.report import formats
    from worker.report.results import load as load_results
    from worker.report.sources import table

    rows = table(load_results(open_run(done))).rows
    assert len(rows) == 5
    assert rows[0][0] == summary["scan"]["hottest"]["name"]
    by_name = {row["name"]: row["limits"] for row in summary["upper_limits"]["limits"]}
    for row in rows:
        assert formats.power(by_name[row[0]][1]["flux"], by_name[row[0]][1]["flux_error"]) in row


def test_skies_do_not_depend_on_the_cutting(done: Path, copy: Path) -> None:
    folder = next(copy.glob("trials/listed/scan/catalog/*"))
    assert main(["scan_trials", f"--run={copy}", "--n=40", "--seed=0"]) == 0
    whole = np.load(folder / "sources__N_000040_seed_0000.npy")
    assert whole.tobytes() == skies(done).tobytes()
    assert main(["scan_trials", f"--run={copy}", "--n=5", "--seed=0", "--band=0of2"]) == 2
    assert main(["scan_map", f"--run={copy}", "--nside=4"]) == 2


def test_a_hole_is_refused_and_repair_finds_every_damage(copy: Path) -> None:
    (lost,) = copy.glob("trials/listed/scan/catalog/*/sources__N_000015_seed_0000_first_0000015.npy")
    lost.unlink()
    with pytest.raises(RefusedError, match="1 of 3 promised files of scan_trials are missing"):
        collect.collect_scan(copy, False)
    collect.collect_scan(copy, True)
    assert store.load_json(copy, layout.SCAN)["n_missing"] == 1
    (observed,) = copy.glob("trials/listed/map/catalog/*/map__*.npy")
    observed.write_bytes(observed.read_bytes()[:-8])
    (copy / "results/binomial_all.npy").unlink()
    found = {(fault.node, fault.position): fault.state for fault in repair.verify(copy, 1)[1]}
    assert found == {("scan", 1): "absent", ("map_sources", 0): "corrupt", ("collect_scan", 0): "corrupt"}


def test_another_list_in_the_same_directory_makes_its_own_skies(copy: Path, tmp_path: Path) -> None:
    spec = make(tmp_path / "other", bg=250, sky=15)
    (spec.parent / "sources.csv").write_text(CSV.replace("180,39", "181,39"))
    run = tmp_path / "run"
    before = {path.name for path in (run / "trials/listed/scan/catalog").iterdir()}
    build(load(spec), run)
    scans.scan_trials(run, 15, 0, 0, None)
    after = {path.name for path in (run / "trials/listed/scan/catalog").iterdir()}
    assert len(before) == 1
    assert before < after


def test_on_a_map_the_hottest_spots_have_limits(reported_run: Path) -> None:
    """Healpix, one spectrum; the rows are the regions."""
    run = reported_run
    found, scan = store.load_json(run, layout.LIMITS), store.load_json(run, layout.SCAN)
    rows = {row["name"]: row for row in found["limits"]}
    assert set(rows) == set(scan["regions"])
    assert rows["all"]["ts"] == scan["hottest"]["ts"]
    assert rows["all"]["limits"][0]["gamma"] == 2
    assert rows["all"]["limits"][0]["flux"] or rows["all"]["limits"][0]["reason"]


def test_the_real_sky_of_a_list_has_the_same_numbers_as_the_scrambled_one(copy: Path) -> None:
    """Every source, hottest source, binomial test, limits; twice the same bytes, and a section of the report."""
    run = open_run(copy)
    with scratch_run.create(run) as root:
        assert unblind.write_results(run, 1, root) == ["unblinded/results.json", "unblinded/surroundings.json"]
        raw, places = ((root / f"unblinded/{name}.json").read_bytes() for name in ("results", "surroundings"))
    found = json.loads(raw)
    scan = store.load_json(copy, layout.SCAN)
    assert found["sky"] == "unblinded synthetic"
    assert [source["name"] for source in found["sources"]] == [source["name"] for source in scan["sources"]]
    assert [source["ts"] for source in found["sources"]] != [source["ts"] for source in scan["sources"]]
    assert len(found["upper_limits"]["limits"]) == len(found["sources"])
    assert 0 < found["binomial"]["all"]["p"] <= 1
    skies = store.load_array(copy, layout.skies_file())["mlog10p"]
    at_least = int((skies >= found["hottest"]["mlog10p"]).sum())
    assert found["post_trial"]["p"] == (at_least + 1) / (len(skies) + 1)
    store.save_json(copy, layout.UNBLINDED_RESULTS, found)
    (copy / "unblinded/surroundings.json").write_bytes(places)
    assert unblind.differences(run, 1, Rounding()) == []
    told = unblinded.section(Results(run, {"unblinded": found}))
    assert told is not None
    assert told["how"] == f"a list of {len(found['sources'])} sources"
