"""Where two JSON documents or two files differ, in words."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from worker.arrays import BadFormatError, parse_npy, parse_npz

_ABSENT = "nothing"


def values(there: Any, here: Any, at: str = "") -> Iterator[str]:
    """Every place at which two documents differ: ``post_trial.p is 0.4, recomputed 0.5``."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in dict.fromkeys([*there, *here]):
            yield from values(there.get(key, _ABSENT), here.get(key, _ABSENT), f"{at}.{key}" if at else str(key))
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for i, (one, other) in enumerate(zip(there, here, strict=True)):
            yield from values(one, other, f"{at}[{i}]")
    elif type(there) is not type(here) or there != here:
        yield f"{at or 'it'} is {_short(there)}, recomputed {_short(here)}"


def count(document: Any) -> int:
    """Numbers in a document."""
    if isinstance(document, dict):
        return sum(count(value) for value in document.values())
    if isinstance(document, list):
        return sum(count(value) for value in document)
    return int(isinstance(document, int | float) and not isinstance(document, bool))


def files(there: Path, here: Path) -> str:
    """How a file differs from its recomputation; empty where it does not."""
    try:
        theirs, mine = there.read_bytes(), here.read_bytes()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if theirs == mine:
        return ""
    try:
        return _contents(there.suffix, theirs, mine)
    except (BadFormatError, ValueError) as error:
        return f"cannot be read ({error})"


def _contents(suffix: str, theirs: bytes, mine: bytes) -> str:
    if suffix == ".json":
        found = list(values(json.loads(theirs), json.loads(mine)))
        return "; ".join(found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "") or "is formatted anew"
    if suffix == ".npy":
        return _arrays("it", parse_npy(theirs), parse_npy(mine))
    if suffix == ".npz":
        one, other = parse_npz(theirs), parse_npz(mine)
        if set(one) != set(other):
            return f"holds {', '.join(sorted(one))}, recomputed {', '.join(sorted(other))}"
        found = [text for name in one if (text := _arrays(name, one[name], other[name]))]
        return "; ".join(found[:3]) or "holds the same numbers in other bytes"
    return f"its bytes differ ({len(theirs)}, recomputed {len(mine)})"


def _arrays(name: str, there: Any, here: Any) -> str:
    if there.shape != here.shape or there.dtype != here.dtype:
        return f"{name} is {there.dtype} {there.shape}, recomputed {here.dtype} {here.shape}"
    size = max(there.dtype.itemsize, 1)
    one, other = (np.frombuffer(a.tobytes(), np.uint8).reshape(-1, size) for a in (there, here))
    wrong = np.flatnonzero((one != other).any(axis=1))
    if not len(wrong):
        return ""
    k = int(wrong[0])
    first = f"{_short(there.reshape(-1)[k].tolist())}, recomputed {_short(here.reshape(-1)[k].tolist())}"
    return f"{name}: {len(wrong):,} of {len(one):,} entries differ, the first is {first}"


def _short(value: Any) -> str:
    text = value if value is _ABSENT else json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
