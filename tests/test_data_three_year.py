"""The 3-year release: its reader, what a spec is told, and the archive in a wheel."""

import hashlib
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from dagmaker.releases import wheel
from tests.dagmaker_spec import text
from worker import data
from worker.base.errors import InputError, SpecError
from worker.data.three_year import read_three_years
from worker.spec.season import TimedSeason
from worker.spec.specfile import loads

EVENTS = "#       MJD[days]   log10(E/GeV)   AngErr[deg]   RA[deg]   Dec[deg]   Azimuth[deg]   Zenith[deg]\n"
AREA = "#  E_min[GeV]   E_max[GeV] cos(zenith)_min cos(zenith)_max       Aeff[m^2]\n"
RESOLUTION = "#  E_min[GeV]   E_max[GeV]   Med.Resolution[deg]\n"
NAMES = ("IC79-2010", "IC86-2011")
SEASONS = tuple(TimedSeason(name=name, livetime_days=300.0) for name in NAMES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two seasons in the published format: 40 events each, 2 x 4 bins of effective area, two resolutions."""
    for k, name in enumerate(NAMES):
        u = np.random.default_rng(k).random((40, 4))
        rows = [
            f"{55348 + 400 * k + 8 * i:.8f} {2 + 4 * a:.4f} {0.2 + b:.4f} {360 * c:.4f} {170 * d - 85:.4f} 0.0 0.0\n"
            for i, (a, b, c, d) in enumerate(u)
        ]
        (tmp_path / f"{name}-events.txt").write_text(EVENTS + "".join(rows))
        areas = [
            f"{e:.3e} {100 * e:.3e} {c:.2f} {c + 0.5:.2f} {100 * (k + 1) * (4 - i):.3e}\n"
            for e in (1e2, 1e4)
            for i, c in enumerate((-1, -0.5, 0, 0.5))
        ]
        (tmp_path / f"{name}-TabulatedAeff.txt").write_text(AREA + "".join(areas))
        (tmp_path / f"{name}-AngRes.txt").write_text(RESOLUTION + "1e2 1e4 1.3\n1e4 1e8 0.4\n")
    return tmp_path


def described(folder: Path, *names: str) -> str:
    seasons = ", ".join(f"{{name: {name}, livetime_days: 300}}" for name in names)
    sections = text().split("\n")
    return "\n".join(
        f"data: {{format: icecube_3yr, dir: {folder}, seasons: [{seasons}]}}" if line.startswith("data:") else line
        for line in sections
    )


def test_events_and_areas_of_every_season_are_its_own(folder: Path) -> None:
    dataset = read_three_years(folder, SEASONS, sigma_max_deg=5.0)
    assert dataset.label == "semi-real"
    assert [season.name for season in dataset.seasons] == list(NAMES)
    for k, season in enumerate(dataset.seasons):
        raw = np.loadtxt(folder / f"{NAMES[k]}-events.txt")
        np.testing.assert_allclose(np.rad2deg(season.events.dec), np.sort(raw[:, 4]), rtol=1e-5)
        # cos(zenith) = -1 is straight up through the Earth: the North Pole, sin(dec) = 1; m^2 are 1e4 cm^2
        np.testing.assert_allclose(season.area.area_cm2, [[(k + 1) * a * 1e6 for a in (1, 2, 3, 4)]] * 2)
        assert season.notes[0].startswith("parametrised smearing")


def test_positions_are_those_of_the_events(folder: Path) -> None:
    spec = loads(described(folder, *NAMES))
    seasons = data.read(spec).seasons
    for name, season, (ra, _) in zip(NAMES, seasons, data.read_positions(spec), strict=True):
        raw = np.loadtxt(folder / f"{name}-events.txt")
        at = np.argmin(np.abs(np.rad2deg(ra)[:, None] - raw[:, 3]), axis=1)
        np.testing.assert_allclose(np.rad2deg(season.events.dec), raw[at, 4], rtol=1e-5)
        np.testing.assert_allclose(season.events.log_e, raw[at, 1], rtol=1e-5)


def test_a_season_that_is_not_there_a_lost_file_and_a_livetime_that_is_too_long(folder: Path) -> None:
    with pytest.raises(SpecError, match=r"'IC86-2013'; .* has IC79-2010, IC86-2011"):
        loads(described(folder, "IC86-2013"))
    (folder / "IC86-2011-AngRes.txt").write_text(RESOLUTION + "1e4 1e2 0.4\n")
    with pytest.raises(InputError, match=r"AngRes.txt:2: a bin that is none"):
        read_three_years(folder, SEASONS, sigma_max_deg=5.0)
    (folder / "IC86-2011-AngRes.txt").unlink()
    with pytest.raises(SpecError, match=r"has no IC86-2011-AngRes.txt"):
        loads(described(folder, *NAMES))


def test_only_the_published_archive_is_taken_out_of_a_wheel(tmp_path: Path) -> None:
    good = b"the release"
    carried = wheel.Carried("x==1", "x/a.zip", PurePosixPath("a.zip"), len(good), hashlib.sha256(good).hexdigest())
    for name, raw in (("good", good), ("other", b"another one"), ("bomb", b"0" * 1000)):
        with zipfile.ZipFile(tmp_path / f"{name}.whl", "w") as archive:
            archive.writestr("x/a.zip", raw)
    assert wheel.archive_in(tmp_path / "good.whl", carried) == good
    for name in ("other", "bomb"):
        with pytest.raises(InputError, match="does not have the sha256"):
            wheel.archive_in(tmp_path / f"{name}.whl", carried)
    with pytest.raises(InputError, match=r"has no x/b.zip"):
        wheel.archive_in(tmp_path / "good.whl", carried._replace(member="x/b.zip"))
