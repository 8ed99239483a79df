"""Every reader against damaged files, through the task: what is said, exit code 3, and nothing half-written."""

import dataclasses
import gzip
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dagmaker.htcondor.build import build
from tests.data_release import EVENTS_10, write_lines, write_release
from tests.data_simulation import write_season
from worker.base.arrays import npy_bytes, npz_bytes
from worker.cli.main import main
from worker.data import synthetic
from worker.spec.specfile import load

SPEC = """
version: 1
name: damaged
seed: 1
data: {%s, dir: data}
background: {tail: none, dec_deg: [0], n_trials: 10}
signal: {n_sig: [1, 2, 3], n_trials: 10}
scan: {nside: 1, n_skies: 1, dec_min_deg: -10, dec_max_deg: 10}
"""
FORMATS = {
    "icetracks": "format: icetracks, seasons: [IC86_I]",
    "ic86_2011": "format: ic86_2011",
    "numpy": "format: numpy, seasons: [IC86_2011], mc_band_sin_dec: 0.5",
}
EVENTS, UPTIME = "events/IC86_I_exp.csv", "uptime/IC86_I_exp.csv"
AREA, SMEARING = "irfs/IC86_effectiveArea.csv", "irfs/IC86_smearing.csv"
UP, DOWN, TABLE, RESOLUTION = "upgoing_events.txt", "downgoing_events.txt", "TabulatedAeff.txt", "AngRes.txt"
EXP, MC, GRL = "IC86_2011_exp.npy", "IC86_2011_MC.npy", "GRL/IC86_2011_exp.npy"
TEXTS = [
    *(("icetracks", file) for file in (EVENTS, UPTIME, AREA, SMEARING)),
    *(("ic86_2011", file) for file in (UP, DOWN, TABLE, RESOLUTION)),
]
ARRAYS = [("numpy", file) for file in (EXP, MC, GRL)]

Damage = Callable[[Path], object]


def write_first_year(folder: Path) -> None:
    rng = np.random.default_rng(1)
    folder.mkdir()
    for name in ("upgoing", "downgoing"):
        rows = [
            f"{55700 + i} {rng.integers(20, 60) / 10} {rng.integers(2, 30) / 10} {rng.integers(1, 3600) / 10} "
            f"{rng.integers(1, 900) / 10 * (1 if name == 'upgoing' else -1)}"
            for i in range(200)
        ]
        write_lines(folder / f"{name}_events.txt", "MJD log10(E) ang_err RA Dec", rows)
    area = [f"{e} {e * 10} {c} {c + 0.5} {e * 1e-2}" for e in (1e3, 1e4, 1e5) for c in (-1, -0.5, 0, 0.5)]
    write_lines(folder / TABLE, "# E_min[GeV] E_max[GeV] cos(zenith)_min cos(zenith)_max Aeff[m^2]", area)
    (folder / RESOLUTION).write_text("1.3, 2.5\n0.7, 3.5\n0.4, 5.5\n")


def write_tracks(folder: Path) -> None:
    rng = np.random.default_rng(1)
    write_release(folder)
    rows = [
        f"118000 {i} 0 55000.1 {rng.uniform(2, 5):.2f} {rng.uniform(0.2, 3):.2f} {rng.uniform(0, 360):.3f} "
        f"{rng.uniform(-89, 89):.3f} 0.0 0.0"
        for i in range(300)
    ]
    write_lines(folder / EVENTS, EVENTS_10, rows)


def write_numpy(folder: Path) -> None:
    season = synthetic.make(1, 300, 100.0, sigma_max_deg=5).seasons[0]
    write_season(folder, dataclasses.replace(season, name="IC86_2011"), 3000)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Sound data and a built run directory of every format."""
    out = {}
    for name, write in (("icetracks", write_tracks), ("ic86_2011", write_first_year), ("numpy", write_numpy)):
        root = tmp_path_factory.mktemp(name)
        write(root / "data")
        (root / "spec.yaml").write_text(SPEC % FORMATS[name])
        build(load(root / "spec.yaml"), root / "run")
        out[name] = root
    return out


@pytest.fixture
def damaged(runs: dict[str, Path]) -> Iterator[Callable[[str, str, Damage], Path]]:
    """Damage a file of a format for one test; returns the folder of data and run."""
    kept: list[tuple[Path, bytes]] = []

    def damage(name: str, file: str, how: Damage) -> Path:
        path = runs[name] / "data" / file
        kept.append((path, path.read_bytes()))
        how(path)
        return runs[name]

    yield damage
    for root in runs.values():
        shutil.rmtree(root / "run/prepared", ignore_errors=True)
    for path, raw in kept:
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)  # a pipe is not written to
        path.write_bytes(raw)


def refused(root: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What `worker prepare` says; it must end with 3 and leave the run directory as it was."""
    before = sorted((root / "run").rglob("*"))
    assert main(["prepare", f"--run={root / 'run'}"]) == 3
    assert sorted(path for path in (root / "run").rglob("*") if path.name != "prepared") == before
    assert not list((root / "run").glob("prepared/*")), "nothing half-written"
    captured = capsys.readouterr()
    assert captured.out == ""
    assert all(c.isprintable() or c == "\n" for c in captured.err), "nothing that a terminal would act on"
    assert captured.err.startswith("worker prepare: ")
    return captured.err


