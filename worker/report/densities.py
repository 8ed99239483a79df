"""Figure: events against the background densities of the likelihood."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from worker.engines.protocol import BandCounts
from worker.report import style
from worker.report.numbers import columns
from worker.report.plot import Drawing

_SHOWN = 6
_COLORS = (style.ORANGE, style.GREEN, style.RED, style.PURPLE)
_LEAST = 5.0
"""A band is in a chi2 if it expects as many events."""


def draw(names: Sequence[str], counts: Sequence[BandCounts]) -> Drawing:
    """Draw (found - expected) / sqrt(expected) in bands of declination: of all events, and of tails of the energy."""
    names, counts = names[-_SHOWN:], counts[-_SHOWN:]
    figure = style.new(max(4.6 * len(names), 8.5), 7.4)
    axes = figure.subplots(2, len(names), sharex=True, sharey="row", squeeze=False)
    rows: list[tuple[Any, ...]] = []
    for column, name, c in zip(axes.T, names, counts, strict=True):
        column[0].set_title(name)
        _steps(column[0], c, c.events, c.expected, style.BLUE, "p(sin dec)")
        rows += _rows(name, "events", c, c.events, c.expected)
        for q, above, color in zip(c.tails, c.above, _COLORS, strict=False):
            _steps(column[1], c, above, q * c.events, color, f"upper {100 * q:g} %")
            rows += _rows(name, f"upper {q:g}", c, above, q * c.events)
        style.sin_dec_axis(column[0], label=False, at_deg=(-90, -30, 0, 30, 90))
        style.sin_dec_axis(column[1], degrees=False)
        for axis in column:
            axis.axhspan(-2, 2, color="#eeeeee", zorder=0)
            axis.legend(loc="upper right")
    axes[0, 0].set_ylabel("pull of events")
    axes[1, 0].set_ylabel("pull of events in the tail of b")
    return Drawing(
        figure,
        "Events against the background densities that the likelihood divides by: (found − expected) / √expected in 20 "
        "bands of declination, above of all events, below of those in the upper part of the energy density of their "
        "declination; χ² over the bands that expect five events or more. The densities come from the same events, so "
        "pulls may be a little smaller than those of independent events, and none should be far outside the grey band.",
        columns(("season", "what", "sin_dec_lo", "sin_dec_hi", "events", "expected"), rows),
    )


def _steps(axis: Axes, c: BandCounts, found: Any, expected: Any, color: str, label: str) -> None:
    use = expected >= _LEAST
    if not use.any():
        return
    pull = np.where(use, (found - expected) / np.sqrt(np.where(use, expected, 1.0)), np.nan)
    chi2 = f"{label}: χ² {np.nansum(pull**2):.1f} / {use.sum()}"
    axis.stairs(pull, c.edges, color=color, baseline=None, linewidth=1.6, label=chi2)


def _rows(name: str, what: str, c: BandCounts, found: Any, expected: Any) -> list[tuple[Any, ...]]:
    ends = zip(c.edges[:-1].tolist(), c.edges[1:].tolist(), found.tolist(), expected.tolist(), strict=True)
    return [(name, what, *row) for row in ends]
