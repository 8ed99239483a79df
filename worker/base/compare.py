"""Differences of two JSON documents or two files in words; differences within rounding are counted apart."""

import json
import math
import re
from collections.abc import Iterator
from io import BytesIO
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from worker.base.arrays import BadFormatError, parse_npy, parse_npz
from worker.base.reading import file_bytes

ROUNDING = 1e-6
"""Relative. Trials have the same bits everywhere. Results call numpy, scipy and libm, whose last digits depend on the
processor; fits and root finding pass such differences on."""
_ABSENT = "nothing"
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")


class Rounding:
    """Numbers of a comparison that differ by no more than rounding.

    Attributes
    ----------
    largest : float
        Largest relative difference among them.
    """

    def __init__(self) -> None:
        self.n = 0
        self.largest = 0.0

    def explains(self, recorded: float, recomputed: float) -> bool:
        """Whether two numbers are equal or so close, relative to the larger; counts those that are not equal."""
        if recorded == recomputed:
            return True
        if not (math.isfinite(recorded) and math.isfinite(recomputed)):
            return False
        relative = abs(recorded - recomputed) / max(abs(recorded), abs(recomputed))
        return self._counted(1, relative)

    def explains_arrays(self, recorded: Any, recomputed: Any) -> bool:
        """As `explains`, for all entries of two arrays of floats; an entry may be NaN in both."""
        differ = (recorded != recomputed) & ~(np.isnan(recorded) & np.isnan(recomputed))
        before, after = recorded[differ].astype(np.float64), recomputed[differ].astype(np.float64)
        if not np.isfinite(before + after).all():
            return False
        relative = np.abs(before - after) / np.maximum(np.abs(before), np.abs(after))
        return self._counted(int(differ.sum()), float(relative.max(initial=0.0)))

    def _counted(self, n: int, relative: float) -> bool:
        if relative > ROUNDING:
            return False
        self.n += n
        self.largest = max(self.largest, relative)
        return True


def value_differences(recorded: Any, recomputed: Any, rounding: Rounding, at: str = "") -> Iterator[str]:
    """Yield a sentence for each difference of two documents: ``post_trial.p is 0.4, recomputed 0.5``."""
    if isinstance(recorded, dict) and isinstance(recomputed, dict):
        for key in dict.fromkeys([*recorded, *recomputed]):
            name = f"{at}.{key}" if at else str(key)
            yield from value_differences(recorded.get(key, _ABSENT), recomputed.get(key, _ABSENT), rounding, name)
    elif isinstance(recorded, list) and isinstance(recomputed, list) and len(recorded) == len(recomputed):
        for i, (before, after) in enumerate(zip(recorded, recomputed, strict=True)):
            yield from value_differences(before, after, rounding, f"{at}[{i}]")
    elif isinstance(recorded, float) and isinstance(recomputed, float) and rounding.explains(recorded, recomputed):
        return
    elif type(recorded) is not type(recomputed) or recorded != recomputed:
        yield f"{at or 'it'} is {_short(recorded)}, recomputed {_short(recomputed)}"


def count_numbers(document: Any) -> int:
    """Return the number of numbers in a document."""
    if isinstance(document, dict):
        return sum(count_numbers(value) for value in document.values())
    if isinstance(document, list):
        return sum(count_numbers(value) for value in document)
    return int(isinstance(document, int | float) and not isinstance(document, bool))


def line_differences(recorded: list[str], recomputed: list[str], rounding: Rounding) -> Iterator[tuple[str, str]]:
    """Pairs of lines of two texts that differ by more than the rounding of their numbers."""
    for before, after in zip_longest(recorded, recomputed, fillvalue=""):
        if before != after and not _same_but_for_rounding(before, after, rounding):
            yield before, after


def _same_but_for_rounding(recorded: str, recomputed: str, rounding: Rounding) -> bool:
    if _NUMBER.split(recorded) != _NUMBER.split(recomputed):
        return False
    pairs = zip(_NUMBER.findall(recorded), _NUMBER.findall(recomputed), strict=True)
    return all(before == after or _rounded(float(before), float(after), rounding) for before, after in pairs)


