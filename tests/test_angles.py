"""Scans end where the background grid ends, and every angle is in degrees, or one says that it is."""

from pathlib import Path

import pytest

from dagmaker.cli import main
from worker.base.errors import InputError, SpecError
from worker.spec import specfile
from worker.spec.edges import EDGE_DEG, beyond
from worker.tasks.limits import bracket

SPEC = """
version: 1
name: case
seed: 1
data: {format: synthetic, n_events: 2000}
background: {tail: none, dec_deg: %s, n_trials: 200}
signal: {n_sig: [2, 6, 14, 30], n_trials: 60}
scan: {n_skies: 4, %s}
"""
FULL = "{start: -85, stop: 85, step: 10}"
HEAD = "name,ra_deg,dec_deg\n"


def load(decs: str, scan: str, more: str = "") -> specfile.Spec:
    return specfile.loads(SPEC % (decs, scan) + more)


def catalog(rows: str, decs: str = "[-85, 85]", more: str = "", head: str = HEAD) -> specfile.Spec:
    text = f"kind: catalog, sources: {head + rows!r}".replace("'", '"')
    return load(decs, text, more)


@pytest.mark.parametrize(
    ("decs", "scan"),
    [
        ("[0]", "nside: 4, dec_min_deg: -85, dec_max_deg: 85"),
        ("[-30, 5]", "nside: 4, dec_min_deg: -30, dec_max_deg: 85"),
        ("[-30, 5]", "nside: 4, dec_min_deg: -85, dec_max_deg: 5"),
        ("{start: -80, stop: 80, step: 10}", "nside: 4, map_nside: 128"),
        ("{start: -80, stop: 80, step: 10}", "nside: 64, interpolation: log"),
        ("[-30, 5]", "nside: 4, dec_min_deg: 20"),
        ("{start: 5, stop: 85, step: 10}", "nside: 32, dec_min_deg: 0"),
    ],
)
def test_a_scan_beyond_the_grid_is_refused_and_the_cure_is_right(decs: str, scan: str) -> None:
    with pytest.raises(SpecError, match=r"background\.dec_deg: reaches from .* beyond the grid a p-value") as caught:
        load(decs, scan)
    text = str(caught.value).partition("write background.dec_deg: ")[2]
    wider, _, narrower = text.partition("}, or scan.")
    load(wider.removesuffix("}") + "}", scan)
    if narrower:
        low, high = narrower.replace("dec_min_deg: ", "").replace("scan.dec_max_deg: ", "").split(" and ")
        kept = [word for word in scan.split(", ") if "dec_m" not in word]
        load(decs, ", ".join([*kept, f"dec_min_deg: {low}", f"dec_max_deg: {high}"]))


@pytest.mark.parametrize(
    ("decs", "scan"),
    [
        ("[-30, 0, 30]", "nside: 4, dec_min_deg: -30, dec_max_deg: 30"),  # rings at +-30.000000000000004
        ("{start: -80, stop: 80, step: 10}", "nside: 4, map_nside: null"),  # the outermost ring is at 78.3 deg
        (FULL, "nside: 256, map_nside: 1024"),
        ("rings", "nside: 8, map_nside: 32, interpolation: ring"),
        ("[0]", "nside: 1, dec_min_deg: -10, dec_max_deg: 10"),
    ],
)
def test_pixels_within_the_grid_are_good(decs: str, scan: str) -> None:
    load(decs, scan)


def test_one_rule_for_the_end_of_a_grid() -> None:
    assert beyond([0.0, 10.0], [-0.9 * EDGE_DEG, 10 + 0.9 * EDGE_DEG]) == []
    assert beyond([0.0, 10.0], [-0.002, 5.0, 10.002]) == [-0.002, 10.002]
    assert bracket([0.0, 10.0], 10 + 0.9 * EDGE_DEG) == [(10.0, 1.0)]
    for dec in (-0.002, 10.002, 45.0):
        with pytest.raises(InputError, match=r"lies beyond .* from 0 to 10 deg"):
            bracket([0.0, 10.0], dec)


@pytest.mark.parametrize(
    ("decs", "scan", "place"),
    [
        ("{start: -1.5, stop: 1.5, step: 0.5}", "nside: 8", "background.dec_deg: found 7 declinations"),
        ("[-1.48, 0.0873, 1.48]", "dec_min_deg: -1.48, dec_max_deg: 1.48", r"write degrees \(-84.8 to 84.8\)"),
        (FULL, "nside: 64, dec_min_deg: -1.48, dec_max_deg: 1.48", "scan.dec_min_deg: found a scan from -1.48"),
        (FULL, "nside: 64, dec_min_deg: -0.0873, dec_max_deg: 1.48", r"scan.dec_min_deg: .*\(-5 to 84.8\)"),
        (FULL, "nside: 8, dec_split_deg: -0.0873", r"scan.dec_split_deg: found -0.0873; .*write degrees \(-5\)"),
    ],
)
def test_radians_in_a_grid_or_a_scan(decs: str, scan: str, place: str) -> None:
    with pytest.raises(SpecError, match=place):
        load(decs, scan)


