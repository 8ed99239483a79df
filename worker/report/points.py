"""Points in figures and tables: their names, their order, and the axis that they lie on.

Declinations lie on an axis of sin(dec). Other points stand side by side in the order of the spec.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from worker.base.errors import InputError
from worker.report import formats, style
from worker.spec.point import ByLabels, Point

Row = Mapping[str, Any]
MOST_TICKS = 40
WIDTH = 60
"""Characters of the names of points beside each other."""


@dataclass(frozen=True)
class PointAxis:
    """The points of an analysis in their order, from south to north if they are declinations."""

    points: tuple[Point, ...]

    @cached_property
    def on_sky(self) -> bool:
        """Whether every point is a declination, and nothing else."""
        return all(set(point.labels) == {"dec_deg"} for point in self.points)

    @property
    def names(self) -> tuple[str, ...]:
        """Labels of any point: columns of data files."""
        return tuple(dict.fromkeys(name for point in self.points for name in point.labels))

    @property
    def title(self) -> str:
        """Heading of a column of points."""
        return "dec" if self.on_sky else ", ".join(self.names)

    @property
    def what(self) -> str:
        """Plural noun for sentences."""
        if self.on_sky:
            return "declinations"
        return "catalogues" if self.names == ("catalogue",) else "points"

    @cached_property
    def _by_labels(self) -> ByLabels:
        return ByLabels(self.points)

    @cached_property
    def _places(self) -> dict[Point, float]:
        if self.on_sky:
            return {point: math.sin(math.radians(point.dec_deg or 0.0)) for point in self.points}
        return {point: float(i) for i, point in enumerate(self.points)}

    def of(self, row: Row) -> Point:
        """Point of a row of results or of a decision; InputError if the spec has no such point."""
        point = self._by_labels.of(row)
        if point is None:
            shown = str(dict(row))[:200]
            raise InputError(f"a row of results names no point of the spec: {shown}; make the results again")
        return point

    def cells(self, point: Point) -> tuple[Any, ...]:
        """Values of the columns `names`; empty if the point has no such label."""
        return tuple(point.labels.get(name, "") for name in self.names)

    def text(self, point: Point) -> str:
        """A point as text: +5°, or the values of its labels."""
        return style.dec_text(point.dec_deg or 0.0) if self.on_sky else ", ".join(self._values(point))

    def phrase(self, point: Point) -> str:
        """A point in a sentence: +5°, or its labels with their names."""
        return self.text(point) if self.on_sky else str(point)

    def _values(self, point: Point) -> list[str]:
        values = (point.labels.get(name, formats.NONE) for name in self.names)
        return [f"{value:g}" if isinstance(value, float) else value for value in values]

    def x(self, point: Point) -> float:
        """Place on the axis: sin(dec), or a whole number."""
        return self._places[point]

    def xs(self, points: Iterable[Point]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Places on the axis."""
        return np.array([self.x(point) for point in points], dtype=np.float64)

    def sort(self, rows: Iterable[Row] | None) -> list[Row]:
        """Rows in the order of the axis; empty for None."""
        return sorted(rows or [], key=lambda row: self.x(self.of(row)))

    def edges(self, points: Sequence[Point]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Edges of cells around points of the axis."""
        low, high = (-1.0, 1.0) if self.on_sky else (-0.5, len(self.points) - 0.5)
        return style.edges(self.xs(points), low, high)

    def draw(self, axis: Axes, degrees: bool = True, label: bool = True) -> None:
        """Make `axis` the axis of points; as `style.sin_dec_axis` for declinations."""
        if self.on_sky:
            style.sin_dec_axis(axis, degrees, label)
            return
        axis.set_xlim(-0.6, len(self.points) - 0.4)
        axis.grid(True)
        some = np.unique(np.linspace(0, len(self.points) - 1, MOST_TICKS).round().astype(int))
        names = ["\n".join(self._values(self.points[i])) for i in some] if label else [""] * len(some)
        longest = max(len(line) for name in names for line in name.split("\n"))
        axis.set_xticks(some, names, rotation=90 if longest * len(some) > WIDTH else 0)
        if label:
            axis.set_xlabel(self.title)

    def color(self, point: Point) -> Any:
        """Colour of a point, by its place on the axis."""
        return mpl.colormaps["viridis"](self._norm(self.x(point)))

    def colorbar(self, axis: Axes, **more: Any) -> None:
        """Scale of `color` beside an axis."""
        title = style.SIN_DEC if self.on_sky else f"{self.what[:-1]}, in the order of the spec"
        axis.figure.colorbar(ScalarMappable(self._norm, mpl.colormaps["viridis"]), ax=axis, label=title, **more)

    @property
    def _norm(self) -> Normalize:
        return Normalize(-1, 1) if self.on_sky else Normalize(0, max(len(self.points) - 1, 1))
