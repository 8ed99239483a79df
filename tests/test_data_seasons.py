"""Whose response, simulation, files and columns a season takes: named where not its own, refused where unclear."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import recfunctions

from dagmaker.cli import main
from tests.data_release import write_release
from tests.data_simulation import write_season
from worker.base.errors import InputError
from worker.data import synthetic
from worker.data.csky import read_positions, read_seasons
from worker.data.dataset import Season, Simulation
from worker.data.good_runs import run_of
from worker.data.icetracks import read_release
from worker.data.plausibility import FEW, Measured, check_given_livetime, is_many, run_notes
from worker.report import data_summary
from worker.spec.season import NumpySeason, ReleaseSeason
from worker.spec.specfile import loads, loads_resolved, resolved_text

Change = Callable[[Path], object]
SPEC = """
version: 1
name: case
seed: 1
data: {%s}
background: {tail: none, dec_deg: [-30, 0, 30], n_trials: 20}
signal: {n_sig: [2, 6, 14], n_trials: 20}
scan: {nside: 1, dec_min_deg: -30, dec_max_deg: 30, n_skies: 1}
"""


def read(folder: Path, season: str, response: str | None = None) -> Season:
    asked = (ReleaseSeason(name=season, response=response),)
    return read_release(folder, asked, label="real", sigma_max_deg=5.0).seasons[0]


# Track releases


def rename(old: str, new: str) -> Change:
    return lambda irfs: (irfs / old).rename(irfs / new)


UNCLEAR: dict[str, tuple[str, tuple[str, ...], Change, str]] = {
    "a smearing that is not finished": (
        "IC86_II", ("IC86_I", "IC86_II"), rename("IC86_II_smearing.csv", "IC86_II_smearing.csv.0a1b2c3d.part"),
        r"IC86_II of season IC86_II lacks IC86_II_smearing\.csv; there is .*0a1b2c3d\.part \(a download that is not "
        r"finished\)\. .*`dagmaker data fetch`.*write in data\.seasons: \{name: IC86_II, response: IC86_I\}",
    ),
    "an area that is not there": (
        "IC86_II", ("IC86", "IC86_II"), lambda irfs: (irfs / "IC86_II_effectiveArea.csv").unlink(),
        r"responses of two releases: IC86 is that of the 14-year release, IC86_II of the 10-year release",
    ),
    "half of the one that is shared": (
        "IC86_V", ("IC86_I", "IC86_II"), lambda irfs: (irfs / "IC86_II_effectiveArea.csv").unlink(),
        r"IC86_II of season IC86_V lacks IC86_II_effectiveArea\.csv; there is IC86_II_smearing\.csv\.",
    ),
    "a compressed one": (
        "IC40", ("IC40",), rename("IC40_smearing.csv", "IC40_smearing.csv.gz"), r"there is .*IC40_smearing\.csv\.gz",
    ),
    "the second response has not come yet": (
        "IC86_II", ("IC86_I",), lambda irfs: None,
        r"no response for season 'IC86_II'.*there for IC86_I\. .*\{name: IC86_II, response: IC86_I\}",
    ),
    "later than the 10 years": (
        "IC86_IX", ("IC86_I", "IC86_II"), lambda irfs: None, r"no response for season 'IC86_IX'",
    ),
    "two releases in one folder": (
        "IC86_II", ("IC86", "IC86_I", "IC86_II"), lambda irfs: None,
        r"responses of two releases.*folder of its own, or write in data\.seasons: \{name: IC86_II, response: IC86\}",
    ),
    "events that are not unpacked": (
        "IC40", ("IC40",), lambda irfs: rename("IC40_exp.csv", "IC40_exp.csv.gz")(irfs.parent / "events"),
        r"there is IC40_exp\.csv\.gz: unpack it",
    ),
    "another detector": ("IC79", ("IC40",), lambda irfs: None, r"no response for season 'IC79'.*out of data\.seasons$"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNCLEAR)
def test_a_response_that_is_unclear_is_refused(tmp_path: Path, case: str) -> None:
    season, configs, change, message = UNCLEAR[case]
    folder = write_release(tmp_path, (season,), configs)
    change(folder / "irfs")
    with pytest.raises(InputError, match=message):
        read(folder, season)
    text = SPEC % f"format: icetracks, dir: {folder}, seasons: [{season}]"
    with pytest.raises(Exception, match=message):
        loads(text)


@pytest.mark.parametrize(
    ("season", "configs", "response", "note"),
    [
        ("IC86_II", ("IC86_I", "IC86_II"), None, None),
        ("IC86_V", ("IC86_I", "IC86_II"), None, "takes the response of IC86_II: the published release has one for"),
        ("IC86_V", ("IC86",), None, "takes the response of IC86: the published release has one for"),
        ("IC86_II", ("IC86_I",), "IC86_I", "takes the response of IC86_I, which data.seasons names"),
        ("IC86_II", ("IC86", "IC86_II"), "IC86", "takes the response of IC86, which data.seasons names"),
        ("IC86_II", ("IC86_II",), "IC86_II", None),
    ],
)  # fmt: skip
def test_a_response_of_another_season_is_named(
    tmp_path: Path, season: str, configs: tuple[str, ...], response: str | None, note: str | None
) -> None:
    found = read(write_release(tmp_path, (season,), configs), season, response)
    taken = [line for line in found.notes if "takes the response" in line]
    assert len(taken) == (note is not None)
    assert note is None or taken[0].startswith(note)


@pytest.mark.slow
def test_the_name_stands_in_the_summary_and_in_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_release(tmp_path / "rel", ("IC86_V",), ("IC86_II",))
    spec = SPEC % "format: icetracks, dir: rel, seasons: [IC86_V]"
    (tmp_path / "spec.yaml").write_text(spec)
    numbers = data_summary.of_spec(tmp_path / "spec.yaml", tmp_path / "page")
    assert "takes the response of IC86_II" in numbers["seasons"][0]["notes"][0]
    for name in ("data.txt", "data.html", "data.json"):
        assert "takes the response of IC86_II" in (tmp_path / "page" / name).read_text()
    assert main(["check", str(tmp_path / "spec.yaml")]) == 0
    assert "data: IC86_V takes the response of IC86_II: the published release" in capsys.readouterr().out


def test_a_response_that_is_named_must_be_whole(tmp_path: Path) -> None:
    folder = write_release(tmp_path, ("IC86_II",), ("IC86_II",))
    with pytest.raises(InputError, match=r"the response IC86_I of season IC86_II lacks .* and .*there is nothing"):
        read(folder, "IC86_II", "IC86_I")


def test_events_of_one_release_with_the_response_of_another_are_noted(tmp_path: Path) -> None:
    mixed = read(write_release(tmp_path / "a", ("IC86_II",), ("IC86_II",), columns=10), "IC86_II")
    alike = read(write_release(tmp_path / "b", ("IC86_II",), ("IC86_II",), columns=7), "IC86_II")
    note = "the events have the columns of the 14-year release, and the response IC86_II is named as in the 10-year"
    assert any(line.startswith(note) for line in mixed.notes)
    assert not any("columns of the" in line for line in alike.notes)


def test_good_runs_that_two_seasons_share_are_noted(tmp_path: Path) -> None:
    folder = write_release(tmp_path, ("IC86_I", "IC86_II"), ("IC86",))
    first, second = read_release(folder, ("IC86_I", "IC86_II"), label="real", sigma_max_deg=5).seasons
    assert "2.88 days of good runs of IC86_II are in those of IC86_I too: counted in both" in second.notes
    assert not any("counted in both" in note for note in first.notes)


# NumPy files


@pytest.fixture(scope="module")
def small() -> Season:
    return dataclasses.replace(synthetic.make(3, 400, 300.0, sigma_max_deg=5).seasons[0], name="IC86_2011")


def read_numpy(folder: Path, *seasons: str | NumpySeason) -> tuple[Season, ...]:
    return read_seasons(folder, seasons, label="real", sigma_max_deg=5.0, band_sin_dec=0.5).seasons


def renamed(path: Path, names: dict[str, str], to: Path | None = None) -> None:
    np.save(to or path, recfunctions.rename_fields(np.load(path), names))


@pytest.fixture
def theirs(tmp_path: Path, small: Season) -> Path:
    """A sample of other names: `_data.npy` in two files, corrected simulation, three columns renamed."""
    write_season(tmp_path, small, 3000)
    exp = np.load(tmp_path / "IC86_2011_exp.npy")
    exp = recfunctions.rename_fields(exp, {"sigma": "angErr", "logE": "log_energy"})
    np.save(tmp_path / "IC86_2011a_data.npy", exp[:150])
    np.save(tmp_path / "IC86_2011b_data.npy", exp[150:])
    renamed(tmp_path / "IC86_2011_MC.npy", {"sigma": "angErr", "ow": "weight"}, tmp_path / "MC_corrected.npy")
    renamed(tmp_path / "GRL/IC86_2011_exp.npy", {"livetime": "length"}, tmp_path / "GRL/IC86_2011_data.npy")
    return tmp_path


THEIRS = (
    "{name: IC86_2011, exp: [IC86_2011a_data.npy, IC86_2011b_data.npy], mc: MC_corrected.npy, "
    "grl: GRL/IC86_2011_data.npy, columns: {angErr: sigma, log_energy: logE, weight: ow, length: livetime}}"
)


def test_files_and_columns_of_other_names_are_read_as_they_lie(theirs: Path) -> None:
    (ours,) = read_numpy(theirs, "IC86_2011")
    for name in ("IC86_2011_exp.npy", "IC86_2011_MC.npy", "GRL/IC86_2011_exp.npy"):
        (theirs / name).unlink()
    spec = loads(SPEC % f"format: numpy, dir: {theirs}, seasons: [{THEIRS}]")
    (season,) = read_numpy(theirs, *spec.data.entries)  # type: ignore[union-attr]
    assert season.livetime_days == ours.livetime_days
    for got, want in ((season.events, ours.events), (season.smearing, ours.smearing)):
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(a, b)
    assert "takes the simulation of MC_corrected.npy, which data.seasons names" in season.notes
    ((ra, mjd),) = read_positions(theirs, spec.data.entries, sigma_max_deg=5.0)  # type: ignore[union-attr]
    assert len(ra) == len(mjd) == 400
    assert season.runs is not None
    assert season.runs.n_events.sum() == np.count_nonzero(run_of(season.runs.start, season.runs.stop, mjd) >= 0) > 0
    assert loads_resolved(resolved_text(spec)) == spec


def test_plain_seasons_are_written_as_before(tmp_path: Path) -> None:
    text = resolved_text(loads_resolved(SPEC % f"format: numpy, dir: {tmp_path}, seasons: [IC86_2011, IC79]"))
    assert "  seasons: [IC86_2011, IC79]\n" in text


def test_all_seasons_on_one_simulation_share_it(tmp_path: Path, small: Season) -> None:
    for k, name in enumerate(("IC86_2012", "IC86_2013")):
        write_season(tmp_path, dataclasses.replace(small, name=name), 0, seed=k)
    write_season(tmp_path, dataclasses.replace(small, name="IC86_2016"), 3000, seed=9)
    asked = [NumpySeason(name=name, mc=("IC86_2016_MC.npy",)) for name in ("IC86_2012", "IC86_2013")]
    a, b = read_numpy(tmp_path, *asked)
    assert a.smearing is b.smearing
    assert all("takes the simulation of IC86_2016_MC.npy, which data.seasons names" in s.notes for s in (a, b))
    with pytest.raises(InputError, match=r"no simulation for season 'IC86_2012'.*\{name: IC86_2012, mc: FILE\.npy\}"):
        read_numpy(tmp_path, "IC86_2012")
    later = dataclasses.replace(small, name="IC86_2017")
    write_season(tmp_path, later, 0, seed=11)
    note = "takes the simulation of IC86_2016 (IC86_2016_MC.npy): there is no IC86_2017_MC.npy"
    assert note in read_numpy(tmp_path, "IC86_2017")[0].notes


def test_a_simulation_in_several_files_is_their_sum(tmp_path: Path, small: Season) -> None:
    write_season(tmp_path, small, 3000)
    mc = np.load(tmp_path / "IC86_2011_MC.npy")
    np.save(tmp_path / "low.npy", mc[::2])
    np.save(tmp_path / "high.npy", mc[1::2])
    (whole,) = read_numpy(tmp_path, "IC86_2011")
    (parts,) = read_numpy(tmp_path, NumpySeason(name="IC86_2011", mc=("low.npy", "high.npy")))
    assert isinstance(parts.smearing, Simulation) and isinstance(whole.smearing, Simulation)
    assert parts.smearing.events[:, 1].sum() == pytest.approx(whole.smearing.events[:, 1].sum(), rel=1e-5)
    np.testing.assert_allclose(parts.area.area_cm2, whole.area.area_cm2, rtol=1e-12)
    assert any("low.npy, high.npy, which data.seasons names; their weights are summed" in n for n in parts.notes)


NUMPY_CASES: dict[str, tuple[dict[str, object], str]] = {
    "a file that is absent": (
        {"exp": ["IC86_2011_exp.npy", "more.npy"]}, r"more\.npy: no such file.*\{name: IC86_2011, exp: IC86_2011_exp",
    ),
    "a column of another name": (
        {"exp": ["IC86_2011a_data.npy"]},
        r"no column 'logE'; found .*angErr.*\{name: IC86_2011, columns: \{log_energy: logE\}\}",
    ),
    "good runs with another column": (
        {"grl": ["GRL/IC86_2011_data.npy"]}, r"no column 'livetime'.*columns: \{length: livetime\}",
    ),
    "a column that no file has": ({"columns": {"angEr": "sigma"}}, r"columns of IC86_2011 names angEr, which no file"),
    "two columns for one": (
        {"exp": ["IC86_2011a_data.npy"], "columns": {"angErr": "sigma", "log_energy": "logE", "time": "sigma"}},
        r"angErr and time are both sigma",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NUMPY_CASES)
def test_what_does_not_fit_names_the_key_to_write(theirs: Path, case: str) -> None:
    keys, message = NUMPY_CASES[case]
    season = NumpySeason.model_validate({"name": "IC86_2011", **keys})
    with pytest.raises(InputError, match=message):
        read_numpy(theirs, season)


def test_a_simulation_that_is_not_finished_is_refused(tmp_path: Path, small: Season) -> None:
    write_season(tmp_path, small, 3000, mc_name="IC86_2010")
    assert any("takes the simulation of IC86_2010 " in note for note in read_numpy(tmp_path, "IC86_2011")[0].notes)
    (tmp_path / "IC86_2011_MC.npy.part").touch()
    with pytest.raises(InputError, match=r"no IC86_2011_MC\.npy, but IC86_2011_MC\.npy\.part.*not finished\?"):
        read_numpy(tmp_path, "IC86_2011")


# A handful is noted, a mistake is refused


def test_one_absurd_angular_error_is_counted_and_kept(tmp_path: Path, small: Season) -> None:
    write_season(tmp_path, small, 3000)
    exp = np.load(tmp_path / "IC86_2011_exp.npy")
    exp["sigma"][7], exp["sigma"][8] = 8.6, 0.0
    np.save(tmp_path / "IC86_2011_exp.npy", exp)
    (season,) = read_numpy(tmp_path, "IC86_2011")
    assert len(season.events.dec) == 400
    assert any(note.startswith("1 of 400 events have an angular error above 5 deg") for note in season.notes)


@pytest.mark.parametrize(
    ("odd", "n", "refused"),
    [(1, 5, False), (3, 23, False), (FEW, 400, False), (FEW + 1, 400, True), (8, 16, True), (1383, 138_322, False),
     (1384, 138_322, True), (0, 0, False)],
)  # fmt: skip
def test_a_handful_is_not_many(odd: int, n: int, refused: bool) -> None:
    assert is_many(odd, n) == refused


def times(first: float, last: float, n: int = 2000) -> Measured:
    mjd = np.linspace(first, last, n)
    return Measured(Path("exp"), mjd, np.ones(n), [mjd])


def test_a_livetime_longer_than_the_events_span_is_refused() -> None:
    check_given_livetime(times(55700, 56068), 332.9)
    check_given_livetime(times(55700, 55701, n=20), 332.9)  # too few events tell nothing
    with pytest.raises(InputError, match=r"data\.livetime_days: 3329 days, but the events of exp span 369 days"):
        check_given_livetime(times(55700, 56068), 3329.0)
    with pytest.raises(InputError, match=r"28,762,560 days, which is 78,748 years: no season is so long"):
        check_given_livetime(times(55700, 56068), 332.9 * 86400)


def test_good_runs_of_more_than_the_season_are_refused() -> None:
    year, ten_years = np.array([[55700.0, 56068.0]]), np.array([[54000.0, 55700.0], [55700.0, 57650.0]])
    assert run_notes(times(55700, 56068), year, 368.0, Path("GRL/exp")) == ()
    with pytest.raises(InputError, match=r"of 3,650\.0 days of good runs lie before the first or after the last event"):
        run_notes(times(55700, 56068), ten_years, 3650.0, Path("GRL/exp"))