# Text


def without_column(path: Path) -> None:
    """Another name for the declination, or else the last column."""
    header, _, rest = path.read_text().partition("\n")
    names = header.split()
    k = next((k for k, name in enumerate(names) if name.startswith("Dec[") or name == "Dec"), -1)
    names[k] = "Something"
    path.write_text(" ".join(names) + "\n" + rest)


def field(row: int, column: int, text: str) -> Damage:
    """Replace a field of a row, counted from the end."""

    def how(path: Path) -> None:
        lines = path.read_text().rstrip("\n").split("\n")
        fields = lines[row].replace(",", " ").split()
        fields[column] = text
        lines[row] = " ".join(fields)
        path.write_text("\n".join(lines) + "\n")

    return how


def each(*damages: Damage) -> Damage:
    return lambda path: [how(path) for how in damages]


ANY_TEXT: dict[str, tuple[Damage, str]] = {
    "absent": (Path.unlink, r"no such file; its folder|no events of season|the response IC86 of season IC86_I lacks"),
    "empty": (lambda p: p.write_text(""), r"(no header line|holds no rows of numbers).*get it again"),
    "only a header": (
        lambda p: p.write_text(p.read_text().partition("\n")[0] + "\n" if p.name != RESOLUTION else "\n"),
        r"holds no rows of numbers\. The file is empty or was cut off: get it again",
    ),
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:-3]), r"the last line has no line end: the file was cut off"),
    "a short line": (
        lambda p: p.write_text(p.read_text().rstrip("\n").rpartition(" ")[0] + "\n"),
        r"fields where the header names.*get the file again",
    ),
    "text in a number": (field(-1, 1, "3.x"), r":\d+: '3\.x' in column 2 is not a finite number"),
    "nan": (field(-1, 1, "nan"), r":\d+: 'nan' in column 2 is not a finite number"),
    "infinite": (field(-1, 0, "inf"), r":\d+: 'inf' in column 1 is not a finite number"),
    "a folder": (each(Path.unlink, Path.mkdir), r"this is a folder, not a file"),
    "a pipe": (each(Path.unlink, os.mkfifo), r"this is a pipe, not a file"),
    "lines of an old Mac": (
        lambda p: p.write_bytes(p.read_bytes().replace(b"\n", b"\r")),
        r"the last line has no line end|old Macs.*tr '\\r' '\\n'",
    ),
    "gzip": (lambda p: p.write_bytes(gzip.compress(p.read_bytes())), r"compressed with gzip.*\.gz && gunzip \S+\.gz"),
    "a pointer of Git LFS": (
        lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        r"a pointer of Git LFS, not a table.*git lfs pull",
    ),
    "a web page": (lambda p: p.write_text("<!DOCTYPE html>\n<html>log in</html>\n"), r"a web page.*server sent a page"),
    "UTF-16": (lambda p: p.write_text(p.read_text(), encoding="utf-16"), r"text in UTF-16.*iconv -f UTF-16"),
    "an array": (lambda p: p.write_bytes(npy_bytes(np.zeros(3))), r"this is a NumPy file.*format: numpy"),
    "binary": (
        lambda p: p.write_bytes(bytes(range(256)) * 40),
        r"this is a binary file, not a table of numbers in text\. Get the file again",
    ),
}


