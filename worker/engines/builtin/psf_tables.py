"""Point-spread functions and sigma of signal from the response: p(psi / sigma | E, sigma, dec) and s(sigma | E, dec).

Both hold for an observed energy E. They depend on the spectrum a little, since it decides which neutrino energies are
behind an observed one: they are tabulated for a soft and a hard spectrum, and mixed for those between
(`worker.engines.builtin.likelihood.hardness`). They are tabulated in declination bins of the response, and linear in
sin dec between the centres of these bins.

- psi / sigma of a class of energy and a bin of sigma is histogrammed (`psf_cells`), smoothed over neighbouring classes
  and given `PRIOR` events of the same sigma and all energies beforehand; a mixture of Gaussians follows it
  (`psf_mixture`).
- S ends where `psf_mixture.CONTAINED` of the signal is inside, and never beyond ``likelihood.cut_n_sigma``.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel
from worker.data.dataset import Season
from worker.engines.builtin import psf_cells, psf_mixture
from worker.engines.builtin.background import LOG_E_STEP, EnergyGrid
from worker.engines.builtin.likelihood import HARD, SOFT
from worker.engines.builtin.psf import Bins, Psf
from worker.engines.builtin.psf_mixture import N_SCALES, WIDEST
from worker.engines.builtin.sigma_density import LOG_E_BANDWIDTH, PRIOR, WIDE_BANDWIDTH, add_near, with_prior

F64 = NDArray[np.float64]

GAMMAS = (SOFT, HARD)


class Stratum(NamedTuple):
    """Tables of one season and declination bin, as in `worker.engines.builtin.psf.Psf`."""

    mix: F64
    cut: F64
    factor: F64
    inside: F64

    @classmethod
    def of_flat(cls, flat: F64, bins: Bins) -> "Stratum":
        """Inverse of `flat`; ValueError if it has another length."""
        n_shapes = bins.n_classes * bins.n_sigma
        shapes = (n_shapes, N_SCALES, 2), (n_shapes,), (bins.n_bins * bins.n_sigma, 2), (2, bins.n_bins)
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        if flat.shape != (ends[-1],):
            raise ValueError(f"a table of the point-spread function has the shape {flat.shape}, not ({ends[-1]},)")
        return cls(*(part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)))

    def flat(self) -> F64:
        """All tables in one array."""
        return np.concatenate([part.ravel() for part in self])


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
    """s(bin of sigma | energy bin), (n_bins * n_sigma,), from weights as in `psf_cells.sort`."""
    total = np.cumsum(joint[0], axis=0)[-1]
    overall = (total + 1e-4) / (float(np.cumsum(total)[-1]) + 1e-4 * total.size)
    prior = np.broadcast_to(overall, joint[0].shape).copy()
    wide = _conditional(joint, WIDE_BANDWIDTH, prior, PRIOR)
    return np.ascontiguousarray(_conditional(joint, LOG_E_BANDWIDTH, wide, PRIOR)[:, : bins.n_sigma]).reshape(-1)


def _name(season: int, k: int) -> str:
    return f"psf{season}.{k}"


class PsfTables:
    """Tables of all seasons, read or made when a source of their declination is asked for first.

    Seasons that have the same response (the same arrays) share them.

    Parameters
    ----------
    sigma_floor, sigma_max : float, rad
    cut : float
        Largest cut, in sigma.
    extension : float, rad
        Width of the source that the likelihood assumes.
    kept : mapping of str to ndarray
        What `kept` returned for the same data and likelihood, or a part of it.
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
        kept: Mapping[str, F64],
    ) -> None:
        self._seasons, self._grid, self._bins = seasons, grid, bins
        self._limits = sigma_floor, sigma_max, extension
        self._cut, self._kept = cut, kept
        responses = [(id(season.area), id(season.smearing)) for season in seasons]
        self._first = [responses.index(response) for response in responses]
        self._edges = [psf_cells.nodes(season) for season in seasons]
        self._made: dict[tuple[int, int], Stratum] = {}

    def stratum(self, season: int, k: int) -> Stratum:
        """Tables of declination bin k of a season."""
        season = self._first[season]
        if (season, k) not in self._made:
            flat = self._kept.get(_name(season, k))
            self._made[season, k] = self._make(season, k) if flat is None else Stratum.of_flat(flat, self._bins)
        return self._made[season, k]

    def kept(self) -> dict[str, F64]:
        """All tables that were asked for, to be kept in a file."""
        return {_name(*key): stratum.flat() for key, stratum in self._made.items()}

    def _make(self, season: int, k: int) -> Stratum:
        soft, hard = (self._of_spectrum(season, k, gamma) for gamma in GAMMAS)
        return Stratum(
            np.stack([soft.mix, hard.mix], axis=-1),
            np.maximum(soft.cut, hard.cut),
            np.stack([soft.factor, hard.factor], axis=-1),
            np.stack([soft.inside, hard.inside]),
        )

    def _of_spectrum(self, season: int, k: int, gamma: float) -> Stratum:
        bins = self._bins
        cells = psf_cells.cells_of(self._seasons[season], self._edges[season], k, gamma)
        joint = np.zeros((2, bins.n_bins, bins.n_sigma + 1))
        shapes = np.zeros((2, bins.n_classes * bins.n_sigma, psf_cells.U2_BINS + 2))
        psf_cells.sort(cells.edges, cells.weight, self._grid.lo, bins, *self._limits, joint, shapes)
        mix, cut = psf_mixture.shapes_of(shapes, bins, self._cut)
        factor, inside = _factor(joint, bins), np.empty(bins.n_bins)
        _inside(mix, cut, factor, bins, inside)
        return Stratum(mix, cut, factor, inside)

    def parts(self, season: int, dec: float) -> tuple[Stratum, Stratum, float]:
        """Tables of the bins around a source declination (rad), and the weight of the second one."""
        edges = self._edges[season]
        middles = 0.5 * (edges[1:] + edges[:-1])
        x = float(np.clip(fmath.sin(dec), middles[0], middles[-1]))
        k = int(np.clip(np.searchsorted(middles, x, side="right") - 1, 0, max(middles.size - 2, 0)))
        here = self.stratum(season, k)
        if middles.size == 1:
            return here, here, 0.0
        t = float((x - middles[k]) / (middles[k + 1] - middles[k]))
        return here, self.stratum(season, k + 1) if t > 0.0 else here, t

    def at(self, dec: float) -> Psf:
        """Tables of a source declination, rad."""
        parts = []
        for j in range(len(self._edges)):
            here, there, t = self.parts(j, dec)
            parts.append(Stratum(*(a * (1.0 - t) + b * t for a, b in zip(here, there, strict=True))))
        mix, cut, factor, inside = zip(*parts, strict=True)
        return Psf(
            1.0 / WIDEST, np.concatenate(mix), np.concatenate(cut), np.concatenate(factor),
            np.concatenate(inside, axis=1),
        )  # fmt: skip
