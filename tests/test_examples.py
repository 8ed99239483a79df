"""The example specs on the real files: the whole way from YAML to a post-trial p-value, with fewer trials."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dagmaker.cli import main
from tests.conftest import ROOT
from tests.data_simulation import write_season
from tests.report_run import run_to_summary
from worker.data import synthetic

pytestmark = pytest.mark.slow

FEWER: dict[str, dict[str, Any]] = {
    "background": {"dec_deg": [-45, 5, 45], "n_trials": 1500, "trials_per_file": 750, "n_tail_trials": 1024},
    "signal": {"n_sig": [2, 4, 8, 14, 22], "n_trials": 200},
    "scan": {
        "nside": 8,
        "map_nside": 16,
        "dec_min_deg": -45,
        "dec_max_deg": 45,
        "n_skies": 12,
        "skies_per_file": 5,
        "bands": 2,
    },
}


FEWER_SOURCES: dict[str, dict[str, Any]] = {
    "background": {"dec_deg": [-35, 5, 45], "n_trials": 1500, "trials_per_file": 750, "n_tail_trials": 1024},
    "signal": {"n_sig": [2, 4, 8, 14, 24, 50], "n_trials": 150},
    "scan": {"file": str(ROOT / "examples" / "sources.csv"), "n_skies": 60, "skies_per_file": 25},
}


FEWER_CATALOGUES: dict[str, dict[str, Any]] = {
    "background": {"n_trials": 400},
    "signal": {"n_sig": [2, 6, 14, 30], "n_trials": 100},
    "scan": {"n_skies": 60, "skies_per_file": 30},
}


def run_example(
    name: str,
    data: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    fewer: dict[str, dict[str, Any]] = FEWER,
    pages: bool = False,
) -> dict[str, Any]:
    """Run an example with fewer trials, and without the pages of the report unless `pages`; summary.json."""
    monkeypatch.setenv("DAGMAKER_DATA", str(data))
    spec = yaml.safe_load((ROOT / "examples" / name).read_text())
    for section, changes in fewer.items():
        spec[section] |= changes
    small = out / name
    small.write_text(yaml.safe_dump(spec))
    if pages:
        assert main(["run", str(small), f"--run={out / 'run'}", "--jobs=1"]) == 0
    else:
        run_to_summary(small, out / "run")
    return dict(json.loads((out / "run/results/summary.json").read_text()))


def check(summary: dict[str, Any], label: str) -> None:
    """Numbers that any sound run on an IC86 year gives."""
    assert summary["data"]["label"] == label
    assert summary["data"]["seasons"][0]["n_events"] == 138322
    for row in summary["background"]:
        assert row["n"] == 1500
        assert 0.15 < row["eta"] < 0.75  # few heavy events decide in the south: TS = 0 in most trials
        assert 0.7 < row["ndof"] < 1.6
    flux = {row["dec_deg"]: row["flux"] for row in summary["sensitivity"]}
    assert flux[-45] > 5 * flux[5], "the south is far less sensitive at E^-2"
    assert 5e-13 < flux[5] < 5e-12  # TeV cm^-2 s^-1: one year of IC86
    assert summary["discovery"][1]["n_sig"] > 1.5 * summary["sensitivity"][1]["n_sig"]
    assert summary["scan"]["sky"] == "scrambled"
    post = summary["post_trial"]
    assert post["n"] == 12
    assert post["p"] == (post["k"] + 1) / 13


def test_track_release(icetracks_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = run_example("ic86_i_icetracks.yaml", icetracks_release.parent, tmp_path, monkeypatch)
    check(summary, "semi-real")
    assert 0.2e6 < (tmp_path / "run/prepared/data.npz").stat().st_size < 2e6
    full = np.load(tmp_path / "run/results/map_nside_016.npy")
    assert full.shape == (4, 12 * 16**2)


def test_population_and_alert(icetracks_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warm spots, the population test and a multi-order map of an alert: all from one scan."""
    shutil.copy(ROOT / "examples" / "alert.fits", tmp_path)
    fewer = FEWER | {"scan": {**FEWER["scan"], "warm_spots": {"min_ts": 4}}}
    summary = run_example(
        "population_and_alert.yaml", icetracks_release.parent, tmp_path, monkeypatch, fewer, pages=True
    )
    check(summary, "semi-real")
    alert, population = summary["prior_tests"]["alert"], summary["population"]["all"]
    assert alert["probability_inside"] == pytest.approx(1.0)
    assert alert["n"] == population["n"] == 12
    assert alert["ts"] == 0 or abs(alert["dec_deg"] - 5.7) < 20
    assert {spot["ts"] >= 4 for spot in summary["scan"]["warm_spots"]["spots"]} == {True}
    pictures = {path.name for path in (tmp_path / "run/report/figures").iterdir()}
    assert {"population.png", "priors.png"} < pictures


