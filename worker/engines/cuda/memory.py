"""Memory of a warp: events and tables in the shared memory of its block; too many events in that of the device.

Arrays are parts of a few flat ones, given by their offsets: slices would need more registers than a warp has, which
shares its processor with seventeen others.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numba import float32, float64, uint16

from worker.base.compiled import kernel
from worker.base.errors import InputError
from worker.engines.builtin.analysis import Analysis
from worker.engines.builtin.tables import SignalTable
from worker.engines.cuda.warp import COLUMNS, SIMULATED, U64, cuda, device, on_lanes

MOST_SHARED = 48 * 1024
"""Bytes of shared memory that a block gets without asking for more."""
FAR_ABOVE = MOST_SHARED
"""Bytes above which events lie in the device's memory."""

EVENT_BYTES = 16
"""Of an event: its weights for two spectra and its term in single precision, its row and season in 16 bits."""

FEW = 1 << 12
"""Warps in flight where each has its events in the device's memory."""
MOST_FAR = 1 << 27
"""Events of all those warps."""


@kernel
def _doubles(rows, seasons, gammas):  # type: ignore[no-untyped-def]
    """Numbers in double precision that a warp keeps besides its events, see `_fixed`."""
    return rows + 4 * seasons + gammas


class Room(NamedTuple):
    """Sizes of a warp's arrays.

    Attributes
    ----------
    sizes : tuple of int
        Events, injected events, rows of the signal table, seasons, gammas.
    is_far : bool
        Whether shared memory cannot hold the events.
    """

    sizes: tuple[int, int, int, int, int]
    shared_bytes: int
    is_far: bool

    @classmethod
    def of(cls, analysis: Analysis, events: int, injected: int) -> "Room":
        """Room for so many events and injected events.

        Raises
        ------
        InputError
            If not even the tables fit into shared memory.
        """
        events = -(-events // 4) * 4
        rows, seasons, gammas = analysis.n_rows, analysis.n_seasons, analysis.cuts.gammas.size
        fixed = 8 * _doubles(rows, seasons, gammas)
        near = fixed + EVENT_BYTES * events
        if fixed > MOST_SHARED:
            bins = f"{seasons} seasons of {rows // seasons} energy bins"
            raise InputError(f"{bins} are too many for a GPU, which holds some 6,000 rows: set gpu: false")
        is_far = near > FAR_ABOVE
        return cls((events, injected, rows, seasons, gammas), fixed if is_far else near, is_far)

    def blocks(self, n: int, most: int) -> int:
        """Warps in flight for n trials or pixels."""
        return max(min(n, min(FEW, MOST_FAR // self.sizes[0]) if self.is_far else most), 1)

    def far(self, blocks: int) -> tuple[Any, Any, Any]:
        """Device arrays for the blocks' events, of no size where shared memory holds them, and injected ones."""
        events, injected = self.sizes[:2]
        size = blocks * events if self.is_far else 1
        return (
            cuda.device_array(3 * size, np.float32),
            cuda.device_array(2 * size, np.uint16),
            cuda.device_array((blocks, injected, 5), np.float64),
        )


@device
def _near(singles, shorts, room):  # type: ignore[no-untyped-def]
    """A warp's events: array of weights (two) and terms, their offsets, array of rows and seasons, their offsets."""
    events, _, rows, seasons, gammas = room
    size, first = U64(events), U64(2 * _doubles(rows, seasons, gammas))
    row = U64(2 * (first + 3 * size))
    return singles, first, U64(first + size), U64(first + 2 * size), shorts, row, U64(row + size)


@device
def _far(far, room, block):  # type: ignore[no-untyped-def]
    size = U64(room[0])
    first, short = U64(3 * size * U64(block)), U64(2 * size * U64(block))
    return far[0], first, U64(first + size), U64(first + 2 * size), far[1], short, U64(short + size)


@device
def _fixed(doubles, singles, room):  # type: ignore[no-untyped-def]
    """Numbers of the seasons, slopes by gamma, and the tables: those of the search, in their place those of its end."""
    _, _, rows, seasons, gammas = room
    a, b = seasons, 2 * seasons
    c = b + seasons
    d = c + gammas
    rest, n_events, inv_n, slopes = doubles[:a], doubles[a:b], doubles[b:c], doubles[c:d]
    q, dq = singles[2 * d : 2 * d + seasons], singles[2 * d + seasons : 2 * d + 2 * seasons]
    search, end = (singles, U64(2 * (d + seasons)), q, dq), (doubles, U64(d + seasons), doubles[d : d + seasons])
    return (rest, n_events, inv_n), slopes, U64(rows), search, end


@device
def _mine(doubles, singles, shorts, count, room, far, block, is_far):  # type: ignore[no-untyped-def]
    """What the warp works on: events, numbers of the seasons, injected events, scratch of the fit, slopes."""
    events = _far(far, room, block) if is_far else _near(singles, shorts, room)
    by_season, slopes, rows, search, end = _fixed(doubles, singles, room)
    return events, by_season, far[2][block], (rows, search, end, count), slopes


if SIMULATED:

    def shared(room: Any, far: Any, block: int, is_far: bool) -> Any:
        """As `_mine`, in the shared memory of this block."""
        doubles, singles = cuda.shared.array(0, float64), cuda.shared.array(0, float32)
        shorts, count = cuda.shared.array(0, uint16), np.zeros(4, np.int64)
        return _mine(doubles, singles, shorts, count, room, tuple(map(_plain, far)), block, is_far)

else:

    @cuda.jit(device=True)
    def shared(room, far, block, is_far):  # type: ignore[no-untyped-def]
        """As `_mine`, in the shared memory of this block."""
        doubles, singles = cuda.shared.array(0, float64), cuda.shared.array(0, float32)
        shorts, count = cuda.shared.array(0, uint16), cuda.local.array(4, np.int64)
        return _mine(doubles, singles, shorts, count, room, far, block, is_far)


def model_of(tables: Iterable[SignalTable], n: int) -> tuple[Any, ...]:
    """Signal tables on the device, flat: (gammas, node, (coef, coef in double precision), share, total, hard, prior).

    Parameters
    ----------
    tables : iterable of SignalTable
        Made and copied one after the other.
    n : int
        How many there are.
    """
    for i, table in enumerate(tables):
        if i == 0:
            coef, share = (np.empty((n, part.size)) for part in (table.coef, table.share))
            total = np.empty((n, table.gammas.size), np.float32)
            node = np.zeros((n, len(table.node), on_lanes(table.gammas.size)), np.float32)
        coef[i], share[i] = table.coef.reshape(-1), table.share.reshape(-1)
        total[i] = table.total
        node[i, :, : table.gammas.size] = table.node
    node = node.reshape(*node.shape[:2], -1, COLUMNS).swapaxes(1, 2)  # a block of rows for as many gammas as lanes take
    flat, hard = coef.reshape(-1), table.hard.astype(np.float32)
    coefs = flat.astype(np.float32), flat
    model = table.gammas, node.reshape(-1), coefs, share.reshape(-1), total.reshape(-1), hard, table.prior
    moved: tuple[Any, ...] = to_device(model)
    return moved


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
