"""Point-spread functions for the kernels: S of an event as a mixture of Gaussians, by class of energy and sigma.

S(psi) = h(x) / (2 pi sigma^2) with x = psi^2 / (2 sigma^2) and

    h(x) = sum_k mix[k] exp(-2^k x / widest),     mix[k] = a_k 2^k / widest,

where a_k is the share of signal events whose psi is Rayleigh distributed with variance (widest / 2^k) sigma^2.
``psf: gaussian`` is the same with one Gaussian, widest = 1 and a_0 = 1.

Two numbers of an event say which numbers are its own: its shape (season, class of energy, bin of sigma) and its cell
(row of the signal table, bin of sigma), which has the probability of this sigma for signal of this energy.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

N_SIGMA = 16
"""Bins of ln(sigma) between the floor and the largest usable sigma."""
PER_CLASS = 5
"""Energy bins of a class: 0.25 in log10(E)."""


class Bins(NamedTuple):
    """Bins of sigma, and classes of energy bins.

    Attributes
    ----------
    lo, step : float
        Of ln(sigma / rad).
    n_sigma : int
    n_bins : int
        Energy bins of a season.
    per_class, n_classes : int
        Energy bins of a class, classes of a season.
    """

    lo: float
    step: float
    n_sigma: int
    n_bins: int
    per_class: int
    n_classes: int

    @classmethod
    def gaussian(cls, n_bins: int) -> "Bins":
        """One bin and one class."""
        return cls(0.0, 1.0, 1, n_bins, n_bins, 1)

    @classmethod
    def of(cls, n_bins: int, sigma_floor: float, sigma_max: float) -> "Bins":
        """Bins between two angular errors, rad."""
        lo = fmath.log(sigma_floor)
        return cls(lo, (fmath.log(sigma_max) - lo) / N_SIGMA, N_SIGMA, n_bins, PER_CLASS, -(-n_bins // PER_CLASS))


class Psf(NamedTuple):
    """Point-spread functions of all seasons at one source declination.

    Attributes
    ----------
    narrow : float
        1 / widest.
    mix : ndarray (n_shapes, n_scales, 2)
        Coefficients of h, from the widest Gaussian to the narrowest, for a soft spectrum and a hard one
        (`worker.engines.builtin.likelihood.hardness`).
    cut : ndarray (n_shapes,)
        S = 0 beyond so many sigma.
    factor : ndarray (n_cells, 2)
        Probability of the bin of sigma for signal of the energy bin; 1 for `gaussian`.
    inside : ndarray (2, n_rows)
        Share of the signal of an energy bin that has a usable sigma and is within the cut; 1 for `gaussian`, which
        does not know.
    """

    narrow: float
    mix: F64
    cut: F64
    factor: F64
    inside: F64


def gaussian(n_seasons: int, n_bins: int, cut: float) -> Psf:
    """Gaussians with each event's sigma, cut at `cut` sigma, whatever sigma signal has."""
    rows = n_seasons * n_bins
    return Psf(1.0, np.ones((n_seasons, 1, 2)), np.full(n_seasons, cut), np.ones((rows, 2)), np.ones((2, rows)))


@kernel
def sigma_bin(bins, sigma):  # type: ignore[no-untyped-def]
    """Bin of an angular error (rad); those beyond the ends belong to the first or last bin."""
    if bins.n_sigma == 1:
        return 0
    left = int(math.floor((fmath.log(sigma) - bins.lo) / bins.step))  # noqa: RUF046  (a float on the device)
    return min(max(left, 0), bins.n_sigma - 1)


@kernel
def shape_of(bins, season, e, b):  # type: ignore[no-untyped-def]
    """Row of `Psf.mix` for energy bin e and sigma bin b of a season."""
    return (season * bins.n_classes + e // bins.per_class) * bins.n_sigma + b


@kernel
def cell_of(bins, row, b):  # type: ignore[no-untyped-def]
    """Place in `Psf.factor` of a row of the signal table and a bin of sigma."""
    return row * bins.n_sigma + b


@kernel
def height(mix, shape, widest_term):  # type: ignore[no-untyped-def]
    """h(x) of a shape for both spectra, given exp(-x / widest): each next term is the square of the one before."""
    soft, hard = mix[shape, 0, 0] * widest_term, mix[shape, 0, 1] * widest_term
    for k in range(1, mix.shape[1]):
        widest_term *= widest_term
        soft += mix[shape, k, 0] * widest_term
        hard += mix[shape, k, 1] * widest_term
    return soft, hard


@kernel
def sigma_probability(table, sin_dec, e, b):  # type: ignore[no-untyped-def]
    """b(bin of sigma | energy bin, sin dec) of background, linear between nodes of sin dec.

    `table` (n_nodes, n_bins, n_sigma): see `worker.engines.builtin.sigma_density`.
    """
    x = (sin_dec + 1.0) * (0.5 * (table.shape[0] - 1))
    i = min(max(int(x), 0), table.shape[0] - 2)
    t = x - i
    return table[i, e, b] * (1.0 - t) + table[i + 1, e, b] * t
