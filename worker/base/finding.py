"""One comparison of a verification or a review, and what came of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from worker.base.compare import Rounding

Verdict = Literal["same", "note", "fault"]
SHOWN = 20


class Finding(NamedTuple):
    """A line of what is told, and of the certificate.

    Attributes
    ----------
    verdict : str
        same; note: nothing contradicts the run, and a reader should know; fault: it is not what it says it is.
    what : str
        What was compared with what.
    """

    verdict: Verdict
    what: str
    found: str


def of(what: str, wrong: Sequence[str], right: str, rounding: "Rounding | None" = None) -> Finding:
    """A fault that lists what is wrong; `right` where nothing is, a note where rounding had to explain something."""
    if not wrong and rounding and rounding.n:
        from worker.base.compare import ROUNDING

        told = (
            f"the same but for the last digits of {rounding.n:,} numbers, which differ by {rounding.largest:.0e} of "
            f"their value at most ({ROUNDING:.0e} is allowed): another processor or library rounds otherwise"
        )
        return Finding("note", what, told)
    if not wrong:
        return Finding("same", what, right)
    more = f"; and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
    return Finding("fault", what, "; ".join(wrong[:SHOWN]) + more)