def _rounded(recorded: float, recomputed: float, rounding: Rounding) -> bool:
    """Whether two numbers differ, within rounding; 0.5 written as 00.5 is no such case."""
    return recorded != recomputed and rounding.explains(recorded, recomputed)


def file_difference(recorded: Path, recomputed: Path, rounding: Rounding) -> str:
    """Return how a file differs from its recomputation; empty if it does not, or if rounding explains it."""
    try:
        recorded_bytes, recomputed_bytes = file_bytes(recorded), recomputed.read_bytes()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if recorded_bytes == recomputed_bytes:
        return ""
    try:
        return _contents(recorded.suffix, recorded_bytes, recomputed_bytes, rounding)
    except (BadFormatError, ValueError, OSError, RecursionError) as error:
        return f"cannot be read ({error})"


def _contents(suffix: str, recorded: bytes, recomputed: bytes, rounding: Rounding) -> str:
    n_before = rounding.n
    if suffix == ".json":
        differences = list(value_differences(json.loads(recorded), json.loads(recomputed), rounding))
        text = "; ".join(differences[:3]) + (f"; and {len(differences) - 3} more" if len(differences) > 3 else "")
        return text or ("" if rounding.n > n_before else "is formatted anew")
    if suffix == ".npy":
        return _arrays("it", parse_npy(recorded), parse_npy(recomputed), rounding)
    if suffix in (".npz", ".fits"):
        parse = parse_npz if suffix == ".npz" else _columns
        before, after = parse(recorded), parse(recomputed)
        if set(before) != set(after):
            return f"holds {', '.join(sorted(before))}, recomputed {', '.join(sorted(after))}"
        array_differences = [
            sentence for name in before if (sentence := _arrays(name, before[name], after[name], rounding))
        ]
        return "; ".join(array_differences[:3]) or (
            "" if rounding.n > n_before else "holds the same numbers in other bytes"
        )
    return f"its bytes differ ({len(recorded)}, recomputed {len(recomputed)})"


def _columns(raw: bytes) -> dict[str, Any]:
    """Columns of the table of a FITS map, and its header."""
    from astropy.io import fits  # type: ignore[import-untyped]

    with fits.open(BytesIO(raw)) as hdus:
        table = hdus[1]
        header = np.array([str(card) for unit in hdus for card in unit.header.cards])
        return {"header": header} | {name: np.array(table.data[name]) for name in table.columns.names}


def _arrays(name: str, recorded: Any, recomputed: Any, rounding: Rounding) -> str:
    if recorded.shape != recomputed.shape or recorded.dtype != recomputed.dtype:
        return f"{name} is {recorded.dtype} {recorded.shape}, recomputed {recomputed.dtype} {recomputed.shape}"
    size = max(recorded.dtype.itemsize, 1)
    before, after = (np.frombuffer(a.tobytes(), np.uint8).reshape(-1, size) for a in (recorded, recomputed))
    wrong = np.flatnonzero((before != after).any(axis=1))
    if not len(wrong) or _explained(recorded, recomputed, rounding):
        return ""
    k = int(wrong[0])
    first = f"{_short(recorded.reshape(-1)[k].tolist())}, recomputed {_short(recomputed.reshape(-1)[k].tolist())}"
    return f"{name}: {len(wrong):,} of {len(before):,} entries differ, the first is {first}"


def _explained(recorded: Any, recomputed: Any, rounding: Rounding) -> bool:
    if recorded.dtype.names:
        return all(_explained(recorded[field], recomputed[field], rounding) for field in recorded.dtype.names)
    if recorded.dtype.kind == "f":
        return rounding.explains_arrays(recorded, recomputed)
    return bool(np.array_equal(recorded, recomputed))


def _short(value: Any) -> str:
    text = value if value is _ABSENT else json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
