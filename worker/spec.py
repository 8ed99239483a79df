"""The analysis spec: a closed, versioned schema. The YAML loader and the messages are in `worker.specfile`.

Every model is frozen and refuses unknown keys; keys carry their unit.
"""

import math
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


Number = Annotated[float, AfterValidator(_finite)]
Positive = Annotated[Number, Field(gt=0)]
Fraction = Annotated[Number, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
DecDeg = Annotated[Number, Field(ge=-90, le=90)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
Nside = Annotated[int, Field(ge=1, le=4096)]


class Model(BaseModel):
    """A closed, immutable section of the spec."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Synthetic(Model):
    """A made-up, deterministic IC86-like season: needs no files."""

    format: Literal["synthetic"]
    n_events: Count = 138322
    livetime_days: Positive = 332.9


class IceTracks(Model):
    """The published 10- and 14-year track releases: a folder with events/, uptime/ and irfs/."""

    format: Literal["icetracks"]
    dir: str
    seasons: Annotated[tuple[Name, ...], Field(min_length=1)]
    label: Literal["real", "semi-real"] = "real"


class IC86First(Model):
    """The first-year release (IC86-2011): events, effective area, median angular resolution, no smearing."""

    format: Literal["ic86_2011"]
    dir: str
    livetime_days: Positive = 332.9
    irfs: str | None = Field(None, description="folder with the irfs of a track release, for the smearing")
    irfs_config: Name = "IC86"


Data = Annotated[Synthetic | IceTracks | IC86First, Field(discriminator="format")]


class Likelihood(Model):
    """Bounds and cuts of the fit; METHOD: unbinned, ns >= 0, gamma free."""

    gamma_min: Annotated[Number, Field(ge=1, le=4)] = 1.0
    gamma_max: Annotated[Number, Field(ge=1, le=4)] = 4.0
    gamma_step: Annotated[Number, Field(ge=0.01, le=0.0625)] = 0.0625
    cut_n_sigma: Annotated[Number, Field(ge=3, le=10)] = 5.0
    sigma_floor_deg: Annotated[Number, Field(gt=0, le=5)] = 0.2
    sigma_max_deg: Annotated[Number, Field(gt=0, le=15)] = 5.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.gamma_max - self.gamma_min < 1:
            raise ValueError("gamma_max must be at least gamma_min + 1")
        if self.sigma_max_deg <= self.sigma_floor_deg:
            raise ValueError("sigma_max_deg must be larger than sigma_floor_deg")
        steps = (self.gamma_max - self.gamma_min) / self.gamma_step
        if abs(steps - round(steps)) > 1e-9:
            raise ValueError("gamma_step must divide gamma_max - gamma_min, e.g. 0.0625")
        return self


class DecRange(Model):
    """Declinations start, start + step, ..., stop (included)."""

    start: DecDeg
    stop: DecDeg
    step: Positive

    @model_validator(mode="after")
    def _whole(self) -> Self:
        steps = (self.stop - self.start) / self.step
        if steps < 0:
            raise ValueError("the grid is empty: stop is below start")
        if abs(steps - round(steps)) > 1e-6:
            raise ValueError("step does not divide stop - start: the grid would not end at stop")
        return self

    def values(self) -> tuple[float, ...]:
        """Declinations in degrees, rounded to 1e-6 deg."""
        n = round((self.stop - self.start) / self.step)
        return tuple(round(self.start + i * self.step, 6) + 0.0 for i in range(n + 1))


def _increasing(values: tuple[float, ...]) -> tuple[float, ...]:
    if any(b <= a for a, b in zip(values, values[1:], strict=False)):
        raise ValueError("must increase strictly, with no value twice")
    return values


DecList = Annotated[tuple[DecDeg, ...], Field(min_length=1), AfterValidator(_increasing)]
NSigList = Annotated[
    tuple[Annotated[Number, Field(gt=0, le=1e5)], ...], Field(min_length=3), AfterValidator(_increasing)
]


class Background(Model):
    """Background trials on a declination grid."""

    dec_deg: DecRange | DecList
    n_trials: Count
    trials_per_file: Count = 10000

    @property
    def decs(self) -> tuple[float, ...]:
        """The grid, in degrees, increasing."""
        return self.dec_deg.values() if isinstance(self.dec_deg, DecRange) else self.dec_deg


class Signal(Model):
    """Signal trials: injected spectrum and the n_sig grid, at every background declination."""

    gamma: Annotated[Number, Field(ge=1, le=4)] = 2.0
    cutoff_tev: Positive | None = None
    poisson: bool = True
    n_sig: NSigList
    n_trials: Count
    trials_per_file: Count = 10000


class Sensitivity(Model):
    """Definitions of sensitivity and discovery potential, and the unit of the flux."""

    beta: Fraction = 0.9
    discovery_beta: Fraction = 0.5
    discovery_nsigma: Annotated[Number, Field(gt=0, le=8)] = 5.0
    e0_tev: Positive = 100.0
    n_bootstrap: Annotated[int, Field(ge=20, le=100000)] = 200


class Scan(Model):
    """All-sky scan of scrambled skies on healpix pixels (RING)."""

    nside: Nside = 64
    map_nside: Nside | None = None
    dec_min_deg: DecDeg = -85.0
    dec_max_deg: DecDeg = 85.0
    dec_split_deg: DecDeg = -5.0
    n_skies: Count
    skies_per_file: Count = 10
    bands: Annotated[int, Field(ge=1, le=512)] = 1
    interpolation: Literal["linear", "log"] = "linear"
    survival: Literal["hybrid", "fit", "empirical"] = "hybrid"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.dec_max_deg <= self.dec_min_deg:
            raise ValueError("dec_max_deg must be larger than dec_min_deg")
        for key in ("nside", "map_nside"):
            value = getattr(self, key)
            if value is not None and value & (value - 1):
                raise ValueError(f"{key} must be a power of 2, not {value}")
        return self


class Unblind(Model):
    """Who allowed the real sky to be opened, and the failed checks that were waived."""

    token: str | None = None
    approved_by: str | None = None
    date: str | None = None
    reason: str | None = None
    waive: tuple[Name, ...] = ()


class Resources(Model):
    """What one process asks of the batch system."""

    request_cpus: Count = 1
    request_memory_mb: Annotated[int, Field(ge=100)] = 1000
    request_disk_mb: Annotated[int, Field(ge=10)] = 500
    max_retries: Annotated[int, Field(ge=0, le=20)] = 2


class Spec(Model):
    """The whole analysis."""

    version: Literal[1]
    name: Name
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    data: Data
    likelihood: Likelihood = Likelihood()
    background: Background
    signal: Signal
    sensitivity: Sensitivity = Sensitivity()
    scan: Scan
    unblind: Unblind = Unblind()
    resources: Resources = Resources()
    site: Name = "personal"
