"""The section ``data`` of the spec: one model for each format."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from worker.spec.fields import (
    Affects,
    Model,
    Name,
    Number,
    Positive,
    Whole,
)
from worker.spec.season import (
    NumpySeason,
    NumpySeasons,
    ReleaseSeason,
    ReleaseSeasons,
    TimedSeasons,
    numpy_seasons,
    refuse_duplicates,
    release_seasons,
)

Days = Annotated[Positive, Field(le=40000)]
Folder = Annotated[str, Field(max_length=4096)]
DATA = Affects("the data: every trial, unless their content is the same", identity=True)
LABEL = Affects("what is printed on results", identity=True)
RESPONSE = Affects("where the response lies: nothing, if its content is the same", decides="nothing", identity=True)
DataFolder = Annotated[
    Folder, Affects("where the data lie: nothing, if their content is the same", decides="nothing", identity=True)
]


class Synthetic(Model):
    """A made-up, deterministic IC86-like season: needs no files."""

    affects = DATA
    format: Literal["synthetic"]
    n_events: Annotated[Whole, Field(ge=1, le=10**8)] = 138322
    livetime_days: Days = 332.9


class IceTracks(Model):
    """The published 10- and 14-year track releases: a folder with events/, uptime/ and irfs/."""

    affects = DATA
    format: Literal["icetracks"]
    dir: DataFolder
    seasons: ReleaseSeasons
    label: Annotated[Literal["real", "semi-real"], LABEL] = "real"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        refuse_duplicates([season.name for season in self.entries])
        return self

    @property
    def entries(self) -> tuple[ReleaseSeason, ...]:
        """The seasons, each with its keys."""
        return release_seasons(self.seasons)


class NumpyFiles(Model):
    """NumPy files as csky and skylab have them: <season>_exp.npy, <season>_MC.npy and GRL/<season>_exp.npy."""

    affects = DATA
    format: Literal["numpy"]
    dir: DataFolder
    seasons: NumpySeasons
    mc_band_sin_dec: Annotated[Number, Field(ge=0.002, le=0.5)] = 0.02
    label: Annotated[Literal["real", "semi-real", "synthetic"], LABEL] = "real"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        refuse_duplicates([season.name for season in self.entries])
        return self

    @property
    def entries(self) -> tuple[NumpySeason, ...]:
        """The seasons, each with its files and columns."""
        return numpy_seasons(self.seasons)


class IC86First(Model):
    """The first-year release (IC86-2011): events, effective area, median angular resolution, no smearing."""

    affects = DATA
    format: Literal["ic86_2011"]
    dir: DataFolder
    livetime_days: Days = 332.9
    irfs: Annotated[Folder | None, RESPONSE] = Field(
        None, description="folder of a track release (with irfs/), for its smearing"
    )
    irfs_config: Name = "IC86"


class IceCube3yr(Model):
    """The 3-year release (2010-2012): events, effective areas, median resolutions; no smearing, no good runs."""

    affects = DATA
    format: Literal["icecube_3yr"]
    dir: DataFolder
    seasons: TimedSeasons

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        refuse_duplicates([season.name for season in self.seasons])
        return self


class EngineData(Model):
    """No data here: a plug-in reads its own."""

    affects = DATA
    format: Literal["engine"] = "engine"
    label: Annotated[Literal["real", "semi-real", "synthetic", "the engine's own"], LABEL] = "the engine's own"


FORMATS: dict[str, type[Model]] = {
    "synthetic": Synthetic,
    "icetracks": IceTracks,
    "ic86_2011": IC86First,
    "icecube_3yr": IceCube3yr,
    "numpy": NumpyFiles,
    "engine": EngineData,
}
Data = Annotated[
    Synthetic | IceTracks | IC86First | IceCube3yr | NumpyFiles | EngineData, Field(discriminator="format")
]
