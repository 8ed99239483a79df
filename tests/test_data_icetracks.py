from pathlib import Path

import numpy as np
import pytest

from tests.data_release import (
    AREA_DEC,
    AREA_E_NU,
    DEC,
    E_NU,
    EVENTS_7,
    UPTIME_HEADER,
    event_lines,
    smearing_lines,
    write_lines,
    write_release,
)
from worker.base.errors import InputError
from worker.data.dataset import Dataset
from worker.data.icetracks import read_release
from worker.spec.season_files import response_of


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_release(tmp_path / "release")


def read(folder: Path, *seasons: str, sigma_max_deg: float = 5.0) -> Dataset:
    return read_release(folder, seasons or ("IC86_I",), label="real", sigma_max_deg=sigma_max_deg)


def replace_line(path: Path, number: int, old: str, new: str) -> None:
    lines = path.read_text().split("\n")
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new)
    path.write_text("\n".join(lines))


# What is read


def test_events_are_those_of_the_file_sorted_by_declination(release: Path) -> None:
    events = read(release).seasons[0].events
    i = np.arange(20)
    np.testing.assert_array_equal(events.dec, np.deg2rad(np.round(-88 + 9.1 * i, 3)).astype(np.float32))
    np.testing.assert_array_equal(events.sigma, np.deg2rad(np.round(0.2 + 0.05 * i, 2)).astype(np.float32))
    np.testing.assert_array_equal(events.log_e, np.round(2 + 0.11 * i, 2).astype(np.float32))
    assert all(column.dtype == np.float32 for column in events)


