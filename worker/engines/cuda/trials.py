"""Trials at one declination, a warp each: draws, weights and the fit without leaving the multiprocessor."""

import math

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath, rng
from worker.engines.builtin import maximum, trials
from worker.engines.builtin.analysis import Analysis
from worker.engines.builtin.inject import Injector, draw_event, signal_count, weigh_event
from worker.engines.builtin.point import EVENT as CPU_EVENT
from worker.engines.builtin.psf import height
from worker.engines.cuda import warp
from worker.engines.cuda.fit import count_rest, fit, model_at
from worker.engines.cuda.memory import Room, model_of, plain, shared, to_device
from worker.engines.cuda.warp import LANES, U64, cuda, device

BLOCKS = 1 << 14
"""Warps in flight; each takes every so many-th trial."""
SIGMAS = 5.0
"""Room for the mean number of events near a source and so many standard deviations more; the CPU makes the others."""
NO_ROOM = -1.0
F32 = np.float32

EVENT = np.dtype([(name, "f4" if CPU_EVENT[name].kind == "f" else "u2") for name in CPU_EVENT.names or ()], align=True)
"""`worker.engines.builtin.point.EVENT` in single precision: 32 bytes."""


@device
def _sin(x):  # type: ignore[no-untyped-def]
    """Sine for abs(x) <= pi / 2 (Taylor to x**11)."""
    z = x * x
    p = F32(-1.0 / 39916800.0)
    p = p * z + F32(1.0 / 362880.0)
    p = p * z - F32(1.0 / 5040.0)
    p = p * z + F32(1.0 / 120.0)
    p = p * z - F32(1.0 / 6.0)
    return x + x * (z * p)


@device
def _angle2(c2):  # type: ignore[no-untyped-def]
    """As `worker.base.fmath.angle2_from_chord2`."""
    p = F32(1.0 / 84084.0)
    p = p * c2 + F32(1.0 / 16632.0)
    p = p * c2 + F32(1.0 / 3150.0)
    p = p * c2 + F32(1.0 / 560.0)
    p = p * c2 + F32(1.0 / 90.0)
    p = p * c2 + F32(1.0 / 12.0)
    near = c2 + c2 * (c2 * p)
    return near if c2 <= F32(fmath.ANGLE_SERIES) else F32(fmath.angle2_far(np.float64(c2)))


@device
def _weigh(c, i, unit, inv_n, k, events):  # type: ignore[no-untyped-def]
    """Candidate i, at a uniform place in its window, becomes event k."""
    singles, w, v, _, shorts, row, season = events
    event = c.event[i]
    s = _sin(F32(2.0 * unit - 1.0) * event["half_window"])
    angle2 = _angle2(F32(4.0) * (event["sin2_ddec"] + event["coscos"] * s * s))
    inv = F32(inv_n[U64(event["season"])])
    term = warp.exp32(-angle2 * event["inv_2sigma2"] * F32(c.psf.narrow))
    soft, hard = height(c.psf.mix, U64(event["psf"]), term)
    weight = event["weight"] * inv * soft
    singles[w + k] = weight
    singles[v + k] = event["hard"] * inv * hard - weight
    shorts[row + k] = event["row"]
    shorts[season + k] = event["season"]


@device
def _background(c, k0, k1, trial, inv_n, room, events):  # type: ignore[no-untyped-def]
    """Accepted events of one trial, 32 points of the Poisson process at a time; returns how many, -1 without room."""
    lane = cuda.threadIdx.x
    n = c.n_always
    if n > room:
        return -1
    for i in range(lane, n, LANES):
        a, b, _, _ = rng.block(k0, k1, np.uint64(rng.BACKGROUND), trial, np.uint64(i))
        _weigh(c, U64(i), rng.unit52(np.uint64(a), np.uint64(b)), inv_n, U64(i), events)
    size = c.hazard.size
    if size == c.n_always:
        return n
    end = c.hazard[size - 1]
    scale = c.guide.size / end
    last_guide = U64(c.guide.size - 1)
    draw = np.uint64(c.n_always + lane)
    at, previous = 0.0, np.int32(-1)
    while at < end:
        a, b, d, e = rng.block(k0, k1, np.uint64(rng.BACKGROUND), trial, draw)
        draw += np.uint64(LANES)
        here = at + warp.running(-fmath.log(rng.unit52(np.uint64(a), np.uint64(b))))
        event = np.int32(-1)
        if here < end:
            event = c.guide[min(U64(here * scale), last_guide)]
            while c.hazard[U64(event)] <= here:
                event = np.int32(event + 1)
        left = warp.before(event, previous)  # by all lanes: a shuffle waits for every one of them
        new = event >= 0 and event != left
        k, more = warp.place(new)
        if n + more > room:
            return -1
        if new:
            _weigh(c, U64(event), rng.unit52(np.uint64(d), np.uint64(e)), inv_n, U64(n + k), events)
        n += more
        at, previous = warp.last(here), warp.last_index(event)
    return n


