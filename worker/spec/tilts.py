"""Tilts of tilted background trials in the spec."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from worker.spec.engine import is_plugin
from worker.spec.fields import Fraction, Model, Number

SHARES = 256
"""Shares of tilts are multiples of 1 / SHARES, so that every block of SHARES trials has exactly its shares."""

WITHOUT_TILTS = ("stacking", "window", "flare")
"""Kinds of hypothesis without tilted trials."""

N_TRIALS = 16384
"""Tilted trials of a declination: 3 to 6 % of p at 5 sigma."""


class SpecTilt(Model):
    """A distribution of tilted background trials: events expected at the source, spectral index, and its share."""

    n: Annotated[Number, Field(ge=0.5, le=10000)]
    gamma: Annotated[Number, Field(ge=1, le=4)]
    share: Fraction


def _one_or_list(value: Any) -> str:
    return "list" if isinstance(value, (list, tuple)) else "pilot"


_List = Annotated[tuple[SpecTilt, ...], Field(min_length=1, max_length=60, strict=False)]
Tilts = Annotated[
    Annotated[Literal["pilot"], Tag("pilot")] | Annotated[_List, Tag("list")], Discriminator(_one_or_list)
]


def faults(n_trials: int, tilts: Literal["pilot"] | tuple[SpecTilt, ...]) -> Iterator[tuple[str, str]]:
    """Key and sentence of each fault: a part of a block would have other shares than the weights say."""
    if n_trials % SHARES:
        more = -(-n_trials // SHARES) * SHARES
        yield "n_tail_trials", f"found {n_trials:,}; must be a multiple of {SHARES}; write n_tail_trials: {more}"
    if not isinstance(tilts, tuple):
        return
    counts = [tilt.share * SHARES for tilt in tilts]
    wrong = [tilt.share for tilt, n in zip(tilts, counts, strict=True) if abs(n - round(n)) > 1e-9]
    if wrong:
        near = max(round(wrong[0] * SHARES), 1) / SHARES
        yield "tilts", f"found a share of {wrong[0]:g}; must be a multiple of 1/{SHARES}; write share: {near:g}"
    elif sum(counts) > SHARES - 1:
        text = f"found shares with the sum {sum(counts) / SHARES:g}; must leave some plain trials"
        yield "tilts", f"{text}: at most {(SHARES - 1) / SHARES:g}"


def fill(document: Any) -> Any:
    """Return the document of a spec with `background.tail` and `scan.survival` written out.

    The tail is counted with tilted trials unless the spec chooses another way, or has none (`_has_none`).
    """
    if not isinstance(document, Mapping):
        return document
    background, scan = document.get("background"), document.get("scan")
    if not (isinstance(background, Mapping) and isinstance(scan, Mapping)):
        return document
    how = survival(document)
    tail = "tilted" if how == "counted" and not _has_none(document) else "none"
    return {**document, "background": {"tail": tail, **background}, "scan": {"survival": how, **scan}}


def survival(document: Mapping[str, Any]) -> Any:
    """Return `scan.survival` of the document of a spec, or what it is if it is left out."""
    background, scan = (
        section if isinstance(section, Mapping) else {} for section in map(document.get, ("background", "scan"))
    )
    tail = background.get("tail", "none" if _has_none(document) else "tilted")
    return scan.get("survival", "counted" if tail == "tilted" else "hybrid")


def _has_none(document: Mapping[str, Any]) -> bool:
    """Whether there are no tilted trials: a plug-in makes none, and some hypotheses have none."""
    hypothesis = document.get("hypothesis")
    return is_plugin(document) or (isinstance(hypothesis, Mapping) and hypothesis.get("kind") in WITHOUT_TILTS)
