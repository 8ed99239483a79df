"""Fitted against injected number of events, and the check of their relation."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from worker.base.errors import InputError
from worker.stats.checks import Check
from worker.stats.cholesky import solve

LOW, HIGH = 10.0, 30.0
"""Range of injected events in which the response is measured, around those of a discovery."""

MAX_SLOPE_OFF = 0.2
MAX_OFFSET = 4.0
MAX_AREA = 0.1
"""Largest share of the scanned sky out of tolerance; the polar caps, where sigma is unreliable, are smaller."""


class Bias(NamedTuple):
    """Fitted against injected number of events, at one n_sig."""

    n_sig: float
    n: int
    mean_ns: float
    error: float
    relative: float
    pull: float


class Response(NamedTuple):
    """Line through the mean fitted ns against n_sig: mean ns = offset + slope n_sig, with one-sigma errors.

    The offset (1 to 3 events) comes from fitting a free gamma to background.
    """

    slope: float
    slope_error: float
    offset: float
    offset_error: float

    @property
    def good(self) -> bool:
        """Whether both are within tolerance plus two errors, so that few trials rarely fail by chance."""
        slope = abs(self.slope - 1.0) <= MAX_SLOPE_OFF + 2.0 * self.slope_error
        return slope and abs(self.offset) <= MAX_OFFSET + 2.0 * self.offset_error


def bias_table(fitted: Mapping[float, ArrayLike]) -> tuple[Bias, ...]:
    """Mean fitted ns against injected n_sig.

    Parameters
    ----------
    fitted : mapping of n_sig to ndarray (n_trials,) of fitted ns
        n_sig = 0 is left out.
    """
    table = []
    for n_sig in sorted(fitted):
        ns = np.asarray(fitted[n_sig], dtype=np.float64).ravel()
        if len(ns) == 0 or not np.all(np.isfinite(ns)):
            raise InputError(f"bias at n_sig = {n_sig:g}: {len(ns)} fitted ns, not all finite: make these trials again")
        if n_sig <= 0:
            continue
        mean = float(ns.mean())
        error = float(ns.std(ddof=1) / math.sqrt(len(ns))) if len(ns) > 1 else math.nan
        pull = (mean - n_sig) / error if error > 0 else math.nan
        table.append(Bias(n_sig, len(ns), mean, error, mean / n_sig - 1.0, pull))
    return tuple(table)


def response(table: Sequence[Bias]) -> Response | None:
    """Weighted least squares over `LOW` <= n_sig <= `HIGH`; through the origin for one point, None for none.

    Points without an error (a single trial) are left out.
    """
    rows = [row for row in table if LOW <= row.n_sig <= HIGH and row.error > 0]
    if not rows:
        return None
    if len(rows) == 1:
        row = rows[0]
        return Response(row.mean_ns / row.n_sig, row.error / row.n_sig, 0.0, 0.0)
    design = np.array([[1.0, row.n_sig] for row in rows]).T
    weight = np.array([row.error**-2 for row in rows])
    normal = (design[:, None] * design * weight).sum(axis=-1)
    covariance = solve(normal[None], np.eye(2))
    offset, slope = solve(normal, (design * weight * [row.mean_ns for row in rows]).sum(axis=-1))
    return Response(float(slope), math.sqrt(covariance[1, 1]), float(offset), math.sqrt(covariance[0, 0]))


def n_sig_bias(responses: Mapping[float, Response | None], dec_min_deg: float, dec_max_deg: float) -> Check:
    """Check that over 90 % of the scanned sky a further injected event adds one fitted event, within 20 %.

    The value is the share of the solid angle where the slope is off by more than `MAX_SLOPE_OFF`, or the offset by more
    than `MAX_OFFSET` events. Each declination represents the sky up to half way to its neighbours.

    Parameters
    ----------
    responses : mapping of dec (deg) to Response, or None without trials
    dec_min_deg, dec_max_deg : float, deg
        Range of the scan.
    """
    decs = sorted(responses)
    unknown = [dec for dec in decs if responses[dec] is None]
    if not decs or unknown:
        where = f"at dec {unknown[0]:g} deg and {len(unknown) - 1} more" if unknown else "at all"
        text = f"no signal trials with n_sig between {LOW:g} and {HIGH:g} {where}: add such an n_sig to signal.n_sig."
        return Check("n_sig_bias", math.nan, MAX_AREA, False, text)
    known = {dec: response_ for dec in decs if (response_ := responses[dec]) is not None}
    area = dict(zip(decs, _areas(decs, dec_min_deg, dec_max_deg), strict=True))
    bad = [dec for dec in decs if not known[dec].good]
    share = math.fsum(area[dec] for dec in bad)
    slopes, offsets = [r.slope for r in known.values()], [r.offset for r in known.values()]
    sentence = (
        f"one more injected event adds {min(slopes):.2f} to {max(slopes):.2f} fitted ones ({1 - MAX_SLOPE_OFF:g} to "
        f"{1 + MAX_SLOPE_OFF:g} allowed) to an offset of {min(offsets):+.1f} to {max(offsets):+.1f} ({MAX_OFFSET:g}); "
        f"outside: {100 * share:.1f} % of the scanned sky ({100 * MAX_AREA:g} % allowed)"
    )
    if bad:
        sentence += f", at dec {', '.join(f'{dec:g}' for dec in bad[:6])}{' ...' if len(bad) > 6 else ''} deg"
    passed = share <= MAX_AREA
    return Check("n_sig_bias", share, MAX_AREA, passed, sentence + (
        "." if passed else ": the fit does not see what is injected; explain it before quoting a fitted ns."
    ))  # fmt: skip


def of_spectra(checks: Mapping[float, Check]) -> Check:
    """The worst of the checks of several injected spectra, with a sentence on each.

    The bias of a fit depends on the spectrum: where hard spectra pass, soft ones may fail.

    Parameters
    ----------
    checks : mapping of gamma to Check
        Of `n_sig_bias`, at least one.
    """
    worst = max(checks.values(), key=lambda check: (not check.passed, not math.isnan(check.value), check.value))
    sentence = " ".join(f"gamma {gamma:g}: {check.sentence}" for gamma, check in sorted(checks.items()))
    if len(checks) == 1:
        sentence += " No other spectrum was injected, and the bias of others differs: signal.gamma may be a list."
    return worst._replace(passed=all(check.passed for check in checks.values()), sentence=sentence)


def _areas(decs: Sequence[float], low: float, high: float) -> list[float]:
    """Return the share of the solid angle between low and high (deg) that is nearest to each declination."""
    if low == high:  # one source
        nearest = min(decs, key=lambda dec: abs(dec - low))
        return [float(dec == nearest) for dec in decs]
    middle = [0.5 * (a + b) for a, b in pairwise(decs)]
    edges = np.sin(np.radians(np.clip([low, *middle, high], low, high)))
    return [float(a) for a in np.diff(edges) / (edges[-1] - edges[0])]
