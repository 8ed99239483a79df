"""Wait for something that another process does, on a machine of any speed.

No test says how many seconds a thing may take: a busy machine would fail it. A wait ends when the thing has happened,
or after half an hour, which only a hang reaches.
"""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
HANG_S = 1800.0
STEP_S = 0.02


def until(condition: Callable[[], T], what: str, timeout: float = HANG_S) -> T:
    """The first true value of `condition`, asked again and again; fails with `what` was awaited."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {timeout:.0f} s in vain for {what}"
        time.sleep(STEP_S)
    return value
