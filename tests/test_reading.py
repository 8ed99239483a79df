"""Files that are no files, and JSON that is not what it says."""

import os
import re
from pathlib import Path

import pytest

from worker.base.reading import file_bytes, json_object, json_value


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(50 << 30)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_fifo, "a pipe, a socket or a device, not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "a pipe, a socket or a device, not a file"),
        (Path.mkdir, "Is a directory"),
        (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
        (_sparse, "53,687,091,200 bytes, more than any such file has"),
    ],
)
def test_what_is_no_file_is_refused_at_once(make, why, tmp_path):
    make(tmp_path / "x.json")
    with pytest.raises(OSError, match=re.escape(why)):
        json_object(tmp_path / "x.json", {})


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "Expecting value"),
        (b'{"a": 1', "Expecting"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": NaN}', "NaN is no finite number"),
        (b'{"a": -Infinity}', "-Infinity is no finite number"),
        (b'{"a": 1e999}', "1e999 is no finite number"),
        (b'{"a": 1, "a": 2}', "a key is there twice"),
        (b"9" * 5000, "an integer of 5000 digits"),
        (b'{"cpu_s": 1%s}' % (b"0" * 400), "an integer of 401 digits"),
        (b"\xff\xfe\x00", "truncated|invalid|decode"),
    ],
)
def test_json_that_we_never_write(raw, why):
    with pytest.raises(ValueError, match=why):
        json_value(raw)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("[1]", "found a list where an object belongs"),
        ("null", "found a NoneType where an object belongs"),
        ("{}", "the key n is missing"),
        ('{"n": "1"}', "n is a str"),
        ('{"n": true}', "n is a bool"),
    ],
)
def test_an_object_has_the_keys_that_are_read(raw, why, tmp_path):
    (tmp_path / "x.json").write_text(raw)
    with pytest.raises(ValueError, match=why):
        json_object(tmp_path / "x.json", {"n": int})


def test_a_sound_file(tmp_path):
    (tmp_path / "x.json").write_text('{"n": 3, "x": [1.5, null]}')
    assert json_object(tmp_path / "x.json", {"n": int}) == {"n": 3, "x": [1.5, None]}
    assert file_bytes(tmp_path / "x.json")[:4] == b'{"n"'
