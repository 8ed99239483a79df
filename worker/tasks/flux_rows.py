"""From trials of one declination and spectrum to a number of events and a flux: one row of summary.json each."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import SpecError
from worker.rundir import address, layout, store
from worker.rundir.ledger import Run
from worker.spec import levels
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.distributions import TSD
from worker.stats.passing import Point, background_point, counts_above, passing_points
from worker.stats.sensitivity import NotBracketedError, NSig, find_n_sig_from_points
from worker.stats.thresholds import resampled_median, resampled_threshold
from worker.tasks import context

F64 = NDArray[np.float64]
IN_TEV = {"TeV": 1.0, "GeV": 1e-3, "erg": 1 / 1.602176634}  # exact: the charge of the electron, CODATA 2018


class At(NamedTuple):
    """Trials of one declination and spectrum.

    Attributes
    ----------
    dec : float, deg
    gamma : float
        Of the injected spectrum.
    background : TSD
    trials : mapping of n_sig to ndarray of the engine's columns
    """

    dec: float
    gamma: float
    background: TSD
    trials: Mapping[float, NDArray[np.void]]

    @property
    def ts(self) -> dict[float, F64]:
        """TS of the signal trials by n_sig."""
        return {n_sig: trials["ts"] for n_sig, trials in self.trials.items()}


def load(run: Run, dec: float, level: float | None, background: TSD) -> At:
    """Collected trials; `level` is the spectral index in directory names, None where there is one spectrum.

    Raises
    ------
    InputError
        If they are not collected yet.
    """
    places = levels.decimals(run.spec.background.decs)
    arrays = store.load_arrays(run.path, layout.sig_collected(dec, places, level))
    trials = {float(n): arrays[f"trials_{i}"] for i, n in enumerate(arrays["n_sig"])}
    return At(dec, context.gamma_of(run.spec.signal, level), background, trials)


def sensitivity(run: Run, at: At) -> dict[str, Any]:
    """The flux at which a fraction beta of the trials exceeds the background median."""
    return _row(run, "sensitivity", at, *threshold_of(run, at))


def threshold_of(run: Run, at: At, n_sigma: float | None = None) -> tuple[float, F64]:
    """TS of a one-sided significance (None: of the background median), and the same of resampled background trials.

    Raises
    ------
    TooFewTrialsError
        There are too few positive trials for a fit.
    """
    n, key = run.spec.sensitivity.n_bootstrap, address.bootstrap_threshold(run.spec, at.dec)
    if n_sigma is None:
        return at.background.median(), resampled_median(at.background, n, key)
    return float(at.background.isf_nsigma(n_sigma)), resampled_threshold(at.background, n_sigma, n, key)


def discovery(run: Run, at: At, n_sigma: float) -> dict[str, Any]:
    """The flux at which a fraction discovery_beta of the trials exceeds a significance."""
    try:
        threshold, moved = threshold_of(run, at, n_sigma)
    except TooFewTrialsError as error:
        return _missing(_head(run, "discovery", at, None), at, f"discovery ({n_sigma:g} sigma)", error) | {
            "nsigma": n_sigma
        }
    return _row(run, "discovery", at, threshold, moved, n_sigma) | {"nsigma": n_sigma}


def limit(run: Run, at: At, ts: float) -> dict[str, Any]:
    """The flux at which 90 % (beta) of the trials exceed an observed TS; never below the sensitivity.

    Neyman's construction with the convention of the field: a TS below the background median counts as the median.
    """
    return _row(run, "upper limit", at, max(ts, at.background.median()), None)


def _head(run: Run, kind: str, at: At, threshold: float | None) -> dict[str, Any]:
    beta = beta_of(run, kind)
    return {"dec_deg": at.dec, "gamma": at.gamma, "beta": beta, "threshold": threshold, "unit": unit(run)}


def _row(run: Run, kind: str, at: At, threshold: float, moved: F64 | None, n_sigma: float = 0.0) -> dict[str, Any]:
    """One row; n_sig is null, with the reason, where the trials do not say it. `moved`: resampled thresholds."""
    row = _head(run, kind, at, threshold)
    if moved is not None:
        row["threshold_error"] = float(np.std(moved))
    try:
        found = crossing(run, kind, at, threshold, moved, n_sigma)
    except NotBracketedError as error:
        return _missing(row, at, f"{kind} ({n_sigma:g} sigma)" if n_sigma else kind, error)
    return row | _found(run, at, found)


def points_of(at: At, threshold: float) -> tuple[Point, ...]:
    """Passing fractions by n_sig, that of the background first."""
    return background_point(at.background, threshold), *passing_points(at.ts, threshold)


def crossing(run: Run, kind: str, at: At, threshold: float, moved: F64 | None, n_sigma: float = 0.0) -> NSig:
    """The n_sig at which the asked fraction passes; with resampled thresholds (`moved`) its error contains theirs.

    Raises
    ------
    NotBracketedError
        The trials do not say it.
    """
    key = address.bootstrap(run.spec, kind, at.dec, at.gamma, n_sigma)
    points = points_of(at, threshold)
    counts = None if moved is None else counts_above(points, at.ts, moved)
    return find_n_sig_from_points(points, threshold, beta_of(run, kind), run.spec.sensitivity.n_bootstrap, key, counts)


def beta_of(run: Run, kind: str) -> float:
    """The fraction of trials that must pass."""
    wanted = run.spec.sensitivity
    return wanted.discovery_beta if kind == "discovery" else wanted.beta


def _missing(row: dict[str, Any], at: At, what: str, error: Exception) -> dict[str, Any]:
    print(f"{what} at dec = {at.dec:g} deg, gamma = {at.gamma:g}: {error}")
    return row | {"n_sig": None, "n_sig_error": None, "flux": None, "flux_error": None, "reason": str(error)}


def unit(run: Run) -> str:
    """Of every flux of a run: E^2 dN/dE in the energy unit that the spec names."""
    return f"{run.spec.sensitivity.flux_unit} cm^-2 s^-1"


def per_event(run: Run, dec: float, gamma: float) -> float:
    """E^2 dN/dE at E0 of a source at `dec` (deg) that gives one expected event, in `unit`.

    Raises
    ------
    SpecError
        If nothing is detected from there.
    """
    try:
        flux = context.engine(run).flux(float(np.radians(dec)), gamma)
    except ValueError as error:
        raise SpecError(f"flux at dec = {dec:g} deg: {error}") from None
    return flux / IN_TEV[run.spec.sensitivity.flux_unit]


def _found(run: Run, at: At, found: NSig) -> dict[str, Any]:
    flux = per_event(run, at.dec, at.gamma)
    return finite(
        {
            "n_sig": found.n_sig, "n_sig_error": found.error, "flux": found.n_sig * flux,
            "flux_error": found.error * flux, "curve": found.curve, "chi2": found.chi2, "dof": found.dof,
            "params": list(found.params) if found.params else None,
            "points": [point._asdict() for point in found.points],
        }
    )  # fmt: skip


def finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """NaN and infinities as null: JSON has no word for them."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
