"""Numbers of a report as CSV: read back as they were, and no cell that a spreadsheet executes."""

import csv
from pathlib import Path, PurePosixPath

import pytest

from worker.report import numbers

HOSTILE = ["=1+1", "+A1", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", " =1", "\uff1d1+1"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_begins_like_a_formula_is_a_text(name: str, tmp_path: Path) -> None:
    file = numbers.save(tmp_path, PurePosixPath("n"), {"name": [name, "NGC 1068"], "dec_deg": [-5.5, 5.5]}, "made up")
    mark, _, *rows = csv.reader((tmp_path / file).read_text().splitlines())
    assert mark == ["# made up"]
    assert rows == [[f"'{name}", "-5.5"], ["NGC 1068", "5.5"]]
