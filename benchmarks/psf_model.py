"""Signal drawn from the densities of the likelihood instead of the response, as a control of the bias of ns.

If the fitted number of events differs from the injected one with this signal too, the estimate itself is the reason
(ns >= 0, a free gamma, few events), not the densities.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.engines.builtin import analysis as engine
from worker.engines.builtin import trials
from worker.engines.builtin.background import LOG_E_STEP
from worker.engines.builtin.inject import Injector
from worker.engines.builtin.likelihood import hardness
from worker.engines.builtin.psf import Psf, cell_of, shape_of
from worker.engines.builtin.psf_mixture import N_SCALES, WIDEST
from worker.engines.builtin.response import Spectrum

F64 = NDArray[np.float64]

N_RINGS = 48
"""Parts of psi / sigma of a shape, each with events at uniform psi."""
FAR = (0.5, 0.6)
"""Distances (rad) of signal without S: beyond the cut, or without a usable sigma."""


def injector(analysis: engine.Analysis, dec: float, gamma: float, n: int) -> Injector:
    """Exactly `n` events of a source at `dec` (rad), drawn from the densities of the likelihood."""
    point, table = engine.psf_at(analysis, dec), engine.table_at(analysis, dec)
    step = table.gammas[1] - table.gammas[0]
    k = min(int((gamma - table.gammas[0]) / step), len(table.gammas) - 2)
    t = (gamma - table.gammas[k]) / step
    rows = sum(table.coef[k, power] * t**power for power in range(4))
    parts = [
        _of_bin(analysis, point, season, e, float(rows[season * analysis.grid.n + e]), hardness(gamma)[0])
        for season in range(analysis.n_seasons)
        for e in range(analysis.grid.n)
    ]
    cells, weight, season_ = (np.concatenate(column) for column in zip(*parts, strict=True))
    cdf = np.cumsum(np.maximum(weight, 0.0))
    drawn = trials.injector_at(analysis, dec, Spectrum(gamma), float(n), False)
    return drawn._replace(cell_cdf=cdf / cdf[-1], cells=cells.astype(np.float32), season=season_.astype(np.int32))


def _of_bin(analysis: engine.Analysis, psf: Psf, season: int, e: int, content: float, m: float) -> tuple[Any, ...]:
    """Cells, probabilities and seasons of one energy bin of a season, which has `content` of all signal."""
    bins, lo = analysis.bins, analysis.grid.lo + e * LOG_E_STEP
    variance = WIDEST / 2.0 ** np.arange(N_SCALES)
    cells, weight = [], []
    for b in range(bins.n_sigma):
        shape, (soft, hard) = shape_of(bins, season, e, b), psf.factor[cell_of(bins, season * bins.n_bins + e, b)]
        share = ((1.0 - m) * soft * psf.mix[shape, :, 0] + m * hard * psf.mix[shape, :, 1]) * variance
        sigma = np.exp(bins.lo + (b + 0.5) * bins.step)
        r = np.concatenate([[0.0], np.geomspace(0.02, psf.cut[shape], N_RINGS)])
        inside = (share * (1.0 - np.exp(-0.5 * r[:, None] ** 2 / variance))).sum(axis=1)
        weight.append(content * np.diff(inside))
        cells.append(_cells(lo, r[:-1] * sigma, r[1:] * sigma, sigma))
    weight.append(np.array([content - np.concatenate(weight).sum()]))
    cells.append(_cells(lo, np.array([FAR[0]]), np.array([FAR[1]]), 1.0))
    together = np.concatenate(weight)
    return np.concatenate(cells), together, np.full(together.size, season)


def _cells(lo: float, near: F64, far: F64, sigma: float) -> F64:
    """Cells of `Injector` with one energy bin and one sigma, between distances `near` and `far`, rad."""
    fixed = np.broadcast_to([lo, lo + LOG_E_STEP, sigma, sigma, 0.0, 1.0], (near.size, 6))
    return np.column_stack([fixed[:, :2], near, far, fixed[:, 2:]])


def effective_number(analysis: engine.Analysis, dec: float, gamma: float) -> float:
    """How many cells of the response, equally weighted, would say as much: (sum of weights)^2 / sum of squares."""
    _, _, weight = engine.signal_cells(analysis, dec, Spectrum(gamma))
    return float(weight.sum() ** 2 / (weight**2).sum())
