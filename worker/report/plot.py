"""A figure of the report: its definition and the drawing."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from worker.report.results import Results


class Drawing(NamedTuple):
    """A drawn figure with its caption and the drawn numbers (see `worker.report.numbers`)."""

    figure: Figure
    caption: str
    numbers: Mapping[str, Any]


class Plot(NamedTuple):
    """One figure: name of its files, section of the page, title, and function that draws it.

    `draw` raises a `DagmakerError` if its results are missing. `of_sky`: it shows the observed sky, hence the real one
    after unblinding; all other figures show scrambled data only, and stay as they were.
    `of_points` is the title where the points are no declinations, if it is another.
    """

    name: str
    section: str
    title: str
    draw: Callable[[Results], Drawing]
    of_sky: bool = False
    of_points: str = ""
