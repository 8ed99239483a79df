"""Cleaning of events, and the notes about it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worker.data.dataset import F64, I64, Events

Mask = NDArray[np.bool_]


def clean_events(dec_deg: F64, sigma_deg: F64, log_e: F64, *, sigma_max_deg: float) -> tuple[Events, tuple[str, ...]]:
    """Return events in radians, sorted by declination, with unusable angular errors set to 0.

    No event is dropped: an event without a usable angular error counts in N but has no signal density. Sorting removes
    the order in time. The floor on sigma is applied in the likelihood.

    Parameters
    ----------
    dec_deg, sigma_deg : ndarray (n,), deg
    log_e : ndarray (n,)
        log10(E / GeV).
    sigma_max_deg : float
        A larger angular error is unusable.

    Returns
    -------
    events : Events
    notes : tuple of str
    """
    zero, undefined, large = _unusable(sigma_deg, sigma_max_deg)
    sigma = np.where(zero | undefined | large, 0.0, np.deg2rad(sigma_deg))
    order = _order(dec_deg, sigma, log_e)
    events = Events(
        dec=np.deg2rad(dec_deg + 0.0)[order].astype(np.float32),  # a printed -0.000 is 0
        sigma=sigma[order].astype(np.float32),
        log_e=(log_e + 0.0)[order].astype(np.float32),
    )
    reasons = (
        ("an angular error of 0 or less", zero),
        ("an angular error that is no finite number", undefined),
        (f"an angular error above {sigma_max_deg:g} deg", large),
    )
    n = len(sigma_deg)
    notes = tuple(
        f"{np.count_nonzero(bad)} of {n} events have {what}: they stay in N and carry no signal density"
        for what, bad in reasons
        if bad.any()
    )
    return events, notes


def event_order(dec_deg: F64, sigma_deg: F64, log_e: F64, *, sigma_max_deg: float) -> I64:
    """Return the index in the file of each event of `clean_events`, (n,), to sort right ascensions like a `Dataset`."""
    bad = np.logical_or.reduce(_unusable(sigma_deg, sigma_max_deg))
    return _order(dec_deg, np.where(bad, 0.0, np.deg2rad(sigma_deg)), log_e)


def _unusable(sigma_deg: F64, sigma_max_deg: float) -> tuple[Mask, Mask, Mask]:
    """Return masks (n,) of angular errors that are zero or negative, not finite, or too large."""
    zero = sigma_deg <= 0
    undefined = ~np.isfinite(sigma_deg)
    return zero, undefined, ~zero & ~undefined & (sigma_deg > sigma_max_deg)


def _order(dec_deg: F64, sigma: F64, log_e: F64) -> I64:
    # stable: events that are equal in all three keep the order of the file
    return np.lexsort((sigma, log_e, dec_deg)).astype(np.int64)


def count_repeated(columns: Sequence[F64]) -> int:
    """Return how many events repeat an earlier one in every given column (n,)."""
    order = np.lexsort(tuple(columns))
    same: Mask = np.ones(max(len(order) - 1, 0), bool)
    for column in columns:
        same &= np.diff(column[order]) == 0
    return int(np.count_nonzero(same))
