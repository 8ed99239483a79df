"""Types of values of the spec, and rules between several values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from worker.base.bounds import MAX_TRIALS


def whole(value: Any) -> Any:
    """Convert a whole float such as ``1e5`` to int."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def not_bool(value: Any) -> Any:
    """Convert a bool to text, so that ``true`` is not accepted as 1."""
    return str(value).lower() if isinstance(value, bool) else value


def refuse(*faults: tuple[str, str]) -> None:
    """Raise an error with the (key, sentence) of each fault of a section, if there are any."""
    if faults:
        text = "; ".join(f"{key}: {sentence}" if key else sentence for key, sentence in faults)
        raise PydanticCustomError("faults", "{text}", {"text": text, "faults": list(faults)})


@dataclass(frozen=True)
class Affects:
    """The effect of a key of the spec: in `Annotated` at the key, or as ``affects`` of its section.

    Attributes
    ----------
    text : str
        In words, for `dagmaker diff`; empty: as the section.
    decides : str
        numbers: results depend on it. rounds: only if there are rounds of trials. nothing: no result depends on it.
    identity : bool
        Trials depend on it: another value is another analysis with another run directory.
    trials : tuple of str
        Tasks whose files change under the same name; empty for an identity: all that make trials.
    again : tuple of str
        Results that are recomputed although their input files did not change.
    decision : bool
        Decisions of rounds depend on it.
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

    @classmethod
    def by_key(cls) -> dict[str, FieldInfo]:
        """Return the fields by their keys in a spec: ``class`` for the attribute ``class_``."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}

    def __hash__(self) -> int:
        """Hash all values, tables by rows, so that a spec can be the key of a cache."""
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
    """Refuse a grid whose values do not increase strictly."""
    for before, after in pairwise(values):
        if after == before:
            refuse(("", f"found {after:g} twice; write each value once"))
        if after < before:
            refuse(("", f"found {after:g} after {before:g}; values must increase"))
    return values


def require_distinct_names(key: str, values: Sequence[float], names: Sequence[str], apart: str = "0.000001") -> None:
    """Refuse two points of a grid that share a directory (names have at most six decimals)."""
    for i in range(1, len(names)):
        if names[i] == names[i - 1]:
            both = f"{values[i - 1]!r} and {values[i]!r}"
            refuse((key, f"{both} would share the directory {names[i]}; keep them at least {apart} apart"))


def ring_decs_deg(nside: int) -> list[float]:
    """Return the declinations of the rings of a healpix map, deg (Gorski et al. 2005, eqs. 4 and 8)."""
    cap = [1 - i * i / (3 * nside * nside) for i in range(1, nside)]
    belt = [4 / 3 - 2 * i / (3 * nside) for i in range(nside, 3 * nside + 1)]
    return [math.degrees(math.asin(z)) for z in (*cap, *belt, *(-z for z in reversed(cap)))]
