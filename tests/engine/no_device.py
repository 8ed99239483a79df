"""The CUDA code without a device: with one lane as code for the CPU, and compiled as far as a device is not needed.

Run in a process of its own: modules of the package are replaced.
"""

import math
import sys
from collections import namedtuple
from types import FunctionType, ModuleType, SimpleNamespace

import numpy as np
from numba import njit

jit = njit(error_model="numpy")


class Array(np.ndarray):
    """What stands for an array of the device."""

    def copy_to_host(self, to=None):
        if to is None:
            return np.asarray(self)
        to[...] = self
        return to


class Cuda(namedtuple("Cuda", "threadIdx")):
    """What stands for `numba.cuda`: compiled code reads a constant of it, the rest is called by Python."""

    def device_array(self, shape, dtype=float):
        return np.zeros(shape, dtype).view(Array)

    def pinned_array(self, shape, dtype=float):
        return np.zeros(shape, dtype)

    def to_device(self, array):
        return array


class Recorder:
    """What stands for a kernel: it keeps, or does something with, the arguments of its launch."""

    def __init__(self, launched):
        self.launched = launched

    def __getitem__(self, _):
        return lambda *args: self.launched(*plain(args))


def plain(value):
    """Tuples of ndarray in place of tuples of Array."""
    if isinstance(value, tuple):
        parts = [plain(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return np.asarray(value) if isinstance(value, np.ndarray) else value


@jit
def total(value):
    """Of one lane: also its running sum, and what the last lane has."""
    return value


@jit
def place(chosen):
    return 0, (1 if chosen else 0)


def one_lane():
    """Replace `worker.engines.cuda.warp` by a warp of one lane that is compiled for the CPU.

    Returns
    -------
    tuple of 2 functions
        As `worker.engines.cuda.run` and the class `Scanner`.
    """
    one = np.float32(1.0)
    warp = ModuleType("worker.engines.cuda.warp")
    ratio = jit(lambda a, b: np.float32(a / b))

    def rebound(function, **names):
        source = function.py_func
        return jit(FunctionType(source.__code__, source.__globals__ | names, source.__name__))

    vars(warp).update(
        SIMULATED=True, LANES=1, COLUMNS=2, U64=np.uint64, STEP=np.uint64(1), ONE=one, TWO=np.float32(2.0),
        THREE=np.float32(3.0), cuda=Cuda(namedtuple("Index", "x")(0)), device=jit, jit=lambda f: f, rebound=rebound,
        sync=jit(lambda: None), total=total, running=total, last=total, last_index=total, place=place,
        before=jit(lambda _, first: first), ratio=ratio, log32=jit(lambda x: np.float32(math.log(x))),
        exp32=jit(lambda x: np.float32(math.exp(x))), on_lanes=jit(lambda n: (n + 1) // 2 * 2),
        inverse=jit(lambda x: 1.0 / x),
    )  # fmt: skip
    gpu = ModuleType("worker.engines.cuda")
    from worker import engines

    gpu.__path__ = [f"{engines.__path__[0]}/cuda"]
    gpu.warp = warp
    sys.modules |= {gpu.__name__: gpu, warp.__name__: warp}
    from worker.engines.cuda import memory, skies, trials

    def mine(sizes):
        doubles = np.zeros(1 << 18)
        views = doubles, doubles.view(np.float32), doubles.view(np.uint16)
        far = None, None, np.zeros((1, sizes[1], 5))
        return memory._mine.py_func(*views, np.zeros(4, np.int64), sizes, far, 0, False)

    def run_trials(*args):
        *args, sizes, _, out = args
        trials._some_trials(0, 1, *args, sizes, mine(sizes), out)

    def run_pixels(*args):
        *args, sizes, _, out = args
        skies._some_pixels(0, 1, *args, sizes, mine(sizes), out)

    def put(order, turn, dec, of_event, events):
        angle, flat = 2 * np.pi * turn, np.cos(dec)
        for to, values in zip(
            events, (flat * np.cos(angle), flat * np.sin(angle), np.sin(dec), *of_event), strict=True
        ):
            to[...] = values[order]

    trials._kernel = trials._far_kernel = Recorder(run_trials)
    skies._kernel, skies.place_events = Recorder(run_pixels), Recorder(put)
    return trials.run, skies.Scanner


def launches(analysis, point, key, injector, rings, turn):
    """The kernels as `worker.engines.cuda` launches them, with few and many events: (kernel, types of arguments)."""
    from numba import typeof

    from worker.engines.cuda import memory, skies, trials

    found, real, most = [], memory.cuda, memory.FAR_ABOVE
    kernels = [(m, n) for m in (trials, skies) for n in ("_kernel", "_far_kernel", "place_events") if hasattr(m, n)]
    for module, name in kernels:
        kernel = getattr(module, name).py_func
        setattr(module, name, Recorder(lambda *args, kernel=kernel: found.append((kernel, tuple(map(typeof, args))))))
    memory.cuda = trials.cuda = skies.cuda = Cuda(None)
    for memory.FAR_ABOVE in (most, 0):
        trials.run(analysis, point, key, 0, 1, injector)
        skies.Scanner(analysis, rings).sky(turn)
    memory.FAR_ABOVE = most
    memory.cuda = trials.cuda = skies.cuda = real
    return dict.fromkeys(found)


def pretend(capability=(9, 0)):
    """Have numba compile for a device of this compute capability where there is none."""
    from numba.cuda import dispatcher

    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
