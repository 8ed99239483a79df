"""What a session says at its beginning, and what a test says that skips: the same words."""

from pathlib import Path

import pytest

from tests import needs


def test_what_will_skip_is_said_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGMAKER_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("DAGMAKER_POOL_CACHE", str(tmp_path))
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"ID": "fedora", "PRETTY_NAME": "Fedora 44"})
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    lines = "\n".join(needs.header("not slow and not pool"))
    assert lines.startswith("dagmaker: tests that are not slow and not pool: about 3 CPU minutes, so ")
    assert f"{tmp_path}/none is not a folder (set DAGMAKER_DATA to one)" in lines
    assert "tests/pool: no HTCondor pool: this host is Fedora 44, not Debian" in lines
    assert "tests/browser: no chromium on PATH: install it (Debian: apt-get install chromium)" in lines
    assert "root may write everywhere" not in lines


def test_where_nothing_lacks_only_the_work_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "NEEDS", {"a thing": needs.Need("its tests", lambda: "")})
    monkeypatch.setattr("os.cpu_count", lambda: 5)
    assert list(needs.header("")) == [
        "dagmaker: every test, on a real HTCondor pool too: about 43 CPU minutes, so 9 minutes on 5 idle cores"
    ]
    assert list(needs.header(None)) == []
    assert not needs.needs("a thing").args[0]