@pytest.mark.parametrize("case", ANY_TEXT)
@pytest.mark.parametrize(("name", "file"), TEXTS, ids=[f.replace("/", "_") for _, f in TEXTS])
def test_text_files(damaged, capsys, name: str, file: str, case: str) -> None:
    how, message = ANY_TEXT[case]
    said = refused(damaged(name, file, how), capsys)
    assert re.search(message, said), said
    assert Path(file).name in said or case == "absent"


@pytest.mark.parametrize(
    ("name", "file"), [t for t in TEXTS if t[1] != RESOLUTION], ids=lambda x: str(x).split("/")[-1]
)
def test_text_files_without_a_column(damaged, capsys, name: str, file: str) -> None:
    said = refused(damaged(name, file, without_column), capsys)
    assert re.search(r":1: no column '.*'; found .*The names are those of the published releases", said), said


def scaled(column: str, factor: float, offset: float = 0.0) -> Damage:
    """A column times a factor; the header stays."""

    def how(path: Path) -> None:
        header, *lines = path.read_text().rstrip("\n").split("\n")
        k = header.lstrip("# ").split().index(column)
        rows = [line.split() for line in lines]
        for row in rows:
            row[k] = repr(float(row[k]) * factor + offset)
        path.write_text("\n".join([header, *(" ".join(row) for row in rows)]) + "\n")

    return how


