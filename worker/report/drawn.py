"""A figure with the words that belong to it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from matplotlib.figure import Figure


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
