"""What a review takes for rounding, and what it does not."""

import json
from pathlib import Path

import healpy
import numpy as np
import pytest

from worker.base import compare, finding
from worker.base.arrays import npy_bytes
from worker.base.compare import Rounding

NEAR, FAR = 1 + 1e-9, 1 + 1e-5


def written(folder: Path, suffix: str, factor: float) -> Path:
    """A file of results, one of whose numbers is multiplied."""
    folder.mkdir(exist_ok=True)
    path = folder / f"results{suffix}"
    numbers = np.linspace(0.5, 2.0, 12)
    numbers[3] *= factor
    if suffix == ".json":
        path.write_text(json.dumps({"rows": [{"flux": x * 1e-16} for x in numbers.tolist()]}))
    elif suffix == ".npy":
        path.write_bytes(npy_bytes(np.rec.fromarrays([np.arange(12), numbers], names="pixel,ts").view(np.ndarray)))
    elif suffix == ".npz":
        np.savez(path, ts=numbers)
    else:
        healpy.write_map(str(path), numbers, dtype=np.float64, overwrite=True)
    return path


@pytest.mark.parametrize("suffix", [".json", ".npy", ".npz", ".fits"])
def test_last_digits_are_rounding_and_more_is_not(suffix: str, tmp_path: Path) -> None:
    there, near, far = (written(tmp_path / str(f), suffix, f) for f in (1.0, NEAR, FAR))
    rounding = Rounding()
    assert compare.file_difference(there, there, rounding) == ""
    assert rounding.n == 0
    assert compare.file_difference(there, near, rounding) == ""
    assert rounding.n == 1
    assert rounding.largest == pytest.approx(1e-9, rel=1e-6)
    assert compare.file_difference(there, far, Rounding()) != ""


def test_text_is_compared_number_by_number() -> None:
    there = ["name,ts", "a,1.5e-12,-3", "p = 0.25 [0.2, 0.3]"]
    rounding = Rounding()
    assert not list(compare.line_differences(there, [there[0], "a,1.500000001e-12,-3", there[2]], rounding))
    assert rounding.n == 1
    for spoilt in ("p = 0.26 [0.2, 0.3]", "q = 0.25 [0.2, 0.3]", "p = 0.25 [0.2, -0.3]", "p = 00.25 [0.2, 0.3]"):
        assert list(compare.line_differences(there, [*there[:2], spoilt], Rounding())) == [(there[2], spoilt)]
    assert len(list(compare.line_differences(there, there[:2], Rounding()))) == 1


@pytest.mark.parametrize("pair", [(0.0, 1e-300), (1.0, float("inf")), (1.0, -1.0), (float("nan"), 1.0), (1.0, 2)])
def test_what_no_rounding_explains(pair: tuple[float, float]) -> None:
    assert list(compare.value_differences({"p": pair[0]}, {"p": pair[1]}, Rounding()))


def test_whole_numbers_are_exact() -> None:
    assert list(compare.value_differences({"k": 1_000_000_000}, {"k": 1_000_000_001}, Rounding()))
    same, other = np.arange(5), np.array([0, 1, 2, 3, 5])
    assert compare._arrays("k", same, other, Rounding())


def test_rounding_is_a_note_and_damage_a_fault() -> None:
    rounding = Rounding()
    assert finding.of("x", [], "the same bytes", rounding).verdict == "same"
    assert rounding.explains(1.0, NEAR)
    note = finding.of("x", [], "the same bytes", rounding)
    assert (note.verdict, "last digits of 1 numbers" in note.found) == ("note", True)
    assert finding.of("x", ["p is 1"], "the same bytes", rounding).verdict == "fault"
