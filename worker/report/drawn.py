"""A figure with the words that belong to it."""

from typing import NamedTuple

from matplotlib.figure import Figure


class Drawn(NamedTuple):
    """What a drawing function returns.

    Attributes
    ----------
    figure : Figure
    caption : str
        What is shown, how to read it, and what is left out.
    """

    figure: Figure
    caption: str
