"""The list of sources as CSV text: read, refused with every fault, written in one form; and in a spec."""

from pathlib import Path

import pytest

from tests.conftest import ROOT
from worker.base.errors import SpecError
from worker.spec import catalog, specfile
from worker.spec.catalog import Source

GOOD = "name,ra_deg,dec_deg\nTXS 0506+056,77.3582,5.6931\nNGC 1068,40.6696,-0.0133\n"
SPEC = """
version: 1
name: listed
seed: 3
data: {format: synthetic, n_events: 10000}
background: {tail: none, dec_deg: [-30, 5, 60], n_trials: 400}
signal: {n_sig: [3, 8, 20], n_trials: 60}
scan: {kind: catalog, file: sources.csv, n_skies: 20}
"""


def load(folder: Path, csv: str | None = GOOD, **replace: str) -> specfile.Spec:
    if csv is not None:
        (folder / "sources.csv").write_text(csv, encoding="utf-8")
    text = SPEC
    for old, new in replace.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    return specfile.load(folder / "spec.yaml")


def test_comments_order_spaces_quotes_and_other_columns() -> None:
    text = '# positions\n\nz, dec_deg, name, ra_deg\n0.3, 5.5, "A, B", 360\n,-1e1, γ-ray , 10.25\n'
    sources, faults = catalog.parse(text)
    assert faults == []
    assert sources == (Source("A, B", 0.0, 5.5), Source("γ-ray", 10.25, -10.0))
    assert catalog.parse(catalog.text_of(sources)) == (sources, [])


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "there is no source in it"),
        ("# nothing\n", 1, "there is no source in it"),
        ("name,ra_deg,dec_deg\n", 1, "no source below the column names"),
        ("name,ra,dec\nA,1,2\n", 1, "found the columns name, ra, dec; ra_deg, dec_deg missing"),
        ("name,ra_deg,ra_deg,dec_deg\nA,1,1,2\n", 1, "the column ra_deg is there twice"),
        (GOOD + "C,1\n", 4, "found 2 columns; the first line has 3"),
        (GOOD + "C,5h34m,22\n", 4, "ra_deg: found '5h34m'; must be a number (angles are decimal degrees"),
        (GOOD + "C,83:38,22\n", 4, "angles are decimal degrees"),
        (GOOD + "C,83.6,north\n", 4, "dec_deg: found 'north'; must be a number"),
        (GOOD + "C,361,22\n", 4, "ra_deg: found 361; must be from 0 to 360 degrees"),
        (GOOD + "C,1,-90.5\n", 4, "dec_deg: found -90.5; must be from -90 to 90 degrees"),
        (GOOD + "C,nan,22\n", 4, "ra_deg: found nan"),
        (GOOD + ",1,22\n", 4, "name: found nothing"),
        (GOOD + "NGC 1068,1,22\n", 4, "name: found 'NGC 1068', as on line 3; write each source once"),
        (GOOD + "M 77,40.6697,-0.0134\n", 4, "are the same place: keep one"),
    ],
)
def test_faults_have_a_line_and_a_cure(text: str, line: int, words: str) -> None:
    _, faults = catalog.parse(text)
    assert [fault.line for fault in faults] == [line]
    assert words in faults[0].text


def test_sources_across_zero_hours_are_the_same_place() -> None:
    faults = catalog.parse("name,ra_deg,dec_deg\nA,0.0002,10\nB,359.9998,10\nC,0.01,10\n")[1]
    assert [fault.line for fault in faults] == [3]


def test_all_faults_of_a_file_are_told_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, GOOD + "C,1\nD,x,5\n")
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "spec.yaml:8: scan.file: sources.csv:4: found 2 columns" in lines[0]
    assert "sources.csv:5: ra_deg: found 'x'" in lines[1]


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"scan.file: .*sources.csv does not exist; write the path of a CSV file"):
        load(tmp_path, None)
    with pytest.raises(SpecError, match=r"scan.file: missing; write e.g. file: sources.csv"):
        load(tmp_path, **{"file: sources.csv, ": ""})


def test_sources_outside_the_grid_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"1 of 3 sources lie outside: Mrk 501 \(70\); widen the grid, or write dec_deg:"
    ):
        load(tmp_path, GOOD + "Mrk 501,253.4676,70\n")
    inside = load(tmp_path, GOOD + "Mrk 501,253.4676,70\n", **{"dec_deg: [-30, 5, 60]": "dec_deg: sources"})
    assert inside.background.decs == (-0.013, 5.693, 70.0)


def test_the_frozen_spec_needs_no_file(tmp_path: Path) -> None:
    spec = load(tmp_path)
    frozen = specfile.resolved_text(spec)
    (tmp_path / "sources.csv").unlink()
    assert specfile.loads_resolved(frozen) == spec
    (tmp_path / "analysis.yaml").write_text(frozen)
    again = specfile.load(tmp_path / "analysis.yaml")
    assert again == spec
    assert specfile.resolved_text(again) == frozen
    assert [source.name for source in again.scan.entries] == ["TXS 0506+056", "NGC 1068"]


def test_another_list_is_another_spec_and_another_folder(tmp_path: Path) -> None:
    spec, other = load(tmp_path), load(tmp_path, GOOD.replace("77.3582", "77.3583"))
    assert spec.scan.tag != other.scan.tag
    assert specfile.resolved_text(spec) != specfile.resolved_text(other)
    renamed = load(tmp_path, GOOD.replace("NGC 1068", "M 77"))
    assert renamed.scan.tag == spec.scan.tag, "names are not positions: the skies stay"


@pytest.mark.parametrize(
    ("scan", "words"),
    [
        (
            "{kind: catalogue, n_skies: 20}",
            "scan.kind: found 'catalogue'; must be healpix, catalog, points or none; did you mean 'catalog'?",
        ),
        (
            "{kind: catalog, file: sources.csv, n_skies: 20, nside: 8}",
            "scan.nside: unknown key; did you mean 'n_skies'? keys here: kind, file, sources",
        ),
        ("{kind: catalog, file: sources.csv}", "scan.n_skies: missing; write e.g. n_skies: 200"),
        ("{file: sources.csv, n_skies: 20}", "scan.file: unknown key; keys here: kind, nside"),
        ("5", "scan: found 5; must be a section with keys of its own"),
    ],
)
def test_kinds_of_scan(tmp_path: Path, scan: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, **{"{kind: catalog, file: sources.csv, n_skies: 20}": scan})
    assert words in str(caught.value)


def test_a_thousand_sources_are_read_in_no_time(tmp_path: Path) -> None:
    rows = "".join(f"S{i},{i * 0.36},{-30 + 0.09 * i}\n" for i in range(1000))
    spec = load(tmp_path, "name,ra_deg,dec_deg\n" + rows)
    assert len(spec.scan.entries) == 1000


def test_the_example_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    sources, faults = catalog.parse((ROOT / "examples" / "sources.csv").read_text(encoding="utf-8"))
    assert faults == []
    assert len(sources) == 10
