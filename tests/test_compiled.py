"""numba's cache on the disk: whatever is wrong with it costs a line on stderr and a compilation, never a task."""

import os
import resource
from collections.abc import Callable
from pathlib import Path

import numba
import pytest

from worker.base import compiled


def _double(x: float) -> float:
    return 2.0 * x


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and nothing said yet."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(compiled, "_messages", set())
    return tmp_path / "cache"


def use() -> tuple[int, int]:
    """Compile and call, as a new process does; how often the code came from the disk, and how often not."""
    dispatcher = compiled.kernel(_double)
    assert dispatcher(1.5) == 3.0
    return sum(dispatcher.stats.cache_hits.values()), sum(dispatcher.stats.cache_misses.values())


def _flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-20] ^= 1
    path.write_bytes(raw)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("suffix", "harm"),
    [
        ("nbi", lambda path: path.write_bytes(b"")),
        ("nbc", lambda path: path.write_bytes(b"")),
        ("nbi", lambda path: path.write_bytes(path.read_bytes()[:20])),
        ("nbc", lambda path: path.write_bytes(path.read_bytes()[:100])),
        ("nbi", lambda path: path.write_bytes(b"no pickle")),
        ("nbc", _flip),  # of machine code, which numba alone would run
    ],
)
def test_a_damaged_cache_is_said_compiled_anew_and_mended(
    suffix: str, harm: Callable[[Path], None], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert use() == (0, 1)
    assert use() == (1, 0)
    assert capsys.readouterr().err == ""
    (file,) = cache.rglob(f"*.{suffix}")
    harm(file)
    assert use() == (0, 1)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"note: {file.parent}: compiled code in this folder cannot be used (")
    assert line.endswith("); it is compiled anew, which changes no result")
    assert use() == (1, 0)
    assert capsys.readouterr().err == ""


def test_a_missing_file_of_the_cache_is_made_again(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    use()
    next(cache.rglob("*.nbc")).unlink()
    assert use() == (0, 1)
    assert use() == (1, 0)
    assert capsys.readouterr().err == ""


def test_a_folder_where_a_file_belongs(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    use()
    _folder(next(cache.rglob("*.nbi")))
    assert use() == (0, 1)
    first, second = capsys.readouterr().err.splitlines()
    assert "cannot be used (IsADirectoryError" in first
    assert "cannot be kept in this folder (IsADirectoryError" in second
    assert second.endswith("name another folder: export NUMBA_CACHE_DIR=DIR")


def test_a_disk_that_takes_nothing(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        assert use() == (0, 1)
        assert use() == (0, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (line,) = capsys.readouterr().err.splitlines()  # once per process
    assert "compiled code cannot be kept in this folder (OSError: [Errno 27] File too large)" in line
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_without_any_folder_that_can_be_written(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Callable[[float], float]] = {}
    exec(compile("def triple(x):\n    return 3.0 * x\n", os.devnull + "/nothing.py", "exec"), names)
    for _ in range(2):
        assert compiled.kernel(names["triple"])(1.5) == 4.5
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("note: no folder for compiled code can be written (NUMBA_CACHE_DIR, ")
    assert line.endswith("name a folder: export NUMBA_CACHE_DIR=DIR")


def test_numba_disable_jit_is_said_and_ignored(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    assert use() == (0, 1)
    assert capsys.readouterr().err == (
        "note: NUMBA_DISABLE_JIT is set and ignored: without compilation a trial takes a thousand times as long\n"
    )
