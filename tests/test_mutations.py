"""Absurd values of every key: refused or taken, never a traceback. `python -m tests.mutations` tries all."""

from pathlib import Path

import pytest

from tests.mutations import VALUES, Ended, run
from worker.spec.hints import HINTS

KEYS = list(HINTS)


@pytest.mark.parametrize("key", KEYS)
def test_a_value_of_each_key(key: str, tmp_path: Path) -> None:
    for step in range(2):
        value = VALUES[(7 * KEYS.index(key) + 16 * step) % len(VALUES)]
        ended = run("check", key, value, tmp_path)
        assert (ended.fault, ended.code in (0, 2)) == ("", True), (value[:60], ended.printed[-500:])


def test_what_counts_as_a_fault() -> None:
    """Negative control."""
    assert Ended(1, 0.0, "Traceback (most recent call last)").fault == "exit code 1, traceback"
    assert Ended(2, 9.0, "x" * 2000).fault == "9.0 s, a line of 2000"