@device
def _one_trial(c, inject, injector, n_data, k0, k1, trial, room, events, by_season, draws):  # type: ignore[no-untyped-def]
    """Draw one trial into the arrays of the warp; returns the number of events with S > 0, -1 without room."""
    singles, w, v, _, shorts, row, season = events
    rest, n_events, inv_n = by_season
    n_signal = 0
    if inject:
        n_signal = signal_count(injector, k0, k1, trial)
        for i in range(cuda.threadIdx.x, n_signal, LANES):
            draw_event(injector, k0, k1, trial, i, draws)
    warp.sync()
    for s in range(cuda.threadIdx.x, n_data.size, LANES):
        found = n_data[s]
        for i in range(n_signal):
            if int(draws[i, 4]) == s:
                found += 1.0
        n_events[s] = found
        inv_n[s] = 1.0 / found
    warp.sync()
    n = _background(c, k0, k1, trial, inv_n, room, events)
    if n < 0 or n + n_signal > room:
        return -1
    for start in range(0, n_signal, LANES):
        i = start + cuda.threadIdx.x
        weight, more_hard, r, s = -1.0, -1.0, 0, 0
        if i < n_signal:
            weight, more_hard, r, s = weigh_event(injector, draws, i, inv_n)
        k, more = warp.place(weight >= 0.0)
        if weight >= 0.0:
            at = U64(n + k)
            singles[w + at] = weight
            singles[v + at] = more_hard - weight
            shorts[row + at] = r
            shorts[season + at] = s
        n += more
    warp.sync()
    count_rest(U64(n), events, n_events, rest)
    return n


@device
def _some_trials(block, blocks, c, inject, injector, tables, n_data, key, sizes, mine, out):  # type: ignore[no-untyped-def]
    events, by_season, draws, work, slopes = mine
    rest, n_events, _ = by_season
    model = model_at(0, tables, sizes)
    k0, k1, first = key
    for t in range(block, out.shape[0], blocks):
        n = _one_trial(c, inject, injector, n_data, k0, k1, first + np.uint64(t), sizes[0], events, by_season, draws)
        ts, ns, gamma = NO_ROOM, 0.0, 0.0
        if n >= 0:
            ts, ns, gamma = fit(U64(n), events, 0, 0, rest, n_events, model, work, slopes)
        if cuda.threadIdx.x == 0:
            out[t, 0] = ts
            out[t, 1] = ns
            out[t, 2] = gamma
        warp.sync()


_trials = plain(_some_trials)


@warp.jit
def _kernel(c, inject, injector, tables, n_data, key, sizes, far, out):  # type: ignore[no-untyped-def]
    mine = shared(sizes, far, cuda.blockIdx.x, False)
    _trials(cuda.blockIdx.x, cuda.gridDim.x, c, inject, injector, tables, n_data, key, sizes, mine, out)


@warp.jit
def _far_kernel(c, inject, injector, tables, n_data, key, sizes, far, out):  # type: ignore[no-untyped-def]
    mine = shared(sizes, far, cuda.blockIdx.x, True)
    _trials(cuda.blockIdx.x, cuda.gridDim.x, c, inject, injector, tables, n_data, key, sizes, mine, out)


def room_for(analysis: Analysis, point: trials.Point, injector: Injector) -> Room:
    """Room for all but a trial in a million."""
    mean = float((point.candidates.event["half_window"] * (2.0 / math.pi)).sum())
    most = min(int(mean + SIGMAS * math.sqrt(mean) + 8), point.candidates.hazard.size)
    return Room.of(analysis, most + injector.count_cdf.size, injector.count_cdf.size)


def run(
    analysis: Analysis, point: trials.Point, key: tuple[int, int], first: int, n: int, injector: Injector | None = None
) -> NDArray[np.void]:
    """As `worker.engines.builtin.trials.run`, on the device."""
    what = injector if injector is not None else trials.no_signal(analysis, point.dec)
    room = room_for(analysis, point, what)
    out = cuda.device_array((n, 3), np.float64)
    blocks = room.blocks(n, BLOCKS)
    psf = point.candidates.psf
    candidates = point.candidates._replace(
        event=point.candidates.event.astype(EVENT), psf=psf._replace(mix=psf.mix.astype(F32))
    )
    kernel = _far_kernel if room.is_far else _kernel
    kernel[blocks, LANES, 0, room.shared_bytes](
        to_device(candidates), injector is not None, to_device(what), model_of([point.table], 1),
        cuda.to_device(analysis.n_data), (np.uint64(key[0]), np.uint64(key[1]), np.uint64(first)), room.sizes,
        room.far(blocks), out,
    )  # fmt: skip
    found = out.copy_to_host()
    for t in np.flatnonzero(found[:, 0] == NO_ROOM):
        again = trials.run(analysis, point, key, first + int(t), 1, injector)[0]
        found[t] = again["ts"], again["ns"], again["gamma"]
    maximum.require(found, f"trials at dec {math.degrees(point.dec):.4g} deg, on a device")
    made: NDArray[np.void] = np.ascontiguousarray(found).view(trials.TRIAL_DTYPE)[:, 0]
    return made
