"""The point-spread function of a source as curves: density of psi / sigma of signal at three energies."""

import numpy as np
from numpy.typing import NDArray

from worker.engines.builtin.analysis import Analysis, psf_at, table_at
from worker.engines.builtin.likelihood import hardness
from worker.engines.protocol import SpreadCurves

F64 = NDArray[np.float64]

QUANTILES = (0.1, 0.5, 0.9)
"""Of the energy of the signal, between which its curves lie."""
RATIO = np.linspace(0.0, 5.0, 251)
"""psi / sigma of the curves."""


def curves(analysis: Analysis, dec: float, gamma: float) -> SpreadCurves:
    """Density of psi / sigma at a declination (rad), for a power law.

    Each curve is that of the season with most signal, at the energy that a quantile of its signal lies below, over all
    sigma that signal of this energy has: sum_b s(b | E) h_b(u^2 / 2) u / sum_b s(b | E).
    """
    psf, table, groups, n = psf_at(analysis, dec), table_at(analysis, dec), analysis.bins, analysis.grid.n
    signal = table.node[:, int(np.argmin(np.abs(table.gammas - gamma)))].reshape(analysis.n_seasons, n)
    j = int(np.argmax(signal.sum(axis=1)))
    below = np.cumsum(signal[j]) / max(float(signal[j].sum()), 1e-300)
    m = float(hardness(gamma)[0])
    mix, factor = (values[..., 0] + m * (values[..., 1] - values[..., 0]) for values in (psf.mix, psf.factor))
    energies, density = [], []
    for q in QUANTILES:
        e = min(int(np.searchsorted(below, q)), n - 1)
        weight = factor[(j * n + e) * groups.n_sigma :][: groups.n_sigma]
        first = (j * groups.n_classes + e // groups.per_class) * groups.n_sigma
        shape = weight @ mix[first : first + groups.n_sigma] / weight.sum()
        powers = np.exp(-0.5 * RATIO[:, None] ** 2 * psf.narrow * 2.0 ** np.arange(mix.shape[1]))
        energies.append(float(analysis.grid.edges[e]))
        density.append(RATIO * (powers @ shape))
    return SpreadCurves(analysis.dataset.seasons[j].name, np.array(energies), RATIO, np.array(density))