def test_seven_columns_and_any_order_of_columns_read_the_same(release: Path) -> None:
    ten = read(release).seasons[0].events
    path = release / "events" / "IC86_I_exp.csv"
    write_lines(path, EVENTS_7, event_lines(7))
    seven = read(release).seasons[0].events
    write_lines(
        path,
        "#" + " ".join(reversed(EVENTS_7[1:].split())),
        [" ".join(reversed(line.split())) for line in event_lines(7)],
    )
    backwards = read(release).seasons[0].events
    for a, b, c in zip(ten, seven, backwards, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


def test_livetime_is_the_sum_of_the_good_runs(release: Path) -> None:
    assert read(release).seasons[0].livetime_days == 0.25 + 0.5 + 2.125


def test_time_that_two_runs_share_counts_once_and_is_noted(release: Path) -> None:
    runs = [f"{55000 + a} {55000 + b}" for a, b in ((0, 1), (0.5, 0.75), (0.75, 2), (0, 1), (10, 10.5))]
    write_lines(release / "uptime" / "IC86_I_exp.csv", UPTIME_HEADER, runs)
    season = read(release).seasons[0]
    assert season.livetime_days == pytest.approx(2.5, abs=1e-12)
    assert any("3 runs of IC86_I_exp.csv overlap" in note for note in season.notes)


def test_effective_area_is_looked_up_by_energy_and_declination(release: Path) -> None:
    area = read(release).seasons[0].area
    np.testing.assert_array_equal(area.log_e_nu, AREA_E_NU)
    np.testing.assert_allclose(area.sin_dec, np.sin(np.deg2rad(AREA_DEC)), atol=1e-15)
    assert area.sin_dec[0] == -1
    assert area.sin_dec[-1] == 1
    np.testing.assert_array_equal(area.area_cm2, (10 * np.arange(3)[:, None] + np.arange(4)) * 1e6)


def test_smearing_cells_are_those_of_the_file_with_weights_that_sum_to_one(release: Path) -> None:
    smearing = read(release).seasons[0].smearing
    np.testing.assert_array_equal(smearing.log_e_nu, E_NU)
    np.testing.assert_allclose(smearing.dec, np.deg2rad(DEC))
    plain = np.array([[float(x) for x in line.split()] for line in smearing_lines()])
    assert smearing.start.shape == (7,)
    assert smearing.start[1] == 0, "the first bin is empty"
    for k, (i, j) in enumerate(np.ndindex(2, 3)):
        want = plain[(plain[:, 0] == E_NU[i]) & (plain[:, 2] == DEC[j]) & (plain[:, 10] > 0), 4:]
        got = smearing.cells[smearing.start[k] : smearing.start[k + 1]]
        np.testing.assert_array_equal(got[:, :2], want[:, :2].astype(np.float32))
        np.testing.assert_array_equal(got[:, 2:6], np.deg2rad(want[:, 2:6]).astype(np.float32))
        np.testing.assert_allclose(got[:, 6], want[:, 6], rtol=1e-6)
        if len(got):
            assert got[:, 6].sum(dtype=float) == pytest.approx(1, abs=1e-6)


def test_the_order_of_smearing_rows_does_not_matter(release: Path) -> None:
    path = release / "irfs" / "IC86_smearing.csv"
    ordered = read(release).seasons[0].smearing
    header, *lines = path.read_text().splitlines()
    order = np.random.default_rng(5).permutation(len(lines))
    write_lines(path, header, [lines[k] for k in order])
    mixed = read(release).seasons[0].smearing
    np.testing.assert_array_equal(ordered.start, mixed.start)
    for a, b in zip(ordered.start, ordered.start[1:], strict=False):
        np.testing.assert_array_equal(
            ordered.cells[a:b][np.lexsort(ordered.cells[a:b].T)], mixed.cells[a:b][np.lexsort(mixed.cells[a:b].T)]
        )


def test_bins_that_the_release_leaves_out_are_empty(release: Path) -> None:
    path = release / "irfs" / "IC86_smearing.csv"
    header, *lines = path.read_text().splitlines()
    write_lines(path, header, [line for line in lines if line.split()[0::2][:2] != ["2.00", "-5.000000"]])
    season = read(release).seasons[0]
    assert season.smearing.start[2] == 0
    assert any("2 of 6 (E_nu, dec) bins of IC86_smearing.csv are empty" in note for note in season.notes)


def test_progress_covers_all_configurations(tmp_path: Path) -> None:
    folder = write_release(tmp_path, ("IC40", "IC86_I"), ("IC40", "IC86"))
    seen: list[float] = []
    read_release(folder, ("IC40", "IC86_I"), label="real", sigma_max_deg=5, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[0] == 0.5
    assert seen[-1] == 1


# Which response belongs to which season

TEN_YEARS = ("IC40", "IC59", "IC79", "IC86_I", "IC86_II")
FOURTEEN_YEARS = ("IC40", "IC59", "IC79", "IC86")


@pytest.mark.parametrize(
    ("configs", "season", "config"),
    [
        *((TEN_YEARS, s, s) for s in TEN_YEARS),
        *((TEN_YEARS, f"IC86_{n}", "IC86_II") for n in ("III", "IV", "V", "VI", "VII")),
        *((FOURTEEN_YEARS, s, s) for s in FOURTEEN_YEARS[:3]),
        *((FOURTEEN_YEARS, f"IC86_{n}", "IC86") for n in ("I", "II", "IV", "IX", "X", "XI")),
    ],
)
def test_configuration_of_a_season(tmp_path: Path, configs: tuple[str, ...], season: str, config: str) -> None:
    (tmp_path / "irfs").mkdir()
    for name in configs:
        (tmp_path / "irfs" / f"{name}_effectiveArea.csv").touch()
        (tmp_path / "irfs" / f"{name}_smearing.csv").touch()
    choice = response_of(tmp_path, season)
    assert choice.config == config
    assert any(f"takes the response of {config}: " in note for note in choice.notes) == (config != season)


def test_a_season_before_every_configuration_has_none(tmp_path: Path) -> None:
    folder = write_release(tmp_path, ("IC86_I",), ("IC86_II",))
    with pytest.raises(InputError, match=r"no response for season 'IC86_I'.*IC86_II"):
        read(folder)


def test_seasons_of_one_configuration_share_it(tmp_path: Path) -> None:
    a, b, c = read(
        write_release(tmp_path, ("IC40", "IC86_I", "IC86_II"), ("IC40", "IC86")), "IC86_I", "IC40", "IC86_II"
    ).seasons
    assert (a.name, b.name, c.name) == ("IC86_I", "IC40", "IC86_II")
    assert a.smearing is c.smearing
    assert a.area is c.area
    assert b.smearing is not a.smearing


# What is refused


def test_a_season_without_file_lists_those_that_are_there(tmp_path: Path) -> None:
    folder = write_release(tmp_path, ("IC40", "IC86_I"), ("IC40", "IC86"))
    with pytest.raises(InputError, match=r"no events of season 'IC86_II'; seasons there: IC40, IC86_I"):
        read(folder, "IC86_I", "IC86_II")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such folder.*data\.dir"):
        read(tmp_path / "nowhere")


EVENTS, UPTIME, AREA, SMEARING = (
    "events/IC86_I_exp.csv",
    "uptime/IC86_I_exp.csv",
    "irfs/IC86_effectiveArea.csv",
    "irfs/IC86_smearing.csv",
)


@pytest.mark.parametrize(
    ("file", "line", "old", "new", "message"),
    [
        (EVENTS, 3, "-78.900", "-98.900", r"_exp\.csv:3: a declination beyond 90 deg; found .*Dec\[deg\] -98\.9"),
        (EVENTS, 4, "35.000", "-35.000", r"_exp\.csv:4: a right ascension outside 0 to 360"),
        (EVENTS, 4, "2.22", "22.2", r"_exp\.csv:4: an impossible log10"),
        (EVENTS, 5, "0.35", "nan", r"_exp\.csv:5: 'nan' in column 6"),
        (EVENTS, 1, "Dec[deg]", "Dec[rad]", r"_exp\.csv:1: column 'Dec\[rad\]' has another unit"),
        (EVENTS, 1, "AngErr[deg]", "Error[deg]", r"no column 'AngErr\[deg\]'"),
        (UPTIME, 3, "55001.00000000", "55000.50000000", r"_exp\.csv:3: a run that does not end after it starts"),
        (AREA, 3, "1", "-1", r"effectiveArea\.csv:3:"),
        (AREA, 2, "-90.00", "-80.00", r"effectiveArea\.csv:\d: a bin of Dec_nu_min\[deg\] that leaves a gap"),
        (SMEARING, 60, "2.00 ", "2.10 ", r"smearing\.csv:\d+: a bin of log10\(E_nu/GeV\)_min that leaves a gap"),
    ],
)
def test_damage_is_named_with_file_and_line(
    release: Path, file: str, line: int, old: str, new: str, message: str
) -> None:
    replace_line(release / file, line, old, new)
    with pytest.raises(InputError, match=message):
        read(release)


def smearing_row(release: Path, change: dict[int, str]) -> int:
    """Change fields of the first row with weight; returns its line."""
    path = release / SMEARING
    lines = path.read_text().split("\n")
    number = next(k for k, line in enumerate(lines) if k > 0 and float(line.split()[-1]) > 0)
    fields = lines[number].split()
    for column, value in change.items():
        fields[column] = value
    lines[number] = " ".join(fields)
    path.write_text("\n".join(lines))
    return number + 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({6: "9.0"}, r"PSF_max\[deg\] below PSF_min\[deg\]"),
        ({7: "190.0"}, r"PSF outside 0 to 180 deg"),
        ({8: "-1.0"}, r"AngErr outside 0 to 180 deg"),
        ({10: "-0.1"}, r"negative Fractional_Counts"),
        ({10: "0.9"}, r"energy bin 0, declination bin 1\) sum to \S+, not 1"),
    ],
)
def test_impossible_cells_are_refused(release: Path, change: dict[int, str], message: str) -> None:
    line = smearing_row(release, change)
    with pytest.raises(InputError, match=rf"smearing\.csv:{line}: .*{message}"):
        read(release)


