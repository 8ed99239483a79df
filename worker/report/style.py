"""Style of all figures: sizes, colours for colour-blind readers, and the mark of the data."""

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogFormatterSciNotation, MaxNLocator
from PIL import Image

BLUE, ORANGE, GREEN, RED, SKY, PURPLE, BLACK, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#222222", "#8a8a8a",
)  # fmt: skip
"""Okabe and Ito's palette."""
COUNTS = LinearSegmentedColormap.from_list("counts", mpl.colormaps["magma_r"](np.linspace(0.12, 1.0, 256)))
"""For histograms: a single count is visible on white."""
HEAT = LinearSegmentedColormap.from_list(
    "heat",
    [
        (0.0, "white"),
        *zip(np.linspace(0.2, 1.0, 24), mpl.colormaps["magma_r"](np.linspace(0.14, 1.0, 24)), strict=True),
    ],
)
"""For -log10 p and TS: white at 0, with a slow change, so that noise does not hide the spots."""
FIT = mpl.colormaps["viridis"]
"""For fitted quantities."""
OUTSIDE = "#d4d4d4"
"""Pixels that were not scanned."""
DPI = 120
SIN_DEC = "sin(declination)"

RC: Any = {
    "font.size": 13.0,
    "axes.titlesize": 13.0,
    "axes.labelsize": 13.5,
    "legend.fontsize": 11.5,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "errorbar.capsize": 2.0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 3,
    "image.interpolation": "nearest",
    "text.parse_math": False,  # "$" in a name begins no formula
}
_DEFAULTS = {name: value for name, value in mpl.rcParamsDefault.items() if not name.startswith("backend")}


@contextmanager
def settings() -> Iterator[None]:
    """Context with matplotlib's defaults and `RC`, independent of settings of the user."""
    with mpl.rc_context({**_DEFAULTS, **RC}):
        yield


def new(width: float, height: float) -> Figure:
    """An empty figure (inches) that belongs to no global state, with room for the mark at the top."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0.0, 0.0, 1.0, 1.0 - 0.27 / height))
    return figure


def mark(figure: Figure, text: str) -> None:
    """Write the name of the data on the figure, which may be copied without its page."""
    figure.text(0.995, 0.995, text, ha="right", va="top", fontsize=10.5, color=RED, fontweight="bold")


def png(figure: Figure) -> bytes:
    """Return a figure as PNG, without a clock or a version in it."""
    plain_powers(figure)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)  # with an engine, even "none", matplotlib draws everything twice
    raw, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, format="raw")
    size = figure.canvas.get_width_height()  # as matplotlib rounds it
    opaque = Image.frombytes("RGBA", size, raw.getvalue()).convert("RGB")  # a quarter less to pack
    opaque.save(packed, "png", compress_level=3, dpi=(figure.dpi, figure.dpi))
    return packed.getvalue()


class Powers(LogFormatterSciNotation):
    """Labels of a logarithmic axis as plain text (10⁻³, 2×10⁴); parsing a formula takes longer than drawing it."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Label of the tick at `x`."""
        return _without_math(super().__call__(x, pos))


SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _without_math(formula: str) -> str:
    r"""The text of a formula of `LogFormatterSciNotation`.

    Examples
    --------
    >>> _without_math(r"$\mathdefault{2\times10^{-3}}$")
    '2×10⁻³'
    """
    text = formula.removeprefix(r"$\mathdefault{").removesuffix("}$").replace(r"\times", "×")
    return re.sub(r"\^\{(.*?)\}", lambda power: power[1].translate(SUPERSCRIPT), text)


def plain_powers(figure: Figure) -> None:
    """Label logarithmic axes without formulas."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            major, minor = axis.get_major_formatter(), axis.get_minor_formatter()
            if isinstance(major, LogFormatter):
                axis.set_major_formatter(Powers(labelOnlyBase=major.labelOnlyBase))
            if isinstance(minor, LogFormatter):
                axis.set_minor_formatter(Powers(labelOnlyBase=minor.labelOnlyBase))


DEGREES = (-90, -50, -30, -15, 0, 15, 30, 50, 90)


def sin_dec_axis(axis: Axes, degrees: bool = True, label: bool = True, at_deg: tuple[int, ...] = DEGREES) -> None:
    """sin(dec) below, and the declination in degrees above."""
    axis.set_xlim(-1.03, 1.03)
    axis.grid(True)
    if label:
        axis.set_xlabel(SIN_DEC)
    if degrees:
        top = axis.secondary_xaxis("top")
        at = np.array(at_deg)
        top.set_xticks(np.sin(np.radians(at)), [dec_text(d) for d in at], fontsize=10.5, color=GREY)
        top.tick_params(length=3, color=GREY)
        top.spines["top"].set_color("#cccccc")


def crosses(axis: Axes, x: Any, y: Any, color: str) -> None:
    """Mark missing points, also on the frame; draws nothing if there are none."""
    if len(x):  # the layout cannot place an unclipped line without points
        axis.plot(x, y, "x", color=color, markersize=7, clip_on=False)


def dec_text(dec_deg: float) -> str:
    """A declination as text: +5°, −85°, +0.4°."""
    return f"{dec_deg:+.4g}°".replace("-", "−").replace("+0°", "0°")


def bar(image: Any, axis: Any, label: str, **more: Any) -> None:
    """Draw a colour bar with few, round ticks beside one axis or several."""
    figure = image.figure or (axis.figure if isinstance(axis, Axes) else next(iter(axis.flat)).figure)
    drawn = figure.colorbar(image, ax=axis, label=label, **more)
    drawn.locator = MaxNLocator(5, steps=[1, 2, 5, 10])
    drawn.update_ticks()


def edges(centres: Iterable[float], low: float, high: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Bin edges half-way between sorted centres, from `low` to `high`."""
    at = np.asarray(list(centres), dtype=np.float64)
    return np.concatenate([[min(low, at[0])], 0.5 * (at[1:] + at[:-1]), [max(high, at[-1])]])
