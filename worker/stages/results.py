"""distributions, sensitivity, post_trial: numbers from collected trials, as JSON for programs."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker import address, layout, store
from worker.engine.analysis import to_e2dnde
from worker.errors import InputError
from worker.ledger import Run, open_run
from worker.stages import context, hottest
from worker.stages.timed import timed
from worker.stats.bias import Response, bias_table, response
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.distributions import TSD
from worker.stats.passing import Point, background_point, passing_points
from worker.stats.posttrial import post_trial as evaluate
from worker.stats.sensitivity import NotBracketedError, NSig, find_n_sig_from_points

UNIT = "TeV cm^-2 s^-1"


@timed
def distributions(path: Path) -> None:
    """eta, chi2 fit and median of the background TS at every declination."""
    run = open_run(path)
    rows = []
    for dec, tsd in hottest.load_tsds(run).items():
        rows.append(
            {
                "dec_deg": dec, "n": tsd.n, "eta": tsd.eta, "ndof": tsd.ndof, "ndof_error": tsd.ndof_error,
                "loc": tsd.loc, "scale": tsd.scale, "median": tsd.median(),
                "ts_3sigma": _threshold(tsd, 3.0), "ts_5sigma": _threshold(tsd, 5.0),
            }
        )  # fmt: skip
        print(f"{dec:+8.3f} deg: {tsd!r}")
    store.save_json(path, layout.BACKGROUND, {"background": [_finite(row) for row in rows]})
    print(f"-> {layout.BACKGROUND}")


@timed
def sensitivity(path: Path) -> None:
    """Sensitivity and discovery potential of every declination, in events and as a flux."""
    run = open_run(path)
    wanted = run.spec.sensitivity
    places = layout.decimals(run.spec.background.decs)
    out: dict[str, list[dict[str, Any]]] = {"sensitivity": [], "discovery": [], "bias": []}
    for dec, tsd in hottest.load_tsds(run).items():
        arrays = store.load_arrays(path, layout.sig_collected(dec, places))
        for kind, beta, n_sigma in (
            ("sensitivity", wanted.beta, None),
            ("discovery", wanted.discovery_beta, wanted.discovery_nsigma),
        ):
            out[kind].append(_find(run, kind, dec, (tsd, n_sigma), arrays, beta))
        out["bias"].append({"dec_deg": dec, "rows": _bias(arrays), **_response(arrays)})
    store.save_json(path, layout.SENSITIVITY, {**out, "unit": UNIT, "e0_tev": wanted.e0_tev})
    print(f"-> {layout.SENSITIVITY}")


def _points(arrays: Mapping[str, NDArray[Any]], tsd: TSD, threshold: float) -> tuple[Point, ...]:
    """Passing fractions of the background (n_sig = 0) and of every n_sig."""
    signal = {float(n): arrays[f"trials_{i}"]["ts"] for i, n in enumerate(arrays["n_sig"])}
    return background_point(tsd, threshold), *passing_points(signal, threshold)


def _threshold(tsd: TSD, n_sigma: float) -> float | None:
    """TS of a one-sided significance; None where there are too few positive trials for a fit."""
    try:
        return float(tsd.isf_nsigma(n_sigma))
    except TooFewTrialsError:
        return None


def _find(
    run: Run,
    kind: str,
    dec: float,
    background: tuple[TSD, float | None],
    arrays: Mapping[str, NDArray[Any]],
    beta: float,
) -> dict[str, Any]:
    """One row of summary.json; n_sig is null, with the reason, where the trials do not say it.

    `background` is its distribution and the significance of the threshold (None: the median).
    """
    tsd, n_sigma = background
    row: dict[str, Any] = {"dec_deg": dec, "beta": beta, "threshold": None, "unit": UNIT}
    key = address.bootstrap(run.spec, kind, dec)
    try:
        threshold = row["threshold"] = tsd.median() if n_sigma is None else float(tsd.isf_nsigma(n_sigma))
        n_bootstrap = run.spec.sensitivity.n_bootstrap
        found = find_n_sig_from_points(_points(arrays, tsd, threshold), threshold, beta, n_bootstrap, key)
    except (NotBracketedError, TooFewTrialsError) as error:
        print(f"{kind} at dec = {dec:g} deg: {error}")
        return row | {"n_sig": None, "n_sig_error": None, "flux": None, "flux_error": None, "reason": str(error)}
    return row | _found(run, dec, found)


def _found(run: Run, dec: float, found: NSig) -> dict[str, Any]:
    per_event = to_e2dnde(
        context.analysis(run),
        float(np.radians(dec)),
        context.spectrum(run.spec.signal),
        1.0,
        run.spec.sensitivity.e0_tev,
    )
    return _finite(
        {
            "n_sig": found.n_sig, "n_sig_error": found.error, "flux": found.n_sig * per_event,
            "flux_error": found.error * per_event, "curve": found.curve, "chi2": found.chi2, "dof": found.dof,
            "params": list(found.params) if found.params else None,
            "points": [point._asdict() for point in found.points],
        }
    )  # fmt: skip


def _bias(arrays: Mapping[str, NDArray[Any]]) -> list[dict[str, float | None]]:
    """Fitted ns and gamma against injected n_sig."""
    rows: list[dict[str, float | None]] = []
    for i, n_sig in enumerate(arrays["n_sig"]):
        trials = arrays[f"trials_{i}"]
        ns, gamma = trials["ns"], trials["gamma"][trials["ns"] > 0]
        rows.append(
            {
                "n_sig": float(n_sig), "n": len(ns), "ns_mean": float(ns.mean()),
                "ns_error": float(ns.std(ddof=1) / math.sqrt(len(ns))) if len(ns) > 1 else None,
                "ns_median": float(np.median(ns)), "gamma_median": float(np.median(gamma)) if len(gamma) else None,
            }
        )  # fmt: skip
    return rows


def _response(arrays: Mapping[str, NDArray[Any]]) -> dict[str, float | None]:
    """What one more injected event adds to the fitted ns, and the offset; null where no n_sig tells."""
    found = response(bias_table({float(n): arrays[f"trials_{i}"]["ns"] for i, n in enumerate(arrays["n_sig"])}))
    return dict.fromkeys(Response._fields) if found is None else _finite(found._asdict())


@timed
def post_trial(path: Path) -> None:
    """Post-trial p-value of the hottest spot: whole sky, and each side of the split."""
    open_run(path)
    scan = store.load_json(path, layout.SCAN)
    out: dict[str, Any] = {"sky": scan["sky"], "regions": {}}
    for region, spot in scan["regions"].items():
        skies = store.load_array(path, layout.skies_file(region), None, hottest.SPOT_DTYPE)
        out["regions"][region] = _finite(evaluate(spot["mlog10p"], skies["mlog10p"])._asdict())
    if "all" not in out["regions"]:
        raise InputError(f"{path / layout.SCAN}: no hottest spot of the whole sky; run collect_scan again")
    out["post_trial"] = out["regions"]["all"]
    store.save_json(path, layout.POST_TRIAL, out)
    found = out["post_trial"]
    print(f"post-trial p = {found['p']:.4g} ({found['k']} of {found['n']} skies at least as hot; sky: {scan['sky']})")
    print(f"-> {layout.POST_TRIAL}")


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """NaN and infinities as null: JSON has no word for them."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
