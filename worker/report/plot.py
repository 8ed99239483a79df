"""A figure of the report, and what drawing it gives."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from worker.report.results import Results


class Drawn(NamedTuple):
    """What a drawing function returns.

    Attributes
    ----------
    figure : Figure
    caption : str
        What is shown, how to read it, and what is left out.
    numbers : mapping of str to array_like
        What is drawn, for people who draw it again: columns of one length, or arrays. See `worker.report.numbers`.
    """

    figure: Figure
    caption: str
    numbers: Mapping[str, Any]


class Plot(NamedTuple):
    """One figure of the report.

    Attributes
    ----------
    name : str
        Of its files.
    section : str
        Of the page.
    title : str
    draw : callable
        Raises a `DagmakerError` where what it shows is not there.
    """

    name: str
    section: str
    title: str
    draw: Callable[[Results], Drawn]
