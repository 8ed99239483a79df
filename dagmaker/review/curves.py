"""Survival functions of TS as an SVG drawing, part of a page: no plotting package is needed."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 60, 620, 14, 310
"""Edges of the axes, in pixels."""
STEPS = 240
"""Values of TS at which a curve is drawn."""
STYLE = {
    "first": "stroke:#0072b2", "second": "stroke:#d55e00", "first signal": "stroke:#0072b2;stroke-dasharray:6 4",
    "second signal": "stroke:#d55e00;stroke-dasharray:6 4",
}  # fmt: skip


class Curve(NamedTuple):
    """A sample of n trials; `ts` (k,): its values above 0, in ascending order."""

    label: str
    style: str
    ts: NDArray[np.float64]
    n: int

    def above(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fraction of the trials above each level, (m,)."""
        return (len(self.ts) - np.searchsorted(self.ts, levels, side="right")) / max(self.n, 1)


def svg(curves: Sequence[Curve]) -> str:
    """Draw the fractions of trials above TS, on a logarithmic axis, down to one trial of the largest sample."""
    end = max([1.0, *(float(curve.ts[-1]) for curve in curves if len(curve.ts))])
    step = 10 ** math.floor(math.log10(end)) / (2 if end < 5 * 10 ** math.floor(math.log10(end)) else 1)
    end = step * math.ceil(end / step)
    decades = max(1, math.ceil(math.log10(max(curve.n for curve in curves) or 1)))
    lines = [line for i, curve in enumerate(curves) for line in _curve(i, curve, end, decades)]
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="fraction of trials above TS">'
    return "\n".join([head, *_axes(end, step, decades), *lines, "</svg>"])


def _axes(end: float, step: float, decades: int) -> Iterator[str]:
    """Frame, grid and labels; ticks of TS are `step` apart."""
    yield f'<rect x="{LEFT}" y="{TOP}" width="{RIGHT - LEFT}" height="{BOTTOM - TOP}" fill="none" stroke="#888"/>'
    for decade in range(decades + 1):
        y = TOP + (BOTTOM - TOP) * decade / decades
        yield f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#888" stroke-opacity=".3"/>'
        yield _text(LEFT - 6, y + 4, "1" if decade == 0 else f"1e-{decade}", "end")
    for i in range(round(end / step) + 1):
        yield _text(LEFT + (RIGHT - LEFT) * i * step / end, BOTTOM + 17, f"{i * step:g}", "middle")
    yield _text((LEFT + RIGHT) / 2, HEIGHT - 12, "TS", "middle")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12" fill="currentColor">{escape(text)}</text>'
    )


def _curve(i: int, curve: Curve, end: float, decades: int) -> Iterator[str]:
    levels = np.linspace(0.0, end, STEPS + 1)
    above = curve.above(levels)
    seen = above > 0
    x = LEFT + (RIGHT - LEFT) * levels[seen] / end
    y = TOP - (BOTTOM - TOP) * np.log10(above[seen]) / decades
    places = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    style = STYLE[curve.style]
    yield f'<polyline points="{places}" style="fill:none;stroke-width:1.6;{style}"/>'
    row = TOP + 18 + 16 * i
    yield f'<line x1="{RIGHT - 170}" x2="{RIGHT - 140}" y1="{row}" y2="{row}" style="stroke-width:1.6;{style}"/>'
    yield _text(RIGHT - 134, row + 4, curve.label, "start")
