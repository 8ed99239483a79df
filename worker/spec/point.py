"""Points of an analysis: what background and signal trials are made of, such as a source at a declination."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple

from worker.spec import levels

Value = str | float
Labels = tuple[tuple[str, Value], ...]
CUT = 5.0
"""Sigmas at which a Gaussian in time ends."""


class Window(NamedTuple):
    """When signal is, at the source.

    Attributes
    ----------
    profile : 'box' or 'gaussian'
    middle : float, MJD
        Of the box; the mean of the Gaussian.
    width : float, days
        Length of the box; one sigma of the Gaussian.
    """

    profile: Literal["box", "gaussian"]
    middle: float
    width: float

    @property
    def span(self) -> tuple[float, float]:
        """First and last time (MJD) at which there is signal: a Gaussian is cut at `CUT` sigma."""
        half = 0.5 * self.width if self.profile == "box" else CUT * self.width
        return self.middle - half, self.middle + half

    @property
    def duration(self) -> float:
        """Fluence over the (largest) flux, days: the length of a box, sqrt(2 pi) sigma of a Gaussian."""
        return self.width if self.profile == "box" else self.width * math.sqrt(2.0 * math.pi)


class SourceModel(NamedTuple):
    """Where and when signal is, for an engine; tuples, so that an engine can cache its work by model.

    Attributes
    ----------
    dec : tuple of float (n_sources,), rad
        Empty if the labels of the point tell no declination.
    extension : tuple of float (n_sources,), rad
        Width of the Gaussian from which the directions of injected events are drawn; 0: a point.
    ra : tuple of float (n_sources,), rad
        Empty for a single source anywhere at its declination. With right ascensions all sources are tested together.
    weight : tuple of float (n_sources,)
        Relative fluxes; empty without right ascensions.
    window : Window, optional
        None: at all times.
    """

    dec: tuple[float, ...]
    extension: tuple[float, ...]
    ra: tuple[float, ...] = ()
    weight: tuple[float, ...] = ()
    window: Window | None = None

    def only(self, sources: Iterable[int]) -> "SourceModel":
        """These sources, by number and in this order, of several that are tested together."""
        columns = zip(*((self.dec[k], self.extension[k], self.ra[k], self.weight[k]) for k in sources), strict=True)
        dec, extension, ra, weight = columns
        return SourceModel(dec, extension, ra, weight, self.window)


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
        Arguments of its tasks, and its address in plan.json: ``{"dec": 5.0}``, or ``{"point": name}``.
    labels : mapping
        Columns of its rows in results: ``{"dec_deg": 5.0}``.
    model : SourceModel
    """

    address: tuple[Value, ...]
    folder: PurePosixPath = field(compare=False)
    args: Mapping[str, Value] = field(compare=False)
    labels: Mapping[str, Value] = field(compare=False)
    model: SourceModel = field(compare=False)

    @property
    def dec_deg(self) -> float | None:
        """Its declination (deg); None if it has none."""
        dec = self.labels.get("dec_deg")
        return None if isinstance(dec, str) else dec

    def signal_args(self, gamma: float | None) -> dict[str, Value]:
        """Arguments of tasks with signal; `gamma` if there are several spectra."""
        return {**self.args, **({} if gamma is None else {"gamma": gamma})}

    def __str__(self) -> str:
        """``dec 5 deg``, for messages."""
        return ", ".join(_text(name, value) for name, value in self.labels.items())


def _text(name: str, value: Value) -> str:
    if isinstance(value, str):
        return f"{name} {value}"
    return f"{name.removesuffix('_deg')} {value:g}{' deg' if name.endswith('_deg') else ''}"


class ByLabels:
    """Points by the labels in a row of results or of a decision."""

    def __init__(self, points: Iterable[Point]) -> None:
        self._points: dict[Labels, Point] = {tuple(sorted(point.labels.items())): point for point in points}
        names = {tuple(name for name, _ in labels) for labels in self._points}
        self._names = sorted(names, key=lambda some: (-len(some), some))  # all labels of a row before some of them

    def of(self, row: Mapping[str, Any]) -> Point | None:
        """The point whose labels the row has; None if there is none."""
        for names in self._names:
            try:
                point = self._points.get(tuple((name, row[name]) for name in names))
            except (KeyError, TypeError):  # another label, or a value that cannot be one
                continue
            if point is not None:
                return point
        return None


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
