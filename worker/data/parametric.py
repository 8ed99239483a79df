"""A smearing matrix from formulas, for data without one.

Three steps, each given the ones before: the energy proxy is split normal around a median, the angular
error log-normal around a median at these energies, and psi / sigma follows P(> u) = (1 + u^2 / (2 b a^2))^-b,
which is a two-dimensional Gaussian of width a for b -> infinity and has a tail for small b.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from worker.data.dataset import F64, Smearing

PROXY_Z = np.linspace(-2.4, 2.4, 11)
"""Edges of the proxy cells in units of the width on their side."""
PSI_CDF = np.array([0, 0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.96, 0.99])
"""Edges of the psi cells: quantiles."""
FLOOR_DEG = 0.2
SIGMA_EDGES_DEG = np.array([0.2, 0.24, 0.3, 0.38, 0.5, 0.65, 0.85, 1.1, 1.5, 2.1, 3.0, 4.7, 8.0])
"""Edges of the sigma cells; what is below the first goes into the first cell."""
RAYLEIGH_MEDIAN = 1.1774100225154747
_PRUNE = 1e-5


class Model(NamedTuple):
    """Formulas of a smearing matrix; declinations are given as their sines.

    Attributes
    ----------
    proxy : callable (log_e_nu, sin_dec) -> (median, width below, width above)
        Of log10(E / GeV).
    sigma_deg : callable (log_e_nu, log_e, sin_dec) -> (median in deg, width of the logarithm)
    pull : callable (log_e_nu, sin_dec) -> (scale a, shape b)
        Of psi / sigma.
    """

    proxy: Callable[[float, float], tuple[float, float, float]]
    sigma_deg: Callable[[float, float, float], tuple[float, float]]
    pull: Callable[[float, float], tuple[float, float]]


def build_smearing(log_e_nu: F64, dec: F64, model: Model) -> Smearing:
    """Evaluate a model at the centres of (E_nu, dec) bins.

    Parameters
    ----------
    log_e_nu : ndarray (n_e + 1,)
        Edges.
    dec : ndarray (n_d + 1,), rad
        Edges.

    Returns
    -------
    Smearing
        Weights of every bin sum to 1; cells lighter than 1e-5 of their bin are left out.
    """
    sin_dec = np.sin(dec)
    bins = [
        _bin_cells((e0 + e1) / 2, (s0 + s1) / 2, model) for e0, e1 in pairwise(log_e_nu) for s0, s1 in pairwise(sin_dec)
    ]
    start = np.concatenate([[0], np.cumsum([len(cells) for cells in bins])]).astype(np.int64)
    return Smearing(np.asarray(log_e_nu, float), np.asarray(dec, float), start, np.concatenate(bins))


def _bin_cells(log_e_nu: float, sin_dec: float, model: Model) -> np.ndarray:
    """Cells of one (E_nu, dec) bin, (n, 7), float32."""
    median, below, above = model.proxy(log_e_nu, sin_dec)
    log_e = median + PROXY_Z * np.where(PROXY_Z < 0, below, above)
    p_proxy = np.diff(ndtr(PROXY_Z))
    cells = []
    for lo, hi, p in zip(log_e[:-1], log_e[1:], p_proxy, strict=True):
        sigma_median, width = model.sigma_deg(log_e_nu, (lo + hi) / 2, sin_dec)
        for k, (share, latent) in enumerate(_sigma_shares(sigma_median, width)):
            psi = np.minimum(latent * _pull_quantiles(*model.pull(log_e_nu, sin_dec)), 180.0)
            block = np.empty((len(psi) - 1, 7))
            block[:, 0:2] = lo, hi
            block[:, 2], block[:, 3] = np.deg2rad(psi[:-1]), np.deg2rad(psi[1:])
            block[:, 4:6] = np.deg2rad(SIGMA_EDGES_DEG[k : k + 2])
            block[:, 6] = p * share * np.diff(PSI_CDF)
            cells.append(block)
    out = np.concatenate(cells)
    out[:, 6] /= out[:, 6].sum()
    out = out[out[:, 6] > _PRUNE]
    out[:, 6] /= out[:, 6].sum()
    return out.astype(np.float32)


def _sigma_shares(median: float, width: float) -> list[tuple[float, float]]:
    """Probability of each sigma cell and the median unfloored sigma (deg) in it."""
    z = (np.log(SIGMA_EDGES_DEG) - np.log(median)) / width
    below = ndtr(z)
    below[0] = 0.0
    share = np.diff(below)
    middle = np.sqrt(SIGMA_EDGES_DEG[:-1] * SIGMA_EDGES_DEG[1:])
    # an event on the floor is better measured than the floor says
    middle[0] = min(middle[0], np.sqrt(FLOOR_DEG * min(median, FLOOR_DEG)))
    return list(zip(share, middle, strict=True))


def _pull_quantiles(scale: float, shape: float) -> F64:
    tail = 1 - PSI_CDF
    return np.asarray(scale * np.sqrt(2 * shape * (tail ** (-1 / shape) - 1)))
