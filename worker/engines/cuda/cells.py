"""Cells of a sky, by which a device finds the events near a pixel."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel
from worker.engines.cuda import warp
from worker.engines.cuda.warp import cuda

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

REACH_DEG = (2.0, 4.0, 8.0, 16.0)
"""Classes of reach; a last one takes what reaches farther."""


class Cells(NamedTuple):
    """Declination bands and right-ascension cells of each class of reach; arrays (n_classes,).

    Attributes
    ----------
    reach, height : float64, rad
        Farthest reach, and height of a band.
    turns : int32
        Cells of a band.
    first : int32
        First cell, counted over all classes.
    """

    reach: F64
    height: F64
    turns: I32
    first: I32


class Events(NamedTuple):
    """All events in the order of their cells; arrays (n,)."""

    x: F64
    y: F64
    z: F64
    inv_2sigma2: F64
    weight: F64
    row: NDArray[np.uint16]
    season: NDArray[np.uint16]
    shape: NDArray[np.uint16]
    cell: I32


class Psfs(NamedTuple):
    """Point-spread functions of all rings, as `worker.engines.builtin.psf.Psf`, one after the other.

    Attributes
    ----------
    n_shapes, n_cells : int
        Of one ring.
    limit : float64
        Of x, as in `worker.engines.builtin.pairs.RingEvents`.
    """

    narrow: float
    n_shapes: int
    n_cells: int
    mix: NDArray[np.float32]
    limit: F64
    factor: NDArray[np.float32]


def cells_of(reach: F64) -> Cells:
    """Cells for events of these reaches (n,), rad."""
    most = float(reach.max())
    limits = np.array([*(r for r in np.radians(REACH_DEG) if r < most), most])
    height = np.minimum(limits, math.pi)
    turns = np.maximum((4.0 * math.pi / limits).astype(np.int32), 1)
    bands = np.ceil(math.pi / height).astype(np.int32) + 1
    first = np.concatenate([[0], np.cumsum(bands * turns)]).astype(np.int32)
    return Cells(limits, height, turns, first)


@kernel
def sort_events(turn, band_start, turns, start, order):  # type: ignore[no-untyped-def]
    """Counting sort of the events by cell: event order[j] for start[cell] <= j < start[cell + 1]."""
    for i in range(start.size):
        start[i] = 0
    for i in range(turn.size):
        start[band_start[i] + int(turn[i] * turns[i]) + 1] += 1
    for i in range(1, start.size):
        start[i] += start[i - 1]
    at = start.copy()
    for i in range(turn.size):
        cell = band_start[i] + int(turn[i] * turns[i])
        order[at[cell]] = i
        at[cell] += 1


@warp.jit
def place_events(order, turn, dec, of_event, events):  # type: ignore[no-untyped-def]
    """Unit vectors and properties of the events in the order of their cells."""
    j = cuda.grid(1)
    inverse, weight, row, season, shape, cell = of_event
    x, y, z, to_inverse, to_weight, to_row, to_season, to_shape, to_cell = events
    if j < order.size:
        i = order[j]
        sine, cosine = fmath.sincos_turns(turn[i])
        cos_dec = fmath.cos(dec[i])
        x[j], y[j], z[j] = cos_dec * cosine, cos_dec * sine, fmath.sin(dec[i])
        to_inverse[j], to_weight[j], to_row[j], to_season[j] = inverse[i], weight[i], row[i], season[i]
        to_shape[j], to_cell[j] = shape[i], cell[i]


def wide_classes(cells: Cells, dec: F64) -> F64:
    """Half of the right ascensions (turns) within reach at declinations (n,), for each class: (n, n_classes)."""
    wide = np.full((dec.size, cells.reach.size), 0.5)
    for c, reach in enumerate(cells.reach):
        inside = np.abs(dec) + reach < 0.5 * math.pi - 1e-9
        wide[inside, c] = np.arcsin(math.sin(reach) / np.cos(dec[inside])) / (2.0 * math.pi) + 1e-9
    return wide
