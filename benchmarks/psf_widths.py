"""`python -m benchmarks.psf_widths RUN`: do the widths of the tables of ``psf: response`` suit the data?

RUN is a prepared run directory. Log-likelihood of held-out events, a fifth at a time, under the tables of the other
four fifths, for the chosen widths and for neighbouring ones. Printed is the gain over the chosen width, with an error
from its spread over the events (signal: over declination bins and parts):

- background: b(sigma | E, sin dec), of all events together, and chi2 of their counts in 20 bands of sin(dec) with
  sigma above and below its median at the energy;
- signal: s(sigma | E) and p(psi / sigma | E, sigma) of the cells of the response, which are its simulated events, per
  1,000 events of gamma = 3.2 and 2: the mean over six bins of declination of each season.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.psf import CUTS
from worker.data.dataset import Dataset
from worker.data.prepared import unpack
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import psf_cells, psf_mixture, psf_tables, sigma_density
from worker.rundir import layout, store

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Names = tuple[tuple[ModuleType, str], ...]

PARTS = 5
FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0)
N_DECS = 6
BACKGROUND: dict[str, Names] = {
    name: ((sigma_density, name),) for name in ("SIN_DEC_BANDWIDTH", "LOG_E_BANDWIDTH", "WIDE_BANDWIDTH", "PRIOR")
}
SIGNAL: dict[str, Names] = {
    "LOG_E_BANDWIDTH": ((psf_tables, "LOG_E_BANDWIDTH"),),
    "WIDE_BANDWIDTH": ((psf_tables, "WIDE_BANDWIDTH"),),
    "CLASS_BANDWIDTH": ((psf_mixture, "CLASS_BANDWIDTH"),),
    "POOLED": ((psf_mixture, "POOLED"),),
}


def differences(names: Names, score: Callable[[], F64]) -> Iterator[tuple[float, float, float]]:
    """Value of a width, and the sum and error of the gain over the chosen width."""
    chosen = score()
    for factor in FACTORS:
        value = factor * float(getattr(*names[0]))
        with ExitStack() as stack:
            for module, name in names:
                stack.enter_context(patch.object(module, name, value))
            gain = score() - chosen
        yield value, float(gain.sum()), float(gain.std() * np.sqrt(gain.size))


def background(analysis: engine.Analysis, j: int) -> F64:
    """Held-out log-likelihood of the bin of sigma of every event of a season."""
    sin_dec, bins, column = described(analysis, j)
    part, out = np.random.default_rng(1).integers(PARTS, size=bins.size), np.empty(bins.size)
    for k in range(PARTS):
        train, held = part != k, part == k
        table = sigma_density.estimate(sin_dec[train], bins[train], column[train], analysis.bins)
        out[held] = np.log(at(table, sin_dec[held], bins[held], column[held]))
    return out


def described(analysis: engine.Analysis, j: int) -> tuple[F64, I64, I64]:
    """Sin(dec), energy bin and bin of sigma of every event of a season."""
    events, grid, groups = analysis.dataset.seasons[j].events, analysis.grid, analysis.bins
    n = events.dec.size
    sin_dec, bins, column = np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64)
    engine._describe(events.dec, events.log_e, grid.lo, grid.n, sin_dec, bins)
    measured = events.sigma.astype(np.float64)
    engine._sigma_bins(groups, np.maximum(measured, CUTS.sigma_floor), column)
    usable = (measured > 0) & (measured <= CUTS.sigma_max * (1 + 1e-6))
    return sin_dec, bins, np.where(usable, column, groups.n_sigma)


def at(table: F64, sin_dec: F64, bins: I64, column: I64) -> F64:
    """Probability of each event's bin of sigma; the last column is what the others leave."""
    whole = np.concatenate([table, 1.0 - table.sum(axis=-1, keepdims=True)], axis=-1)
    x = (sin_dec + 1.0) * 0.5 * (len(table) - 1)
    k = np.clip(x.astype(int), 0, len(table) - 2)
    return np.asarray(whole[k, bins, column] * (1.0 - x + k) + whole[k + 1, bins, column] * (x - k))


def chi2(analysis: engine.Analysis, j: int) -> tuple[float, int, float]:
    """Chi2, its bands and the largest difference (relative) of events with sigma below the median, in 20 bands.

    The density has seen these events.
    """
    sin_dec, bins, column = described(analysis, j)
    table = analysis.sigma[j]
    below = np.array([at(table, sin_dec, bins, np.full(bins.size, b)) for b in range(analysis.bins.n_sigma)])
    cumulative = np.cumsum(below, axis=0)
    middle = np.argmax(cumulative > 0.5, axis=0)
    p = cumulative[middle, np.arange(bins.size)]
    band = np.minimum(((sin_dec + 1.0) * 10.0).astype(int), 19)
    found, expected, variance = (
        np.bincount(band, values, 20) for values in ((column <= middle).astype(float), p, p * (1.0 - p))
    )
    some = variance > 5.0
    off = (found - expected)[some]
    return float((off**2 / variance[some]).sum()), int(some.sum()), float(np.abs(off / expected[some]).max())


