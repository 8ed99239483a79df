"""Trials at one declination, a warp each: draws, weights and the fit without leaving the multiprocessor."""

import math

import numpy as np
from numpy.typing import NDArray

from worker import rng
from worker.engine import fmath, trials
from worker.engine.analysis import Analysis
from worker.engine.gpu import warp
from worker.engine.gpu.fit import fit
from worker.engine.gpu.memory import Room, plain, shared, to_device
from worker.engine.gpu.warp import LANES, cuda, device
from worker.engine.inject import Injector, add_signal, draw_signal

BLOCKS = 1 << 14
"""Warps in flight; each takes every so many-th trial."""
SIGMAS = 5.0
"""Room for the mean number of events near a source and so many standard deviations more; the CPU makes the others."""
NO_ROOM = -1.0


@device
def _weigh(c, i, unit, inv_n, k, w, row, season):  # type: ignore[no-untyped-def]
    """Candidate i, at a uniform place in its window, becomes event k."""
    event = c.event[i]
    s = fmath.sin((2.0 * unit - 1.0) * event["half_window"])
    angle2 = fmath.angle2_from_chord2(4.0 * (event["sin2_ddec"] + event["coscos"] * s * s))
    w[k] = event["weight"] * inv_n[event["season"]] * fmath.exp(-angle2 * event["inv_2sigma2"])
    row[k] = event["row"]
    season[k] = event["season"]


@device
def _background(c, k0, k1, trial, inv_n, w, row, season):  # type: ignore[no-untyped-def]
    """Accepted events of one trial, 32 points of the Poisson process at a time; returns how many, -1 without room."""
    lane, room = cuda.threadIdx.x, w.size
    n = c.n_always
    if n > room:
        return -1
    for i in range(lane, n, LANES):
        a, b, _, _ = rng.block(k0, k1, np.uint64(rng.BACKGROUND), trial, np.uint64(i))
        _weigh(c, i, rng.unit52(np.uint64(a), np.uint64(b)), inv_n, i, w, row, season)
    size = c.hazard.size
    if size == c.n_always:
        return n
    end = c.hazard[size - 1]
    scale = c.guide.size / end
    draw = np.uint64(c.n_always + lane)
    at, previous = 0.0, -1
    while at < end:
        a, b, d, e = rng.block(k0, k1, np.uint64(rng.BACKGROUND), trial, draw)
        draw += np.uint64(LANES)
        here = at + warp.running(-fmath.log(rng.unit52(np.uint64(a), np.uint64(b))))
        i = -1
        if here < end:
            i = int(c.guide[min(int(here * scale), c.guide.size - 1)])
            while c.hazard[i] <= here:
                i += 1
        left = warp.before(i, previous)  # by all lanes: a shuffle waits for every one of them
        new = i >= 0 and i != left
        k, more = warp.place(new)
        if n + more > room:
            return -1
        if new:
            _weigh(c, i, rng.unit52(np.uint64(d), np.uint64(e)), inv_n, n + k, w, row, season)
        n += more
        at, previous = warp.last(here), warp.last_index(i)
    return n


@device
def _one_trial(c, inject, injector, n_data, k0, k1, trial, arrays, draws):  # type: ignore[no-untyped-def]
    """Draw one trial into the arrays of the warp; returns the number of events with S > 0, -1 without room."""
    w, row, season, rest, n_events, inv_n = arrays
    n_signal = 0
    if inject:
        n_signal = draw_signal(injector, k0, k1, trial, draws)  # by every lane: the same numbers in the same places
    warp.sync()
    for s in range(cuda.threadIdx.x, n_data.size, LANES):
        found = n_data[s]
        for i in range(n_signal):
            if int(draws[i, 4]) == s:
                found += 1.0
        n_events[s] = found
        inv_n[s] = 1.0 / found
    warp.sync()
    n = _background(c, k0, k1, trial, inv_n, w, row, season)
    if n < 0 or n + n_signal > w.size:
        return -1
    warp.sync()
    if inject:
        n = add_signal(injector, draws, n_signal, n, inv_n, w, row, season)
    warp.sync()
    for s in range(n_data.size):
        here = 0.0
        for i in range(cuda.threadIdx.x, n, LANES):
            if season[i] == s:
                here += 1.0
        here = warp.total(here)
        rest[s] = n_events[s] - here
    warp.sync()
    return n


@device
def _some_trials(block, blocks, c, inject, injector, model, n_data, key, arrays, draws, work, slopes, out):  # type: ignore[no-untyped-def]
    w, row, season, rest, n_events, _ = arrays
    k0, k1, first = key
    for t in range(block, out.shape[0], blocks):
        n = _one_trial(c, inject, injector, n_data, k0, k1, first + np.uint64(t), arrays, draws)
        ts, ns, gamma = NO_ROOM, 0.0, 0.0
        if n >= 0:
            ts, ns, gamma = fit(n, w, row, season, rest, n_events, model, work, slopes)
        if cuda.threadIdx.x == 0:
            out[t, 0] = ts
            out[t, 1] = ns
            out[t, 2] = gamma
        warp.sync()


_trials = plain(_some_trials)


@cuda.jit
def _kernel(c, inject, injector, model, n_data, key, room, far, out):  # type: ignore[no-untyped-def]
    arrays, draws, work, slopes = shared(room, far, cuda.blockIdx.x)
    _trials(cuda.blockIdx.x, cuda.gridDim.x, c, inject, injector, model, n_data, key, arrays, draws, work, slopes, out)


def run(
    analysis: Analysis, point: trials.Point, key: tuple[int, int], first: int, n: int, injector: Injector | None = None
) -> NDArray[np.void]:
    """As `worker.engine.trials.run`, on the device."""
    what = injector if injector is not None else trials.no_signal(analysis, point.dec)
    mean = float((point.candidates.event["half_window"] * (2.0 / math.pi)).sum())
    most = min(int(mean + SIGMAS * math.sqrt(mean) + 8), point.candidates.hazard.size)
    room = Room.of(analysis, most + what.count_cdf.size, what.count_cdf.size if injector is not None else 1)
    out = cuda.to_device(np.zeros((n, 3)))
    blocks = room.blocks(n, BLOCKS)
    _kernel[blocks, LANES, 0, room.shared_bytes](
        to_device(point.candidates), injector is not None, to_device(what), to_device(point.table),
        cuda.to_device(analysis.n_data), (np.uint64(key[0]), np.uint64(key[1]), np.uint64(first)), room.sizes,
        room.far(blocks), out,
    )  # fmt: skip
    found = out.copy_to_host()
    for t in np.flatnonzero(found[:, 0] == NO_ROOM):
        again = trials.run(analysis, point, key, first + int(t), 1, injector)[0]
        found[t] = again["ts"], again["ns"], again["gamma"]
    made: NDArray[np.void] = np.ascontiguousarray(found).view(trials.TRIAL_DTYPE)[:, 0]
    return made
