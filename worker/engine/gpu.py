"""Trials and ring fits on a CUDA device: each thread runs the very functions of the CPU on scratch of its own.

Imported only where the spec says ``resources: {gpu: true}``. Random numbers have the same addresses, and the 32-bit
words of the generator are the same bits. Floating point is not: CUDA's compiler may fuse multiplications and additions,
so TS agrees with the CPU's to rounding (1e-3 is promised), and the trial digest names the device.

With ``NUMBA_ENABLE_CUDASIM=1`` numba simulates the device on the CPU: slow, and equal to the CPU bit for bit.
"""

import math
from typing import Any

import numpy as np
from numba import config, njit
from numba import cuda as numba_cuda
from numpy.typing import NDArray

from worker.engine import scan, trials
from worker.engine.analysis import Analysis
from worker.engine.inject import Injector
from worker.engine.likelihood import workspace
from worker.engine.point import run_trials
from worker.engine.tables import SignalTable
from worker.errors import InputError

F64 = NDArray[np.float64]

cuda: Any = numba_cuda  # its types depend on whether it is the simulator
SIMULATED: bool = vars(config)["ENABLE_CUDASIM"]

THREADS = 128
"""Threads of a block."""
AT_ONCE = 1 << 15
"""Trials or pixels in flight; each needs scratch for all events near its source."""
SIGMAS = 12.0
"""Scratch holds the mean number of events near a source and so many standard deviations more."""


@njit(error_model="numpy")
def _own(t, arrays):  # type: ignore[no-untyped-def]
    """Row t of eleven scratch arrays, as `worker.engine.point` takes them."""
    a, b, c, d, e, f, g, h, i, j, words, steps, places = arrays
    batch = (words[t], steps[t], places[t])
    return a[t], b[t], c[t], d[t], e[t], f[t], g[t], h[t], i[t], j[t], batch


@njit(error_model="numpy")
def _work(t, arrays):  # type: ignore[no-untyped-def]
    """Row t of the arrays of `worker.engine.likelihood.workspace`."""
    a, b, c, d, e, f, g, h, i = arrays
    return a[t], b[t], c[t], d[t], e[t], f[t], g[t], h[t], i[t]


@njit(error_model="numpy")
def _some_trials(t, per, c, inject, injector, model, n_data, key, scratch, work, slopes, out):  # type: ignore[no-untyped-def]
    """Trials t * per ... of those that this call makes."""
    k0, k1, first = key
    lo = t * per
    hi = min(lo + per, out.shape[0])
    run_trials(
        c, inject, injector, model, n_data, k0, k1, first + np.uint64(lo), _own(t, scratch), _work(t, work), slopes[t],
        out[lo:hi],
    )  # fmt: skip


@njit(error_model="numpy")
def _one_pixel(p, t, start, fill, pairs, n_data, model, work, rest, slopes, out):  # type: ignore[no-untyped-def]
    """Pixel p of a ring, on the scratch of thread t."""
    w, row, season = pairs
    scan.fit_ring(
        start[p : p + 1], fill[p : p + 1], w, row, season, n_data, model, _work(t, work), rest[t], slopes[t],
        out[p : p + 1],
    )  # fmt: skip


def _device(function: Any) -> Any:
    """What a kernel calls: numba compiles `function` for the device; the simulator needs its arrays unwrapped."""
    if not SIMULATED:
        return function

    def simulated(*args: Any) -> Any:
        return function(*(_plain(arg) for arg in args))

    return simulated


def _plain(arg: Any) -> Any:
    """Numpy arrays for the arrays of numba's simulator, within tuples too."""
    if isinstance(arg, tuple):
        parts = [_plain(part) for part in arg]
        return type(arg)(*parts) if hasattr(arg, "_fields") else tuple(parts)
    inner = getattr(arg, "_item", arg)
    return getattr(inner, "_ary", inner)


_trials_of_thread, _pixel_of_thread = _device(_some_trials), _device(_one_pixel)


@cuda.jit
def _trials_kernel(threads, per, c, inject, injector, model, n_data, key, scratch, work, slopes, out):  # type: ignore[no-untyped-def]
    t = cuda.grid(1)
    if t < threads:
        _trials_of_thread(t, per, c, inject, injector, model, n_data, key, scratch, work, slopes, out)


