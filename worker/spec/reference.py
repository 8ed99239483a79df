"""A published curve to be drawn beside the sensitivities."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from worker.spec.fields import DecDeg, Model, Positive, increasing, refuse

MOST = 500


class Reference(Model):
    """A flux against declination, in the unit of the results at `sensitivity.e0_tev`; `name` is its legend."""

    name: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$")]
    dec_deg: Annotated[
        tuple[DecDeg, ...], Field(min_length=2, max_length=MOST, strict=False), AfterValidator(increasing)
    ]
    flux: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=MOST, strict=False)]

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if len(self.flux) != len(self.dec_deg):
            refuse(("flux", f"found {len(self.flux)} for {len(self.dec_deg)} dec_deg; write one flux per declination"))
        return self
