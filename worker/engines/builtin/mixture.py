"""The tilts of a declination made ready for trials, and tilted trials of a stream; kernels: `builtin.tilted`."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.compiled import kernel
from worker.engines.builtin import maximum
from worker.engines.builtin.analysis import Analysis
from worker.engines.builtin.likelihood import hardness, workspace
from worker.engines.builtin.point import PI
from worker.engines.builtin.psf import height
from worker.engines.builtin.tables import SignalTable
from worker.engines.builtin.tilted import Mixture, following, run_tilted
from worker.engines.builtin.trials import Point, no_signal, scratch
from worker.engines.protocol import Tilt

F64 = NDArray[np.float64]

TAIL = 3
"""Version of the bits of a tilted trial, besides those that `ENGINE` of `worker.engines.builtin.engine` counts."""
PATTERN = 256
"""Shares are multiples of 1 / PATTERN, and every block of so many trials has exactly its shares."""
PANELS = 16
"""Of the integral over a window; 5 nodes each: relative error below 1e-12 for windows of 5 sigma."""
LARGEST = 0.2
"""Largest share of a season's events that a tilt moves to the source."""
N_CHECKS = 4
TAIL_DTYPE = np.dtype(
    [(name, "<f8") for name in ("ts", "ns", "gamma", "log_w", *(f"log_l{j + 1}" for j in range(N_CHECKS)))]
)


class Tilted(NamedTuple):
    """Tilted trials: rows ts, ns, gamma, ln weight, (n, 4), and ln L_k of every tilt, (n, K)."""

    rows: F64
    log_l: F64


def nodes() -> tuple[F64, F64]:
    """Nodes and weights on [0, 1] of Gauss's rule with 5 nodes in each of `PANELS` panels, (80,) each.

    From IEEE-754 operations alone: numpy's own rule comes from LAPACK, whose last bits depend on the processor.
    """
    inner, outer = (math.sqrt(5.0 + sign * 2.0 * math.sqrt(10.0 / 7.0)) / 3.0 for sign in (-1.0, 1.0))
    w_inner, w_outer = ((322.0 + sign * 13.0 * math.sqrt(70.0)) / 900.0 for sign in (1.0, -1.0))
    x = np.array([-outer, -inner, 0.0, inner, outer])
    weight = np.array([w_outer, w_inner, 128.0 / 225.0, w_inner, w_outer])
    panel = np.arange(PANELS)[:, None]
    return ((panel + 0.5 + 0.5 * x) / PANELS).ravel(), np.tile(0.5 * weight / PANELS, PANELS)


@kernel
def mean_weights(c, n_data, x, weight, out):  # type: ignore[no-untyped-def]
    """Means of the likelihood's w over uniform right ascension for each candidate, into `out` (2, n), as in `fit`.

    S has the same value on both sides of the source, so that x in [0, 1] covers half of the window.
    """
    for i in range(out.shape[1]):
        event = c.event[i]
        soft, hard = 0.0, 0.0
        for j in range(x.size):
            s = fmath.sin(x[j] * event.half_window)
            angle2 = fmath.angle2_from_chord2(4.0 * (event.sin2_ddec + event.coscos * s * s))
            a, b = height(c.psf.mix, event.psf, fmath.exp(-angle2 * event.inv_2sigma2 * c.psf.narrow))
            soft += weight[j] * a
            hard += weight[j] * b
        window = event.half_window * (2.0 / PI)
        out[0, i] = event.weight / n_data[event.season] * window * soft
        out[1, i] = event.hard / n_data[event.season] * window * hard - out[0, i]


@kernel
def _at_gamma(gamma, gammas, coef, share, table, q):  # type: ignore[no-untyped-def]
    """T of every row, not below 0, and the shares of the seasons at `gamma`."""
    step = gammas[1] - gammas[0]
    k = min(max(int((gamma - gammas[0]) / step), 0), gammas.size - 2)
    t = (gamma - gammas[k]) / step
    for r in range(table.size):
        value = coef[k, 0, r] + t * (coef[k, 1, r] + t * (coef[k, 2, r] + t * coef[k, 3, r]))
        table[r] = max(value, 0.0)
    for j in range(q.size):
        q[j] = share[k, 0, j] + t * (share[k, 1, j] + t * (share[k, 2, j] + t * share[k, 3, j]))


def pattern(counts: Sequence[int]) -> NDArray[np.int32]:
    """Order of the tilts in a block of `PATTERN` trials, (PATTERN,): van der Corput's, so that parts are balanced.

    Parameters
    ----------
    counts : sequence of int
        Trials of each in a block; their sum is `PATTERN`.
    """
    order = np.array([int(f"{i:08b}"[::-1], 2) for i in range(PATTERN)])
    return np.searchsorted(np.cumsum(counts), order, side="right").astype(np.int32)


