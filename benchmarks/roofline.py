"""What this core could do at most: events drawn and likelihood terms summed per second, by the arithmetic alone.

Both kernels work on arrays in the first-level cache and do only what no algorithm of this kind can leave out: per event
one block of random numbers, a logarithm, a sine, an angle and an exponential; per term a division and two sums.
"""

import time
from statistics import median
from typing import NamedTuple

import numpy as np
from numba import njit

from worker.base import fmath, rng
from worker.engines.builtin.likelihood import LANES, fill
from worker.engines.builtin.point import BATCH

REPEATS = 20_000
TERMS = 512


class Limit(NamedTuple):
    """Most events drawn and most terms summed per CPU second."""

    events: float
    terms: float

    def seconds(self, events: float, terms: float) -> float:
        """Least CPU time of that much work."""
        return events / self.events + terms / self.terms


@njit(error_model="numpy")
def _events(k0, k1, repeats, words, out):
    a, b, d, e = words[0], words[1], words[2], words[3]
    for t in range(repeats):
        rng.blocks(k0, k1, np.uint64(0), np.uint64(t), np.uint64(0), words)
        for i in range(out.size):
            step = fmath.log(rng.unit52(np.uint64(a[i]), np.uint64(b[i])))
            s = fmath.sin(rng.unit52(np.uint64(d[i]), np.uint64(e[i])) * step)
            out[i] += fmath.exp(-fmath.angle2_near(s * s))


@njit(error_model="numpy")
def _terms(repeats, y, acc, acc2):
    fill(acc, 0.0)
    fill(acc2, 0.0)
    for t in range(repeats):
        ns = 1.0 + 1e-9 * t
        for i in range(0, y.size, acc.size):
            part = y[i : i + acc.size]
            for lane in range(acc.size):
                d = part[lane] / (1.0 + ns * part[lane])
                acc[lane] += d
                acc2[lane] -= d * d


def _best(work) -> float:
    work()
    times = []
    for _ in range(5):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return median(times)


def measure() -> Limit:
    """The limits of this core, now."""
    words, out = np.empty((4, BATCH), np.uint32), np.zeros(BATCH)
    key = np.uint64(1), np.uint64(2)
    y, acc, acc2 = np.linspace(0, 1, TERMS), np.empty(LANES), np.empty(LANES)
    return Limit(
        REPEATS * BATCH / _best(lambda: _events(*key, REPEATS, words, out)),
        REPEATS * TERMS / _best(lambda: _terms(REPEATS, y, acc, acc2)),
    )
