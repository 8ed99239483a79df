"""TS thresholds from background trials, and their error from the finite number of these trials, by bootstrap.

Resampling moves a counted quantile to another order statistic, whose rank follows a beta distribution, and a fit only
through the means of TS and ln TS, which are normal. So its cost does not depend on the number of trials.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from worker.base import rng
from worker.stats.chi2 import shape_of_moments
from worker.stats.cholesky import factor
from worker.stats.distributions import TSD, Joint
from worker.stats.significance import nsigma_to_p

F64 = NDArray[np.float64]


class Threshold(NamedTuple):
    """A TS that trials must exceed.

    Attributes
    ----------
    ts : float
    share : float
        In [0, 1): so much of the trials with TS = `ts` passes too. Not 0 only for a randomised test, in which each of
        them passes with this probability; the mean is taken, no random number is drawn.
    moved : ndarray (n_bootstrap,) or None
        `ts` of resampled background trials; None: the threshold has no error.
    shares : ndarray (n_bootstrap,) or None
        `share` of the same resamplings.
    """

    ts: float
    share: float = 0.0
    moved: F64 | None = None
    shares: F64 | None = None

    @property
    def exact(self) -> "Threshold":
        """The same threshold without its error."""
        return self._replace(moved=None, shares=None)


def median(tsd: TSD, randomised: bool, n_bootstrap: int, key: tuple[int, int]) -> Threshold:
    """The background median.

    If more than half of the background trials have TS = 0, the median is 0, and TS > 0 is a test of level eta < 1/2. A
    randomised test has the level 1/2 everywhere: of the trials with TS = 0 the share q = (1/2 - eta) / (1 - eta) passes
    (Lehmann and Romano 2005, Testing Statistical Hypotheses, section 3.2).

    Parameters
    ----------
    tsd : TSD
    randomised : bool
    key : tuple of 2 int
        Address of the resamplings.
    """
    found, moved = tsd.median(), resampled_median(tsd, n_bootstrap, key)
    if not randomised:
        return Threshold(found, 0.0, moved)
    above = len(tsd.ts) - int(np.searchsorted(tsd.ts, found, side="right"))
    equal = int(tsd.count(found)) - above
    share = max(0.5 * tsd.n - above, 0.0) / equal if equal else 0.0
    # More positive trials in a resampling raise its median: the same uniform number moves both.
    uniform, positive = _uniform(key, n_bootstrap)[:, 0], len(tsd.ts)
    if positive in (0, tsd.n):
        return Threshold(found, share, moved, np.full(n_bootstrap, share))
    etas = special.betaincinv(positive, tsd.n - positive, uniform)
    shares = np.maximum(0.5 - etas, 0.0) / np.maximum(1.0 - etas, 0.5)
    return Threshold(found, share, np.where(shares > 0, 0.0, moved), shares)


def resampled_median(tsd: TSD, n_bootstrap: int, key: tuple[int, int]) -> F64:
    """The median of resampled background trials, (n_bootstrap,); `key` from `worker.base.rng.key`."""
    return _quantiles(tsd, 0.5, _uniform(key, n_bootstrap)[:, 0])


def resampled_threshold(tsd: TSD, n_sigma: float, n_bootstrap: int, key: tuple[int, int]) -> F64:
    """The threshold `TSD.isf_nsigma` (by default: counted or hybrid) of resampled background trials, (n_bootstrap,).

    That of tilted trials is moved by its normal error, which covers what it says.

    Parameters
    ----------
    tsd : TSD
    n_sigma : float
        One-sided.
    key : tuple of 2 int
        Address of the resamplings; sample b does not depend on their number.

    Raises
    ------
    TooFewTrialsError
        As `TSD.isf_nsigma`.
    """
    p, found = float(nsigma_to_p(n_sigma)), float(tsd.isf_nsigma(n_sigma))
    uniform = _uniform(key, n_bootstrap)
    if tsd.tilted is not None and found > tsd.counted.joint:
        error = tsd.tilted.isf_error(p)
        return np.maximum(found + error * np.asarray(special.ndtri(uniform[:, 0])), 0.0)
    if tsd.tilted is not None or tsd.joint is None or found <= tsd.joint.ts:
        moved = _quantiles(tsd, 1.0 - p, uniform[:, 0]) - tsd.quantile(1.0 - p)
        return np.maximum(found + moved, 0.0)
    level, ndof, scale = _tails(tsd, tsd.joint, special.ndtri(uniform))
    at_joint = special.gammaincc(0.5 * ndof, tsd.joint.ts / (2.0 * scale))
    q = np.minimum(at_joint * p / level, 1.0)
    return np.asarray(2.0 * scale * special.gammainccinv(0.5 * ndof, q), dtype=np.float64)


def _uniform(key: tuple[int, int], n_bootstrap: int) -> F64:
    return np.stack([rng.uniforms(key, rng.OTHER, b, 3) for b in range(n_bootstrap)])


def _quantiles(tsd: TSD, q: float, uniform: F64) -> F64:
    """The quantile of resampled trials: rank / n is beta distributed around q with variance q (1 - q) / n."""
    ranks = special.betaincinv(tsd.n * q, tsd.n * (1.0 - q), uniform)
    return np.array([tsd.quantile(float(rank)) for rank in ranks])


def _tails(tsd: TSD, joint: Joint, normal: F64) -> tuple[F64, F64, F64]:
    """Resampled (P(TS >= joint), ndof, scale); `normal` (n_bootstrap, 3) standard normal.

    The three are functions of correlated sums over the trials: number above the joint, ln TS, TS.
    """
    logs, n_positive = np.log(tsd.ts), len(tsd.ts)
    means = np.array([joint.k / tsd.n, logs.mean(), tsd.ts.mean()])
    each = np.stack([tsd.ts >= joint.ts, (logs - means[1]) / tsd.eta, (tsd.ts - means[2]) / tsd.eta])
    covariance = (each[:, None] * each).sum(axis=-1) / tsd.n**2
    covariance[0, 0] -= means[0] ** 2 / tsd.n
    root = factor(covariance + np.diag(1e-9 * np.diag(covariance) + 1e-30))
    moved = means + (normal[:, None, :] * root).sum(axis=-1)
    level = (joint.k + 1) / (tsd.n + 1) * np.exp(moved[:, 0] / means[0] - 1.0)
    # A resampled mean must stay above the geometric mean, or no gamma distribution has both.
    mean = np.maximum(moved[:, 2], np.exp(moved[:, 1]) * (1.0 + 1e-9))
    shapes = [
        shape_of_moments(float(m), float(ml), n_positive, tsd.fit) for m, ml in zip(mean, moved[:, 1], strict=True)
    ]
    ndof, scale = np.array(shapes).T
    return level, ndof, scale
