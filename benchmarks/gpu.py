"""`python -m benchmarks.gpu RUN`: trials and skies per second on a CUDA device, and how far from the CPU's they are.

RUN is a run directory whose data are prepared. Wall time, with the transfers to and from the device; medians.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from worker.base import healpix, rng
from worker.engines.builtin import scan, trials
from worker.engines.builtin.analysis import Analysis
from worker.engines.builtin.engine import analysis_of
from worker.engines.builtin.response import Spectrum
from worker.engines.cuda import Scanner, require, run
from worker.rundir.ledger import open_run
from worker.tasks import context

KEY = rng.key("benchmark of a device")
N, N_COMPARED = 1_000_000, 4000
POINTS = ((5.0, 0.0), (5.0, 10.0), (-45.0, 0.0), (-45.0, 10.0), (-85.0, 0.0))


def seconds(work: Callable[[], Any], repeat: int = 3) -> float:
    """Median wall time of a call; results come back as arrays of the CPU, so nothing is left to wait for."""
    taken = []
    for _ in range(repeat):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return float(np.median(taken))


def largest(theirs: Any, ours: Any) -> str:
    """Largest differences of TS, ns and gamma."""
    a, b = (np.ascontiguousarray(x).view("f8").reshape(-1, 3) for x in (theirs, ours))
    return "differences in ts, ns, gamma: " + ", ".join(f"{abs(a[:, k] - b[:, k]).max():.1e}" for k in range(3))


def points(analysis: Analysis) -> None:
    for dec, n_sig in POINTS:
        point = trials.point_at(analysis, float(np.radians(dec)))
        injector = trials.injector_at(analysis, point.dec, Spectrum(2.0), n_sig) if n_sig else None
        theirs, ours = (make(analysis, point, KEY, 0, N_COMPARED, injector) for make in (run, trials.run))
        taken = seconds(lambda p=point, i=injector: run(analysis, p, KEY, 0, N, i))  # type: ignore[misc]
        print(f"dec {dec:+g}, n_sig {n_sig:g}: {N / taken:,.0f} trials/s; {largest(theirs, ours)}")


def skies(analysis: Analysis) -> None:
    turn = scan.right_ascensions(analysis, KEY, 0)
    for nside in (32, 128):
        rings = healpix.rings_of(nside, float(np.radians(-85)), float(np.radians(85)))
        device, cpu = Scanner(analysis, rings), scan.Scanner(analysis, rings, keep=False)
        found = device.sky(turn).copy()
        taken = seconds(lambda d=device: d.sky(turn))  # type: ignore[misc]
        ours = np.concatenate([cpu.ring(r, turn) for r in range(len(rings.dec))]) if nside == 32 else found
        print(f"nside {nside}: {1 / taken:.1f} skies/s, {len(found) / taken:,.0f} pixels/s; {largest(found, ours)}")


if __name__ == "__main__":
    require()
    opened = open_run(Path(sys.argv[1]))
    prepared = analysis_of(context.dataset_of(opened), opened.spec)
    points(prepared)
    skies(prepared)