@pytest.mark.parametrize("section", ["signal", "likelihood"])
def test_an_extension_in_radians(section: str) -> None:
    text = SPEC % (FULL, "nside: 8") + "likelihood: {gamma_min: 1}\n"
    wrong = text.replace(f"{section}: {{", f"{section}: {{extension_deg: 0.0175, ")
    with pytest.raises(SpecError, match=rf"{section}.extension_deg: found 0.0175; .*write degrees \(1\), or, if"):
        specfile.loads(wrong)
    assert specfile.loads(wrong + "small_angles: true\n").small_angles


@pytest.mark.parametrize(
    ("likelihood", "words"),
    [
        ("sigma_floor_deg: 0.0035", r"likelihood.sigma_floor_deg: found 0.0035; .*write degrees \(0.2\)"),
        ("sigma_floor_deg: 0.0035, sigma_max_deg: 0.0873", r"likelihood.sigma_max_deg: found 0.0873; .*degrees \(5\)"),
    ],
)
def test_angular_errors_in_radians(likelihood: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        load(FULL, "nside: 8", f"likelihood: {{{likelihood}}}\n")
    load(FULL, "nside: 8", f"likelihood: {{{likelihood}}}\nsmall_angles: true\n")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("A,5.1572,5.69\nB,2.71,-0.01\nC,14.4,23.8\nD,20.5,41.2\n", "look like hours: name the column ra_hours"),
        ("A,5.2,5.69\nB,2.7,-0.01\nC,0.4,23.8\n", "look like radians or hours: name the column ra_rad or ra_hours"),
        ("A,1.35,0.0994\nB,0.71,-0.0002\nC,3.8,0.41\n", "these look like radians: name the columns ra_rad and dec_rad"),
        ("A,77.36,0.0994\nB,40.67,-0.0002\nC,216.8,0.41\n", "the declinations look like radians: name the column"),
    ],
)
def test_sources_in_hours_or_radians(rows: str, words: str) -> None:
    with pytest.raises(SpecError, match=rf"scan.sources: found \d sources with ra_deg from .*{words}"):
        catalog(rows)
    assert len(catalog(rows, more="small_angles: true\n").scan.entries) >= 3


@pytest.mark.parametrize("rows", ["A,5,5\n", "A,20.5,41.2\n", "A,77.36,5.69\nB,40.67,-0.01\n"])
def test_few_sources_near_zero_are_legal(rows: str) -> None:
    assert catalog(rows).notes == ()


def test_two_sources_that_may_be_hours_are_read_and_said() -> None:
    (note,) = catalog("A,5.2,5.69\nB,14.4,23.8\n").notes
    assert "found 2 sources with ra_deg from 5.2 to 14.4" in note and "look like hours" in note
    assert catalog("A,5.2,5.69\nB,14.4,23.8\n", more="small_angles: true\n").notes == ()


@pytest.mark.parametrize(
    ("head", "row", "found"),
    [
        ("name,ra_hours,dec_deg\n", "A,5.5,5\n", (82.5, 5.0)),
        ("name,ra_rad,dec_rad\n", "A,1.35,0.0994\n", (77.349302, 5.695200)),
        ("dec_rad,name,ra_deg\n", "0.5,A,300\n", (300.0, 28.647890)),
    ],
)
def test_the_name_of_a_column_says_its_unit(head: str, row: str, found: tuple[float, float]) -> None:
    (source,) = catalog(row, head=head).scan.entries
    assert source[1:] == pytest.approx(found, abs=1e-6)


def test_a_grid_in_radians_around_sources_in_degrees() -> None:
    with pytest.raises(SpecError, match=r"1 of 1 sources lie outside: A \(5.69\); .*the grid looks like radians"):
        catalog("A,77.36,5.69\n", decs="[-1.4, 0, 1.4]")


def test_check_says_how_many_sources_it_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sources.csv").write_text(HEAD + "A,77.36,5.69\nB,300,-25\n")
    (tmp_path / "spec.yaml").write_text(SPEC % ("sources", "kind: catalog, file: sources.csv"))
    assert main(["check", str(tmp_path / "spec.yaml")]) == 0
    assert "2 sources (ra 77.36 to 300, dec -25 to 5.69 deg), 2 declinations" in capsys.readouterr().out
