"""Spectra in the spec: the index of the fit, free, fixed or with a prior; a break of the injected power law."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from worker.spec.fields import Model, Number, Positive, refuse

Index = Annotated[Number, Field(ge=1, le=4)]


Energy = Annotated[Positive, Field(le=1e9)]  # TeV


class SpectralBreak(Model):
    """Where a broken power law has another index: `gamma` above `energy_tev`; dN/dE is continuous."""

    energy_tev: Energy
    gamma: Index


class GammaPrior(Model):
    """Gaussian prior of gamma: the fit maximises ln L - (gamma - mean)^2 / (2 sigma^2)."""

    mean: Index
    sigma: Annotated[Number, Field(ge=0.01, le=10)]


KINDS = ("free", "fixed", "prior")


def _kind(value: Any) -> str:
    if isinstance(value, Mapping | GammaPrior):
        return "prior"
    return "fixed" if isinstance(value, int | float) and not isinstance(value, bool) else "free"


def _free(value: Any) -> Any:
    if value != "free":
        found = "nothing" if value is None else repr(value)[:60]
        text = f"found {found}; must be free, a number (gamma is fixed), or a prior; write e.g."
        refuse(("", f"{text} gamma: {{mean: 2.5, sigma: 0.3}}"))
    return value


FittedGamma = Annotated[
    Annotated[Literal["free"], BeforeValidator(_free), Tag("free")]
    | Annotated[Index, Tag("fixed")]
    | Annotated[GammaPrior, Tag("prior")],
    Discriminator(_kind),
]


def prior_of(gamma: "Literal['free'] | float | GammaPrior") -> tuple[float, float]:
    """Mean and 1 / width^2 of the prior of gamma: 0 if it is free, inf if it is fixed."""
    if isinstance(gamma, GammaPrior):
        return gamma.mean, gamma.sigma**-2
    return (0.0, 0.0) if gamma == "free" else (float(gamma), float("inf"))


def fitted_faults(gamma: "Literal['free'] | float | GammaPrior", low: float, high: float) -> Iterator[tuple[str, str]]:
    """Key and sentence if the fixed gamma, or the mean of its prior, is outside of the range of the tables."""
    mean, inverse = prior_of(gamma)
    if inverse > 0.0 and not low <= mean <= high:
        text = f"found {mean:g}; must be between gamma_min = {low:g} and gamma_max = {high:g}"
        yield "gamma", f"{text}: change it, or the range"