@cuda.jit
def _ring_kernel(threads, start, fill, pairs, n_data, model, work, rest, slopes, out):  # type: ignore[no-untyped-def]
    t = cuda.grid(1)
    if t < threads:
        for p in range(t, out.shape[0], threads):
            _pixel_of_thread(p, t, start, fill, pairs, n_data, model, work, rest, slopes, out)


def require() -> None:
    """Refuse where there is no device.

    Raises
    ------
    InputError
        If numba finds no CUDA device or driver.
    """
    if not cuda.is_available():
        raise InputError(
            "resources.gpu is true, but numba finds no CUDA device here: ask the batch system for one "
            "(the submit files of `dagmaker build` do), install the extra `dagmaker[gpu]`, or set gpu: false"
        )


def _to_device(value: Any) -> Any:
    """Arrays, and those within tuples, copied to the device; numbers as they are."""
    if isinstance(value, tuple):
        parts = [_to_device(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return cuda.to_device(value) if isinstance(value, np.ndarray) else value


def _stacked(arrays: Any, n: int) -> tuple[Any, ...]:
    """Empty device arrays with room for `n` of each; nested tuples are laid out flat."""
    out: list[Any] = []
    for array in arrays:
        parts = array if isinstance(array, tuple) else (array,)
        out += [cuda.device_array((n, *part.shape), part.dtype) for part in parts]
    return tuple(out)


def run(
    analysis: Analysis, point: trials.Point, key: tuple[int, int], first: int, n: int, injector: Injector | None = None
) -> NDArray[np.void]:
    """As `worker.engine.trials.run`, on the device."""
    what = injector if injector is not None else trials.no_signal(analysis, point.dec)
    p = point.candidates.event["half_window"] * (2.0 / math.pi)
    room = min(int(p.sum() + SIGMAS * math.sqrt(p.sum()) + 50), point.candidates.hazard.size) + what.count_cdf.size + 8
    threads = max(min(n, AT_ONCE), 1)
    per = -(-n // threads)
    out = cuda.to_device(np.zeros((n, 3)))
    address = (np.uint64(key[0]), np.uint64(key[1]), np.uint64(first))
    _trials_kernel[-(-threads // THREADS), THREADS](
        -(-n // per), per, _to_device(point.candidates), injector is not None, _to_device(what),
        _to_device(point.table), cuda.to_device(analysis.n_data), address,
        _stacked(trials.scratch(analysis, room, what), threads),
        _stacked(workspace(room, analysis.n_rows, analysis.n_seasons), threads),
        cuda.device_array((threads, analysis.cuts.gammas.size), np.float64), out,
    )  # fmt: skip
    return np.ascontiguousarray(out.copy_to_host()).view(trials.TRIAL_DTYPE)[:, 0]


def fit_ring(
    start: NDArray[np.int64], fill: NDArray[np.int64], w: F64, row: NDArray[np.int32], season: NDArray[np.int32],
    n_data: F64, model: SignalTable, work: tuple[Any, ...], rest: F64, slopes: F64, out: F64,
) -> None:  # fmt: skip
    """As `worker.engine.scan.fit_ring`, on the device; of `work`, `rest` and `slopes` only the shapes are used."""
    used = int(start[-1])
    most = int((fill - start[:-1]).max()) if fill.size else 0
    threads = max(min(out.shape[0], AT_ONCE), 1)
    shapes = tuple(array[: most + 64] if i in (2, 3) else array for i, array in enumerate(work))
    result = cuda.to_device(out)
    _ring_kernel[-(-threads // THREADS), THREADS](
        threads, cuda.to_device(start), cuda.to_device(fill), _to_device((w[:used], row[:used], season[:used])),
        cuda.to_device(n_data), _to_device(model), _stacked(shapes, threads),
        cuda.device_array((threads, rest.size), np.float64), cuda.device_array((threads, slopes.size), np.float64),
        result,
    )  # fmt: skip
    out[:] = result.copy_to_host()