RAD = float(np.pi / 180)
TEXT_CASES = {
    "tracks in radians": (
        "icetracks", EVENTS, each(scaled("RA[deg]", RAD), scaled("Dec[deg]", RAD)),
        r"these are radians under a header that says deg\. Convert them to degrees",
    ),
    "tracks with sigma in radians": (
        "icetracks", EVENTS, scaled("AngErr[deg]", RAD), r"median of AngErr\[deg\] is 0\.0\d+: .*these are radians",
    ),
    "tracks with energies in GeV": ("icetracks", EVENTS, scaled("log10(E/GeV)", 1000), r"impossible log10\(E/GeV\)"),
    "tracks with the full Julian date": (
        "icetracks", EVENTS, scaled("MJD[days]", 1, 2400000.5), r"an impossible MJD\[days\]: these are full Julian",
    ),
    "area in m^2": ("icetracks", AREA, scaled("A_Eff[cm^2]", 1e-4), r"effective area is 2.3e\+03 cm\^2.*in m\^2"),
    "area in another unit": (
        "icetracks", AREA, lambda p: p.write_text(p.read_text().replace("[cm^2]", "[m^2]")),
        r"column 'A_Eff\[m\^2\]' has another unit than \[cm\^2\]",
    ),
    "runs backwards": ("icetracks", UPTIME, field(-1, 1, "54000.0"), r":4: a run that does not end after it starts"),
    "rows of the smearing twice": (
        "icetracks", SMEARING, lambda p: p.write_text(p.read_text() + "".join(p.read_text().splitlines(True)[-20:])),
        r"sum to 1\.\d+, not 1: rows are missing, repeated or damaged",
    ),
    "smearing in radians": ("icetracks", SMEARING, each(*(scaled(f"PSF_{end}[deg]", RAD) for end in ("min", "max"))),
        r"median of PSF_max\[deg\] is .*these are radians"),
    "smearing with energies in TeV": (
        "icetracks", SMEARING, each(*(scaled(f"log10(E/GeV)_{end}", 1, -3) for end in ("min", "max"))),
        r"median of log10\(E/GeV\)_max is .*log10 of TeV\? Add 3",
    ),
    "first year in radians": ("ic86_2011", UP, each(scaled("RA", RAD), scaled("Dec", RAD)), r"these are radians"),
    "first year with sigma in radians": ("ic86_2011", UP, scaled("ang_err", RAD), r"median of ang_err is 0\.0\d+"),
    "first year with energies in GeV": ("ic86_2011", UP, scaled("log10(E)", 1000), r"impossible log10\(E\)"),
    "first year beyond the pole": ("ic86_2011", UP, field(-1, 4, "93.1"), r"txt:201: a declination beyond 90 deg"),
    "first year with the area in cm^2": ("ic86_2011", TABLE, scaled("Aeff[m^2]", 1e8), r"in cm\^2 where m\^2"),
    "every Right ascension in hours": ("icetracks", EVENTS, scaled("RA[deg]", 1 / 15), r"these are hours.*by 15"),
    "right ascensions alone in radians": ("icetracks", EVENTS, scaled("RA[deg]", RAD), r"every RA\[deg\] .*radians"),
    "right ascensions from -180": (
        "icetracks", EVENTS, scaled("RA[deg]", 1, -180), r"outside 0 to 360 deg.*Add 360 to the negative ones",
    ),
    "zenith for declination": ("icetracks", EVENTS, scaled("Dec[deg]", 1, 90), r"Is it the zenith\?.*zenith - 90"),
    "a column that was filled": ("icetracks", EVENTS, scaled("Dec[deg]", 0), r"Dec\[deg\] is 0 in every one of 300"),
    "energies all the same": ("icetracks", EVENTS, scaled("log10(E/GeV)", 0, 3), r"log10\(E/GeV\) is 3 in every one"),
    "tracks with energies in TeV": ("icetracks", EVENTS, scaled("log10(E/GeV)", 1, -3), r"energy in TeV\? Add 3"),
    "no angular error": ("icetracks", EVENTS, scaled("AngErr[deg]", 0), r"0 of 300 events have a usable angular error"),
    "angular errors in arcminutes": (
        "icetracks", EVENTS, scaled("AngErr[deg]", 60), r"usable angular error.*median is [0-9.]+ deg.*right unit",
    ),
    "every event twice": (
        "icetracks", EVENTS, lambda p: p.write_text(p.read_text() + p.read_text().partition("\n")[2]),
        r"300 of 600 events repeat another one.*would count twice.*Keep each event once",
    ),
    "a tenth of the events twice": (
        "icetracks", EVENTS, lambda p: p.write_text(p.read_text() + "".join(p.read_text().splitlines(True)[-30:])),
        r"30 of 330 events repeat another one",
    ),
    "uptime in unix seconds": (
        "icetracks", UPTIME, scaled("MJD_stop[days]", 86400, 40587 * -86400), r"these are unix seconds.*MJD = sec",
    ),
    "uptime in Julian dates": ("icetracks", UPTIME, scaled("MJD_start[days]", 1, 2400000.5), r"these are full Julian"),
    "good runs of another year": (
        "icetracks", UPTIME, each(scaled("MJD_start[days]", 1, 365), scaled("MJD_stop[days]", 1, 365)),
        r"300 of 300 events lie outside these good runs: the runs span MJD 55365.*Give the good runs of the same",
    ),
    "good runs of 36 years": (
        "icetracks", UPTIME, lambda p: p.write_text("# MJD_start[days] MJD_stop[days]\n45000 58000\n"),
        r"livetime is 13,000 days, which is 36 years",
    ),
    "a blank in the header": (
        "icetracks", EVENTS, lambda p: p.write_text(p.read_text().replace("MJD[days]", "MJD [days]", 1)),
        r":1: the header has a blank inside the name 'MJD\[days\]': 'MJD \[days\]'. "
        r"Write line 1: '# run event subevent MJD\[days\] log10",
    ),
    "energies as natural logarithms": ("icetracks", EVENTS, scaled("log10(E/GeV)", 2.302585), r"natural logarithm\?"),
    "semicolons": (
        "icetracks", EVENTS, lambda p: p.write_text(p.read_text().replace(" ", ";")),
        r"separated by semicolons.*sed -i 's/;/ /g' IC86_I_exp\.csv",
    ),
    "no header": (
        "icetracks", UPTIME, lambda p: p.write_text(p.read_text().partition("\n")[2]),
        r"numbers where the header.*Restore the first line: '# MJD_start\[days\] MJD_stop\[days\]'",
    ),
    "no unit in the header": (
        "icetracks", EVENTS, lambda p: p.write_text(p.read_text().replace("Dec[deg]", "Dec", 1)),
        r"column 'Dec' is to be named 'Dec\[deg\]'.*write line 1: '# run .* RA\[deg\] Dec\[deg\] Azimuth",
    ),
    "the header of another program": (
        "icetracks", AREA, lambda p: p.write_text("a b c d Aeff\n" + p.read_text().partition("\n")[2]),
        r"found a, b, c, d, Aeff; wanted .*A_Eff.*write line 1: '# log10\(E_nu/GeV\)_min .* A_Eff\[cm\^2\]'",
    ),
    "a column twice": (
        "icetracks", EVENTS, lambda p: p.write_text(p.read_text().replace("RA[deg]", "Dec[deg]", 1)),
        r"no column 'RA\[deg\]'|two columns 'Dec",
    ),
    "first year without angular errors": (
        "ic86_2011", UP, each(scaled("ang_err", 0), lambda p: scaled("ang_err", 0)(p.with_name(DOWN))),
        r"0 of 400 events have a usable angular error",
    ),
    "resolution and energy swapped": (
        "ic86_2011", RESOLUTION, lambda p: p.write_text("2.5, 1.3\n3.5, 0.7\n"), r":2: an impossible log10\(E\)",
    ),
    "negative resolution": ("ic86_2011", RESOLUTION, field(-1, 0, "-0.4"), r"a median resolution that is none"),
}  # fmt: skip


