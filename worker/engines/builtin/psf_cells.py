"""Signal of a declination bin of the response, sorted by energy, sigma and psi / sigma.

The response is read in bins of declination: those of the smearing, or bands of simulated events.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel, part
from worker.data.dataset import Season, Simulation
from worker.engines.builtin import response, simulated
from worker.engines.builtin.background import LOG_E_STEP, energy_bin
from worker.engines.builtin.psf import sigma_bin

F64 = NDArray[np.float64]

LEAST_U2, U2_BINS = 1.0 / 64.0, 32
"""First edge above 0 of the histogram of (psi / sigma)^2, and bins of half an octave above it."""
STRATUM = 0.1
"""Width in sin(dec) of the bins into which simulated events are sorted."""
PARTS = 3
"""Parts of a smearing cell in psi and in sigma, as it is sorted into bins."""
SPREAD = 4
"""Distances from the centre of an extended source, and directions, into which an event is spread."""


class Cells(NamedTuple):
    """Signal of one declination bin: ranges of log_e, psi and sigma (n, 6), rad, and weights (n,) of sum 1."""

    edges: NDArray[np.float32]
    weight: F64


def nodes(season: Season) -> F64:
    """Edges of the declination bins of a season, as sines, (n + 1,)."""
    if isinstance(season.smearing, Simulation):
        return np.linspace(-1.0, 1.0, round(2.0 / STRATUM) + 1)
    return np.array([fmath.sin(float(dec)) for dec in season.smearing.dec])


def cells_of(season: Season, edges: F64, k: int, gamma: float) -> Cells:
    """Signal of declination bin k for a power law."""
    smearing = season.smearing
    middle = 0.5 * (edges[k] + edges[k + 1])
    if isinstance(smearing, Simulation):
        first, last = np.searchsorted(smearing.sin_dec, [edges[k] + 1e-9, edges[k + 1] - 1e-9])
        events = smearing.events[smearing.start[max(first - 1, 0)] : smearing.start[last]]
        return Cells(np.repeat(events[:, 2:5], 2, axis=1), _of_sum_1(simulated.expected(events, gamma)))
    by_energy = _of_sum_1(response.node_rates(season, float(middle), [response.Spectrum(gamma)])[k][:, 0])
    parts = [(response.bin_cells(smearing, int(i), k), by_energy[i]) for i in np.flatnonzero(by_energy > 0.0)]
    if not parts:
        return Cells(np.empty((0, 6), np.float32), np.empty(0))
    weight = np.concatenate([cells[:, 6].astype(np.float64) * share for cells, share in parts])
    return Cells(np.concatenate([cells[:, :6] for cells, _ in parts]), weight)


def _of_sum_1(values: F64) -> F64:
    """Divide by the sum, in a fixed order; zeros stay."""
    total = float(np.cumsum(values)[-1]) if values.size else 0.0
    return values / total if total > 0.0 else np.zeros_like(values)


@kernel
def _u2_bin(u2):  # type: ignore[no-untyped-def]
    """Bin of (psi / sigma)^2: 0 below LEAST_U2, then half octaves; the last has no end."""
    if u2 < LEAST_U2:
        return 0
    return min(int(fmath.log(u2 / LEAST_U2) * 2.8853900817779268) + 1, U2_BINS + 1)


@part
def _distance2(psi, extension, place):  # type: ignore[no-untyped-def]
    """Square of the distance from the centre of a source of an event at `psi` from place 0 ... SPREAD^2 - 1 in it."""
    if extension == 0.0:
        return psi * psi
    r = extension * math.sqrt(-2.0 * fmath.log((place // SPREAD + 0.5) / SPREAD))
    _, cosine = fmath.sincos_turns(0.5 * (place % SPREAD + 0.5) / SPREAD)
    return max(psi * psi + r * r - 2.0 * psi * r * cosine, 0.0)


@part
def _add(at_lo, at_hi, lo, bins, weight, parts, b, u, on_sphere, joint, shapes):  # type: ignore[no-untyped-def]
    """Add one part of a cell to the energy bins between `at_lo` and `at_hi`."""
    first, last = energy_bin(at_lo, lo, bins.n_bins), energy_bin(at_hi, lo, bins.n_bins)
    for e in range(first, last + 1):
        share = 1.0
        if last > first:
            left, right = lo + e * LOG_E_STEP, lo + (e + 1) * LOG_E_STEP
            share = max((min(right, at_hi) - max(left, at_lo)) / (at_hi - at_lo), 0.0)
        w = share * weight / parts
        joint[0, e, b] += w
        joint[1, e, b] += w * w * parts
        if b < bins.n_sigma:
            k = (e // bins.per_class) * bins.n_sigma + b
            shapes[0, k, u] += w * on_sphere
            shapes[1, k, 0] += w * w * parts
            shapes[1, k, 1] += w


@kernel
def sort(edges, weight, lo, bins, sigma_floor, sigma_max, extension, joint, shapes):  # type: ignore[no-untyped-def]
    """Add cells to two histograms: joint (2, n_bins, n_sigma + 1) and shapes (2, n_shapes, n_u2).

    [0] is the sum of weights; joint[1] that of their squares, shapes[1, :, 0] too, and shapes[1, :, 1] that of weights.
    The histogram of (psi / sigma)^2 is one of the plane: psi / sin(psi) makes S a density on the sphere.
    """
    n_places = SPREAD * SPREAD if extension > 0.0 else 1
    for c in range(edges.shape[0]):
        n_psi = PARTS if edges[c, 3] > edges[c, 2] and n_places == 1 else 1
        n_sigma = PARTS if edges[c, 5] > edges[c, 4] else 1
        parts = n_psi * n_sigma * n_places
        for i in range(parts):
            at_psi = ((i // n_places) // n_sigma + 0.5) / n_psi
            at_sigma = ((i // n_places) % n_sigma + 0.5) / n_sigma
            psi = edges[c, 2] + at_psi * (np.float64(edges[c, 3]) - edges[c, 2])
            sigma = edges[c, 4] + at_sigma * (np.float64(edges[c, 5]) - edges[c, 4])
            b = bins.n_sigma
            if 0.0 < sigma <= sigma_max:
                b = sigma_bin(bins, max(sigma, sigma_floor))
            sigma2 = max(sigma, sigma_floor) ** 2 + extension * extension
            psi2 = _distance2(psi, extension, i % n_places)
            psi = math.sqrt(psi2)
            on_sphere = psi / fmath.sin(psi) if 0.0 < psi < 1.5 else 1.0
            u = _u2_bin(psi2 / sigma2)
            _add(
                np.float64(edges[c, 0]), np.float64(edges[c, 1]), lo, bins, weight[c], parts, b, u, on_sphere, joint,
                shapes,
            )  # fmt: skip
