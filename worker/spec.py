"""The analysis spec: a closed, versioned schema. The YAML loader and the messages are in `worker.specfile`.

Every model is frozen and refuses unknown keys; keys carry their unit.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from worker import layout

MAX_DECS = 10000  # declinations of a grid; every one has a directory of its own
MAX_TRIALS = 10**12  # of one stream: far above any use, far below what an address can hold


def _whole(value: Any) -> Any:
    """``1e5`` is a whole number too, however YAML reads it."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _check(faults: Sequence[tuple[str, str]]) -> None:
    """Refuse a section whose keys do not fit together: (key, sentence) of each fault."""
    if faults:
        text = "; ".join(f"{key}: {sentence}" if key else sentence for key, sentence in faults)
        raise PydanticCustomError("faults", "{text}", {"text": text, "faults": list(faults)})


Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Fraction = Annotated[Number, Field(gt=0, lt=1)]
Whole = Annotated[int, BeforeValidator(_whole)]
Count = Annotated[Whole, Field(ge=1, le=MAX_TRIALS)]
DecDeg = Annotated[Number, Field(ge=-90, le=90)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
Nside = Annotated[Whole, Field(ge=1, le=4096)]


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
    seasons: Annotated[tuple[Name, ...], Field(min_length=1, strict=False)]
    label: Literal["real", "semi-real"] = "real"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        twice = sorted({season for season in self.seasons if self.seasons.count(season) > 1})
        _check([("seasons", f"found {', '.join(twice)} twice; write each season once")] if twice else [])
        return self


class IC86First(Model):
    """The first-year release (IC86-2011): events, effective area, median angular resolution, no smearing."""

    format: Literal["ic86_2011"]
    dir: str
    livetime_days: Positive = 332.9
    irfs: str | None = Field(None, description="folder with the irfs of a track release, for the smearing")
    irfs_config: Name = "IC86"


FORMATS: dict[str, type[Model]] = {"synthetic": Synthetic, "icetracks": IceTracks, "ic86_2011": IC86First}
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
        faults = []
        width = self.gamma_max - self.gamma_min
        if width < 1:
            faults.append(
                ("gamma_max", f"found {self.gamma_max:g}; must be at least gamma_min + 1 = {self.gamma_min + 1:g}")
            )
        elif abs(width / self.gamma_step - round(width / self.gamma_step)) > 1e-9:
            faults.append(
                (
                    "gamma_step",
                    f"found {self.gamma_step:g}; must divide gamma_max - gamma_min = {width:g}; "
                    "write e.g. gamma_step: 0.0625",
                )
            )
        if self.sigma_max_deg <= self.sigma_floor_deg:
            faults.append(
                (
                    "sigma_max_deg",
                    f"found {self.sigma_max_deg:g}; must be larger than sigma_floor_deg = {self.sigma_floor_deg:g}",
                )
            )
        _check(faults)
        return self


class DecRange(Model):
    """Declinations start, start + step, ..., stop (included)."""

    start: DecDeg
    stop: DecDeg
    step: Positive

    @model_validator(mode="after")
    def _ends_at_stop(self) -> Self:
        steps = (self.stop - self.start) / self.step
        if steps < 0:
            _check([("stop", f"found {self.stop:g}; the grid is empty: stop must not be below start = {self.start:g}")])
        if steps >= MAX_DECS:
            _check(
                [("step", f"found {self.step:g}; the grid has more than {MAX_DECS} declinations: write a larger step")]
            )
        if abs(steps - round(steps)) > 1e-6:
            _check(
                [
                    (
                        "step",
                        f"found {self.step:g}; must divide stop - start = {self.stop - self.start:g}, "
                        "for the grid to end at stop",
                    )
                ]
            )
        return self

    def values(self) -> tuple[float, ...]:
        """Declinations in degrees, rounded to 1e-6 deg."""
        n = round((self.stop - self.start) / self.step)
        return tuple(round(self.start + i * self.step, 6) + 0.0 for i in range(n + 1))


def _increasing(values: tuple[float, ...]) -> tuple[float, ...]:
    for before, after in pairwise(values):
        if after == before:
            _check([("", f"found {after:g} twice; write each value once")])
        if after < before:
            _check([("", f"found {after:g} after {before:g}; values must increase")])
    return values


def _grid_kind(value: Any) -> str | None:
    if isinstance(value, (DecRange, Mapping)):
        return "range"
    return "list" if isinstance(value, (list, tuple)) else None


DecList = Annotated[
    tuple[DecDeg, ...], Field(min_length=1, max_length=MAX_DECS, strict=False), AfterValidator(_increasing)
]
DecGrid = Annotated[Annotated[DecRange, Tag("range")] | Annotated[DecList, Tag("list")], Discriminator(_grid_kind)]
NSigList = Annotated[
    tuple[Annotated[Number, Field(gt=0, le=1e5)], ...],
    Field(min_length=3, strict=False),
    AfterValidator(_increasing),
]


def _one_name_each(key: str, values: Sequence[float], names: Sequence[str]) -> None:
    """Two points of a grid never share a directory (names have at most six decimals)."""
    for i in range(1, len(names)):
        if names[i] == names[i - 1]:
            _check(
                [
                    (
                        key,
                        f"{values[i - 1]!r} and {values[i]!r} would share the directory {names[i]}; "
                        "keep them at least 0.000001 apart",
                    )
                ]
            )


class Background(Model):
    """Background trials on a declination grid."""

    dec_deg: DecGrid
    n_trials: Count
    trials_per_file: Count = 10000

    @model_validator(mode="after")
    def _directories(self) -> Self:
        places = layout.decimals(self.decs)
        _one_name_each("dec_deg", self.decs, [layout.dec_level(dec, places) for dec in self.decs])
        return self

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

    @model_validator(mode="after")
    def _directories(self) -> Self:
        places = layout.decimals(self.n_sig)
        _one_name_each("n_sig", self.n_sig, [layout.nsig_level(n_sig, places) for n_sig in self.n_sig])
        return self


class Sensitivity(Model):
    """Definitions of sensitivity and discovery potential, and the unit of the flux."""

    beta: Fraction = 0.9
    discovery_beta: Fraction = 0.5
    discovery_nsigma: Annotated[Number, Field(gt=0, le=8)] = 5.0
    e0_tev: Positive = 100.0
    n_bootstrap: Annotated[Whole, Field(ge=20, le=100000)] = 200


class Scan(Model):
    """All-sky scan of scrambled skies on healpix pixels (RING)."""

    nside: Nside = 64
    map_nside: Nside | None = None
    dec_min_deg: DecDeg = -85.0
    dec_max_deg: DecDeg = 85.0
    dec_split_deg: DecDeg = -5.0
    n_skies: Count
    skies_per_file: Count = 10
    bands: Annotated[Whole, Field(ge=1, le=512)] = 1
    interpolation: Literal["linear", "log"] = "linear"
    survival: Literal["hybrid", "fit", "empirical"] = "hybrid"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        faults = []
        for key, value in (("nside", self.nside), ("map_nside", self.map_nside)):
            if value is not None and value & (value - 1):
                faults.append(
                    (key, f"found {value}; must be a power of 2: write {key}: {2 ** round(math.log2(value))}")
                )
        if self.dec_max_deg <= self.dec_min_deg:
            faults.append(
                ("dec_max_deg", f"found {self.dec_max_deg:g}; must be larger than dec_min_deg = {self.dec_min_deg:g}")
            )
        elif not faults:
            faults = self._ring_faults()
        _check(faults)
        return self

    def _ring_faults(self) -> list[tuple[str, str]]:
        """Every map must have a ring of pixels for each of its bands."""
        for key, nside in (("nside", self.nside), ("map_nside", self.map_nside)):
            if nside is None:
                continue
            n_rings = sum(self.dec_min_deg <= dec <= self.dec_max_deg for dec in _ring_decs_deg(nside))
            if n_rings == 0:
                between = f"dec_min_deg = {self.dec_min_deg:g} and dec_max_deg = {self.dec_max_deg:g}"
                return [(key, f"found {nside}; there is no pixel between {between}: use a larger {key} or range")]
            if n_rings < self.bands:
                return [("bands", f"found {self.bands}; {key} = {nside} has only {n_rings} rings of pixels: use fewer")]
        return []


def _ring_decs_deg(nside: int) -> list[float]:
    """Declinations of the rings of a healpix map, deg (Gorski et al. 2005, eqs. 4 and 8)."""
    cap = [1 - i * i / (3 * nside * nside) for i in range(1, nside)]
    belt = [4 / 3 - 2 * i / (3 * nside) for i in range(nside, 3 * nside + 1)]
    return [math.degrees(math.asin(z)) for z in (*cap, *belt, *(-z for z in reversed(cap)))]


class Unblind(Model):
    """Who allowed the real sky to be opened, and the failed checks that were waived."""

    token: str | None = None
    approved_by: str | None = None
    date: str | None = None
    reason: str | None = None
    waive: Annotated[tuple[Name, ...], Field(strict=False)] = ()


class Resources(Model):
    """What one process asks of the batch system."""

    request_cpus: Count = 1
    request_memory_mb: Annotated[Whole, Field(ge=100)] = 1000
    request_disk_mb: Annotated[Whole, Field(ge=10)] = 500
    max_retries: Annotated[Whole, Field(ge=0, le=20)] = 2


class Spec(Model):
    """The whole analysis."""

    version: Literal[1]
    name: Name
    seed: Annotated[Whole, Field(ge=0, lt=2**63)]
    data: Data
    likelihood: Likelihood = Likelihood()
    background: Background
    signal: Signal
    sensitivity: Sensitivity = Sensitivity()
    scan: Scan
    unblind: Unblind = Unblind()
    resources: Resources = Resources()
    site: Name = "personal"
