"""Grids of declination, signal strength, spectral index and significance in the spec."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from worker.base.bounds import MAX_DECS
from worker.spec.fields import DecDeg, Model, Number, Positive, increasing, refuse, ring_decs_deg

RINGS = "rings"
"""Value of `dec_deg` for all rings of the scan's pixels instead of a grid."""


class DecRange(Model):
    """Declinations start, start + step, ..., stop (included)."""

    start: DecDeg
    stop: DecDeg
    step: Positive

    @model_validator(mode="after")
    def _ends_at_stop(self) -> Self:
        start, stop, step = self.start, self.stop, self.step
        steps = (stop - start) / step
        if steps < 0:
            refuse(("stop", f"found {stop:g}; the grid is empty: stop must not be below start = {start:g}"))
        if steps >= MAX_DECS:
            refuse(("step", f"found {step:g}; the grid has more than {MAX_DECS} declinations: write a larger step"))
        if abs(steps - round(steps)) > 1e-6:
            text = f"found {step:g}; must divide stop - start = {stop - start:g}, for the grid to end at stop"
            refuse(("step", text))
        return self

    def values(self) -> tuple[float, ...]:
        """Declinations in degrees, rounded to 1e-6 deg."""
        return _values(self.start, self.stop, self.step)


@lru_cache(maxsize=16)  # asked for every node of a plan
def _values(start: float, stop: float, step: float) -> tuple[float, ...]:
    return tuple(round(start + i * step, 6) + 0.0 for i in range(round((stop - start) / step) + 1))


def _grid_kind(value: Any) -> str | None:
    if isinstance(value, (DecRange, Mapping)):
        return "range"
    if value == RINGS:
        return RINGS
    return "list" if isinstance(value, (list, tuple)) else None


def ring_grid(nsides: tuple[int, ...], low: float, high: float) -> tuple[float, ...]:
    """Declinations (deg, to six decimals) of all rings of healpix maps between low and high, increasing."""
    decs = {round(dec, 6) + 0.0 for nside in nsides for dec in ring_decs_deg(nside) if low - 1e-9 <= dec <= high + 1e-9}
    return tuple(sorted(decs))


DecList = Annotated[
    tuple[DecDeg, ...], Field(min_length=1, max_length=MAX_DECS, strict=False), AfterValidator(increasing)
]
DecGrid = Annotated[
    Annotated[DecRange, Tag("range")] | Annotated[DecList, Tag("list")] | Annotated[Literal["rings"], Tag("rings")],
    Discriminator(_grid_kind),
]


def _one_or_list(value: Any) -> str:
    return "list" if isinstance(value, (list, tuple)) else "one"


_Gamma = Annotated[Number, Field(ge=1, le=4)]
_Gammas = Annotated[tuple[_Gamma, ...], Field(min_length=1, max_length=100, strict=False), AfterValidator(increasing)]
Gammas = Annotated[Annotated[_Gamma, Tag("one")] | Annotated[_Gammas, Tag("list")], Discriminator(_one_or_list)]
_NSigma = Annotated[Number, Field(gt=0, le=8)]
_NSigmas = Annotated[tuple[_NSigma, ...], Field(min_length=1, max_length=20, strict=False), AfterValidator(increasing)]
NSigmas = Annotated[Annotated[_NSigma, Tag("one")] | Annotated[_NSigmas, Tag("list")], Discriminator(_one_or_list)]
NSigList = Annotated[
    tuple[Annotated[Number, Field(gt=0, le=1e5)], ...],
    Field(min_length=3, max_length=1000, strict=False),
    AfterValidator(increasing),
]
