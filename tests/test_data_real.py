"""The readers against the real files: an independent, slow and plain reading with NumPy is the oracle."""

import gzip
import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.waiting import HANG_S
from worker.data.dataset import Dataset, Season
from worker.data.ic86_first import read_first_year
from worker.data.icetracks import read_release
from worker.data.prepared import content_digest, pack, unpack
from worker.data.synthetic import make

# The release is 1.2 GB and made in 15 s: one process makes it, once.
pytestmark = pytest.mark.slow

MEASURE = """
import json, sys
from pathlib import Path
from worker.data.icetracks import read_release
from worker.data.prepared import content_digest
dataset = read_release(Path(sys.argv[1]), ("IC86_I",), label="semi-real", sigma_max_deg=5.0)
print(json.dumps({
    "max_rss_mb": int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024,
    "digest": content_digest(dataset),
}))
"""


@pytest.fixture(scope="module")
def dataset(icetracks_release: Path) -> Dataset:
    return read_release(icetracks_release, ("IC86_I", "IC40"), label="semi-real", sigma_max_deg=5.0)


@pytest.fixture(scope="module")
def plain_slice(icetracks_dr2_dir: Path) -> np.ndarray:
    """Declination slice 20 of IC86 as published, read plainly: (112000, 11)."""
    with gzip.open(icetracks_dr2_dir / "IC86_smearing_decbin20.csv.gz", "rt") as file:
        return np.loadtxt(file)


def cells_of(season: Season, i: int, j: int) -> np.ndarray:
    smearing = season.smearing
    k = i * (len(smearing.dec) - 1) + j
    return smearing.cells[smearing.start[k] : smearing.start[k + 1]].astype(float)


def test_grids_are_those_of_the_release(dataset: Dataset) -> None:
    for season in dataset.seasons:
        assert season.area.area_cm2.shape == (40, 50)
        assert season.smearing.start.shape == (14 * 30 + 1,)
        np.testing.assert_allclose(season.smearing.log_e_nu, np.linspace(2, 9, 15), atol=1e-12)
        np.testing.assert_allclose(season.smearing.dec[[0, -1]], [-np.pi / 2, np.pi / 2])
    assert len(dataset.seasons[0].smearing.cells) == 314_514
    assert len(dataset.seasons[1].smearing.cells) == 288_772


def test_weights_sum_to_one_where_there_are_any(dataset: Dataset) -> None:
    empty = []
    for season in dataset.seasons:
        start = season.smearing.start
        sums = np.array([season.smearing.cells[a:b, 6].sum(dtype=float) for a, b in pairwise(start)])
        filled = np.diff(start) > 0
        np.testing.assert_allclose(sums[filled], 1, atol=1e-5)
        empty.append(int(np.count_nonzero(~filled)))
    assert empty == [0, 76]
    assert any("76 of 420 (E_nu, dec) bins of IC40_smearing.csv are empty" in n for n in dataset.seasons[1].notes)


@pytest.mark.parametrize("i", [0, 3, 6, 13])
def test_marginals_are_those_of_a_plain_reading(dataset: Dataset, plain_slice: np.ndarray, i: int) -> None:
    rows = plain_slice[np.isclose(plain_slice[:, 0], 2 + 0.5 * i)]
    cells = cells_of(dataset.seasons[0], i, 20)
    for lo, hi, scale in ((0, 1, 1.0), (2, 3, np.pi / 180), (4, 5, np.pi / 180)):
        edges = np.unique(np.concatenate([rows[:, 4 + lo], rows[:, 4 + hi]]))
        middle = (rows[:, 4 + lo] + rows[:, 4 + hi]) / 2
        want, _ = np.histogram(middle, edges, weights=rows[:, 10])
        got, _ = np.histogram((cells[:, lo] + cells[:, hi]) / 2 / scale, edges, weights=cells[:, 6])
        np.testing.assert_allclose(got, want / want.sum(), atol=1e-6)
    product = (rows[:, 6] + rows[:, 7]) * (rows[:, 8] + rows[:, 9])
    mine = np.rad2deg(cells[:, 2] + cells[:, 3]) * np.rad2deg(cells[:, 4] + cells[:, 5])
    want_mean = np.average(product, weights=rows[:, 10])
    np.testing.assert_allclose(np.average(mine, weights=cells[:, 6]), want_mean, rtol=1e-4)


