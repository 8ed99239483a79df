"""Where a warp keeps its events: in the shared memory of its block, or on the device where they are too many."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import float64, int16

from worker.engine.analysis import Analysis
from worker.engine.gpu.warp import SIMULATED, cuda, device

MOST_SHARED = 48 * 1024
"""Bytes of shared memory that a block gets without asking for more."""


FEW = 1 << 12
"""Warps in flight where each has its events in the device's memory."""


class Room(NamedTuple):
    """Sizes of a warp's arrays.

    Attributes
    ----------
    sizes : tuple of int
        Events, injected events, rows of the signal table, seasons, gammas.
    shared_bytes : int
    """

    sizes: tuple[int, int, int, int, int]
    shared_bytes: int

    @classmethod
    def of(cls, analysis: Analysis, events: int, injected: int) -> "Room":
        """Room for so many events and injected events."""
        return cls.of_sizes(events, injected, analysis.n_rows, analysis.n_seasons, analysis.cuts.gammas.size)

    @classmethod
    def of_sizes(cls, events: int, injected: int, rows: int, seasons: int, gammas: int) -> "Room":
        """Room for arrays of these sizes."""
        events = -(-events // 4) * 4
        fixed = 8 * (2 * rows + 5 * seasons + gammas)
        near = 12 * events
        return cls((events, injected, rows, seasons, gammas), fixed + (near if fixed + near <= MOST_SHARED else 0))

    @property
    def is_far(self) -> bool:
        """Whether shared memory cannot hold the events."""
        events, _, rows, seasons, gammas = self.sizes
        return self.shared_bytes < 8 * (2 * rows + 5 * seasons + gammas) + 12 * events

    def blocks(self, n: int, most: int) -> int:
        """Warps in flight for n trials or pixels."""
        return max(min(n, FEW if self.is_far else most), 1)

    def far(self, blocks: int) -> tuple[Any, Any, Any, Any]:
        """Device arrays for each block: its events, of no size where shared memory holds them, and injected ones."""
        events, injected = self.sizes[:2]
        shape = (blocks, events) if self.is_far else (1, 1)
        return (
            cuda.device_array(shape, np.float64),
            cuda.device_array(shape, np.int16),
            cuda.device_array(shape, np.int16),
            cuda.device_array((blocks, injected, 5), np.float64),
        )  # fmt: skip


@device
def _layout(doubles, shorts, room, far, block):  # type: ignore[no-untyped-def]
    events, _, rows, seasons, gammas = room
    a = 0
    table, a = doubles[a : a + rows], a + rows
    dtable, a = doubles[a : a + rows], a + rows
    q, a = doubles[a : a + seasons], a + seasons
    dq, a = doubles[a : a + seasons], a + seasons
    rest, a = doubles[a : a + seasons], a + seasons
    n_events, a = doubles[a : a + seasons], a + seasons
    inv_n, a = doubles[a : a + seasons], a + seasons
    slopes, a = doubles[a : a + gammas], a + gammas
    if far[0].shape[1] > 1:
        w, row, season = far[0][block], far[1][block], far[2][block]
    else:
        w = doubles[a : a + events]
        b = 4 * (a + events)
        row, season = shorts[b : b + events], shorts[b + events : b + 2 * events]
    return (w, row, season, rest, n_events, inv_n), far[3][block], (table, dtable, q, dq), slopes


if SIMULATED:

    def shared(room: Any, far: Any, block: int) -> Any:
        """Arrays of the warp: (w, row, season, rest, n_events, inv_n), draws, work of the fit, slopes."""
        bytes_ = cuda.shared.array(0, float64), cuda.shared.array(0, int16)
        arrays, draws, work, slopes = _layout(*bytes_, room, tuple(map(_plain, far)), block)
        return arrays, draws, (*work, np.zeros(4, np.int64)), slopes

else:

    @cuda.jit(device=True)
    def shared(room, far, block):  # type: ignore[no-untyped-def]
        """Arrays of the warp: (w, row, season, rest, n_events, inv_n), draws, work of the fit, slopes."""
        doubles, shorts = cuda.shared.array(0, float64), cuda.shared.array(0, int16)
        arrays, draws, work, slopes = _layout(doubles, shorts, room, far, block)
        table, dtable, q, dq = work
        return arrays, draws, (table, dtable, q, dq, cuda.local.array(4, np.int64)), slopes


def to_device(value: Any) -> Any:
    """Arrays, and those within tuples, copied to the device; numbers as they are."""
    if isinstance(value, tuple):
        parts = [to_device(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return cuda.to_device(value) if isinstance(value, np.ndarray) else value


def plain(function: Callable[..., Any]) -> Any:
    """What a kernel calls; in the simulator with numpy's arrays instead of its own, which compiled code cannot take."""
    if not SIMULATED:
        return function

    def simulated(*args: Any) -> Any:
        return function(*(_plain(arg) for arg in args))

    return simulated


def _plain(arg: Any) -> Any:
    if isinstance(arg, tuple):
        parts = [_plain(part) for part in arg]
        return type(arg)(*parts) if hasattr(arg, "_fields") else tuple(parts)
    inner = getattr(arg, "_item", arg)
    return getattr(inner, "_ary", inner)
