"""Work counted: what a fit costs in steps that do not depend on the machine. Kernels add to one small array."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

EVENTS, SLOPES, PROFILES, TERMS = range(4)
"""Places in the array: events drawn (or handed to a pixel); events times gamma nodes in slopes at ns = 0; gammas at
which the likelihood was maximised in ns; terms, one event in one sum over events."""

NAMES = ("events", "slopes", "profiles", "terms")


def counters() -> NDArray[np.int64]:
    """An array of zeros, for `workspace`."""
    return np.zeros(len(NAMES), np.int64)


def named(count: NDArray[Any]) -> dict[str, int]:
    """What was counted, by name."""
    return dict(zip(NAMES, (int(x) for x in count), strict=True))
