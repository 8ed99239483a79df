"""Seasons of the data section: a name, or a name with files, columns or response."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from worker.spec.fields import Model, Name, Positive, refuse

OurColumn = Literal[
    "time", "ra", "dec", "sigma", "logE", "trueRa", "trueDec", "trueE", "ow", "run", "start", "stop", "livetime"
]


def _printable(text: str) -> str:
    if not text or not text.isprintable():
        refuse(("", f"found {text!r}; must be the name of a file or column"))
    return text


_Text = Annotated[str, Field(max_length=255), AfterValidator(_printable)]


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Files = Annotated[
    tuple[_Text, ...],
    Field(min_length=1, strict=False),
    BeforeValidator(_one_or_many, json_schema_input_type=_Text | tuple[_Text, ...]),
]


class ReleaseSeason(Model):
    """A season of a track release, and the season whose response it uses."""

    name: Name
    response: Name | None = None


class TimedSeason(Model):
    """A season of a release without good runs, with its livetime."""

    name: Name
    livetime_days: Annotated[Positive, Field(le=40000)]


class NumpySeason(Model):
    """A season of NumPy files: its files (relative to `data.dir`), and our names of their columns."""

    name: Name
    exp: Files | None = None
    mc: Files | None = None
    grl: Files | None = None
    columns: dict[_Text, OurColumn] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _each_file_once(self) -> Self:
        for key in ("exp", "mc", "grl"):
            files = getattr(self, key) or ()
            twice = sorted({file for file in files if files.count(file) > 1})
            refuse(*[(key, f"found {file!r} twice; write each file once") for file in twice])
        return self

    def files(self, kind: Literal["exp", "mc", "grl"]) -> tuple[str, ...]:
        """Files of a kind, relative to the folder: as given, else by the name of the season."""
        usual = {"exp": f"{self.name}_exp.npy", "mc": f"{self.name}_MC.npy", "grl": f"GRL/{self.name}_exp.npy"}
        return getattr(self, kind) or (usual[kind],)


PLAIN, WITH_KEYS = "plain name", "name with keys"
"""Tags of the two ways to write a season; messages about a spec leave them out."""


def _way(value: Any) -> str:
    return WITH_KEYS if isinstance(value, (Mapping, Model)) else PLAIN


_Plain = Annotated[Name, Tag(PLAIN)]
_ReleaseEntry = Annotated[_Plain | Annotated[ReleaseSeason, Tag(WITH_KEYS)], Discriminator(_way)]
_NumpyEntry = Annotated[_Plain | Annotated[NumpySeason, Tag(WITH_KEYS)], Discriminator(_way)]
ReleaseSeasons = Annotated[tuple[_ReleaseEntry, ...], Field(min_length=1, max_length=100, strict=False)]
TimedSeasons = Annotated[tuple[TimedSeason, ...], Field(min_length=1, max_length=100, strict=False)]
NumpySeasons = Annotated[tuple[_NumpyEntry, ...], Field(min_length=1, max_length=100, strict=False)]


def release_seasons(seasons: Iterable[str | ReleaseSeason]) -> tuple[ReleaseSeason, ...]:
    """Seasons of a track release, each with its keys."""
    return tuple(ReleaseSeason(name=season) if isinstance(season, str) else season for season in seasons)


def numpy_seasons(seasons: Iterable[str | NumpySeason]) -> tuple[NumpySeason, ...]:
    """Seasons of NumPy files, each with its keys."""
    return tuple(NumpySeason(name=season) if isinstance(season, str) else season for season in seasons)


def refuse_duplicates(names: Sequence[str]) -> None:
    """Refuse a season that is given twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    refuse(*[("seasons", f"found {name} twice; write each season once") for name in twice])
