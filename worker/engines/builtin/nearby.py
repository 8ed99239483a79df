"""Events near a place of a sky, from cells of declination and right ascension: the cost grows with what is near.

Events are sorted into classes by their reach, beyond which they have S = 0. Each class has bands of declination as high
as its largest reach, and each band has cells as wide as that. So a place has few cells, and most events in them reach
it. The bands of an event stay the same in all skies; the cells are filled again for each.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

PI = 3.141592653589793
SMALLEST = float(np.radians(2.0))
"""Largest reach of the first class; that of each further class is twice as large."""


class Bands(NamedTuple):
    """Classes of reach, and their bands of declination.

    Attributes
    ----------
    radius : ndarray (n_classes,), rad
        Largest reach of a class, and the height of its bands, which begin at the south pole.
    first_band : ndarray (n_classes + 1,), int32
        First band of each class.
    first_cell : ndarray (n_bands + 1,), int32
        First cell of each band: as many as fit around it, evenly in right ascension.
    """

    radius: F64
    first_band: I32
    first_cell: I32


class Cells(NamedTuple):
    """The events of a sky, cell by cell.

    Attributes
    ----------
    start : ndarray (n_cells + 1,), int32
        First event of each cell.
    event : ndarray (n,), int32
    place : ndarray (n, 4), float32
        Unit vector of each event, and the square of the largest chord that it reaches, rounded up.
    """

    start: I32
    event: I32
    place: NDArray[np.float32]


def bands_of(reach: float) -> Bands:
    """Bands for events that reach at most so far, rad."""
    n_classes = max(int(np.ceil(np.log2(max(reach, SMALLEST) / SMALLEST))), 0) + 1
    radius = np.minimum(SMALLEST * 2.0 ** np.arange(n_classes), PI)
    n_bands = [max(int(PI // r), 1) for r in radius]
    cells = []
    for r, n in zip(radius, n_bands, strict=True):
        edges = np.clip(-0.5 * PI + r * np.arange(n + 1), -0.5 * PI, 0.5 * PI)
        edges[-1] = 0.5 * PI
        across = np.where(edges[:-1] * edges[1:] < 0, 0.0, np.minimum(np.abs(edges[:-1]), np.abs(edges[1:])))
        cells.append(np.maximum((2 * PI * np.cos(across) / r).astype(np.int64), 1))
    return Bands(
        radius,
        np.concatenate([[0], np.cumsum(n_bands)]).astype(np.int32),
        np.concatenate([[0], np.cumsum(np.concatenate(cells))]).astype(np.int32),
    )


def empty_cells(bands: Bands, n: int) -> Cells:
    """Arrays for the cells of up to `n` events."""
    return Cells(np.empty(bands.first_cell[-1] + 1, np.int32), np.empty(n, np.int32), np.empty((n, 4), np.float32))


@kernel
def band_of(bands, dec, reach):  # type: ignore[no-untyped-def]
    """Band of an event."""
    c = 0
    while c < bands.radius.size - 1 and bands.radius[c] < reach:
        c += 1
    first, end = bands.first_band[c], bands.first_band[c + 1]
    return min(max(int((dec + 0.5 * PI) / bands.radius[c]), 0) + first, end - 1)


@kernel
def _cell_of(bands, band, turn):  # type: ignore[no-untyped-def]
    first, end = bands.first_cell[band], bands.first_cell[band + 1]
    return min(first + int(turn * (end - first)), end - 1)


@kernel
def fill_cells(bands, n, band, sin_dec, reach, turn, cells):  # type: ignore[no-untyped-def]
    """Sort n events into cells; `sin_dec`, `reach` (rad) and `turn` (right ascension, [0, 1)) are arrays (>= n,)."""
    start = cells.start
    for c in range(start.size):
        start[c] = 0
    for i in range(n):
        start[_cell_of(bands, band[i], turn[i]) + 1] += 1
    for c in range(1, start.size):
        start[c] += start[c - 1]
    for i in range(n - 1, -1, -1):  # places are taken from the end of each cell: `start` becomes the first again
        c = _cell_of(bands, band[i], turn[i]) + 1
        start[c] -= 1
        at = start[c]
        cells.event[at] = i
        sin, cos = fmath.sincos_turns(turn[i])
        cos_dec = np.sqrt(max(1.0 - sin_dec[i] * sin_dec[i], 0.0))
        cells.place[at, 0], cells.place[at, 1], cells.place[at, 2] = cos_dec * cos, cos_dec * sin, sin_dec[i]
        chord = 2.0 * fmath.sin(0.5 * min(reach[i], PI)) + 1e-6
        cells.place[at, 3] = chord * chord
    for c in range(start.size - 1):
        start[c] = start[c + 1]
    start[start.size - 1] = n


@kernel
def _window(dec, radius):  # type: ignore[no-untyped-def]
    """Half of the widest right-ascension window of a circle, in turns; 1/2 if a pole is inside."""
    if abs(dec) + radius >= 0.5 * PI - 1e-9:
        return 0.5
    return fmath.asin(fmath.sin(radius) / fmath.cos(dec)) / (2.0 * PI) + 1e-6


@kernel
def near_place(bands, cells, dec, at, turn, event, value):  # type: ignore[no-untyped-def]
    """Events that may reach a place at declination `dec` (rad) and right ascension `at` (turns).

    Their numbers go into `event`, differences of right ascension in turns into `value`; returns how many.
    """
    sin, cos = fmath.sincos_turns(at)
    x, y, z = fmath.cos(dec) * cos, fmath.cos(dec) * sin, fmath.sin(dec)
    m = 0
    for c in range(bands.radius.size):
        radius, first, end = bands.radius[c], bands.first_band[c], bands.first_band[c + 1]
        half = _window(dec, radius)
        low = int(max((dec - radius + 0.5 * PI) / radius - 1e-6, 0.0)) + first
        high = int(max((dec + radius + 0.5 * PI) / radius + 1e-6, 0.0)) + first
        for band in range(min(low, end - 1), min(high, end - 1) + 1):
            n = bands.first_cell[band + 1] - bands.first_cell[band]
            west, east = int(np.floor((at - half) * n)), int(np.floor((at + half) * n))
            if east - west >= n:
                west, east = 0, n - 1
            for column in range(west, east + 1):
                cell = bands.first_cell[band] + column % n
                for i in range(cells.start[cell], cells.start[cell + 1]):
                    place = cells.place[i]
                    dx, dy, dz = place[0] - x, place[1] - y, place[2] - z
                    if dx * dx + dy * dy + dz * dz <= place[3]:
                        event[m] = cells.event[i]
                        delta = turn[event[m]] - at
                        value[m] = delta - np.floor(delta + 0.5)
                        m += 1
    return m
