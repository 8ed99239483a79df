"""Counters of the work of a fit, which do not depend on the machine; kernels add to one array."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

EVENTS, SLOPES, PROFILES, TERMS = range(4)
"""Indices: events drawn (or assigned to a pixel); events times gamma nodes in slopes at ns = 0; gammas at which the
likelihood was maximised in ns; terms, one event in one sum over events."""

NAMES = ("events", "slopes", "profiles", "terms")


def counters() -> NDArray[np.int64]:
    """An array of zeros, for `workspace`."""
    return np.zeros(len(NAMES), np.int64)


def named(count: NDArray[Any]) -> dict[str, int]:
    """Return the counts by name."""
    return dict(zip(NAMES, (int(x) for x in count), strict=True))
