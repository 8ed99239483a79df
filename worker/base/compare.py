"""Where two JSON documents or two files differ, in words; and what only another processor's rounding explains."""

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
"""Relative. Trials are the same bits everywhere; what is computed from them calls numpy, scipy and libm, whose last
digits depend on the processor, and fits and root finding that end within their own tolerance carry them on."""
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

    def explains(self, there: float, here: float) -> bool:
        """Whether two numbers are equal or so close, relative to the larger; counts those that are not equal."""
        if there == here:
            return True
        if not (math.isfinite(there) and math.isfinite(here)):
            return False
        relative = abs(there - here) / max(abs(there), abs(here))
        return self._counted(1, relative)

    def explains_arrays(self, there: Any, here: Any) -> bool:
        """The same for all entries of two arrays of floats; an entry may be NaN in both."""
        differ = (there != here) & ~(np.isnan(there) & np.isnan(here))
        one, other = there[differ].astype(np.float64), here[differ].astype(np.float64)
        if not np.isfinite(one + other).all():
            return False
        relative = np.abs(one - other) / np.maximum(np.abs(one), np.abs(other))
        return self._counted(int(differ.sum()), float(relative.max(initial=0.0)))

    def _counted(self, n: int, relative: float) -> bool:
        if relative > ROUNDING:
            return False
        self.n += n
        self.largest = max(self.largest, relative)
        return True


def value_differences(there: Any, here: Any, rounding: Rounding, at: str = "") -> Iterator[str]:
    """Every place at which two documents differ: ``post_trial.p is 0.4, recomputed 0.5``."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in dict.fromkeys([*there, *here]):
            name = f"{at}.{key}" if at else str(key)
            yield from value_differences(there.get(key, _ABSENT), here.get(key, _ABSENT), rounding, name)
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for i, (one, other) in enumerate(zip(there, here, strict=True)):
            yield from value_differences(one, other, rounding, f"{at}[{i}]")
    elif isinstance(there, float) and isinstance(here, float) and rounding.explains(there, here):
        return
    elif type(there) is not type(here) or there != here:
        yield f"{at or 'it'} is {_short(there)}, recomputed {_short(here)}"


def count_numbers(document: Any) -> int:
    """Numbers in a document."""
    if isinstance(document, dict):
        return sum(count_numbers(value) for value in document.values())
    if isinstance(document, list):
        return sum(count_numbers(value) for value in document)
    return int(isinstance(document, int | float) and not isinstance(document, bool))


def line_differences(there: list[str], here: list[str], rounding: Rounding) -> Iterator[tuple[str, str]]:
    """Pairs of lines of two texts that differ by more than the rounding of their numbers."""
    for one, other in zip_longest(there, here, fillvalue=""):
        if one != other and not _same_but_for_rounding(one, other, rounding):
            yield one, other


def _same_but_for_rounding(there: str, here: str, rounding: Rounding) -> bool:
    if _NUMBER.split(there) != _NUMBER.split(here):
        return False
    pairs = zip(_NUMBER.findall(there), _NUMBER.findall(here), strict=True)
    return all(one == other or _rounded(float(one), float(other), rounding) for one, other in pairs)


def _rounded(there: float, here: float, rounding: Rounding) -> bool:
    """Numbers that are written otherwise: another value, nearly the same; not 0.5 written as 00.5."""
    return there != here and rounding.explains(there, here)


def file_difference(there: Path, here: Path, rounding: Rounding) -> str:
    """How a file differs from its recomputation; empty where it does not, or where rounding explains it."""
    try:
        theirs, mine = file_bytes(there), here.read_bytes()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if theirs == mine:
        return ""
    try:
        return _contents(there.suffix, theirs, mine, rounding)
    except (BadFormatError, ValueError, OSError, RecursionError) as error:
        return f"cannot be read ({error})"


def _contents(suffix: str, theirs: bytes, mine: bytes, rounding: Rounding) -> str:
    before = rounding.n
    if suffix == ".json":
        found = list(value_differences(json.loads(theirs), json.loads(mine), rounding))
        told = "; ".join(found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
        return told or ("" if rounding.n > before else "is formatted anew")
    if suffix == ".npy":
        return _arrays("it", parse_npy(theirs), parse_npy(mine), rounding)
    if suffix in (".npz", ".fits"):
        parse = parse_npz if suffix == ".npz" else _columns
        one, other = parse(theirs), parse(mine)
        if set(one) != set(other):
            return f"holds {', '.join(sorted(one))}, recomputed {', '.join(sorted(other))}"
        found = [text for name in one if (text := _arrays(name, one[name], other[name], rounding))]
        return "; ".join(found[:3]) or ("" if rounding.n > before else "holds the same numbers in other bytes")
    return f"its bytes differ ({len(theirs)}, recomputed {len(mine)})"


def _columns(raw: bytes) -> dict[str, Any]:
    """Columns of the table of a FITS map, and its header."""
    from astropy.io import fits  # type: ignore[import-untyped]

    with fits.open(BytesIO(raw)) as found:
        table = found[1]
        header = np.array([str(card) for unit in found for card in unit.header.cards])
        return {"header": header} | {name: np.array(table.data[name]) for name in table.columns.names}


def _arrays(name: str, there: Any, here: Any, rounding: Rounding) -> str:
    if there.shape != here.shape or there.dtype != here.dtype:
        return f"{name} is {there.dtype} {there.shape}, recomputed {here.dtype} {here.shape}"
    size = max(there.dtype.itemsize, 1)
    one, other = (np.frombuffer(a.tobytes(), np.uint8).reshape(-1, size) for a in (there, here))
    wrong = np.flatnonzero((one != other).any(axis=1))
    if not len(wrong) or _explained(there, here, rounding):
        return ""
    k = int(wrong[0])
    first = f"{_short(there.reshape(-1)[k].tolist())}, recomputed {_short(here.reshape(-1)[k].tolist())}"
    return f"{name}: {len(wrong):,} of {len(one):,} entries differ, the first is {first}"


def _explained(there: Any, here: Any, rounding: Rounding) -> bool:
    if there.dtype.names:
        return all(_explained(there[field], here[field], rounding) for field in there.dtype.names)
    if there.dtype.kind == "f":
        return rounding.explains_arrays(there, here)
    return bool(np.array_equal(there, here))


def _short(value: Any) -> str:
    text = value if value is _ABSENT else json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
