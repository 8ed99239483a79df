"""Signal events: number, season, and energy, angle and sigma drawn together from the cells of the response."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath, rng
from worker.base.compiled import kernel, part
from worker.engines.builtin.background import energy_bin, event_density
from worker.engines.builtin.psf import Bins, Psf, cell_of, height, shape_of, sigma_bin, sigma_probability

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

PI = 3.141592653589793


class Injector(NamedTuple):
    """Signal events of one declination and spectrum.

    Attributes
    ----------
    count_cdf : ndarray (n_max + 1,)
        P(number of events <= i); for a fixed number a step.
    cell_cdf : ndarray (n_cells,)
        Cumulative probability of the cells, over all seasons.
    cells : ndarray (n_cells, 8), float32
        log_e_lo, log_e_hi, psi_lo, psi_hi, sigma_lo, sigma_hi (rad), turn_lo, turn_hi (position angle in turns). A
        simulated event is a cell without extent; a smearing cell has all position angles, 0 to 1.
    season : ndarray (n_cells,), int32
    sin_dec, cos_dec : float
        Of the source.
    sigma_floor, sigma_max : float, rad
    grid_lo : float
        Lower edge of the energy bins.
    density, energy : ndarray (n_seasons, n_nodes), (n_seasons, n_nodes, n_bins)
        Background densities, for W of injected events.
    bins, sigma, psf
        Bins of sigma, its background density, and the point-spread functions, see `analysis.Analysis`.
    assumed_extension, extension : float, rad
        Gaussian width of the source: in the likelihood, and of the injected events.
    """

    count_cdf: F64
    cell_cdf: F64
    cells: NDArray[np.float32]
    season: I32
    sin_dec: float
    cos_dec: float
    sigma_floor: float
    sigma_max: float
    grid_lo: float
    density: F64
    energy: F64
    bins: Bins
    sigma: F64
    psf: Psf
    assumed_extension: float
    extension: float


class CountLaw(NamedTuple):
    """Law of the number of injected events.

    Attributes
    ----------
    count_cdf : ndarray (n_max + 1,)
        As of `Injector`.
    """

    count_cdf: F64


@kernel
def search(cdf, u):  # type: ignore[no-untyped-def]
    """First index whose cumulative probability exceeds u."""
    lo, hi = 0, cdf.size - 1
    while lo < hi:
        middle = (lo + hi) // 2
        if cdf[middle] > u:
            hi = middle
        else:
            lo = middle + 1
    return lo


@kernel
def _between(lo, hi, word):  # type: ignore[no-untyped-def]
    return lo + (hi - lo) * rng.unit32(word)


@part
def _from_centre(psi, offset, turn):  # type: ignore[no-untyped-def]
    """Distance from the centre of a source of an event at `psi` from a place that is `offset` away from the centre.

    Haversine of the side opposite to an angle of `turn` turns; its direction about the centre stays uniform.
    """
    a = fmath.sin(0.5 * (offset - psi))
    b = fmath.sin(PI * turn)
    c2 = 4.0 * (a * a + fmath.sin(offset) * fmath.sin(psi) * b * b)
    return math.sqrt(fmath.angle2_from_chord2(min(max(c2, 0.0), 4.0)))


@part
def signal_count(j, k0, k1, trial):  # type: ignore[no-untyped-def]
    """Number of signal events of one trial."""
    a, b, _, _ = rng.block(k0, k1, np.uint64(rng.COUNT), trial, np.uint64(0))
    return search(j.count_cdf, rng.unit52(a, b))


@kernel
def signal_counts(law, k0, k1, first, out):  # type: ignore[no-untyped-def]
    """Number of signal events of trials first, first + 1, ..., into `out` (n,), int64; `law` is a `CountLaw`."""
    for i in range(out.size):
        out[i] = signal_count(law, k0, k1, first + np.uint64(i))


@part
def draw_event(j, k0, k1, trial, i, draws):  # type: ignore[no-untyped-def]
    """Signal event i of one trial, into `draws`, as in `draw_signal`.

    Returns its offset from the centre of the source to the east and to the north, as sines of angles.
    """
    a, b, d, e = rng.block(k0, k1, np.uint64(rng.SIGNAL), trial, np.uint64(2 * i))
    f, g, h, k = rng.block(k0, k1, np.uint64(rng.SIGNAL), trial, np.uint64(2 * i + 1))
    cell = search(j.cell_cdf, rng.unit52(a, b))
    edges = j.cells[cell]
    psi = _between(np.float64(edges[2]), np.float64(edges[3]), e)
    if j.extension > 0.0:
        psi = _from_centre(psi, j.extension * math.sqrt(-2.0 * fmath.log(rng.unit32(h))), rng.unit32(k))
    half = fmath.sin(0.5 * psi)
    chord2 = 4.0 * half * half
    sin_psi = 2.0 * half * math.sqrt(max(1.0 - half * half, 0.0))
    sin_angle, cos_angle = fmath.sincos_turns(_between(np.float64(edges[6]), np.float64(edges[7]), g))
    sin_dec = j.sin_dec * (1.0 - 0.5 * chord2) + j.cos_dec * sin_psi * cos_angle
    draws[i, 0] = _between(np.float64(edges[0]), np.float64(edges[1]), d)
    draws[i, 1] = psi
    draws[i, 2] = _between(np.float64(edges[4]), np.float64(edges[5]), f)
    draws[i, 3] = min(max(sin_dec, -1.0), 1.0)
    draws[i, 4] = j.season[cell]
    return sin_psi * sin_angle, sin_psi * cos_angle


@part
def draw_signal(j, k0, k1, trial, draws):  # type: ignore[no-untyped-def]
    """Signal events of one trial.

    Parameters
    ----------
    j : Injector
    draws : ndarray (n_max, 5)
        Filled with log_e, psi, sigma (rad), sin(dec), season of each event; psi from the centre of the source.

    Returns
    -------
    int, the number of events
    """
    n = signal_count(j, k0, k1, trial)
    for i in range(n):
        draw_event(j, k0, k1, trial, i, draws)
    return n


@part
def weigh_event(j, draws, i, inv_n):  # type: ignore[no-untyped-def]
    """Weights for a soft and a hard spectrum, row and season of signal event i; the weights are -1 where S = 0."""
    weight, more, s = -1.0, -1.0, int(draws[i, 4])
    e = energy_bin(draws[i, 0], j.grid_lo, j.bins.n_bins)
    row = s * j.bins.n_bins + e
    sigma = max(draws[i, 2], j.sigma_floor)
    psi = draws[i, 1]
    if sigma <= j.sigma_max:
        b = sigma_bin(j.bins, sigma)
        shape = shape_of(j.bins, s, e, b)
        if j.assumed_extension > 0.0:
            sigma = math.sqrt(sigma * sigma + j.assumed_extension * j.assumed_extension)
        if psi < j.psf.cut[shape] * sigma:
            background = event_density(j.density[s], j.energy[s], draws[i, 3], e)
            background *= sigma_probability(j.sigma[s], draws[i, 3], e, b)
            x = 0.5 * psi * psi / (sigma * sigma)
            soft, hard = height(j.psf.mix, shape, fmath.exp(-x * j.psf.narrow))
            cell = cell_of(j.bins, row, b)
            weight = soft * j.psf.factor[cell, 0] / (sigma * sigma * background) * inv_n[s]
            more = hard * j.psf.factor[cell, 1] / (sigma * sigma * background) * inv_n[s]
    return weight, more, row, s


@part
def add_signal(j, draws, n_signal, n, inv_n, w, row, season):  # type: ignore[no-untyped-def]
    """Append the signal events with S > 0; returns the new number of events with S > 0."""
    for i in range(n_signal):
        weight, more, r, s = weigh_event(j, draws, i, inv_n)
        if weight >= 0.0:
            w[0, n] = weight
            w[1, n] = 0.0 if more == weight else more - weight  # infinite where b is 0: the fit is refused, not NaN
            row[n] = r
            season[n] = s
            n += 1
    return n
