from pathlib import Path

import numpy as np
import pytest

from tests.data_release import write_release
from worker.base.errors import InputError
from worker.data import read
from worker.data.ic86_first import read_first_year
from worker.spec.sections import Spec

EVENTS = "MJD\tlog10(E)\tang_err\tRA\tDec\r\n"
AREA = "#  E_min[GeV]   E_max[GeV] cos(zenith)_min cos(zenith)_max       Aeff[m^2]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five events, 2 x 4 bins of effective area, two resolutions, in the published formats."""
    path = tmp_path / "first"
    path.mkdir()
    up = "   55694      3.0      1.0    275.1     39.1\r\n   55695      2.9      0.5     92.5      4.7\r\n"
    down = "   55694      4.6      0.0    242.6    -22.6\r\n" + "   55695      5.4     12.5     31.6    -38.0\r\n" * 2
    (path / "upgoing_events.txt").write_text(EVENTS + up, newline="")
    (path / "downgoing_events.txt").write_text(EVENTS + down, newline="")
    rows = [
        f"  {e0:.3e}  {e1:.3e}  {c:.2f}  {c + 0.5:.2f}  {area:.3e}\n"
        for e0, e1, areas in ((1e2, 1e4, (4, 3, 2, 1)), (1e4, 1e6, (40, 30, 20, 10)))
        for c, area in zip((-1, -0.5, 0, 0.5), areas, strict=True)
    ]
    (path / "TabulatedAeff.txt").write_text(AREA + "".join(rows))
    (path / "AngRes.txt").write_text("1.3, 2.5\r\n0.7, 3.5\r\n0.4, 5.5\r\n", newline="")
    return path


def test_events_of_both_files_are_cleaned_and_sorted(folder: Path) -> None:
    dataset = read_first_year(folder, 332.9, sigma_max_deg=5)
    season = dataset.seasons[0]
    assert dataset.label == "semi-real"
    assert season.livetime_days == 332.9
    np.testing.assert_allclose(np.rad2deg(season.events.dec), [-38, -38, -22.6, 4.7, 39.1], rtol=1e-6)
    np.testing.assert_allclose(np.rad2deg(season.events.sigma), [0, 0, 0, 0.5, 1.0], rtol=1e-6)
    np.testing.assert_allclose(season.events.log_e, [5.4, 5.4, 4.6, 2.9, 3.0], rtol=1e-6)
    text = "; ".join(season.notes)
    assert "1 of 5 events have an angular error of 0 or less: they stay in N" in text
    assert "2 of 5 events have an angular error above 5 deg: they stay in N" in text
    assert "1 of 5 events repeat another one" in text
    assert "dropped" not in text, "none was dropped"


def test_effective_area_is_turned_from_zenith_and_square_metres(folder: Path) -> None:
    area = read_first_year(folder, 332.9, sigma_max_deg=5).seasons[0].area
    np.testing.assert_allclose(area.log_e_nu, [2, 4, 6])
    np.testing.assert_array_equal(area.sin_dec, [-1, -0.5, 0, 0.5, 1])
    # cos(zenith) = -1 is straight up through the Earth: the North Pole, sin(dec) = 1
    np.testing.assert_allclose(area.area_cm2, [[1e4, 2e4, 3e4, 4e4], [1e5, 2e5, 3e5, 4e5]])


def median_psi_deg(smearing, i: int, j: int) -> float:
    k = i * (len(smearing.dec) - 1) + j
    cells = smearing.cells[smearing.start[k] : smearing.start[k + 1]].astype(float)
    at = np.concatenate([cells[:, 2], cells[:, 3]])
    order = np.argsort(at)  # the cumulative of uniform cells is piecewise linear
    rate = np.concatenate([1 / (cells[:, 3] - cells[:, 2]), -1 / (cells[:, 3] - cells[:, 2])])
    slope = np.cumsum((np.concatenate([cells[:, 6], cells[:, 6]]) * rate)[order])
    cumulative = np.concatenate([[0], np.cumsum(slope[:-1] * np.diff(at[order]))])
    return float(np.rad2deg(np.interp(0.5 * cumulative[-1], cumulative, at[order])))


