"""An uncertain acceptance in sensitivities and upper limits (Cousins and Highland 1992, NIM A 320, 331).

The acceptance converts a flux to a mean number of events. If it is off by a factor e, a source that should give n
events gives n e. The passing fraction is averaged over e, and the n at which the mean reaches beta is quoted.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from worker.stats.sensitivity import NotBracketedError, NSig
from worker.stats.strata import StrataNSig

F64 = NDArray[np.float64]

NODES = 64
WIDTH = 6.0
"""Half width of the integration, in units of the relative error."""


def with_acceptance_error(found: NSig | StrataNSig, relative: float) -> NSig | StrataNSig:
    """Return the n_sig, at nominal acceptance, at which the mean passing fraction reaches beta.

    The factor e is normally distributed around 1 with the width `relative`, cut at 0. Beyond the largest n_sig with
    trials the passing fraction counts as that at the largest one, which is too small: a limit becomes larger, not
    smaller.

    Parameters
    ----------
    found : NSig or StrataNSig
        Without this error.
    relative : float
        Relative error of the acceptance, >= 0; with 0 `found` is returned.

    Returns
    -------
    NSig or StrataNSig
        n_sig and errors multiplied by the same factor.

    Raises
    ------
    NotBracketedError
        The mean passing fraction does not reach beta within the trials.
    """
    if relative == 0.0:
        return found
    last = found.points[-1].n_sig
    factors, weights = _factors(relative)

    def mean_passing(n_sig: float) -> float:
        return math.fsum(found.passing(np.minimum(n_sig * factors, last)) * weights)

    low, high = 0.0, last
    if mean_passing(high) < found.beta:
        raise NotBracketedError(
            f"beta = {found.beta:g} with an acceptance error of {relative:g} needs n_sig above {last:g}, the largest "
            f"with trials: add n_sig up to about {math.ceil(1.5 * last)}",
            float(math.ceil(1.5 * last)),
        )
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if mean_passing(middle) >= found.beta else (middle, high)
    factor = high / found.n_sig
    if isinstance(found, StrataNSig):
        return replace(found, n_sig=high, error=found.error * factor, error_signal=found.error_signal * factor)
    return replace(found, n_sig=high, error=found.error * factor)


def _factors(relative: float) -> tuple[F64, F64]:
    """Gauss-Legendre nodes and weights of a normal distribution around 1, cut at 0."""
    low, high = max(1.0 - WIDTH * relative, 0.0), 1.0 + WIDTH * relative
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    factors = 0.5 * (low + high) + 0.5 * (high - low) * nodes
    weights = weights * np.exp(-0.5 * ((factors - 1.0) / relative) ** 2)
    return factors, weights / weights.sum()