def test_a_neighbouring_slice_would_be_noticed(dataset: Dataset, plain_slice: np.ndarray) -> None:
    rows = plain_slice[np.isclose(plain_slice[:, 0], 5.0)]
    want = (rows[:, 10] * (rows[:, 4] + rows[:, 5]) / 2).sum()
    ours, next_one = (
        (c[:, 6] * (c[:, 0] + c[:, 1]) / 2).sum() for c in (cells_of(dataset.seasons[0], 6, j) for j in (20, 21))
    )
    assert abs(ours - want) < 1e-5
    assert abs(next_one - want) > 1e-3


def test_effective_area_looks_up_as_in_the_file(dataset: Dataset, icetracks_release: Path) -> None:
    for season, config in zip(dataset.seasons, ("IC86", "IC40"), strict=True):
        plain = np.loadtxt(icetracks_release / "irfs" / f"{config}_effectiveArea.csv")
        log_e, sin_dec = plain[:, :2].mean(axis=1), np.sin(np.deg2rad(plain[:, 2:4])).mean(axis=1)
        i = np.searchsorted(season.area.log_e_nu, log_e) - 1
        j = np.searchsorted(season.area.sin_dec, sin_dec) - 1
        np.testing.assert_array_equal(season.area.area_cm2[i, j], plain[:, 4])


def test_livetime_is_the_sum_of_the_good_runs(dataset: Dataset, icetracks_release: Path) -> None:
    for season in dataset.seasons:
        runs = np.loadtxt(icetracks_release / "uptime" / f"{season.name}_exp.csv")
        assert season.livetime_days == pytest.approx((runs[:, 1] - runs[:, 0]).sum(), abs=1e-9)
    assert dataset.seasons[0].livetime_days == pytest.approx(332.963, abs=1e-3)


def test_events_are_those_of_the_file(dataset: Dataset, icetracks_release: Path) -> None:
    for season in dataset.seasons:
        plain = np.loadtxt(icetracks_release / "events" / f"{season.name}_exp.csv")
        log_e, sigma, dec = plain[:, 4], np.where(plain[:, 5] > 5, 0, plain[:, 5]), plain[:, 7]
        order = np.lexsort((sigma, log_e, dec))
        np.testing.assert_array_equal(season.events.dec, np.deg2rad(dec + 0.0)[order].astype(np.float32))
        np.testing.assert_array_equal(season.events.sigma, np.deg2rad(sigma)[order].astype(np.float32))
        np.testing.assert_array_equal(season.events.log_e, log_e[order].astype(np.float32))


def test_ten_year_events_read_as_published(icetracks_release: Path, icetracks_dr2_dir: Path, tmp_path: Path) -> None:
    for name in ("irfs", "uptime", "events"):
        (tmp_path / name).mkdir()
    for name in ("irfs/IC40_effectiveArea.csv", "irfs/IC40_smearing.csv"):
        (tmp_path / name).symlink_to(icetracks_release / name)
    shutil.copy(icetracks_dr2_dir / "IC40_events_10yr_release.csv", tmp_path / "events" / "IC40_exp.csv")
    shutil.copy(icetracks_dr2_dir / "IC40_uptime.csv", tmp_path / "uptime" / "IC40_exp.csv")
    season = read_release(tmp_path, ("IC40",), label="real", sigma_max_deg=5.0).seasons[0]
    assert len(season.events.dec) == 36_900
    assert season.livetime_days == pytest.approx(376.36, abs=0.01)
    assert not any("repeat" in note or "outside" in note for note in season.notes)


def test_a_season_packs_into_a_megabyte_and_comes_back(dataset: Dataset, tmp_path: Path) -> None:
    season = Dataset(dataset.label, dataset.seasons[:1])
    arrays = pack(season)
    np.savez_compressed(tmp_path / "data.npz", **arrays)
    assert (tmp_path / "data.npz").stat().st_size < 1.2e6
    assert sum(a.nbytes for a in arrays.values()) < 3e6
    with np.load(tmp_path / "data.npz") as loaded:
        back = unpack({name: loaded[name] for name in loaded})
    assert content_digest(back) == content_digest(season)
    assert content_digest(unpack(pack(dataset))) == content_digest(dataset)


