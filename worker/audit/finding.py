"""One comparison of a review and what came of it."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Verdict = Literal["same", "note", "fault"]
SHOWN = 8


class Finding(NamedTuple):
    """A line of the certificate.

    Attributes
    ----------
    verdict : str
        same; note: nothing contradicts the run, and a reader should know; fault: it is not what it says it is.
    what : str
        What was compared with what.
    found : str
    """

    verdict: Verdict
    what: str
    found: str


def of(what: str, wrong: Sequence[str], right: str) -> Finding:
    """A fault that lists what is wrong, or `right` where nothing is."""
    if not wrong:
        return Finding("same", what, right)
    more = f"; and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
    return Finding("fault", what, "; ".join(wrong[:SHOWN]) + more)
