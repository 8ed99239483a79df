"""Kinds of values that the spec is made of, and the rules that hold between several of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from worker.base.bounds import MAX_TRIALS


def whole(value: Any) -> Any:
    """``1e5`` is a whole number too, however YAML reads it."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def not_bool(value: Any) -> Any:
    """``true`` equals 1 in Python; in a spec it does not."""
    return str(value).lower() if isinstance(value, bool) else value


def refuse(*faults: tuple[str, str]) -> None:
    """Refuse a section whose keys do not fit together: (key, sentence) of each fault, if any."""
    if faults:
        text = "; ".join(f"{key}: {sentence}" if key else sentence for key, sentence in faults)
        raise PydanticCustomError("faults", "{text}", {"text": text, "faults": list(faults)})


@dataclass(frozen=True)
class Affects:
    """What a key of the spec affects: in `Annotated` at the key, or as ``affects`` of its section.

    Attributes
    ----------
    text : str
        In words, for `dagmaker diff`; empty: as the section.
    decides : str
        numbers: some result depends on it. rounds: only if rounds of trials follow from it. nothing: no number does.
    identity : bool
        Trials depend on it: another value is another analysis, for which there is another run directory.
    trials : tuple of str
        Tasks whose files of the same name then hold something else; empty for an identity: all that make trials.
    again : tuple of str
        Results that are made again though none of the files changed that they are made from.
    decision : bool
        The decisions of rounds follow from it.
    """

    text: str = ""
    decides: Literal["numbers", "rounds", "nothing"] = "numbers"
    identity: bool = False
    trials: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    decision: bool = False


class Model(BaseModel):
    """A closed, immutable section of the spec."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    affects: ClassVar[Affects | None] = None

    def __hash__(self) -> int:
        """Of all values; a table is hashed by its rows, so that a spec can be the key of a cache."""
        values = (getattr(self, key) for key in type(self).model_fields)
        return hash(tuple(tuple(sorted(v.items())) if isinstance(v, dict) else v for v in values))


Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Fraction = Annotated[Number, Field(gt=0, lt=1)]
Whole = Annotated[int, BeforeValidator(whole)]
Count = Annotated[Whole, Field(ge=1, le=MAX_TRIALS)]
DecDeg = Annotated[Number, Field(ge=-90, le=90)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
Nside = Annotated[Whole, Field(ge=1, le=4096)]


def increasing(values: tuple[float, ...]) -> tuple[float, ...]:
    """A grid has each value once, in order: a value twice is more often a slip than a wish."""
    for before, after in pairwise(values):
        if after == before:
            refuse(("", f"found {after:g} twice; write each value once"))
        if after < before:
            refuse(("", f"found {after:g} after {before:g}; values must increase"))
    return values


def require_distinct_names(key: str, values: Sequence[float], names: Sequence[str], apart: str = "0.000001") -> None:
    """Two points of a grid never share a directory (names have at most six decimals)."""
    for i in range(1, len(names)):
        if names[i] == names[i - 1]:
            both = f"{values[i - 1]!r} and {values[i]!r}"
            refuse((key, f"{both} would share the directory {names[i]}; keep them at least {apart} apart"))


def ring_decs_deg(nside: int) -> list[float]:
    """Declinations of the rings of a healpix map, deg (Gorski et al. 2005, eqs. 4 and 8)."""
    cap = [1 - i * i / (3 * nside * nside) for i in range(1, nside)]
    belt = [4 / 3 - 2 * i / (3 * nside) for i in range(nside, 3 * nside + 1)]
    return [math.degrees(math.asin(z)) for z in (*cap, *belt, *(-z for z in reversed(cap)))]
