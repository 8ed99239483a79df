from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.base.errors import InputError
from worker.data import table
from worker.data.table import read_table


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@given(st.lists(st.decimals(-(10**6), 10**6, places=6), min_size=1, max_size=30))
def test_decimals_are_rounded_as_python_does(tmp_path_factory: pytest.TempPathFactory, values: list) -> None:
    path = write(tmp_path_factory.mktemp("t") / "t.csv", "# x\n" + "".join(f" {v}\n" for v in values))
    assert read_table(path, ["x"]).values[:, 0].tolist() == [float(v) for v in values]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_any_double_is_read_to_1e_14(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    values = [v for v in values if v == 0 or 1e-290 < abs(v) < 1e290] or [0.0]
    path = write(tmp_path_factory.mktemp("t") / "t.csv", "# x\n" + "".join(f"{v!r}\n" for v in values))
    np.testing.assert_allclose(read_table(path, ["x"]).values[:, 0], values, rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    "text",
    [
        "# a b\n1 2\n3 4\n",
        "a b\r\n1 2\r\n3 4\r\n",
        "#a,b\n1, 2\n3,4\n",
        "# a b\n\n+1.0 2e0\n# a remark\n   30E-1\t.4e1  \n\n",
        "﻿# a b\n1 2\n3 4\n",
    ],
)
def test_ways_to_write_the_same_table(tmp_path: Path, text: str) -> None:
    assert read_table(write(tmp_path / "t.csv", text), ["a", "b"]).values.tolist() == [[1, 2], [3, 4]]


def test_columns_come_by_name_with_their_line_numbers(tmp_path: Path) -> None:
    got = read_table(write(tmp_path / "t.csv", "# a b c\n1 2 3\n# remark\n4 5 6\n"), ["c", "a"])
    assert got.values.tolist() == [[3, 1], [6, 4]]
    assert got.lines.tolist() == [2, 4]


def test_pieces_join_at_any_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(-999, 999, (200, 3)) / 8
    path = write(tmp_path / "t.csv", "# a b c\n" + "\n".join(" ".join(map(str, row)) for row in values) + "\n")
    for chunk in (40, 41, 64, 127):
        monkeypatch.setattr(table, "_CHUNK", chunk)
        got = read_table(path, ["a", "b", "c"])
        np.testing.assert_array_equal(got.values, values)
        np.testing.assert_array_equal(got.lines, np.arange(2, 202))


def test_zero_rows_are_dropped_but_no_key_is_forgotten(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "# k w\n1 0\n1 0\n1 0.5\n2 0\n2 0.0e+00\n1 0\n3 1\n")
    assert read_table(path, ["k", "w"], n_key=1).values.tolist() == [[1, 0], [1, 0.5], [2, 0], [1, 0], [3, 1]]


def test_zero_rows_stay_where_other_columns_lead(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "# w k\n0 1\n0 1\n5 0\n")
    assert read_table(path, ["k", "w"], n_key=1).values.tolist() == [[1, 0], [1, 0], [0, 5]]


DAMAGED = {
    "empty": (b"", r"t\.csv:1: no header line.*empty"),
    "header only": (b"# a b\n", r"holds no rows"),
    "no header": (b"1 2\n3 4\n", r"t\.csv:1: numbers where the header"),
    "column missing": (b"# a c\n1 2\n", r"no column 'b'; found a, c"),
    "text": (b"# a b\n1 2\n3 x4\n", r"t\.csv:3: 'x4' in column 2 is not a finite number"),
    "nan": (b"# a b\nnan 2\n", r"t\.csv:2: 'nan' in column 1"),
    "infinity": (b"# a b\n1 inf\n", r"'inf' in column 2"),
    "too large": (b"# a b\n1 1e999\n", r"'1e999' in column 2 is not a finite number"),
    "glued numbers": (b"# a b\n1 2\n3.0-4.0 5\n", r"t\.csv:3: '3.0-4.0' in column 1"),
    "half an exponent": (b"# a b\n1 2e\n", r"'2e' in column 2"),
    "only a sign": (b"# a b\n- 2\n", r"'-' in column 1"),
    "only a point": (b"# a b\n. 2\n", r"'.' in column 1"),
    "too few": (b"# a b\n1 2\n\n3\n4 5\n", r"t\.csv:4: 1 fields where the header names 2"),
    "too many": (b"# a b\n1 2 3\n", r"t\.csv:2: 3 fields where the header names 2"),
    "cut off": (b"# a b\n1 2\n3 4", r"t\.csv:3: the last line has no line end"),
    "binary": (b"# a b\n1 \x00\xff\n", r"t\.csv:2: .* in column 2 is not a finite number"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    content, message = DAMAGED[name]
    with pytest.raises(InputError, match=message):
        read_table(write(tmp_path / "t.csv", content), ["a", "b"])


def test_another_unit_is_not_taken_for_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"column 'Dec\[rad\]' has another unit than \[deg\]"):
        read_table(write(tmp_path / "t.csv", "# Dec[rad]\n1\n"), ["Dec[deg]"])


def test_an_absent_file_names_what_is_there(tmp_path: Path) -> None:
    write(tmp_path / "other.csv", "# a\n1\n")
    with pytest.raises(InputError, match=r"t\.csv: no such file; its folder holds: other\.csv"):
        read_table(tmp_path / "t.csv", ["a"])
    with pytest.raises(InputError, match="folder is absent"):
        read_table(tmp_path / "nowhere" / "t.csv", ["a"])


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this is a folder, not a file"):
        read_table(tmp_path, ["a"])


def test_an_endless_line_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_CHUNK", 256)
    with pytest.raises(InputError, match=r"t\.csv:2: a line of more than 256 bytes"):
        read_table(write(tmp_path / "t.csv", "# a\n" + "1" * 1000), ["a"])


@given(st.data())
def test_a_damaged_byte_is_an_error_or_another_number(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    text = bytearray(b"# a b\n" + b"12.5 -3.0e+01\n" * 4)
    place = data.draw(st.integers(6, len(text) - 1))
    text[place] = data.draw(st.integers(0, 255))
    path = write(tmp_path_factory.mktemp("t") / "t.csv", bytes(text))
    try:
        values = read_table(path, ["a", "b"]).values
    except InputError as error:
        assert "t.csv" in str(error)
    else:
        assert np.isfinite(values).all()
        assert 3 <= len(values) <= 5


def test_progress_grows_to_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_CHUNK", 64)
    seen: list[float] = []
    read_table(write(tmp_path / "t.csv", "# a\n" + "1.25\n" * 100), ["a"], progress=seen.append)
    assert len(seen) > 5
    assert seen == sorted(seen)
    assert seen[-1] == 1