@pytest.mark.parametrize("case", TEXT_CASES)
def test_wrong_units_and_values_in_text(damaged, capsys, case: str) -> None:
    name, file, how, message = TEXT_CASES[case]
    said = refused(damaged(name, file, how), capsys)
    assert re.search(message, said), said
    assert Path(file).name in said


# Arrays


def saved(change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    def how(path: Path) -> None:
        np.save(path, change(np.load(path)), allow_pickle=True)

    return how


def with_value(column: str, row: int, value: float) -> Damage:
    def change(array: np.ndarray) -> np.ndarray:
        array[column][row] = value
        return array

    return saved(change)


def times(factor: float, *columns: str) -> Damage:
    def change(array: np.ndarray) -> np.ndarray:
        for column in columns:
            array[column] *= factor
        return array

    return saved(change)


def without(array: np.ndarray) -> np.ndarray:
    from numpy.lib import recfunctions

    column = "sigma" if "sigma" in array.dtype.names else "livetime"
    return np.asarray(recfunctions.drop_fields(array, column))


def as_text(array: np.ndarray) -> np.ndarray:
    column = "sigma" if "sigma" in array.dtype.names else "livetime"
    return array.astype([(n, "U9" if n == column else array.dtype[n]) for n in array.dtype.names])


def plus(offset: float, *columns: str) -> Damage:
    def change(array: np.ndarray) -> np.ndarray:
        for column in columns:
            array[column] += offset
        return array

    return saved(change)


def moved(runs: np.ndarray) -> np.ndarray:
    again = runs.copy()
    again["start"] += 1e-4
    again["stop"] += 1e-4
    return again


def unsmeared(array: np.ndarray) -> np.ndarray:
    array["trueRa"], array["trueDec"] = array["ra"], array["dec"]
    return array


ANY_ARRAY: dict[str, tuple[Damage, str]] = {
    "absent": (Path.unlink, r"no such file; its folder|no simulation for season"),
    "empty": (lambda p: p.write_bytes(b""), r"does not begin as a \.npy file of 0 bytes should"),
    "no rows": (saved(lambda a: a[:0]), r"holds no rows"),
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:-9]), r"its header promises \d+ x \d+ bytes, and \d+ follow"),
    "a pipe": (each(Path.unlink, os.mkfifo), r"this is a pipe, not a file"),
    "a zip archive": (
        lambda p: p.write_bytes(npz_bytes({"a": np.zeros(3)})),
        r"this is a zip archive, not a",
    ),
    "text": (lambda p: p.write_text("run time ra dec\n1 2 3 4\n" * 40), r"does not begin as a \.npy file"),
    "not structured": (saved(lambda a: np.zeros((7, 6))), r"shape \(7, 6\) and type float64, not one row of named"),
    "pickled": (saved(lambda a: a.astype(object)), r"holds Python objects, which are never loaded"),
    "missing column": (saved(without), r"no column '(sigma|livetime)'; found run, "),
    "text in a number": (saved(as_text), r"column '(sigma|livetime)' holds <U9, not one number per row"),
    "nan": (saved(lambda a: a), ""),  # below: the column differs
}


@pytest.mark.parametrize("case", ANY_ARRAY)
@pytest.mark.parametrize(("name", "file"), ARRAYS, ids=[f.replace("/", "_") for _, f in ARRAYS])
def test_array_files(damaged, capsys, name: str, file: str, case: str) -> None:
    how, message = ANY_ARRAY[case]
    if case == "nan":
        column = "livetime" if file == GRL else "sigma"
        how, message = with_value(column, 5, np.nan), rf"row 5: {column} is not a finite number; found .*{column} nan"
    said = refused(damaged(name, file, how), capsys)
    assert re.search(message, said), said
    assert Path(file).name in said or case == "absent"


def log10_of(column: str) -> Damage:
    def change(array: np.ndarray) -> np.ndarray:
        array[column] = np.log10(array[column])
        return array

    return saved(change)


