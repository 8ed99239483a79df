"""Work as a count of function calls: the same on an idle and on a busy machine, where seconds are not.

A loop over events, pixels or files that should be one call of numpy shows up at once; so does work that grows faster
than its input. What a call of numpy costs inside does not: speed in seconds is measured by benchmarks/.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def calls(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, int]:
    """What a function returns, and how many calls of Python and C functions it made in this thread."""
    n = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal n
        n += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        result = function(*args, **kwargs)
    finally:
        sys.setprofile(before)
    return result, n
