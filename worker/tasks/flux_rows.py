"""Sensitivity, discovery potential and upper limit as n_sig and flux: one row of summary.json per point."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import SpecError
from worker.rundir import address, layout, store
from worker.rundir.ledger import Run
from worker.spec import point as points
from worker.stats import strata
from worker.stats.acceptance import with_acceptance_error
from worker.stats.binomial import LEVEL
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.distributions import TSD
from worker.stats.passing import Point, background_point, counts_above, passing_points, weights
from worker.stats.sensitivity import NotBracketedError, NSig, find_n_sig_from_points
from worker.stats.strata import Strata, StrataNSig
from worker.stats.thresholds import Threshold, median, resampled_threshold
from worker.tasks import context

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
LEVEL_TOLERANCE = 0.01
"""A level this close to 1/2 needs no word: the median of 10,000 trials is known to 0.005 of its rank."""
IN_TEV = {"TeV": 1.0, "GeV": 1e-3, "erg": 1 / 1.602176634}  # exact: the charge of the electron, CODATA 2018


class PointTrials(NamedTuple):
    """Trials of one point and spectrum.

    Attributes
    ----------
    at : `worker.spec.point.Point`
    gamma : float
        Of the injected spectrum.
    background : TSD
    trials : mapping of n_sig to ndarray of the engine's columns
    counts : mapping of n_sig to ndarray of int, optional
        Number of injected events of each trial; None if it is not known.
    """

    at: points.Point
    gamma: float
    background: TSD
    trials: Mapping[float, NDArray[np.void]]
    counts: Mapping[float, I32] | None = None

    @property
    def ts(self) -> dict[float, F64]:
        """TS of the signal trials by n_sig."""
        return {n_sig: trials["ts"] for n_sig, trials in self.trials.items()}


def load(run: Run, at: points.Point, level: float | None, background: TSD) -> PointTrials:
    """Collected trials; `level` is the spectral index in directory names, None if there is one spectrum.

    Raises
    ------
    InputError
        The trials are not collected yet.
    """
    arrays = store.load_arrays(run.path, layout.sig_collected(at, level))
    trials = {float(n): arrays[f"trials_{i}"] for i, n in enumerate(arrays["n_sig"])}
    counts = {float(n): arrays[f"counts_{i}"] for i, n in enumerate(arrays["n_sig"]) if f"counts_{i}" in arrays}
    gamma = context.gamma_of(run.spec.signal, level)
    return PointTrials(at, gamma, background, trials, counts if counts.keys() == trials.keys() else None)


def method_of(run: Run, point: PointTrials) -> dict[str, str]:
    """How n_sig is found (``method``), and why not by strata if the spec asks for them (``method_reason``)."""
    if run.spec.sensitivity.method == "curve":
        return {"method": "curve"}
    if point.counts is not None:
        return {"method": "strata"}
    reason = (
        "the numbers of injected events are not in the collected trials: run collect_sig again"
        if "strata" in context.engine_facts(run).supports
        else "the engine does not tell the number of injected events of a trial"
    )
    return {"method": "curve", "method_reason": f"not by strata: {reason}"}


def sensitivity(run: Run, point: PointTrials) -> dict[str, Any]:
    """The flux at which a fraction beta of the trials exceeds the background median, and the level of that test."""
    threshold = threshold_of(run, point)
    level = background_point(point.background, threshold.ts, threshold.share).fraction
    return _row(run, "sensitivity", point, threshold) | {"threshold_share": threshold.share, "level": level}


def level_note(rows: Sequence[Mapping[str, Any]], what: str = "declinations") -> str | None:
    """What levels below 1/2 mean, in a sentence; None if the levels of all rows are 1/2 to one percent."""
    off = sorted(row["level"] for row in rows if row["threshold"] == 0 and row["level"] < 0.5 - LEVEL_TOLERANCE)
    if not off:
        return None
    between = f"{off[0]:.2f}" if len(off) == 1 else f"{off[0]:.2f} to {off[-1]:.2f}"
    return (
        f"at {len(off)} of {len(rows)} {what} the background median is TS = 0, and TS > 0 is a test of "
        f"level {between}, not 1/2: compare likelihoods with sensitivity.threshold: randomised, whose level is 1/2"
    )


def threshold_of(run: Run, point: PointTrials, n_sigma: float | None = None) -> Threshold:
    """TS of a one-sided significance (None: background median) with its error.

    Raises
    ------
    TooFewTrialsError
        Too few trials have TS > 0 for a fit.
    """
    n, key = run.spec.sensitivity.n_bootstrap, address.bootstrap_threshold(run.spec, point.at)
    if n_sigma is None:
        return median(point.background, run.spec.sensitivity.threshold == "randomised", n, key)
    ts = float(point.background.isf_nsigma(n_sigma))
    return Threshold(ts, 0.0, resampled_threshold(point.background, n_sigma, n, key))


def discovery(run: Run, point: PointTrials, n_sigma: float) -> dict[str, Any]:
    """The flux at which a fraction discovery_beta of the trials exceeds a significance."""
    try:
        threshold = threshold_of(run, point, n_sigma)
    except TooFewTrialsError as error:
        return _no_value(_head(run, "discovery", point, None), point, f"discovery ({n_sigma:g} sigma)", error) | {
            "nsigma": n_sigma
        }
    return _row(run, "discovery", point, threshold, n_sigma) | {"nsigma": n_sigma}


def limit(run: Run, point: PointTrials, ts: float) -> dict[str, Any]:
    """The flux at which 90 % (beta) of the trials exceed an observed TS; never below the sensitivity.

    Neyman's construction with the convention of the field: a TS below the background median counts as the median.
    The test is TS > threshold, never randomised.
    """
    return _row(run, "upper limit", point, Threshold(max(ts, point.background.median())))


def _head(run: Run, kind: str, point: PointTrials, threshold: float | None) -> dict[str, Any]:
    beta = beta_of(run, kind)
    head = {**point.at.labels, "gamma": point.gamma, "beta": beta, "threshold": threshold, "unit": unit(run)}
    return head | method_of(run, point)


def _row(run: Run, kind: str, point: PointTrials, threshold: Threshold, n_sigma: float = 0.0) -> dict[str, Any]:
    """One row; n_sig is null, with the reason, if the trials do not bracket it."""
    row = _head(run, kind, point, threshold.ts)
    if threshold.moved is not None:
        row["threshold_error"] = float(np.std(threshold.moved))
    try:
        exact = crossing(run, kind, point, threshold, n_sigma)
        n_sig = exact if n_sigma else with_acceptance_error(exact, run.spec.sensitivity.flux_error)
    except NotBracketedError as error:
        return _no_value(row, point, f"{kind} ({n_sigma:g} sigma)" if n_sigma else kind, error)
    return row | _values(run, point, n_sig) | {"acceptance_factor": n_sig.n_sig / exact.n_sig}


def points_of(point: PointTrials, threshold: Threshold) -> tuple[Point, ...]:
    """Passing fractions by n_sig, that of the background first."""
    ts, share = threshold.ts, threshold.share
    return background_point(point.background, ts, share), *passing_points(point.ts, ts, share)


def crossing(run: Run, kind: str, point: PointTrials, threshold: Threshold, n_sigma: float = 0.0) -> NSig | StrataNSig:
    """The n_sig at which the fraction beta passes; its error includes that of the threshold, if it has one.

    Raises
    ------
    NotBracketedError
        The trials do not bracket it.
    """
    if method_of(run, point)["method"] == "strata":
        return _from_strata(run, kind, point, threshold)
    key = address.bootstrap(run.spec, kind, point.at, point.gamma, n_sigma)
    fractions, moved = points_of(point, threshold), threshold.moved
    counts = None if moved is None else counts_above(fractions, point.ts, moved, threshold.shares)
    beta, n_bootstrap = beta_of(run, kind), run.spec.sensitivity.n_bootstrap
    return find_n_sig_from_points(fractions, threshold.ts, beta, n_bootstrap, key, counts)


def _from_strata(run: Run, kind: str, point: PointTrials, threshold: Threshold) -> StrataNSig:
    moved = None
    if threshold.moved is not None:
        low, high = (_moved(threshold, 0.5 * (1.0 + side * LEVEL)) for side in (-1, 1))
        moved = strata_of(point, low), strata_of(point, high)
    return strata.find_n_sig_from_strata(
        strata_of(point, threshold), threshold.ts, beta_of(run, kind), run.spec.signal.poisson,
        points_of(point, threshold), moved,
    )  # fmt: skip


def _moved(threshold: Threshold, level: float) -> Threshold:
    """The resampled threshold below which a fraction `level` of them lies; with the same TS a larger share is lower."""
    assert threshold.moved is not None
    shares = np.zeros(len(threshold.moved)) if threshold.shares is None else threshold.shares
    order = np.lexsort((-shares, threshold.moved))
    at = order[round(level * (len(order) - 1))]
    return Threshold(float(threshold.moved[at]), float(shares[at]))


def strata_of(point: PointTrials, threshold: Threshold) -> Strata:
    """All trials by their number of injected events, and how many of them pass."""
    assert point.counts is not None
    ts = np.concatenate([point.trials[n_sig]["ts"] for n_sig in point.counts])
    counts = np.concatenate([*point.counts.values()])
    background = background_point(point.background, threshold.ts, threshold.share)
    return strata.count(background, counts, weights(ts, threshold.ts, threshold.share))


def beta_of(run: Run, kind: str) -> float:
    """The fraction of trials that must pass."""
    settings = run.spec.sensitivity
    return settings.discovery_beta if kind == "discovery" else settings.beta


def _no_value(row: dict[str, Any], point: PointTrials, what: str, error: Exception) -> dict[str, Any]:
    print(f"{what} at {point.at}, gamma = {point.gamma:g}: {error}")
    return row | {"n_sig": None, "n_sig_error": None, "flux": None, "flux_error": None, "reason": str(error)}


def unit(run: Run) -> str | None:
    """Unit of every flux of a run, E^2 dN/dE with the energy unit of the spec; None if the engine tells no flux.

    Of a hypothesis about time every flux is a fluence, which has no second in its unit.
    """
    if "flux" not in context.engine_facts(run).supports:
        return None
    return f"{run.spec.sensitivity.flux_unit} cm^-2{'' if run.spec.hypothesis.timed else ' s^-1'}"


def flux_per_event(run: Run, at: points.Point, gamma: float) -> float:
    """E^2 dN/dE (or E^2 dF/dE) at E0 of a source at a point that gives one expected event, in `unit`.

    Raises
    ------
    SpecError
        The effective area is zero there.
    """
    try:
        flux = context.engine(run).flux(at, gamma)
    except ValueError as error:
        raise SpecError(f"flux at {at}: {error}") from None
    return flux / IN_TEV[run.spec.sensitivity.flux_unit]


def _values(run: Run, point: PointTrials, n_sig: NSig | StrataNSig) -> dict[str, Any]:
    flux = math.nan if unit(run) is None else flux_per_event(run, point.at, point.gamma)
    values = {
        "n_sig": n_sig.n_sig, "n_sig_error": n_sig.error, "flux": n_sig.n_sig * flux, "flux_error": n_sig.error * flux,
        **(_of_strata(n_sig) if isinstance(n_sig, StrataNSig) else _of_curve(n_sig)),
        "points": [p._asdict() for p in n_sig.points],
    }  # fmt: skip
    return finite_or_null(values)


def _of_curve(n_sig: NSig) -> dict[str, Any]:
    params = list(n_sig.params) if n_sig.params else None
    return {"curve": n_sig.curve, "chi2": n_sig.chi2, "dof": n_sig.dof, "params": params}


def _of_strata(n_sig: StrataNSig) -> dict[str, Any]:
    """Columns of the strata, the largest number of events, and what n_sig is: mean of a Poisson law, or exact."""
    columns = {name: [float(value) for value in column] for name, column in n_sig.strata._asdict().items()}
    return {
        "n_sig_is": "poisson mean" if n_sig.poisson else "exact number",
        "error_signal": n_sig.error_signal, "k_max": columns["k"][-1], "strata": columns,
    }  # fmt: skip


def finite_or_null(row: Mapping[str, Any]) -> dict[str, Any]:
    """Replace NaN and infinity with None, which JSON can hold."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
