"""Mixtures of Gaussians of sigma that follow histograms of psi / sigma.

Their variances differ by factors of 2. The shares are found by expectation maximisation (Dempster, Laird and Rubin
1977), which is stopped after `STEPS`: positive and falling with psi, and no single cell or event decides them.
"""

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel
from worker.engines.builtin.background import LOG_E_STEP
from worker.engines.builtin.psf import Bins
from worker.engines.builtin.psf_cells import LEAST_U2
from worker.engines.builtin.sigma_density import PRIOR, add_near, with_prior

F64 = NDArray[np.float64]

WIDEST = 32.0
"""Variance of the widest Gaussian in sigma^2."""
N_SCALES = 8
GAUSSIAN = 5
"""The scale of variance sigma^2: without any signal, S is a Gaussian."""
POOLED = 1e4
"""Events that the histograms over all energies stand for."""
STEPS = 100
CONTAINED = 0.999
CLASS_BANDWIDTH = 0.15
"""In log_e, over neighbouring classes of energy."""


@kernel
def integrals_of(out):  # type: ignore[no-untyped-def]
    """Probability of every bin of (psi / sigma)^2 for each Gaussian, into `out` (n_u2, n_scales)."""
    for k in range(out.shape[1]):
        variance = WIDEST
        for _ in range(k):
            variance *= 0.5
        left = 1.0
        edge = LEAST_U2
        for u in range(out.shape[0]):
            right = fmath.exp(-0.5 * edge / variance) if u < out.shape[0] - 1 else 0.0
            out[u, k] = left - right
            left = right
            edge *= 1.4142135623730951


@kernel
def fit(counts, integrals, share, mix):  # type: ignore[no-untyped-def]
    """Shares of the Gaussians in a histogram (n_u2,) by expectation maximisation, into `share`; `mix` is scratch."""
    n_u2, n_scales = integrals.shape
    content = 0.0
    for u in range(n_u2):
        content += counts[u]
    for k in range(n_scales):
        share[k] = 1.0 / n_scales
    for _ in range(STEPS):
        for k in range(n_scales):
            mix[k] = 0.0
        for u in range(n_u2):
            if counts[u] > 0.0:
                row = integrals[u]  # a row of all Gaussians: so the loops over them vectorise
                expected = 0.0
                for k in range(n_scales):
                    expected += share[k] * row[k]
                part = counts[u] / content
                for k in range(n_scales):
                    mix[k] += part * share[k] * row[k] / expected
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
        fit(counts, integrals, share, mix[s])
        cut[s] = _containment(share, limit)
        power = integral / WIDEST
        for k in range(share.size):
            mix[s, k] = share[k] * power
            power *= 2.0


def shapes_of(shapes: F64, bins: Bins, limit: float) -> tuple[F64, F64]:
    """Mixtures (n_shapes, n_scales) and their cuts (n_shapes,) from histograms as in `psf_cells.sort`."""
    n_u2 = shapes.shape[2]
    smooth = np.zeros((2, bins.n_classes, bins.n_sigma * n_u2))
    for part_, out in zip(shapes, smooth, strict=True):
        add_near(part_.reshape(bins.n_classes, -1), CLASS_BANDWIDTH, bins.per_class * LOG_E_STEP, out)
    integrals = np.empty((n_u2, N_SCALES))
    integrals_of(integrals)
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
    with_prior(every * scale, integrals[:, GAUSSIAN][None].copy(), 1.0, prior)
    with_prior(by_sigma * scale, np.repeat(prior, len(by_sigma), axis=0), PRIOR, out)
    return np.asarray(out)