class Cells:
    """Cells of declination bins of a season, each in one of `PARTS` parts."""

    def __init__(self, analysis: engine.Analysis, j: int, gamma: float) -> None:
        season = analysis.dataset.seasons[j]
        edges = psf_cells.nodes(season)
        self.bins, self.cut = analysis.bins, analysis.cuts.cut
        self.sorted: list[list[tuple[F64, F64]]] = []
        for k in np.linspace(1, len(edges) - 3, N_DECS).astype(int):
            cells = psf_cells.cells_of(season, edges, int(k), gamma)
            part = np.random.default_rng(2).integers(PARTS, size=cells.weight.size)
            self.sorted.append([self._sort(analysis, cells, part == p) for p in range(PARTS)])

    def _sort(self, analysis: engine.Analysis, cells: psf_cells.Cells, some: NDArray[np.bool_]) -> tuple[F64, F64]:
        bins, cuts = self.bins, analysis.cuts
        joint = np.zeros((2, bins.n_bins, bins.n_sigma + 1))
        shapes = np.zeros((2, bins.n_classes * bins.n_sigma, psf_cells.U2_BINS + 2))
        limits = (cuts.sigma_floor, cuts.sigma_max, cuts.extension)
        psf_cells.sort(cells.edges[some], cells.weight[some], analysis.grid.lo, bins, *limits, joint, shapes)
        return joint, shapes

    def sigma(self) -> F64:
        """Held-out log-likelihood of the bin of sigma, per 1,000 events, of every declination bin and part."""
        return self._score(0, self._sigma)

    def psi(self) -> F64:
        """The same of the bin of psi / sigma."""
        return self._score(1, self._psi)

    def _score(self, i: int, log_p: Callable[[F64], F64]) -> F64:
        out = []
        for parts in self.sorted:
            total: Any = sum(part[i] for part in parts)
            for part in parts:
                held = part[i][0]
                if i == 1:  # as the density on the sphere
                    held = held / max(float(held.sum()), 1e-300)
                out.append(1000.0 / N_DECS * float((held * log_p(total - part[i])).sum()) / PARTS**i)
        return np.array(out)

    def _sigma(self, joint: F64) -> F64:
        rows = psf_tables._factor(joint, self.bins).reshape(-1, self.bins.n_sigma)
        return np.log(np.concatenate([rows, 1.0 - rows.sum(axis=1, keepdims=True)], axis=1))

    def _psi(self, shapes: F64) -> F64:
        mix, _ = psf_mixture.shapes_of(shapes, self.bins, self.cut)
        share = mix * psf_mixture.WIDEST / 2.0 ** np.arange(psf_mixture.N_SCALES)
        integrals = np.empty((shapes.shape[2], psf_mixture.N_SCALES))
        psf_mixture.integrals_of(integrals)
        return np.log((share / share.sum(axis=1, keepdims=True)) @ integrals.T)


def rows(dataset: Dataset) -> Iterator[str]:
    """Lines of the tables of docs/engine.md."""
    analysis = engine.build(dataset, CUTS._replace(psf="response"))
    yield "| what | width | " + " | ".join(f"x {factor:g}" for factor in FACTORS) + " |"
    yield "|---|---|" + "---|" * len(FACTORS)
    seasons = range(analysis.n_seasons)
    for name, names in BACKGROUND.items():
        yield _row("b(sigma)", name, names, lambda: np.concatenate([background(analysis, j) for j in seasons]))
    for gamma in psf_tables.GAMMAS:
        cells = [Cells(analysis, j, gamma) for j in seasons]
        for name, names in SIGNAL.items():
            of_psi = names[0][0] is psf_mixture
            what = f"{'p(psi / sigma)' if of_psi else 's(sigma)'}, gamma {gamma:g}"
            yield _row(what, name, names, lambda cells=cells, of_psi=of_psi: _scores(cells, of_psi))  # type: ignore[misc]
    yield ""
    for j, season in enumerate(dataset.seasons):
        found, n, most = chi2(analysis, j)
        yield (
            f"chi2 of events with sigma below its median in bands of sin(dec), {season.name}: {found:.1f} of {n}, "
            f"largest difference {100 * most:.1f} %"
        )


def _scores(cells: list[Cells], of_psi: bool) -> F64:
    return np.concatenate([one.psi() if of_psi else one.sigma() for one in cells]) / len(cells)


def _row(what: str, name: str, names: Names, score: Callable[[], F64]) -> str:
    found = list(differences(names, score))
    cells = " | ".join(f"{value:.3g}: {gain:+.1f} ± {error:.1f}" for value, gain, error in found)
    return f"| {what} | `{name}` | {cells} |"


def main(run: Path) -> None:
    """Print the tables."""
    for line in rows(unpack(store.load_arrays(run, layout.DATA))):
        print(line, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
