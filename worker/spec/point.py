"""Points of an analysis: what background and signal trials are made of, such as a source at a declination."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from worker.spec import levels

Value = str | float


class SourceModel(NamedTuple):
    """Where signal is, for an engine; tuples (n_sources,), so that an engine can cache its work by model.

    Attributes
    ----------
    dec : tuple of float, rad
    extension : tuple of float, rad
        Width of the Gaussian from which the directions of injected events are drawn; 0: a point.
    """

    dec: tuple[float, ...]
    extension: tuple[float, ...]


@dataclass(frozen=True)
class Point:
    """What a set of background and signal trials is made of. Points with equal addresses are equal.

    Attributes
    ----------
    address : tuple of str or float
        Enters the keys of random streams.
    folder : PurePosixPath
        Of its files, below that of a task: ``dec/+005``. The last part is its name.
    args : mapping
        Arguments of its tasks, and its address in plan.json: ``{"dec": 5.0}``.
    labels : mapping
        Columns of its rows in results: ``{"dec_deg": 5.0}``.
    model : SourceModel
    """

    address: tuple[Value, ...]
    folder: PurePosixPath = field(compare=False)
    args: Mapping[str, float] = field(compare=False)
    labels: Mapping[str, Value] = field(compare=False)
    model: SourceModel = field(compare=False)

    def signal_args(self, gamma: float | None) -> dict[str, float]:
        """Arguments of tasks with signal; `gamma` if there are several spectra."""
        return {**self.args, **({} if gamma is None else {"gamma": gamma})}

    def __str__(self) -> str:
        """``dec 5 deg``, for messages."""
        return ", ".join(_text(name, value) for name, value in self.labels.items())


def _text(name: str, value: Value) -> str:
    if isinstance(value, str):
        return f"{name} {value}"
    return f"{name.removesuffix('_deg')} {value:g}{' deg' if name.endswith('_deg') else ''}"


def declination(dec_deg: float, places: int = 0, extension_deg: float = 0.0) -> Point:
    """Point of one source at a declination.

    Parameters
    ----------
    dec_deg : float, deg
    places : int
        Decimals in names of folders.
    extension_deg : float, deg
        Of the injected source.
    """
    dec = float(dec_deg)
    return Point(
        (dec,),
        PurePosixPath("dec") / levels.dec_level(dec, places),
        {"dec": dec},
        {"dec_deg": dec},
        SourceModel((math.radians(dec),), (math.radians(extension_deg),)),
    )


def declinations(decs_deg: Sequence[float], extension_deg: float = 0.0) -> tuple[Point, ...]:
    """Points of a grid of declinations (deg), named with the decimals that the grid needs."""
    return _declinations(tuple(decs_deg), extension_deg)


@lru_cache(maxsize=4)
def _declinations(decs_deg: tuple[float, ...], extension_deg: float) -> tuple[Point, ...]:
    places = levels.decimals(decs_deg)
    return tuple(declination(dec, places, extension_deg) for dec in decs_deg)
