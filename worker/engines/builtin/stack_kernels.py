"""Kernels of a catalogue: events near its sources, their signal densities, and the fit of one ns and one gamma."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import rng
from worker.base.compiled import kernel
from worker.engines.builtin.fit import maximise
from worker.engines.builtin.likelihood import count_rest
from worker.engines.builtin.nearby import band_of, fill_cells, near_place
from worker.engines.builtin.psf import height
from worker.engines.builtin.sources import weigh

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]


class Events(NamedTuple):
    """Events that can be near a source, and after them room for injected ones; n in all, X extensions.

    Attributes
    ----------
    dec, sin_dec, reach : ndarray (n,)
        Declination (rad); largest distance (rad) at which S > 0 for any source.
    band : ndarray (n,), int32
        See `worker.engines.builtin.nearby`.
    sigma, weight : ndarray (X, n)
        As of `worker.engines.builtin.analysis.Sky`, with each extension; the weight for the events of the data alone.
    bin, season, shape, cell : ndarray (n,), int32
        Energy bin, season, and rows of the tables of the point-spread function of a single season.
    """

    dec: F64
    sin_dec: F64
    reach: F64
    band: I32
    sigma: F64
    weight: F64
    bin: I32
    season: I32
    shape: I32
    cell: I32


class Seen(NamedTuple):
    """Events as a source of one extension sees them."""

    dec: F64
    sigma: F64


@kernel
def turns_of(k0, k1, sky, address, out):  # type: ignore[no-untyped-def]
    """Right ascensions (turns) of some events of a sky, as `worker.engines.builtin.scan.right_ascensions`."""
    for i in range(address.size):
        a, b, _, _ = rng.block(k0, k1, np.uint64(rng.SKY), sky, np.uint64(address[i]))
        out[i] = rng.unit52(a, b)


@kernel
def pairs(k, events, members, tables, bands, cells, turn, scale, batch):  # type: ignore[no-untyped-def]
    """Events within the cut of source k, into the batch with their w: soft, and more for a hard one; how many."""
    event, value, chord2, scratch, soft, more = batch
    dec, x = members.dec[k], members.extension[k]
    m = near_place(bands, cells, dec, members.turn[k], turn, event, value)
    weigh(m, Seen(events.dec, events.sigma[x]), dec, tables.narrow, event, value, chord2, scratch)
    n = 0
    for i in range(m):
        e = event[i]
        j, shape, cell = events.season[e], events.shape[e], events.cell[e]
        here, there, t = members.stratum[k, j, 0], members.stratum[k, j, 1], members.mixed[k, j]
        cut = tables.cut[here, shape] * (1.0 - t) + tables.cut[there, shape] * t
        if chord2[i] < 0.5 * cut * cut:
            low, high = height(tables.mix[here], shape, value[i])
            factor_low, factor_high = tables.factor[here, cell, 0], tables.factor[here, cell, 1]
            if t > 0.0:
                low2, high2 = height(tables.mix[there], shape, value[i])
                low, high = low * (1.0 - t) + low2 * t, high * (1.0 - t) + high2 * t
                factor_low = factor_low * (1.0 - t) + tables.factor[there, cell, 0] * t
                factor_high = factor_high * (1.0 - t) + tables.factor[there, cell, 1] * t
            weight = events.weight[x, e] * scale[j]
            event[n], soft[n] = e, weight * factor_low * low
            more[n] = weight * factor_high * high - soft[n]
            n += 1
    return n


@kernel
def _add(k, m, events, members, tables, batch, slot, season, node, n):  # type: ignore[no-untyped-def]
    """Add the signal of m pairs of source k to the rows of their events; `n` rows before, returns how many after."""
    event, _, _, _, soft, more = batch
    for i in range(m):
        e = event[i]
        if slot[e] < 0:
            slot[e], season[n] = n, events.season[e]
            for g in range(node.shape[1]):
                node[n, g] = 0.0
            n += 1
        j, b, low, high = events.season[e], events.bin[e], soft[i], more[i]
        first, last = members.coef[k, j, 0], members.coef[k, j, 1]
        here, there = tables.energy[members.table[k, j, 0], b], tables.energy[members.table[k, j, 1], b]
        of_soft, of_more = node[slot[e], : first.size], node[slot[e], first.size :]
        for g in range(first.size):
            density = first[g] * here[g] + last[g] * there[g]
            of_soft[g] += low * density
            of_more[g] += high * density
    return n


@kernel
def rows_of(n_events, events, members, tables, bands, cells, turn, scale, batch, slot, season, node):  # type: ignore[no-untyped-def]
    """Make the rows of all near events; returns how many."""
    fill_cells(bands, n_events, events.band, events.sin_dec, events.reach, turn, cells)
    for i in range(n_events):
        slot[i] = -1
    n = 0
    for k in range(members.dec.size):
        m = pairs(k, events, members, tables, bands, cells, turn, scale, batch)
        n = _add(k, m, events, members, tables, batch, slot, season, node, n)
    return n


@kernel
def own_events(g, ns, q, events, members, tables, bands, cells, turn, scale, batch, slot, node, out):  # type: ignore[no-untyped-def]
    """Expected number of events of each source, given the fit at node g of gamma: sum of their parts of the signal."""
    for k in range(members.dec.size):
        m = pairs(k, events, members, tables, bands, cells, turn, scale, batch)
        event, _, _, _, soft, more = batch
        out[k] = 0.0
        for i in range(m):
            e = event[i]
            j, b = events.season[e], events.bin[e]
            density = members.coef[k, j, 0, g] * tables.energy[members.table[k, j, 0], b, g]
            density += members.coef[k, j, 1, g] * tables.energy[members.table[k, j, 1], b, g]
            part = ns * (soft[i] + tables.hard[g] * more[i]) * density
            signal = node[slot[e], g] + tables.hard[g] * node[slot[e], tables.hard.size + g]
            out[k] += part / (1.0 + ns * (signal - q[j]))


@kernel
def all_bands(bands, dec, reach, out):  # type: ignore[no-untyped-def]
    """Band of every event, into `out`."""
    for i in range(dec.size):
        out[i] = band_of(bands, dec[i], reach[i])


@kernel
def fit_rows(n, w, row, season, n_events, rest, model, work, slopes):  # type: ignore[no-untyped-def]
    """TS, ns and gamma of n near events, each a row of the signal table; see `worker.engines.builtin.fit.fit`."""
    count_rest(n_events, season[:n], rest)
    _, node, _, _, total, hard, _ = model
    for g in range(slopes.size):
        slopes[g] = -total[g]
    for i in range(n):
        for g in range(slopes.size):
            slopes[g] += node[i, g] + hard[g] * node[i, slopes.size + g]
    return maximise(n, w, row, season, rest, n_events, model, work, slopes)
