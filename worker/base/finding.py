"""One comparison of a verification or a review, and its result."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from worker.base.compare import Rounding

Verdict = Literal["same", "note", "fault"]
SHOWN = 20


class Finding(NamedTuple):
    """A line of the terminal output and of the certificate.

    Attributes
    ----------
    verdict : str
        same; note: no contradiction, but the reader should know; fault: the run is not what it claims to be.
    what : str
        What was compared with what.
    """

    verdict: Verdict
    what: str
    found: str


def of(what: str, wrong: Sequence[str], right: str, rounding: "Rounding | None" = None) -> Finding:
    """Return a fault with the list `wrong`; if that is empty, `right`, or a note if numbers differ within rounding."""
    if not wrong and rounding and rounding.n:
        from worker.base.compare import ROUNDING

        text = (
            f"the same but for the last digits of {rounding.n:,} numbers, which differ by {rounding.largest:.0e} of "
            f"their value at most ({ROUNDING:.0e} is allowed): another processor or library rounds otherwise"
        )
        return Finding("note", what, text)
    if not wrong:
        return Finding("same", what, right)
    more = f"; and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
    return Finding("fault", what, "; ".join(wrong[:SHOWN]) + more)
