"""Counts, grids and texts have bounds: what is too large is refused before anything counts to it."""

import os
from pathlib import Path

import pytest

from dagmaker.cli import main
from tests.dagmaker_spec import text
from worker.base.errors import SpecError
from worker.spec import size_limits, specfile


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_bg": "1e12"}, r"background.trials_per_file: found 100, which makes 30,000,000,000 processes of 1,000,000"),
        ({"n_trials": 10**9, "sig_file": 1}, r"signal.trials_per_file: .*write trials_per_file: \d+, or fewer in all"),
        ({"n_skies": 10**9, "sky_file": 1}, r"scan.skies_per_file: .*a plan has at most 2,000,000"),
        ({"n_sig": [*range(1, 20001)]}, r"signal.n_sig: found a list of 20000; must have at most 1000 entries"),
        (
            {"decs": "{start: -85, stop: 85, step: 0.1}", "n_sig": [*range(1, 101)]},
            r"signal.n_sig: found 100 values, .* 170,100 points; a plan has at most 50,000",
        ),
        (
            {"n_bg": "1e10", "bg_file": "1e10"},
            r"background.trials_per_file: found 10,000,000,000, and a file has at most",
        ),
        ({"resources": "{request_memory_mb: 1e11}"}, r"must be 10000000 or less"),
        ({"resources": "{request_cpus: 1e6}"}, r"must be 1024 or less"),
        ({"resources": "{target_hours: 1e-300}"}, r"resources.target_hours: .*must be 0.0001 or more"),
    ],
)
def test_too_many(changes: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        specfile.loads(text(**changes))


def test_the_size_that_is_told_is_right() -> None:
    with pytest.raises(SpecError) as caught:
        specfile.loads(text(n_bg=10**9, bg_file=1))
    least = int(str(caught.value).rpartition("trials_per_file: ")[2].partition(",")[0])
    assert 3 * 10**9 / least <= size_limits.MAX_PROCESSES < 3 * 10**9 / (least - 2)
    specfile.loads(text(n_bg=10**9, bg_file=least))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"a: [" + b"1, " * 40_000 + b"1]", "more than 30,000 values; no spec has"),
        (b"a: &x [1]\nb: [*x, *x]", "an alias"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{a: " * 5_000, "nested too deeply"),
        (b"x" * 17_000_000, "has more than 16,000,000 bytes"),
        (b"k" * 1000 + b": 1\n", r"found a key of 1,000 characters \(kkk"),
        ("name: x\n".encode("utf-16"), "is UTF-16; save the file as UTF-8 text"),
        ("name: x\n".encode("utf-16-le"), r"found the character U\+0000; save the file as UTF-8 text"),
    ],
    ids=["values", "aliases", "lists", "mappings", "bytes", "key", "UTF-16", "UTF-16 without a mark"],
)
def test_absurd_files(raw: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_bytes(raw)
    with pytest.raises(SpecError, match=words):
        specfile.load(tmp_path / "spec.yaml")


@pytest.mark.parametrize("name", ["fifo", "/dev/zero", "a\0b", "x" * 300])
def test_what_is_no_file(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert main(["check", str(tmp_path / name)]) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told and ("pipe or a device" in told or "cannot be read" in told)
