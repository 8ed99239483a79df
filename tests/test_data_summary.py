"""The page about the data: its numbers, its curves, and what it must not show."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.data_release import write_release
from tests.data_simulation import write_season
from worker.cli.main import main
from worker.data import synthetic
from worker.data.csky import read_seasons
from worker.data.dataset import EffectiveArea, Season
from worker.data.describe import BANDS_DEG, area_curve, psi_curve, season_numbers

SPEC = """
version: 1
name: about
seed: 1
data: {%s}
background: {tail: none, dec_deg: [0], n_trials: 10}
signal: {n_sig: [1, 2, 3], n_trials: 10}
scan: {nside: 1, n_skies: 1, dec_min_deg: -10, dec_max_deg: 10}
"""
FILES = {"data.html", "data.txt", "data.json", "data_events.png", "data_response.png"} | {
    "data_events.npz",
    "data_response.csv",
}
DENSITIES = {"data_densities.png", "data_densities.csv", "data_spread.png", "data_spread.csv"}


@pytest.fixture(scope="module")
def cells() -> Season:
    return dataclasses.replace(synthetic.make(3, 20_000, 300.0, sigma_max_deg=5).seasons[0], name="IC86_2011")


@pytest.fixture(scope="module")
def simulated(cells: Season, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Season]:
    folder = write_season(tmp_path_factory.mktemp("csky"), cells, 200_000)
    return folder, read_seasons(folder, ("IC86_2011",), label="real", sigma_max_deg=5, band_sin_dec=0.02).seasons[0]


def spec_file(folder: Path, data: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(SPEC % data)
    return path


def test_numbers_are_those_of_the_season(cells: Season) -> None:
    found = season_numbers(cells)
    sigma, log_e = (np.asarray(column, float) for column in cells.events[1:])
    assert found["n_events"] == 20_000
    assert found["n_usable_sigma"] == np.count_nonzero(sigma)
    assert found["n_north"] == np.count_nonzero(cells.events.dec >= np.deg2rad(-5))
    assert found["events_per_day"] == pytest.approx(20_000 / 300)
    assert found["sigma_deg"]["q50"] == pytest.approx(np.rad2deg(np.median(sigma[sigma > 0])))
    assert found["log10_energy_gev"]["q95"] == pytest.approx(np.quantile(log_e, 0.95))
    assert found["response"]["kind"] == "smearing cells"
    json.dumps(found, allow_nan=False)


def test_the_area_of_a_band_is_the_mean_over_its_solid_angle() -> None:
    area = EffectiveArea(
        np.array([2.0, 3.0, 4.0]), np.array([-1.0, 0.0, 0.5, 1.0]), np.array([[1e6, 2e6, 4e6], [0, 0, 8e6]])
    )
    curve = area_curve(area, -0.5, 0.75)
    np.testing.assert_allclose(curve.values, [(0.5 * 1 + 0.5 * 2 + 0.25 * 4) * 1e6 / 1.25, 0.25 * 8e6 / 1.25])
    assert np.isnan(area_curve(area, -1.0, 0.0).values[1]), "nothing is drawn where there is nothing"


def test_median_angles_of_cells_and_of_simulated_events_agree(cells: Season, simulated: tuple[Path, Season]) -> None:
    for lo, hi in BANDS_DEG[2:]:  # further south the threshold changes what a half decade is made of
        ends = np.sin(np.radians(lo)), np.sin(np.radians(hi))
        want, got = psi_curve(cells, *ends), psi_curve(simulated[1], *ends)
        for k, middle in enumerate((got.log_e_nu[1:] + got.log_e_nu[:-1]) / 2):
            i = np.searchsorted(want.log_e_nu, middle) - 1
            if 2.5 < middle < 4.5:  # enough events
                assert got.values[k] == pytest.approx(want.values[i], rel=0.1)
    assert want.values[2] > 1.5 * want.values[8], "and they fall with energy"


@pytest.mark.slow
def test_the_page_of_a_release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_release(tmp_path / "tracks", ("IC40", "IC86_I", "IC86_II"), ("IC40", "IC86"))
    spec = spec_file(tmp_path, f"format: icetracks, dir: {folder}, seasons: [IC40, IC86_I, IC86_II]")
    assert main(["data_summary", f"--spec={spec}", f"--output={tmp_path / 'out'}"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    printed = capsys.readouterr().out
    assert (tmp_path / "out/data.txt").read_text() in printed
    assert re.search(r"IC86_II +20 +20 +2\.88", printed)
    assert "IC40: 1 of 6 (E_nu, dec) bins of IC40_smearing.csv are empty" in printed
    numbers = json.loads((tmp_path / "out/data.json").read_text())
    assert [season["name"] for season in numbers["seasons"]] == ["IC40", "IC86_I", "IC86_II"]
    assert numbers["n_events"] == 60
    page = (tmp_path / "out/data.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "IC86_smearing.csv are empty" in page


@pytest.mark.slow
def test_the_page_of_simulated_events_shows_neither_places_nor_times(
    tmp_path: Path, simulated: tuple[Path, Season]
) -> None:
    folder, _ = simulated
    spec = spec_file(tmp_path, f"format: numpy, dir: {folder}, seasons: [IC86_2011]")
    assert main(["data_summary", f"--spec={spec}", f"--output={tmp_path / 'out'}"]) == 0
    numbers = (tmp_path / "out/data.json").read_text()
    assert json.loads(numbers)["seasons"][0]["response"] == {
        "kind": "simulated events", "n": 200_000, "declination_bands": 100,
    }  # fmt: skip
    for word in ('"ra', "mjd", '"time'):
        assert word not in numbers.lower()


@pytest.mark.slow
def test_of_a_run_before_and_after_it_is_prepared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dagmaker.htcondor.build import build
    from worker.spec.specfile import load

    spec = spec_file(tmp_path, "format: synthetic, n_events: 3000")
    build(load(spec), tmp_path / "run")
    assert main(["data_summary", f"--run={tmp_path / 'run'}"]) == 3
    assert "`worker prepare --run=" in capsys.readouterr().err
    assert not (tmp_path / "run/report").exists()
    assert main(["prepare", f"--run={tmp_path / 'run'}"]) == 0
    assert main(["data_summary", f"--run={tmp_path / 'run'}"]) == 0
    assert {path.name for path in (tmp_path / "run/report").iterdir()} == FILES | DENSITIES
    first = (tmp_path / "run/report/data.html").read_bytes()
    assert main(["data_summary", f"--run={tmp_path / 'run'}"]) == 0
    assert (tmp_path / "run/report/data.html").read_bytes() == first, "the same data, the same page"


@pytest.mark.parametrize("words", [[], ["--spec=a.yaml"], ["--output=b"], ["--run=r", "--spec=a.yaml", "--output=b"]])
def test_a_run_or_a_spec(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data_summary", *words]) == 2
    assert "write either --run=RUN, or both --spec=SPEC and --output=DIR" in capsys.readouterr().err


def test_damaged_data_have_no_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_release(tmp_path / "tracks")
    path = folder / "uptime/IC86_I_exp.csv"
    path.write_bytes(path.read_bytes()[:-1])
    spec = spec_file(tmp_path, f"format: icetracks, dir: {folder}, seasons: [IC86_I]")
    assert main(["data_summary", f"--spec={spec}", f"--output={tmp_path / 'out'}"]) == 3
    assert "cut off there" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
