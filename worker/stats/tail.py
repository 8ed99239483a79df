"""Tail of a TS distribution from weighted (tilted) trials: p-values, thresholds, and their errors.

p(t) = (1 / M) sum_j w_j 1(TS_j >= t) over M trials with weights w = dP / dQ; its variance is
(mean(w^2 1) - p^2) / M, its effective number of trials (sum w 1)^2 / sum w^2 1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.significance import PValue, p_to_nsigma

F64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tilted:
    """Tilted background trials.

    Attributes
    ----------
    ts : ndarray (n,)
        TS of all trials, increasing.
    log_w : ndarray (n,)
        Ln of their weights.
    """

    ts: F64
    log_w: F64

    def __post_init__(self) -> None:
        good = len(self.ts) and len(self.ts) == len(self.log_w) and np.all(np.diff(self.ts) >= 0)
        if not (good and self.ts[0] >= 0 and np.isfinite(self.ts[-1]) and np.all(np.isfinite(self.log_w))):
            raise InputError(
                f"{len(self.ts)} tilted trials with {len(self.log_w)} weights: TS must be finite, >= 0 and sorted, and "
                "every weight finite; collect them again"
            )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self | None:
        """The tilted trials of a collected file; None if it has none."""
        return cls(arrays["tail_ts"], arrays["tail_log_w"]) if "tail_ts" in arrays else None

    @property
    def n(self) -> int:
        """All trials."""
        return len(self.ts)

    @cached_property
    def _sums(self) -> tuple[F64, F64]:
        """Sums of w and of w^2 over each trial and all those above it, (n,)."""
        w = np.exp(self.log_w[::-1])
        return np.cumsum(w)[::-1], np.cumsum(w * w)[::-1]

    def _first(self, ts: F64) -> NDArray[np.int64]:
        """Index of the first trial at or above each TS; that of the last trial for a TS beyond it."""
        return np.minimum(np.searchsorted(self.ts, ts, side="left"), self.n - 1)

    def sf(self, ts: F64) -> F64:
        """P(TS >= ts); beyond the last trial that of the last trial, which is an upper limit. NaN for NaN."""
        p: F64 = self._sums[0][self._first(ts)] / self.n
        return np.where(np.isnan(ts), np.nan, p)

    def error(self, ts: float) -> float:
        """Standard error of `sf`."""
        i = int(self._first(np.asarray(ts)))
        p, square = self._sums[0][i] / self.n, self._sums[1][i] / self.n
        return math.sqrt(max(square - p * p, 0.0) / self.n)

    def n_effective(self, ts: float) -> float:
        """Effective number of trials at or above a TS: as many plain ones would have the same error."""
        i = int(self._first(np.asarray(ts)))
        return float(self._sums[0][i] ** 2 / self._sums[1][i])

    def largest_share(self, ts: float) -> float:
        """Share of the trial with the largest weight in `sf`."""
        i = int(self._first(np.asarray(ts)))
        return float(np.exp(self.log_w[i:].max()) / self._sums[0][i])

    def isf(self, p: F64) -> F64:
        """Largest TS of a trial with ``sf(ts) >= p``.

        Raises
        ------
        TooFewTrialsError
            p is smaller than that of the last trial: nothing is extrapolated.
        """
        tail = self._sums[0] / self.n
        if np.any(p < tail[-1]):
            worst = float(np.min(p))
            raise TooFewTrialsError(
                f"p = {worst:.3g} ({float(p_to_nsigma(worst)):.2f} sigma) is beyond the last of {self.n} tilted trials "
                f"(TS = {self.ts[-1]:.4g}, p = {tail[-1]:.3g}): raise background.n_tail_trials"
            )
        return np.asarray(self.ts[np.maximum(self.n - np.searchsorted(tail[::-1], p, side="left") - 1, 0)])

    def isf_error(self, p: float) -> float:
        """Standard error of `isf`: that of ln p over the slope of ln p in TS, over half a unit of ln p to each side."""
        ts, factor = float(self.isf(np.asarray(p))), math.exp(0.5)
        near = float(self.isf(np.asarray(min(p * factor, self.sf(np.asarray(0.0))))))
        smallest = float(self._sums[0][-1] / self.n)
        low = max(p / factor, smallest)
        far = float(self.isf(np.asarray(low)))
        width = math.log(min(p * factor, 1.0) / low)
        return self.error(ts) / float(self.sf(np.asarray(ts))) * (far - near) / width


class Counted(NamedTuple):
    """Survival function from plain trials and, beyond the TS where tilted ones are more precise, those.

    P(TS >= t) is the tilted trials' beyond `joint`, and the fraction of plain trials in [t, joint) plus that of the
    tilted ones at `joint` before it: every TS is counted once, by one kind of trial, so the sum is unbiased.

    Attributes
    ----------
    n : int
        All plain trials.
    ts : ndarray (n_positive,)
        Their positive TS, increasing.
    joint : float
        TS at which tilted trials take over.
    tilted : Tilted
    """

    n: int
    ts: F64
    joint: float
    tilted: Tilted

    @property
    def _above(self) -> int:
        """Plain trials at or above the joint."""
        return len(self.ts) - int(np.searchsorted(self.ts, self.joint, side="left"))

    def sf(self, ts: F64) -> F64:
        """P(TS >= ts) for ts > 0; NaN for NaN."""
        k = len(self.ts) - np.searchsorted(self.ts, ts, side="left")
        near = (k - self._above) / self.n + float(self.tilted.sf(np.asarray(self.joint)))
        near = np.where(np.isnan(ts), np.nan, near)
        return np.minimum(np.where(ts > self.joint, self.tilted.sf(ts), near), 1.0)

    def error(self, ts: float) -> float:
        """Standard error of `sf`."""
        if ts > self.joint:
            return self.tilted.error(ts)
        p = (len(self.ts) - int(np.searchsorted(self.ts, ts, side="left")) - self._above) / self.n
        return math.hypot(math.sqrt(max(p * (1.0 - p), 0.0) / self.n), self.tilted.error(self.joint))

    def isf(self, p: F64) -> F64:
        """Largest TS with ``sf(ts) >= p``; 0 in the atom at TS = 0; errors as `Tilted.isf`."""
        at_joint = float(self.tilted.sf(np.asarray(self.joint)))
        far = p < at_joint
        beyond = self.tilted.isf(np.where(far, p, at_joint)) if np.any(far) else np.full(p.shape, self.joint)
        k = np.ceil((p - at_joint) * self.n * (1.0 - 1e-12)).astype(np.int64) + self._above
        stored = np.append(self.ts, 0.0)  # the last entry serves the atom
        near = stored[np.where((k >= 1) & (k <= len(self.ts)), len(self.ts) - k, len(self.ts))]
        return np.where(far, np.maximum(beyond, self.joint), near)

    def pvalue(self, ts: float, k: int, level: float) -> PValue:
        """P-value of a TS > 0 that `k` plain trials reach, with its interval of coverage `level`."""
        p, error = float(self.sf(np.asarray(ts))), self.error(ts)
        width = math.exp(float(p_to_nsigma(0.5 * (1.0 - level))) * error / p)
        lo, hi = p / width if ts <= self.tilted.ts[-1] else 0.0, min(p * width, 1.0)
        if ts <= self.joint:
            return PValue(p, "counted", k, self.n, lo, hi, "empirical", level, (p / error) ** 2)
        return PValue(p, "counted", k, self.n, lo, hi, "tilted", level, self.tilted.n_effective(ts))