def test_rows_missing_from_a_bin_are_noticed(release: Path) -> None:
    path = release / SMEARING
    lines = path.read_text().split("\n")
    path.write_text("\n".join(lines[:70] + lines[82:]))
    with pytest.raises(InputError, match="not 1: rows are missing"):
        read(release)


def test_a_bin_of_the_effective_area_given_twice_or_not_at_all_is_refused(release: Path) -> None:
    path = release / AREA
    lines = path.read_text().split("\n")
    path.write_text("\n".join([*lines[:4], lines[3], *lines[4:]]))
    with pytest.raises(InputError, match="1 of 12 bins do not have exactly one row; the first, with 2 rows"):
        read(release)
    path.write_text("\n".join(lines[:3] + lines[4:]))
    with pytest.raises(InputError, match="1 of 12 bins do not have exactly one row; the first, with 0 rows"):
        read(release)


def test_radians_under_a_header_of_degrees_are_noticed(release: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [
        f"55000.1 3.0 0.01 {ra:.4f} {dec:.4f} 0 0"
        for ra, dec in zip(rng.uniform(0, 6.28, 200), rng.uniform(-1.5, 1.5, 200), strict=True)
    ]
    write_lines(release / EVENTS, EVENTS_7, rows)
    with pytest.raises(InputError, match="these are radians under a header that says deg"):
        read(release)


# Cleaning


def test_unusable_errors_become_zero_and_are_counted(release: Path) -> None:
    rows = [f"55000.1 3.0 {s} 10.0 {d}.0 0 0" for d, s in enumerate(["0.5", "0", "-0.1", "5.0", "5.01", "300"])]
    write_lines(release / EVENTS, EVENTS_7, rows)
    season = read(release).seasons[0]
    want = np.deg2rad([0.5, 0, 0, 5.0, 0, 0]).astype(np.float32)
    np.testing.assert_array_equal(season.events.sigma, want)
    assert season.notes[2:4] == (
        "2 of 6 events have an angular error of 0 or less: they stay in N and carry no signal density",
        "2 of 6 events have an angular error above 5 deg: they stay in N and carry no signal density",
    )
    assert np.count_nonzero(read(release, sigma_max_deg=15).seasons[0].events.sigma) == 3


def test_repeated_events_are_counted_and_kept(release: Path) -> None:
    lines = event_lines(10)
    write_lines(release / EVENTS, (release / EVENTS).read_text().split("\n")[0], [*lines, lines[3], lines[3], lines[7]])
    season = read(release).seasons[0]
    assert len(season.events.dec) == 23
    assert "3 of 23 events repeat another one in every published column: kept" in season.notes


def test_clean_data_have_nothing_to_note_but_the_empty_bin(release: Path) -> None:
    assert read(release).seasons[0].notes == (
        "takes the response of IC86: the published release has one for several seasons",
        "1 of 6 (E_nu, dec) bins of IC86_smearing.csv are empty",
    )
