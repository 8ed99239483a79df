"""Operations of the 32 lanes of a warp; a block is one warp.

Loops over events count in unsigned numbers: numba's own, in signed ones that may count from the end of an array, cost
four times the arithmetic that they are there for.

numba's simulator has no shuffles: the lanes exchange values in shared memory, and add in the same order.
"""

import math
import sys
import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
from numba import config
from numba import cuda as numba_cuda

from worker.base.compiled import kernel

SIMULATED: bool = vars(config)["ENABLE_CUDASIM"]
if SIMULATED:  # its main thread polls all others; with Python's usual interval it does little else
    sys.setswitchinterval(0.0005)


class _Simulator:
    """numba.cuda, and within a simulated kernel what stands for it there: numba swaps it in a kernel's module only."""

    def __getattr__(self, name: str) -> Any:
        from numba.cuda.simulator import kernel as simulator

        swapped: Any = simulator._get_kernel_context  # numba has no types
        return getattr(swapped() or numba_cuda, name)


cuda: Any = _Simulator() if SIMULATED else numba_cuda

LANES = 32
REGISTERS = 112
"""Of a lane: 18 warps on a processor that has 65,536, and none of them has to put any aside."""
ALL = 0xFFFFFFFF
U64 = np.uint64
STEP = np.uint64(LANES)
COLUMNS = 2 * LANES
"""Gammas per warp at a time: two on every lane."""
ONE = np.float32(1.0)
TWO = np.float32(2.0)
THREE = np.float32(3.0)


jit: Any = cuda.jit if SIMULATED else cuda.jit(max_registers=REGISTERS, lto=False)
"""Decorator of kernels, without the linker's optimisations, so that `benchmarks/gpu_code.py` shows the real code."""
warnings.filterwarnings("ignore", "Grid size")  # a few trials or pixels do not fill a device


def device(function: Callable[..., Any]) -> Any:
    """A function that kernels call."""
    return function if SIMULATED else cuda.jit(device=True)(function)


def rebound(function: Any, **names: Any) -> Any:
    """Return a CPU function for the device, with other functions under some of the names that it calls.

    So the search for the maximum is written once: every lane takes the same decisions, and sums over events are
    replaced by sums shared among the lanes.
    """
    source = function.py_func
    return device(FunctionType(source.__code__, source.__globals__ | names, source.__name__))


if SIMULATED:

    def _meet(value: Any, dtype: Any) -> Any:
        """The values of all lanes, (32,)."""
        table = cuda.shared.array(LANES, np.float64)  # one array per line of code, whatever is asked for
        cuda.syncthreads()
        table[cuda.threadIdx.x] = value
        cuda.syncthreads()
        return np.array(table).astype(dtype)

    def sync() -> None:
        """Wait for the other lanes."""
        cuda.syncthreads()

    def total(value: Any) -> float:
        """Sum over the lanes, as a tree; the same bits in all of them."""
        values = _meet(value, np.float64)
        for half in (16, 8, 4, 2, 1):
            values = values + values[np.arange(LANES) ^ half]
        return float(values[0])

    def running(value: float) -> float:
        """Sum over the lanes up to this one."""
        values = _meet(value, np.float64)
        for step in (1, 2, 4, 8, 16):
            values[step:] = values[step:] + values[:-step]
        return float(values[cuda.threadIdx.x])

    def last(value: float) -> float:
        """The value of the last lane."""
        return float(_meet(value, np.float64)[LANES - 1])

    def before(index: Any, first: Any) -> Any:
        """The index of the lane before this one, `first` for lane 0."""
        values = _meet(index, np.int64)
        lane = cuda.threadIdx.x
        return int(values[lane - 1]) if lane else first

    def last_index(index: Any) -> Any:
        """The index of the last lane."""
        return int(_meet(index, np.int64)[LANES - 1])

    def place(chosen: Any) -> tuple[int, int]:
        """How many lanes before this one are chosen, and how many there are."""
        values = _meet(chosen, np.int64)
        return int(values[: cuda.threadIdx.x].sum()), int(values.sum())

    def ratio(a: np.float32, b: np.float32) -> np.float32:
        """A / b to two units in the last place."""
        return np.float32(a / b)

    def log32(x: np.float32) -> np.float32:
        """Natural logarithm to 2e-7."""
        return np.float32(np.log(x))

    def exp32(x: np.float32) -> np.float32:
        """e**x to some units in the last place."""
        return np.float32(np.exp(x))

else:

    @cuda.jit(device=True, fastmath=True)
    def ratio(a, b):  # type: ignore[no-untyped-def]
        """A / b to two units in the last place."""
        return a / b

    @cuda.jit(device=True, fastmath=True)
    def log32(x):  # type: ignore[no-untyped-def]
        """Natural logarithm to 2e-7."""
        return math.log(x)

    @cuda.jit(device=True, fastmath=True)
    def exp32(x):  # type: ignore[no-untyped-def]
        """e**x to some units in the last place."""
        return math.exp(x)

    @cuda.jit(device=True)
    def sync():  # type: ignore[no-untyped-def]
        """Wait for the other lanes."""
        cuda.syncwarp()

    @cuda.jit(device=True)
    def total(value):  # type: ignore[no-untyped-def]
        """Sum over the lanes, as a tree; the same bits in all of them."""
        value += cuda.shfl_xor_sync(ALL, value, 16)
        value += cuda.shfl_xor_sync(ALL, value, 8)
        value += cuda.shfl_xor_sync(ALL, value, 4)
        value += cuda.shfl_xor_sync(ALL, value, 2)
        value += cuda.shfl_xor_sync(ALL, value, 1)
        return value

    @cuda.jit(device=True)
    def running(value):  # type: ignore[no-untyped-def]
        """Sum over the lanes up to this one."""
        lane = cuda.threadIdx.x
        step = 1
        while step < LANES:
            other = cuda.shfl_up_sync(ALL, value, step)
            if lane >= step:
                value += other
            step *= 2
        return value

    @cuda.jit(device=True)
    def last(value):  # type: ignore[no-untyped-def]
        """The value of the last lane."""
        return cuda.shfl_sync(ALL, value, LANES - 1)

    @cuda.jit(device=True)
    def before(index, first):  # type: ignore[no-untyped-def]
        """The index of the lane before this one, `first` for lane 0."""
        other = cuda.shfl_up_sync(ALL, index, 1)
        return other if cuda.threadIdx.x > 0 else first

    @cuda.jit(device=True)
    def last_index(index):  # type: ignore[no-untyped-def]
        """The index of the last lane."""
        return cuda.shfl_sync(ALL, index, LANES - 1)

    @cuda.jit(device=True)
    def place(chosen):  # type: ignore[no-untyped-def]
        """How many lanes before this one are chosen, and how many there are."""
        mask = cuda.ballot_sync(ALL, chosen)
        return cuda.popc(mask & ((1 << cuda.threadIdx.x) - 1)), cuda.popc(mask)


@device
def inverse(x):  # type: ignore[no-untyped-def]
    """1 / x in double precision for x from 1e-37 to 1e37: from single by two steps of Newton, without a division."""
    r = np.float64(ratio(ONE, np.float32(x)))
    r += r * (1.0 - x * r)
    r += r * (1.0 - x * r)
    return r


@kernel
def on_lanes(n):  # type: ignore[no-untyped-def]
    """Gammas with room for two on every lane: n, rounded up."""
    return (n + COLUMNS - 1) // COLUMNS * COLUMNS
