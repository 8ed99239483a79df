"""Point-spread functions and sigma of signal from the response: p(psi / sigma | E, sigma, dec) and s(sigma | E, dec).

Both hold for an observed energy E. They depend on the spectrum a little, since it decides which neutrino energies are
behind an observed one: they are tabulated for a soft and a hard spectrum, and mixed for those between
(`worker.engines.builtin.likelihood.hardness`). They are tabulated in declination bins of the response, and linear in
sin dec between the centres of these bins.

- psi / sigma of a class of energy and a bin of sigma is histogrammed, smoothed over neighbouring classes and given
  `PRIOR` events of the same sigma and all energies beforehand. A mixture of Gaussians whose variances differ by factors
  of 2 is fitted to it by expectation maximisation (Dempster, Laird and Rubin 1977), which is stopped after `STEPS`:
  positive and falling with psi, and no single cell or event decides it.
- S ends where `CONTAINED` of the signal is inside, and never beyond ``likelihood.cut_n_sigma``.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel, part
from worker.data.dataset import Season, Simulation
from worker.engines.builtin import response, simulated
from worker.engines.builtin.background import LOG_E_STEP, EnergyGrid, energy_bin
from worker.engines.builtin.likelihood import HARD, SOFT
from worker.engines.builtin.psf import Bins, Psf, sigma_bin
from worker.engines.builtin.sigma_density import LOG_E_BANDWIDTH, PRIOR, WIDE_BANDWIDTH, add_near, with_prior

F64 = NDArray[np.float64]

GAMMAS = (SOFT, HARD)
WIDEST = 32.0
"""Variance of the widest Gaussian in sigma^2."""
N_SCALES = 8
GAUSSIAN = 5
"""The scale of variance sigma^2: without any signal, S is a Gaussian."""
POOLED = 1e4
"""Events that the histograms over all energies stand for."""
STEPS = 100
CONTAINED = 0.999
LEAST_U2, U2_BINS = 1.0 / 64.0, 32
"""First edge above 0 of the histogram of (psi / sigma)^2, and bins of half an octave above it."""
CLASS_BANDWIDTH = 0.15
"""In log_e, over neighbouring classes of energy."""
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


class Stratum(NamedTuple):
    """Tables of one season and declination bin, as in `worker.engines.builtin.psf.Psf`."""

    mix: F64
    cut: F64
    factor: F64
    inside: F64


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
    by_energy = _of_sum_1(response.node_rates(season, float(middle), np.array([gamma]))[k][:, 0])
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
def _sort(edges, weight, lo, bins, sigma_floor, sigma_max, extension, joint, shapes):  # type: ignore[no-untyped-def]
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


@kernel
def _integrals(out):  # type: ignore[no-untyped-def]
    """Probability of every bin of (psi / sigma)^2 for each Gaussian, into `out` (n_scales, n_u2)."""
    for k in range(out.shape[0]):
        variance = WIDEST
        for _ in range(k):
            variance *= 0.5
        left = 1.0
        edge = LEAST_U2
        for u in range(out.shape[1]):
            right = fmath.exp(-0.5 * edge / variance) if u < out.shape[1] - 1 else 0.0
            out[k, u] = left - right
            left = right
            edge *= 1.4142135623730951


@kernel
def _fit(counts, integrals, share, mix):  # type: ignore[no-untyped-def]
    """Shares of the Gaussians in a histogram (n_u2,) by expectation maximisation, into `share`; `mix` is scratch."""
    n_scales, n_u2 = integrals.shape
    content = 0.0
    for u in range(n_u2):
        content += counts[u]
    for k in range(n_scales):
        share[k] = 1.0 / n_scales
    for _ in range(STEPS):
        for k in range(n_scales):
            mix[k] = 0.0
        for u in range(n_u2):
            expected = 0.0
            for k in range(n_scales):
                expected += share[k] * integrals[k, u]
            if counts[u] > 0.0:
                for k in range(n_scales):
                    mix[k] += counts[u] / content * share[k] * integrals[k, u] / expected
        for k in range(n_scales):
            share[k] = mix[k]


@kernel
def _containment(share, limit):  # type: ignore[no-untyped-def]
    """Number of sigma within which `CONTAINED` of a mixture lies, at most `limit`."""
    lo, hi = 0.0, limit
    for _ in range(40):
        middle = 0.5 * (lo + hi)
        term = fmath.exp(-0.5 * middle * middle / WIDEST)
        outside = 0.0
        for k in range(share.size):
            outside += share[k] * term
            term *= term
        if outside > 1.0 - CONTAINED:
            lo = middle
        else:
            hi = middle
    return hi


@kernel
def _inside(mix, cut, factor, bins, out):  # type: ignore[no-untyped-def]
    """Share of the signal of every energy bin that has a usable sigma and is within the cut, into `out` (n_bins,)."""
    for e in range(out.size):
        out[e] = 0.0
        for b in range(bins.n_sigma):
            s = (e // bins.per_class) * bins.n_sigma + b
            variance, outside, everything = WIDEST, 0.0, 0.0
            for k in range(mix.shape[1]):
                share = mix[s, k] * variance
                everything += share
                outside += share * fmath.exp(-0.5 * cut[s] * cut[s] / variance)
                variance *= 0.5
            out[e] += factor[e * bins.n_sigma + b] * (1.0 - outside / everything)


@kernel
def _fit_all(shapes, squares, plain, pooled, integrals, limit, counts, share, mix, cut):  # type: ignore[no-untyped-def]
    """Fit every shape with its prior `pooled` (n_sigma, n_u2), rows of sum 1: coefficients of h, and cuts.

    Shapes without signal are their prior: those of one bin of sigma are the same.
    """
    for s in range(shapes.shape[0]):
        same = s - pooled.shape[0]
        while same >= 0 and plain[same] > 0.0:
            same -= pooled.shape[0]
        if same >= 0 and plain[s] == 0.0:
            mix[s], cut[s] = mix[same], cut[same]
            continue
        content = 0.0
        for u in range(counts.size):
            content += shapes[s, u]
            counts[u] = PRIOR * pooled[s % pooled.shape[0], u]
        integral = 1.0
        if content > 0.0:
            integral = content / plain[s]
            scale = content / squares[s]
            for u in range(counts.size):
                counts[u] += scale * shapes[s, u]
        _fit(counts, integrals, share, mix[s])
        cut[s] = _containment(share, limit)
        power = integral / WIDEST
        for k in range(share.size):
            mix[s, k] = share[k] * power
            power *= 2.0


def _shapes(shapes: F64, bins: Bins, limit: float) -> tuple[F64, F64]:
    """Mixtures (n_shapes, n_scales) and their cuts (n_shapes,) from histograms as in `_sort`."""
    n_u2 = shapes.shape[2]
    smooth = np.zeros((2, bins.n_classes, bins.n_sigma * n_u2))
    for part_, out in zip(shapes, smooth, strict=True):
        add_near(part_.reshape(bins.n_classes, -1), CLASS_BANDWIDTH, bins.per_class * LOG_E_STEP, out)
    integrals = np.empty((N_SCALES, n_u2))
    _integrals(integrals)
    pooled = _pooled(shapes[0].reshape(bins.n_classes, bins.n_sigma, n_u2), integrals)
    sums, (squares, plain) = smooth[0].reshape(-1, n_u2), smooth[1].reshape(-1, n_u2)[:, :2].T.copy()
    mix, cut = np.empty((len(sums), N_SCALES)), np.empty(len(sums))
    _fit_all(sums, squares, plain, pooled, integrals, limit, np.empty(n_u2), np.empty(N_SCALES), mix, cut)
    return mix, cut


def _pooled(shapes: F64, integrals: F64) -> F64:
    """The histogram of every bin of sigma over all energies (n_sigma, n_u2), with that of all sigma as prior."""
    by_sigma: F64 = np.zeros_like(shapes[0])
    for row in shapes:
        by_sigma += row
    every = np.zeros((1, shapes.shape[2]))
    for row in by_sigma:
        every[0] += row
    total = float(np.cumsum(every)[-1])
    scale = POOLED / total if total > 0.0 else 0.0
    prior, out = np.empty_like(every), np.zeros_like(by_sigma)
    with_prior(every * scale, integrals[GAUSSIAN : GAUSSIAN + 1], 1.0, prior)
    with_prior(by_sigma * scale, np.repeat(prior, len(by_sigma), axis=0), PRIOR, out)
    return np.asarray(out)


def _conditional(joint: F64, bandwidth: float, prior: F64, n_prior: float) -> F64:
    """Rows (n_bins, n_sigma + 1) of probabilities of sigma, smoothed over energies, with a prior of rows of sum 1."""
    smooth = np.zeros_like(joint)
    for part_, out in zip(joint, smooth, strict=True):
        add_near(part_, bandwidth, LOG_E_STEP, out)
    content, squares = (np.cumsum(rows, axis=1)[:, -1:] for rows in smooth)
    scale = np.divide(content, squares, out=np.zeros_like(content), where=squares > 0)
    out = np.empty_like(prior)
    with_prior(smooth[0] * scale, prior, n_prior, out)
    return out


def _factor(joint: F64, bins: Bins) -> F64:
    """s(bin of sigma | energy bin), (n_bins * n_sigma,), from weights as in `_sort`."""
    total = np.cumsum(joint[0], axis=0)[-1]
    overall = (total + 1e-4) / (float(np.cumsum(total)[-1]) + 1e-4 * total.size)
    prior = np.broadcast_to(overall, joint[0].shape).copy()
    wide = _conditional(joint, WIDE_BANDWIDTH, prior, PRIOR)
    return np.ascontiguousarray(_conditional(joint, LOG_E_BANDWIDTH, wide, PRIOR)[:, : bins.n_sigma]).reshape(-1)


class PsfTables:
    """Tables of all seasons, made when a source of their declination is asked for first.

    Parameters
    ----------
    sigma_floor, sigma_max : float, rad
    cut : float
        Largest cut, in sigma.
    extension : float, rad
        Width of the source that the likelihood assumes.
    """

    def __init__(
        self,
        seasons: tuple[Season, ...],
        grid: EnergyGrid,
        bins: Bins,
        sigma_floor: float,
        sigma_max: float,
        cut: float,
        extension: float,
    ) -> None:
        self._seasons, self._grid, self._bins = seasons, grid, bins
        self._limits = sigma_floor, sigma_max, extension
        self._cut = cut
        self._edges = [nodes(season) for season in seasons]
        self._made: dict[tuple[int, int], Stratum] = {}

    def stratum(self, season: int, k: int) -> Stratum:
        """Tables of declination bin k of a season."""
        if (season, k) not in self._made:
            soft, hard = (self._of_spectrum(season, k, gamma) for gamma in GAMMAS)
            self._made[season, k] = Stratum(
                np.stack([soft.mix, hard.mix], axis=-1),
                np.maximum(soft.cut, hard.cut),
                np.stack([soft.factor, hard.factor], axis=-1),
                np.stack([soft.inside, hard.inside]),
            )
        return self._made[season, k]

    def _of_spectrum(self, season: int, k: int, gamma: float) -> Stratum:
        bins = self._bins
        cells = cells_of(self._seasons[season], self._edges[season], k, gamma)
        joint = np.zeros((2, bins.n_bins, bins.n_sigma + 1))
        shapes = np.zeros((2, bins.n_classes * bins.n_sigma, U2_BINS + 2))
        _sort(cells.edges, cells.weight, self._grid.lo, bins, *self._limits, joint, shapes)
        mix, cut = _shapes(shapes, bins, self._cut)
        factor, inside = _factor(joint, bins), np.empty(bins.n_bins)
        _inside(mix, cut, factor, bins, inside)
        return Stratum(mix, cut, factor, inside)

    def at(self, dec: float) -> Psf:
        """Tables of a source declination, rad."""
        sin_dec = fmath.sin(dec)
        parts = []
        for j, edges in enumerate(self._edges):
            middles = 0.5 * (edges[1:] + edges[:-1])
            x = float(np.clip(sin_dec, middles[0], middles[-1]))
            k = int(np.clip(np.searchsorted(middles, x, side="right") - 1, 0, max(middles.size - 2, 0)))
            here = self.stratum(j, k)
            if middles.size > 1:
                t = (x - middles[k]) / (middles[k + 1] - middles[k])
                there = self.stratum(j, k + 1) if t > 0.0 else here
                here = Stratum(*(a * (1.0 - t) + b * t for a, b in zip(here, there, strict=True)))
            parts.append(here)
        mix, cut, factor, inside = zip(*parts, strict=True)
        return Psf(
            1.0 / WIDEST, np.concatenate(mix), np.concatenate(cut), np.concatenate(factor),
            np.concatenate(inside, axis=1),
        )  # fmt: skip