def test_parametrised_smearing_has_the_published_median_resolution(folder: Path) -> None:
    season = read_first_year(folder, 332.9, sigma_max_deg=5).seasons[0]
    smearing = season.smearing
    log_e = (smearing.log_e_nu[1:] + smearing.log_e_nu[:-1]) / 2
    want = np.exp(np.interp(log_e, [2.5, 3.5, 5.5], np.log([1.3, 0.7, 0.4])))
    for j in (0, 7, 12):
        got = [median_psi_deg(smearing, i, j) for i in range(len(log_e))]
        np.testing.assert_allclose(got, want, rtol=0.1)
    assert season.notes[0].startswith("parametrised smearing (the release has none)")


def test_smearing_of_a_track_release_where_the_spec_points_to_one(folder: Path, tmp_path: Path) -> None:
    release = write_release(tmp_path / "tracks", configs=("IC79", "IC86"))
    season = read_first_year(folder, 332.9, sigma_max_deg=5, irfs=(release, "IC86")).seasons[0]
    assert season.smearing.start.shape == (7,)
    assert "smearing of IC86 of a track release" in season.notes[0]
    assert not any("parametrised" in note for note in season.notes)
    with pytest.raises(InputError, match=r"no response 'IC59'.*there are: IC79, IC86.*irfs_config"):
        read_first_year(folder, 332.9, sigma_max_deg=5, irfs=(release, "IC59"))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("upgoing_events.txt", "92.5", "592.5", r"upgoing_events\.txt:3: a right ascension outside"),
        ("downgoing_events.txt", "-22.6", "-122.6", r"downgoing_events\.txt:2: a declination beyond"),
        ("upgoing_events.txt", "ang_err", "error", r"no column 'ang_err'"),
        ("TabulatedAeff.txt", "4.000e+00", "-4.00e+00", r"TabulatedAeff\.txt:2: a negative effective area"),
        ("TabulatedAeff.txt", "Aeff[m^2]", "Aeff[cm^2]", r"another unit than \[m\^2\]"),
        ("TabulatedAeff.txt", "-1.00", "-0.90", r"cos\(zenith\) must span -1 to 1"),
        ("AngRes.txt", "0.7", "0.0", r"AngRes\.txt:2: a median resolution that is none"),
        ("AngRes.txt", "0.7,", "", r"AngRes\.txt:2: 1 fields where the header names 2"),
    ],
)
def test_damage_is_named(folder: Path, file: str, old: str, new: str, message: str) -> None:
    path = folder / file
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new).encode())
    with pytest.raises(InputError, match=message):
        read_first_year(folder, 332.9, sigma_max_deg=5)


@pytest.mark.parametrize("file", ["upgoing_events.txt", "downgoing_events.txt", "TabulatedAeff.txt", "AngRes.txt"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(InputError, match=rf"{file}: no such file; its folder holds"):
        read_first_year(folder, 332.9, sigma_max_deg=5)


# `read` chooses the reader


def spec(data: dict) -> Spec:
    return Spec.model_validate(
        {
            "version": 1,
            "name": "a",
            "seed": 5,
            "data": data,
            "likelihood": {"sigma_max_deg": 0.8},
            "background": {"tail": "none", "dec_deg": (-85.0, 85.0), "n_trials": 1},
            "signal": {"n_sig": (1.0, 2.0, 3.0), "n_trials": 1},
            "scan": {"n_skies": 1},
        }
    )


def test_read_dispatches_on_the_format(folder: Path, tmp_path: Path) -> None:
    release = write_release(tmp_path / "tracks")
    first = read(spec({"format": "ic86_2011", "dir": str(folder), "livetime_days": 10.0}))
    assert (first.seasons[0].name, first.seasons[0].livetime_days) == ("IC86_2011", 10)
    assert np.count_nonzero(first.seasons[0].events.sigma) == 1, "sigma_max_deg of the spec is used"
    borrowed = read(spec({"format": "ic86_2011", "dir": str(folder), "irfs": str(release)}))
    assert "track release" in borrowed.seasons[0].notes[0]
    tracks = read(spec({"format": "icetracks", "dir": str(release), "seasons": ("IC86_I",), "label": "semi-real"}))
    assert (tracks.label, tracks.seasons[0].name) == ("semi-real", "IC86_I")
    made = read(spec({"format": "synthetic", "n_events": 100, "livetime_days": 3.0}))
    assert (made.label, len(made.seasons[0].events.dec), made.seasons[0].livetime_days) == ("synthetic", 100, 3)
