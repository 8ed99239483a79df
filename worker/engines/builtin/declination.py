"""Interpolation of the response in declination.

A release publishes means over bins of declination. Here the response is a continuous function of x = sin(dec) that is
tabulated at nodes. Between two nodes the number of expected events is linear in x, and so is their distribution over
the cells. (If instead the events of each cell were linear, the node with most events would decide the distribution
nearly everywhere between them, and TS would have a step at the other: soft spectra have up to 1000 times more.)

- Effective area: linear between the edges and the centres of its bins. An edge has the harmonic mean of its two bins, a
  centre the value with which the mean of the bin is the published one. The harmonic mean is at most twice the smaller
  value, so no area is negative, and it follows a steep rise, such as that of the southern sky, without an overshoot.
- Smearing, or simulated events: those of the bin that holds x. Near an edge they are mixed with those of the
  other bin: on the edge half and half, and none at a distance of half of the narrower bin (at most `RAMP`). The mean
  over a bin changes a little: probabilities of cells can only be mixed with positive weights.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.data.dataset import EffectiveArea, Season, Smearing

F64 = NDArray[np.float64]

RAMP = 0.04
"""Largest distance from an edge, in sin(dec), up to which the smearing of two bins is mixed."""
SAME = 1e-9
"""Places that are closer together, and weights that are smaller, are equal and zero."""


class Weighted(NamedTuple):
    """Number of a node or bin, and its weight."""

    number: int
    weight: float


def nodes(season: Season) -> F64:
    """Return the nodes in sin(dec), (n_nodes,), increasing from -1 to 1."""
    places = [_ramp_ends(smearing_edges(season))]
    if isinstance(season.smearing, Smearing):
        places += [_area_nodes(season.area.sin_dec)]
    x = np.sort(np.concatenate(places))
    x = x[(x > -1.0 + SAME) & (x < 1.0 - SAME)]
    x = np.concatenate([[-1.0], x, [1.0]])
    x = x[np.concatenate([[True], np.diff(x) > SAME])]
    return np.asarray(x, dtype=np.float64)


def node_weights(at: F64, dec: float) -> tuple[Weighted, ...]:
    """Return the two nodes around a declination (rad) and their weights; one if the declination is on a node.

    Parameters
    ----------
    at : ndarray (n_nodes,)
        From `nodes`.
    """
    x = fmath.sin(dec)
    i = int(np.clip(np.searchsorted(at, x, side="right") - 1, 0, len(at) - 2))
    t = min(max((x - float(at[i])) / float(at[i + 1] - at[i]), 0.0), 1.0)
    return _not_zero(Weighted(i, 1.0 - t), Weighted(i + 1, t))


def mixed(weights: tuple[Weighted, ...], totals: list[F64]) -> tuple[F64, list[F64]]:
    """Return the expected events, and the factor of the cells of each node, from the expected events at the nodes.

    Parameters
    ----------
    weights : tuple of Weighted
        From `node_weights`.
    totals : list of ndarray (n_gamma,)
        At its nodes. One where nothing is accepted has no part in the distribution.
    """
    expected = np.sum([part.weight * total for part, total in zip(weights, totals, strict=True)], axis=0)
    parts = [np.where(total > 0.0, part.weight, 0.0) for part, total in zip(weights, totals, strict=True)]
    whole = np.sum(parts, axis=0)
    scale = expected / np.where(whole > 0.0, whole, 1.0)
    return expected, [
        scale * part / np.where(total > 0.0, total, 1.0) for part, total in zip(parts, totals, strict=True)
    ]


def bin_weights(edges: F64, x: float) -> tuple[Weighted, ...]:
    """Return the bins whose smearing or simulated events are mixed at x = sin(dec), and their weights (their sum is 1).

    Parameters
    ----------
    edges : ndarray (n_bins + 1,)
        In sin(dec).
    """
    j = int(np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2))
    half = _ramps(edges)
    for other, edge, distance in ((j - 1, j, x - float(edges[j])), (j + 1, j + 1, float(edges[j + 1]) - x)):
        if 0 <= other < len(edges) - 1 and distance < half[edge]:
            share = 0.5 * (1.0 - max(distance, 0.0) / float(half[edge]))
            return _not_zero(Weighted(j, 1.0 - share), Weighted(other, share))
    return (Weighted(j, 1.0),)


def area_at(area: EffectiveArea, x: float) -> F64:
    """Effective area at x = sin(dec), (n_e,), cm^2."""
    at, values = _area_nodes(area.sin_dec), area_values(area)
    i = int(np.clip(np.searchsorted(at, x, side="right") - 1, 0, len(at) - 2))
    t = min(max((x - float(at[i])) / float(at[i + 1] - at[i]), 0.0), 1.0)
    return np.ascontiguousarray(values[:, i] * (1.0 - t) + values[:, i + 1] * t)


def area_values(area: EffectiveArea) -> F64:
    """Effective area at the edges and centres of its bins in turn, (n_e, 2 n_d + 1), cm^2."""
    a = area.area_cm2
    total = a[:, 1:] + a[:, :-1]
    edges = np.concatenate(
        [a[:, :1], 2.0 * a[:, 1:] * a[:, :-1] / np.where(total > 0.0, total, 1.0), a[:, -1:]], axis=1
    )
    out = np.empty((a.shape[0], 2 * a.shape[1] + 1))
    out[:, ::2] = edges
    out[:, 1::2] = 2.0 * a - 0.5 * (edges[:, 1:] + edges[:, :-1])
    return out


def smearing_edges(season: Season) -> F64:
    """Edges of the bins of the smearing, or of the bands of simulated events, in sin(dec)."""
    if not isinstance(season.smearing, Smearing):
        return season.smearing.sin_dec
    # not np.sin: its last bit differs between processors
    return np.array([fmath.sin(float(dec)) for dec in season.smearing.dec])


def _area_nodes(edges: F64) -> F64:
    out = np.empty(2 * len(edges) - 1)
    out[::2] = edges
    out[1::2] = 0.5 * (edges[1:] + edges[:-1])
    return out


def _ramps(edges: F64) -> F64:
    """Distance from each edge up to which two bins are mixed, (n_bins + 1,); 0 at the poles."""
    half = np.zeros(len(edges))
    width = np.diff(edges)
    half[1:-1] = np.minimum(0.5 * np.minimum(width[1:], width[:-1]), RAMP)
    return half


def _ramp_ends(edges: F64) -> F64:
    half = _ramps(edges)
    return np.asarray(np.concatenate([edges - half, edges + half]), dtype=np.float64)


def _not_zero(*parts: Weighted) -> tuple[Weighted, ...]:
    """The parts with a weight; one that is left alone has all of it."""
    kept = [part for part in parts if part.weight > SAME]
    return tuple(kept) if len(kept) > 1 else (Weighted(kept[0].number, 1.0),)