def test_list_of_sources(icetracks_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = run_example("catalog.yaml", icetracks_release.parent, tmp_path, monkeypatch, FEWER_SOURCES, pages=True)
    assert summary["data"]["label"] == "semi-real"
    scan = summary["scan"]
    assert (scan["sky"], scan["n_sources"], scan["n_skies"]) == ("scrambled", 10, 60)
    assert {"TXS 0506+056", "NGC 1068", "3C 279"} < {source["name"] for source in scan["sources"]}
    for source in scan["sources"]:
        assert source["ts"] >= 0
        assert 0 < source["p"] <= 1
    assert summary["post_trial"]["p"] == (summary["post_trial"]["k"] + 1) / 61
    assert 0 < summary["binomial"]["all"]["p"] <= 1
    limits = {row["name"]: row["limits"] for row in summary["upper_limits"]["limits"]}
    txs, galactic_centre = limits["TXS 0506+056"][0], limits["Sgr A*"][0]
    assert 5e-13 < txs["flux"] < 2e-11  # TeV cm^-2 s^-1: one year of IC86
    assert galactic_centre["flux"] > 3 * txs["flux"], "the south is far less sensitive at E^-2"
    assert (tmp_path / "run/report/figures/sources.png").is_file()


def test_catalogues(icetracks_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("catalogue.csv", "sources.csv"):
        (tmp_path / name).write_text((ROOT / "examples" / name).read_text())
    summary = run_example(
        "stacking.yaml", icetracks_release.parent, tmp_path, monkeypatch, FEWER_CATALOGUES, pages=True
    )
    assert [row["name"] for row in summary["scan"]["points"]] == ["seyferts", "well_known"]
    assert summary["post_trial"]["p"] == (summary["post_trial"]["k"] + 1) / 61
    for row in summary["sensitivity"]:
        assert 1e-12 < row["flux"] < 3e-11, "one year of IC86, some of the sources in the south"
    for row in summary["bias"]:
        assert 0.8 < row["slope"] < 1.25
    assert (tmp_path / "run/report/figures/shares.png").is_file()


def test_first_year(ic86_2011_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = run_example("ic86_2011.yaml", ic86_2011_dir.parent, tmp_path, monkeypatch)
    check(summary, "semi-real")
    notes = " ".join(summary["data"]["seasons"][0]["notes"])
    assert "12" in notes
    assert "sigma" in notes or "angular error" in notes


def test_numpy_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of csky's format, made from the synthetic detector."""
    season = synthetic.make(1, 30_000, 300.0, sigma_max_deg=5.0).seasons[0]
    write_season(tmp_path / "ps_tracks", dataclasses.replace(season, name="IC86_2011"), 100_000)
    summary = run_example("numpy_files.yaml", tmp_path, tmp_path, monkeypatch, pages=True)
    (found,) = summary["data"]["seasons"]
    assert (found["name"], found["n_events"]) == ("IC86_2011", 30_000)
    flux = {row["dec_deg"]: row["flux"] for row in summary["sensitivity"]}
    assert flux[-45] > 5 * flux[5], "the south is far less sensitive at E^-2"
    assert "data.html" in {path.name for path in (tmp_path / "run/report").iterdir()}
    assert summary["post_trial"]["n"] == 12


def test_windows_of_known_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer: dict[str, dict[str, Any]] = {
        "background": {"n_trials": 2000},
        "signal": {"n_trials": 60},
        "scan": {"n_skies": 200, "skies_per_file": 100},
    }
    summary = run_example("window.yaml", tmp_path, tmp_path, monkeypatch, fewer, pages=True)
    assert [row["name"] for row in summary["scan"]["points"]][:3] == ["burst__1000s", "burst__1d", "burst__30d"]
    assert all(row["unit"] == "TeV cm^-2" for row in summary["sensitivity"])
    assert (tmp_path / "run/report/figures/windows.png").stat().st_size > 10_000
    assert "E² dF/dE" in (tmp_path / "run/report/index.html").read_text()


def test_flares_of_unknown_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer: dict[str, dict[str, Any]] = {
        "data": {"n_events": 4000},
        "background": {"n_trials": 200, "trials_per_file": 100},
        "signal": {"n_trials": 30},
        "scan": {"n_skies": 40, "skies_per_file": 20},
    }
    summary = run_example("flare.yaml", tmp_path, tmp_path, monkeypatch, fewer, pages=True)
    assert [row["name"] for row in summary["scan"]["points"]] == ["blazar", "quasar"]
    assert all(row["unit"] == "TeV cm^-2" for row in summary["sensitivity"])
    assert (tmp_path / "run/report/figures/flares.png").stat().st_size > 10_000