DEG = float(180 / np.pi)
ARRAY_CASES = {
    "events in degrees": (EXP, times(DEG, "ra", "dec"), r"dec reaches \d+.* and ra 3\d\d.*: these are degrees"),
    "sigma of events in degrees": (EXP, times(DEG, "sigma"), r"median of sigma is .*these are degrees.*deg2rad"),
    "one declination beyond the pole": (EXP, with_value("dec", 7, -1.7), r"row 7: dec outside -pi/2 to pi/2"),
    "a negative right ascension": (EXP, with_value("ra", 7, -0.1), r"row 7: .*ra outside 0 to 2 pi"),
    "energies in GeV": (EXP, with_value("logE", 2, 1000.0), r"row 2: an impossible logE.*in GeV rather than its log10"),
    "times in seconds": (EXP, times(86400, "time"), r"row 0: an impossible time: these are seconds \(and 299"),
    "right ascensions in hours": (EXP, times(12 / np.pi, "ra"), r"Is ra in hours\? Multiply it by pi/12"),
    "zenith for declination": (EXP, plus(np.pi / 2, "dec"), r"Is dec the zenith\?.*dec = zenith - pi/2"),
    "no angular error": (EXP, times(0, "sigma"), r"0 of 300 events have a usable angular error"),
    "every event twice": (EXP, saved(lambda a: np.concatenate([a, a])), r"300 of 600 events repeat.*would count twice"),
    "energies in TeV": (EXP, plus(-3, "logE"), r"log10 of an energy in TeV\? Add 3"),
    "good runs of another year": (GRL, plus(365, "start", "stop"), r"300 of 300 events lie outside these good runs"),
    "good runs in Julian dates": (GRL, plus(2400000.5, "start", "stop"), r"these are full Julian dates.*MJD = JD"),
    "good runs twice, a little apart": (
        GRL, saved(lambda a: np.concatenate([a, moved(a)])), r"40 runs overlap earlier ones.*would count twice",
    ),
    "livetime in years": (GRL, times(1 / 365, "livetime"), r"livetimes sum to .* days, and the runs last"),
    "simulation without angular errors": (MC, times(0, "sigma"), r"no simulated event has a usable sigma"),
    "true energies in TeV": (MC, times(1e-3, "trueE"), r"more than ten times their true energy: is trueE in TeV"),
    "true directions that are the reconstructed ones": (MC, saved(unsmeared), r"every reconstructed direction is"),
    "true directions in degrees": (MC, times(DEG, "trueRa", "trueDec"), r"trueDec reaches .*these are degrees"),
    "sigma of simulation in degrees": (MC, times(DEG, "sigma"), r"median of sigma is .*these are degrees"),
    "true energies as log10": (MC, log10_of("trueE"), r"trueE reaches only .*these are log10\(E / GeV\)"),
    "a true energy of 0": (MC, with_value("trueE", 3, 0.0), r"row 3: a true energy that is not above 0"),
    "a negative weight": (MC, with_value("ow", 3, -1.0), r"row 3: a negative ow"),
    "weights all 0": (MC, times(0, "ow"), r"every ow is 0"),
    "weights in m^2": (MC, times(1e-4, "ow"), r"largest effective area is .* cm\^2.*may be in m\^2"),
    "weights not over the number generated": (MC, times(1e6, "ow"), r"is `ow` divided by the number"),
    "livetime in seconds": (GRL, times(86400, "livetime"), r"row 0: a livetime longer than its run.*not seconds"),
    "a run backwards": (GRL, with_value("stop", 2, 55000.0), r"row 2: a run that does not end after it starts"),
    "a livetime of 0": (GRL, with_value("livetime", 2, 0.0), r"row 2: a livetime that is not above 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", ARRAY_CASES)
def test_wrong_units_and_values_in_arrays(damaged, capsys, case: str) -> None:
    file, how, message = ARRAY_CASES[case]
    said = refused(damaged("numpy", file, how), capsys)
    assert re.search(message, said), said
    assert Path(file).name in said


@pytest.mark.parametrize("name", FORMATS)
def test_sound_files_are_read(runs: dict[str, Path], name: str) -> None:
    """The control: what is damaged above reads well as it is."""
    from worker import data
    from worker.spec.specfile import load_resolved

    spec = load_resolved(runs[name] / "run/analysis.yaml")
    assert data.read(spec).seasons[0].events.dec.size >= 300
