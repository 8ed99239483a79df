"""Figures are the same bytes whatever the user has set, and show texts as they are written."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation
from PIL import Image

from worker.report import style

BAD = r"$\undefined{$"
USER = {
    "text.usetex": True,
    "font.size": 9.0,
    "savefig.dpi": 30,
    "savefig.bbox": "tight",
    "axes.facecolor": "red",
    "axes.formatter.use_mathtext": True,
    "lines.linestyle": ":",
    "xtick.minor.visible": True,
}


def drawn(name: str) -> Figure:
    """A name in every place that has one, and axes with numbers, powers of ten, names and categories."""
    figure = style.new(6.0, 5.0)
    axes = figure.subplots(2, 2)
    axes[0, 0].plot([1, 2], [1e6, 2e6], label=name)
    axes[0, 0].legend(title=name)
    axes[0, 0].set(title=name, xlabel=name, yscale="log")
    axes[0, 1].barh([name, f"{name}2", f"{name}3"], [1, 2, 3])
    axes[1, 0].set_xticks([0, 1], [name, name])
    mesh = axes[1, 1].pcolormesh(np.ones((3, 3)), norm=mpl.colors.LogNorm(1, 1e4))
    figure.colorbar(mesh, ax=axes[1, 1], label=name)
    axes[1, 1].annotate(name, (0.5, 0.5))
    axes[1, 1].secondary_xaxis("top").set_xticks([0, 1], [name, name])
    style.mark(figure, name)
    return figure


def png(name: str = "name") -> bytes:
    with style.settings():
        return style.png(drawn(name))


@pytest.mark.slow
def test_the_settings_of_the_user_decide_nothing():
    wanted = png()
    with mpl.rc_context(USER):
        before = dict(mpl.rcParams)
        assert png() == wanted
        assert dict(mpl.rcParams) == before
    with mpl.rc_context({"font.size": 9.0}):  # negative control: without `settings` they reach a figure
        assert style.png(drawn("name")) != wanted


def test_a_dollar_in_a_name_begins_no_formula():
    assert png(BAD) == png(BAD)
    with pytest.raises(ValueError, match="undefined"):  # negative control
        drawn(BAD).draw_without_rendering()


def test_powers_of_ten_are_plain_text():
    with style.settings():
        figure = drawn("name")
        style.plain_powers(figure)
        figure.draw_without_rendering()
        logarithmic, bar = (figure.axes[i].yaxis for i in (0, -1))
    for axis, power in ((logarithmic, "2×10⁶"), (bar, "10⁴")):
        labels = [label.get_text() for label in axis.get_ticklabels(which="both")]
        assert power in labels
        assert not [text for text in labels if "$" in text]


def test_labels_are_those_of_matplotlib_without_its_formulas():
    """The negative control: a formula of another form stays as it is, and would be seen."""
    for value in (1e-12, 0.03, 1.0, 7e4):
        formula = LogFormatterSciNotation(labelOnlyBase=False)(value)
        assert formula.startswith("$")
        assert not set(style.Powers(labelOnlyBase=False)(value)) & set("${}\\^")
    assert style.Powers(labelOnlyBase=False)(3e-7) == "3×10⁻⁷"
    assert style._without_math("$x$") == "$x$"


@pytest.mark.slow
def test_rows_of_a_picture_are_not_shifted():
    """A width of 2.3 * 3 in is 827.9999999999999 dots, which matplotlib may round up: a vertical line stays one."""
    with style.settings():
        figure = style.new(2.3 * 3, 1.0)
        figure.set_layout_engine(None)
        axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axis.set_axis_off()
        axis.axvline(0.5, color="black", linewidth=4)
        dark = np.asarray(Image.open(io.BytesIO(style.png(figure))).convert("L")) < 128
    columns = [set(np.flatnonzero(row)) for row in dark]
    assert columns[0] and all(row == columns[0] for row in columns)


def test_a_picture_is_opaque_and_as_large_as_its_figure():
    picture = Image.open(io.BytesIO(png()))
    assert (picture.mode, picture.size) == ("RGB", (6 * style.DPI, 5 * style.DPI))
    assert picture.getpixel((0, 0)) == (255, 255, 255)