def test_reading_600_mb_takes_little_memory(icetracks_release: Path, dataset: Dataset) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(icetracks_release)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    measured = json.loads(done.stdout)
    assert measured["max_rss_mb"] < 500
    assert measured["digest"] == content_digest(Dataset("", dataset.seasons[:1])), "the same from another process"


def test_first_year_release(ic86_2011_dir: Path) -> None:
    dataset = read_first_year(ic86_2011_dir, 332.9, sigma_max_deg=5.0)
    season = dataset.seasons[0]
    assert len(season.events.dec) == 138_322
    assert season.area.area_cm2.shape == (70, 200)
    text = "; ".join(season.notes)
    assert "12 of 138322 events have an angular error of 0 or less: they stay in N" in text
    assert "2033 of 138322 events have an angular error above 5 deg: they stay in N" in text
    plain = np.loadtxt(ic86_2011_dir / "TabulatedAeff.txt")
    i = np.searchsorted(season.area.log_e_nu, np.log10(plain[:, :2]).mean(axis=1)) - 1
    j = np.searchsorted(season.area.sin_dec, -plain[:, 2:4].mean(axis=1)) - 1
    np.testing.assert_allclose(season.area.area_cm2[i, j], plain[:, 4] * 1e4, rtol=1e-12)
    back = unpack(pack(dataset))
    assert content_digest(back) == content_digest(dataset)


# The made-up season resembles the real one


@pytest.fixture(scope="module")
def made() -> Season:
    return make(2011, 138_322, 332.9, sigma_max_deg=5.0).seasons[0]


def sin_dec(season: Season) -> np.ndarray:
    return np.sin(season.events.dec.astype(float))


def in_band(season: Season, lo: float, hi: float) -> np.ndarray:
    """log10(E/GeV) of the events of a band in sin(dec)."""
    x = sin_dec(season)
    return season.events.log_e[(x >= lo) & (x < hi)]


def usable_sigma(season: Season, north: bool, log_e: float) -> np.ndarray:
    """Logarithms of the angular errors in half a decade of energy."""
    _, sigma, energy = season.events
    side = (sin_dec(season) > -0.087) == north
    return np.log(sigma[side & (sigma > 0) & (energy >= log_e) & (energy < log_e + 0.5)])


def apart(a: np.ndarray, b: np.ndarray, p: tuple[float, ...]) -> float:
    return float(np.abs(np.quantile(a, p) - np.quantile(b, p)).max())


def test_made_up_rates_are_like_the_real_ones(dataset: Dataset, made: Season) -> None:
    real, ours = (np.histogram(sin_dec(s), np.linspace(-1, 1, 21))[0] for s in (dataset.seasons[0], made))
    np.testing.assert_allclose(ours, real, rtol=0.08)


def test_made_up_energies_are_like_the_real_ones(dataset: Dataset, made: Season) -> None:
    for lo in np.linspace(-1, 0.8, 10):
        real, ours = (in_band(s, lo, lo + 0.2) for s in (dataset.seasons[0], made))
        assert apart(real, ours, (0.05, 0.16, 0.5, 0.84, 0.95)) < 0.13, lo


@pytest.mark.parametrize("north", [True, False])
def test_made_up_errors_are_like_the_real_ones(dataset: Dataset, made: Season, north: bool) -> None:
    compared = 0
    for log_e in np.arange(2.5, 6, 0.5):
        real, ours = (usable_sigma(s, north, log_e) for s in (dataset.seasons[0], made))
        if len(real) > 1000:
            assert apart(real, ours, (0.16, 0.5, 0.84)) < np.log(1.35), log_e
            compared += 1
    assert compared >= 3


def test_made_up_effective_area_is_like_the_real_one(dataset: Dataset, made: Season) -> None:
    real, ours = dataset.seasons[0].area, made.area
    np.testing.assert_allclose(real.log_e_nu[:36], ours.log_e_nu, atol=1e-9)
    log_e, dec = (ours.log_e_nu[:-1] + 0.1)[:, None], (ours.sin_dec[:-1] + 0.02)[None, :]
    sensible = np.where(dec < -0.15, log_e > 5.3, log_e > 3) & (log_e < 7) & (np.abs(dec) < 0.96)
    ratio = (ours.area_cm2 / np.maximum(real.area_cm2[:35], 1e-9))[sensible]
    assert 0.85 < np.median(ratio) < 1.15
    assert np.mean(np.abs(np.log(ratio)) < np.log(1.35)) > 0.8