def tilt_of(tilts: Sequence[Tilt], trial: int) -> Tilt | None:
    """Tilt that a trial is drawn from; None for a plain one."""
    counts = [round(tilt.share * PATTERN) for tilt in tilts]
    k = int(pattern([PATTERN - sum(counts), *counts])[trial % PATTERN])
    return tilts[k - 1] if k else None


def mixture_at(analysis: Analysis, point: Point, tilts: Sequence[Tilt]) -> Mixture:
    """Return the tilts at the declination of `point`, ready for trials.

    Raises
    ------
    ValueError
        Shares that are no multiples of 1/256 or leave no plain trials, or a tilt with more events than there are data.
    """
    counts = [round(tilt.share * PATTERN) for tilt in tilts]
    plain = PATTERN - sum(counts)
    if any(abs(tilt.share * PATTERN - count) > 1e-9 or count < 0 for tilt, count in zip(tilts, counts, strict=True)):
        raise ValueError(f"shares of tilts are multiples of 1/{PATTERN}, not below 0")
    if plain < 1:
        raise ValueError(f"the shares of the tilts sum to {sum(counts)}/{PATTERN}: leave at least 1/{PATTERN} plain")
    n_tilts, candidates = len(tilts), point.candidates
    n = np.array([tilt.n for tilt in tilts], np.float64)
    table, q = np.empty((n_tilts, analysis.n_rows)), np.empty((n_tilts, analysis.n_seasons))
    mean, hazard = np.empty((2, candidates.hazard.size)), np.empty((n_tilts, candidates.hazard.size))
    mean_weights(candidates, analysis.n_data, *nodes(), mean)
    log_z, hard = np.empty(n_tilts), np.array([hardness(tilt.gamma)[0] for tilt in tilts])
    for k, tilt in enumerate(tilts):
        _set_gamma(point.table, tilt.gamma, table[k], q[k])
        q[k] /= analysis.n_data
        if not tilt.n * q[k].max() < LARGEST:
            most = most_events(analysis, point, tilt.gamma)
            raise ValueError(f"a tilt of {tilt.n:g} events is too much for these data: {most:.3g} are the most")
        log_z[k] = following(candidates, mean, hard[k], tilt.n, table[k], q[k], analysis.n_data, hazard[k])
    share = np.array([plain, *counts], np.float64) / PATTERN
    return Mixture(pattern([plain, *counts]), share, n, table, q, hard, log_z, hazard)


def most_events(analysis: Analysis, point: Point, gamma: float) -> float:
    """Largest number of events of a tilt: a tenth of the events of a season, as far as its share of them goes."""
    rows, q = np.empty(analysis.n_rows), np.empty(analysis.n_seasons)
    _set_gamma(point.table, gamma, rows, q)
    return float(0.5 * LARGEST / (q / analysis.n_data).max())


def _set_gamma(table: SignalTable, gamma: float, rows: F64, q: F64) -> None:
    low, high = float(table.gammas[0]), float(table.gammas[-1])
    if not low <= gamma <= high:
        raise ValueError(f"the spectral index of a tilt is {gamma:g}: it lies between {low:g} and {high:g}, as in fits")
    _at_gamma(gamma, table.gammas, table.coef, table.share, rows, q)


def run(analysis: Analysis, point: Point, mixture: Mixture, key: tuple[int, int], first: int, n: int) -> Tilted:
    """Tilted trials first ... first + n - 1 of the stream of `key`."""
    n_candidates = point.candidates.hazard.size
    arrays = scratch(analysis, n_candidates + 9, no_signal(analysis, point.dec))
    work = workspace(arrays[0].size, analysis.n_rows, analysis.n_seasons)
    out, log_l = np.empty((n, 4)), np.empty((n, mixture.n.size))
    run_tilted(
        point.candidates, mixture, point.table, analysis.n_data, np.uint64(key[0]), np.uint64(key[1]),
        np.uint64(first), (*arrays, np.empty(n_candidates, np.int64)), work, np.empty(analysis.cuts.gammas.size),
        out, log_l,
    )  # fmt: skip
    where = f"tilted trials at dec {math.degrees(point.dec):.4g} deg"
    maximum.require(out[:, :3], where)
    return Tilted(out, log_l)


def trials(
    analysis: Analysis, point: Point, tilts: Sequence[Tilt], mixture: Mixture, key: tuple[int, int], first: int, n: int
) -> NDArray[np.void]:
    """As `run`, as rows of `TAIL_DTYPE`; the tilts have `N_CHECKS` with a share of 0."""
    made = run(analysis, point, mixture, key, first, n)
    checks = [k for k, tilt in enumerate(tilts) if tilt.share == 0.0]
    if len(checks) != N_CHECKS:
        raise ValueError(f"{len(checks)} tilts have a share of 0: there are {N_CHECKS} for checks")
    rows = np.ascontiguousarray(np.concatenate([made.rows, made.log_l[:, checks]], axis=1))
    return rows.view(TAIL_DTYPE)[:, 0]
