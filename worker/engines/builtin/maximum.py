"""Check that fits are possible maxima of the likelihood."""

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError

F64 = NDArray[np.float64]

TOLERANCE = 1e-3
"""Of TS, and relative of ns; see `largest_ts`."""


def largest_ts(ns: F64) -> F64:
    """Largest TS that a maximum at `ns` can have; inf for ns >= 1.

    Let p_i = ns W_i / (N + ns (W_i - 1)) be the probability of event i to be signal. Where the derivative in ns is
    zero, sum p_i = ns, and TS = -2 sum ln(1 - p_i) + 2 N ln(1 - ns / N) <= -2 sum ln(1 - p_i) - 2 ns. The sum is
    convex, so for ns < 1 it is largest if one event has p = ns: TS <= -2 ln(1 - ns) - 2 ns. Several seasons change
    sum p_i = ns by less than ns / N.

    Parameters
    ----------
    ns : ndarray (n,)

    Returns
    -------
    ndarray (n,)
    """
    some = np.minimum(ns * 1.05, 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(-2.0 * np.log1p(-some) - 2.0 * ns + TOLERANCE)


def require(fitted: F64, where: str) -> F64:
    """Return fitted rows (..., 3) of ts, ns, gamma unless one of them cannot be a maximum.

    Parameters
    ----------
    fitted : ndarray (..., 3)
    where : str
        Name of the fit, for the message.

    Raises
    ------
    InputError
        If a TS is negative or not finite, or larger than its ns allows.
    """
    ts, ns = fitted[..., 0], fitted[..., 1]
    good = (ts >= 0.0) & (ts < np.inf) & (ns >= 0.0) & (ts <= largest_ts(ns))
    if not good.all():
        i = np.unravel_index(int(np.argmin(good)), good.shape)
        raise InputError(
            f"{where}: the fit ended at TS = {ts[i]:.6g} with ns = {ns[i]:.3g} ({int((~good).sum())} of {good.size} "
            "fits are like this), which is no maximum of the likelihood: a density or an angular error in the prepared "
            "data is out of all proportion. Look at `worker data_summary`, correct the data, and prepare them anew"
        )
    return fitted
