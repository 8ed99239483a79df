"""The published track releases with all their seasons: 10 years, 14 years, and the second version of the latter.

The folders are made here in the published formats, with their grids of neutrino energy and declination.
"""

from pathlib import Path

import numpy as np
import pytest

from tests.data_release import EVENTS_7, EVENTS_10, event_lines, write_lines, write_release
from worker.base.errors import InputError
from worker.base.rng import key
from worker.data.dataset import Dataset, Smearing
from worker.data.icetracks import read_release
from worker.data.prepared import content_digest, pack, unpack
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import declination, trials
from worker.engines.builtin import season as of_season
from worker.engines.builtin.inject import draw_signal
from worker.engines.builtin.response import Spectrum
from worker.spec.season_files import response_of

EARLY = ("IC40", "IC59", "IC79")
YEARS = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI")
TEN_YEARS = (*EARLY, *(f"IC86_{year}" for year in YEARS[:7]))
FOURTEEN_YEARS = (*EARLY, *(f"IC86_{year}" for year in YEARS))
TEN_YEAR_CONFIGS = (*EARLY, "IC86_I", "IC86_II")
FOURTEEN_YEAR_CONFIGS = (*EARLY, "IC86")

HALVES = tuple(2 + 0.5 * k for k in range(15))
TEN_YEAR_DEC = (-90.0, -10.0, 10.0, 90.0)
V1_DEC = (-90.0, *(float(x) for x in np.round(np.rad2deg(np.arcsin(np.linspace(-1, 1, 31)[1:-1])), 6)), 90.0)
V2_E_NU = (*HALVES[:-1], 10.0)
V2_DEC = (-90.0, -60.0, -40.0, -20.0, -12.0, -8.0, -5.0, 0.0, 5.0, 15.0, 30.0, 50.0, 90.0)

CUTS = engine.Cuts(np.arange(1.0, 4.0 + 1e-9, 1 / 16), 5.0, float(np.radians(0.2)), float(np.radians(5.0)))


def read(folder: Path, seasons: tuple[str, ...]) -> Dataset:
    return read_release(folder, seasons, label="real", sigma_max_deg=5.0)


def smearing_of(dataset: Dataset, k: int) -> Smearing:
    smearing = dataset.seasons[k].smearing
    assert isinstance(smearing, Smearing)
    return smearing


@pytest.fixture(scope="module")
def ten_years(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = write_release(tmp_path_factory.mktemp("ten"), TEN_YEARS, TEN_YEAR_CONFIGS, HALVES, TEN_YEAR_DEC, 7)
    return read(folder, TEN_YEARS)


def test_ten_seasons_have_five_responses(ten_years: Dataset) -> None:
    assert [season.name for season in ten_years.seasons] == list(TEN_YEARS)
    smearings = [season.smearing for season in ten_years.seasons]
    assert len({id(s) for s in smearings[:5]}) == 5, "IC40, IC59, IC79, IC86_I and IC86_II have their own"
    assert all(s is smearings[4] for s in smearings[5:]), "IC86_III to VII share that of IC86_II"
    assert all(season.area is ten_years.seasons[4].area for season in ten_years.seasons[5:])
    arrays = pack(ten_years)
    assert {name.split(".")[0] for name in arrays if name.startswith("smearing")} == {f"smearing{k}" for k in range(5)}
    assert content_digest(unpack(arrays)) == content_digest(ten_years)


def test_each_season_has_its_own_events_and_good_runs(ten_years: Dataset) -> None:
    for season in ten_years.seasons:
        assert len(season.events.dec) == 20
        assert season.livetime_days == 2.875


def test_seasons_of_a_source_are_weighed_by_their_expected_events(ten_years: Dataset) -> None:
    """f_j of the signal table, and the seasons of injected events, follow livetime x acceptance."""
    analysis = engine.build(ten_years, CUTS)
    dec, spectrum = np.radians(20.0), Spectrum(2.5)
    expected = np.array([of_season.acceptance(season, dec, spectrum) for season in ten_years.seasons])
    assert len(set(expected)) == 5
    table = engine.table_at(analysis, dec)
    share = table.share[24, 0]  # the node gamma = 2.5
    np.testing.assert_allclose(share, expected / expected.sum(), rtol=1e-9)
    injector = trials.injector_at(analysis, dec, spectrum, 5000.0, poisson=False)
    draws = np.empty((5001, 5))
    k0, k1 = key("seasons", 1)
    n = draw_signal(injector, np.uint64(k0), np.uint64(k1), np.uint64(0), draws)
    counts = np.bincount(draws[:n, 4].astype(int), minlength=10)
    chi2 = ((counts - n * share) ** 2 / (n * share)).sum()
    assert chi2 < 9 + 4 * np.sqrt(18)
    assert ((counts - n / 10) ** 2 / (n / 10)).sum() > 9 + 4 * np.sqrt(18), "equal shares would be noticed"


def test_bins_that_a_configuration_leaves_empty_send_nothing(ten_years: Dataset) -> None:
    """Bin (0, 0) is empty, as some of IC40 are: no events of such neutrinos are expected or injected."""
    season = ten_years.seasons[0]
    assert any("1 of 42 (E_nu, dec) bins of IC40_smearing.csv are empty" in note for note in season.notes)
    south, north = np.radians(-45.0), np.radians(45.0)
    weights = [of_season.response.energy_weights(season, dec, [Spectrum(2.0)])[:, 0] for dec in (south, north)]
    assert weights[0][0] == 0
    assert weights[1][0] > 0
    cells, expected = of_season.cells(season, south, Spectrum(2.0))
    assert len(cells) == len(expected) > 0
    assert expected.sum() == pytest.approx(weights[0].sum(), rel=1e-6)


def test_ten_seasons_are_fitted_together(ten_years: Dataset) -> None:
    analysis = engine.build(ten_years, CUTS)
    point = trials.point_at(analysis, np.radians(20.0))
    injector = trials.injector_at(analysis, np.radians(20.0), Spectrum(2.0), 20.0)
    signal, background = (trials.run(analysis, point, (1, 2), 0, 50, j)["ts"] for j in (injector, None))
    assert np.median(signal) > np.median(background) + 5


@pytest.mark.parametrize(("version", "e_nu", "dec"), [("v1", HALVES, V1_DEC), ("v2", V2_E_NU, V2_DEC)])
def test_fourteen_years_with_the_grids_of_either_version(
    tmp_path: Path, version: str, e_nu: tuple[float, ...], dec: tuple[float, ...]
) -> None:
    folder = write_release(tmp_path / version, FOURTEEN_YEARS, FOURTEEN_YEAR_CONFIGS, e_nu, dec)
    dataset = read(folder, FOURTEEN_YEARS)
    assert len(dataset.seasons) == 14
    assert {response_of(folder, season).config for season in FOURTEEN_YEARS[3:]} == {"IC86"}
    assert len({id(season.smearing) for season in dataset.seasons}) == 4
    for k in range(14):
        np.testing.assert_array_equal(smearing_of(dataset, k).log_e_nu, e_nu)
        np.testing.assert_allclose(smearing_of(dataset, k).dec, np.deg2rad(dec), rtol=1e-12)
        assert smearing_of(dataset, k).start.shape == ((len(e_nu) - 1) * (len(dec) - 1) + 1,)


def test_the_same_declination_falls_into_the_bins_of_its_own_version(tmp_path: Path) -> None:
    """The grids of the two versions part declinations differently, and their top energy bins differ."""
    bins, top = [], []
    for name, e_nu, dec in (("v1", HALVES, V1_DEC), ("v2", V2_E_NU, V2_DEC)):
        folder = write_release(tmp_path / name, ("IC86_I",), ("IC86",), e_nu, dec)
        analysis = engine.build(read(folder, ("IC86_I",)), CUTS)
        season = analysis.dataset.seasons[0]
        edges = declination.smearing_edges(season)
        found = [declination.bin_weights(edges, np.sin(np.radians(d))) for d in (-89, -6, 1, 14, 89)]
        bins.append([max(weights, key=lambda part: part.weight).number for weights in found])
        node = float(np.arcsin(season.area.sin_dec[1:3].mean()))
        top.append(of_season.response.energy_weights(season, node, [Spectrum(1.0)])[-1, 0])
    assert bins[1] == [0, 5, 7, 8, 11]
    assert bins[0] != bins[1]
    # the effective area ends at 10^9 GeV, so a bin to 10^10 holds no more events than one to 10^9
    assert top[1] == pytest.approx(top[0], rel=1e-12)


# The same events twice


def test_a_copy_of_a_season_is_refused(tmp_path: Path) -> None:
    folder = write_release(tmp_path, ("IC86_I", "IC86_II"))
    (folder / "events/IC86_II_exp.csv").write_bytes((folder / "events/IC86_I_exp.csv").read_bytes())
    with pytest.raises(InputError, match=r"20 events of IC86_II stand in IC86_I too.*would count twice.*Leave one"):
        read(folder, ("IC86_I", "IC86_II"))


def test_a_season_of_another_release_under_another_name_is_refused(tmp_path: Path) -> None:
    """Ten columns or seven, sigma and energy re-made: time and direction tell."""
    folder = write_release(tmp_path, ("IC86_I", "IC86_II"))
    lines = [line.split() for line in event_lines(7)]
    again = [" ".join([line[0], "3.33", "0.77", *line[3:]]) for line in lines]
    write_lines(folder / "events/IC86_II_exp.csv", EVENTS_7, again)
    with pytest.raises(InputError, match="20 events of IC86_II stand in IC86_I too"):
        read(folder, ("IC86_I", "IC86_II"))


def test_one_event_at_a_border_of_seasons_is_noted_and_kept(tmp_path: Path) -> None:
    folder = write_release(tmp_path, ("IC86_I", "IC86_II"))
    rows = [
        f"118000 {k} 0 {55000 + 0.0005 * k:.4f} 3.{k % 10} 0.5 {k % 360}.25 {k % 170 - 85}.5 0 0" for k in range(400)
    ]
    write_lines(folder / "events/IC86_I_exp.csv", EVENTS_10, rows[:200])
    write_lines(folder / "events/IC86_II_exp.csv", EVENTS_10, [*rows[201:], rows[7]])
    first, second = read(folder, ("IC86_I", "IC86_II")).seasons
    assert "1 events of IC86_II stand in IC86_I too: kept, and counted in both" in second.notes
    assert not any("stand in" in note for note in first.notes)
    assert len(second.events.dec) == 200
