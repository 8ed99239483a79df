"""distributions, sensitivity, post_trial: results from collected trials, as JSON."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from worker.base.errors import InputError
from worker.base.task_rows import COLLECT_BG, COLLECT_SCAN, COLLECT_SIG
from worker.hypotheses import hottest_spots
from worker.hypotheses.table import ensemble_of
from worker.rundir import input_digests, layout, store
from worker.rundir.ledger import Run, open_run
from worker.rundir.post_trial_text import sentence
from worker.spec.point import Point
from worker.stats.bias import Response, bias_table, response
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.distributions import TSD
from worker.stats.posttrial import better_hemisphere
from worker.tasks import context, flux_rows
from worker.tasks.post_trial import of_sky
from worker.tasks.timed import timed


@timed(lambda run: input_digests.collected(run, COLLECT_BG))
def distributions(path: Path) -> None:
    """eta, chi2 fit and median of the background TS of every point."""
    run = open_run(path)
    rows = []
    for at in run.spec.all_points:
        tsd = hottest_spots.load_tsd(run, at)
        rows.append(
            {
                **at.labels, "n": tsd.n, "eta": tsd.eta, "ndof": tsd.ndof, "ndof_error": tsd.ndof_error,
                "loc": tsd.loc, "scale": tsd.scale, "median": tsd.median(),
                "ts_3sigma": _threshold(tsd, 3.0), "ts_5sigma": _threshold(tsd, 5.0),
                **({} if tsd.tilted is None else {"tail": _tail(tsd)}),
            }
        )  # fmt: skip
        print(f"{at}: {tsd!r}")
    store.save_json(path, layout.BACKGROUND, {"background": [flux_rows.finite_or_null(row) for row in rows]})
    print(f"-> {layout.BACKGROUND}")


@timed(lambda run: input_digests.collected(run, COLLECT_BG, COLLECT_SIG) | input_digests.data(run))
def sensitivity(path: Path) -> None:
    """Sensitivity and discovery potential of every spectrum and point with signal trials, in events and as a flux.

    The first spectrum has the keys `sensitivity`, `discovery` (at the highest threshold), `discovery_lower` (at the
    others) and `bias`; those of the others are in `more_spectra`.
    """
    run = open_run(path)
    backgrounds = {at: hottest_spots.load_tsd(run, at) for at in run.spec.signal_points}
    every = [_spectrum(run, level, backgrounds) for level in run.spec.signal.levels]
    for reason in sorted(
        {row["method_reason"] for part in every for row in part["sensitivity"] if "method_reason" in row}
    ):
        print(reason)
    noun = "points" if run.spec.hypothesis.lists_points else "declinations"
    note = flux_rows.level_note(every[0]["sensitivity"], noun)
    settings = run.spec.sensitivity
    quoted = {"unit": flux_rows.unit(run), "e0_tev": settings.e0_tev, "level_note": note}
    quoted["acceptance_error"] = settings.flux_error
    store.save_json(path, layout.SENSITIVITY, {**every[0], "more_spectra": every[1:], **quoted})
    print(f"-> {layout.SENSITIVITY}")


def _spectrum(run: Run, level: float | None, backgrounds: Mapping[Point, TSD]) -> dict[str, Any]:
    """Rows of one spectrum, by quantity."""
    *lower, top = run.spec.sensitivity.nsigmas
    out: dict[str, Any] = {"gamma": context.gamma_of(run.spec.signal, level)}
    out |= {key: [] for key in ("sensitivity", "discovery", "discovery_lower", "bias")}
    for at, background in backgrounds.items():
        point = flux_rows.load(run, at, level, background)
        out["sensitivity"].append(flux_rows.sensitivity(run, point))
        out["discovery"].append(flux_rows.discovery(run, point, top))
        out["discovery_lower"] += [flux_rows.discovery(run, point, n_sigma) for n_sigma in lower]
        if "ns" in (context.columns(run).names or ()):
            out["bias"].append({**at.labels, "rows": _bias(point), **_response(point)})
    return out


def _tail(tsd: TSD) -> dict[str, Any]:
    """Thresholds counted with tilted trials, with their errors; null beyond the last trial."""
    counted, rows = tsd.counted, []
    for n_sigma in (3.0, 4.0, 5.0):
        ts = _threshold(tsd, n_sigma)
        if ts is None:
            rows.append({"n_sigma": n_sigma, **dict.fromkeys(("ts", "ts_error", "p_error", "n_effective"))})
            continue
        p = tsd.pvalue(ts)
        error = counted.tilted.isf_error(p.p) if p.way == "tilted" else None
        relative = counted.error(ts) / p.p if p.p < 1.0 else 0.0
        row = {"n_sigma": n_sigma, "ts": ts, "ts_error": error, "p_error": relative, "n_effective": p.n_effective}
        rows.append(flux_rows.finite_or_null(row))
    return {"n": counted.tilted.n, "joint": counted.joint, "thresholds": rows}


def _threshold(tsd: TSD, n_sigma: float) -> float | None:
    """TS of a one-sided significance; None if too few trials have TS > 0 for a fit."""
    try:
        return float(tsd.isf_nsigma(n_sigma))
    except TooFewTrialsError:
        return None


def _bias(point: flux_rows.PointTrials) -> list[dict[str, float | None]]:
    """Fitted ns and gamma (null if the engine fits none) against injected n_sig."""
    rows: list[dict[str, float | None]] = []
    for n_sig, trials in point.trials.items():
        ns = trials["ns"]
        gamma = trials["gamma"][ns > 0] if "gamma" in (trials.dtype.names or ()) else ()
        rows.append(
            {
                "n_sig": n_sig, "n": len(ns), "ns_mean": float(ns.mean()),
                "ns_error": float(ns.std(ddof=1) / math.sqrt(len(ns))) if len(ns) > 1 else None,
                "ns_median": float(np.median(ns)), "gamma_median": float(np.median(gamma)) if len(gamma) else None,
            }
        )  # fmt: skip
    return rows


def _response(point: flux_rows.PointTrials) -> dict[str, float | None]:
    """Slope and offset of fitted ns against n_sig; null if no n_sig is usable."""
    fit = response(bias_table({n_sig: trials["ns"] for n_sig, trials in point.trials.items()}))
    return dict.fromkeys(Response._fields) if fit is None else flux_rows.finite_or_null(fit._asdict())


def further_tests(run: Run, sky: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Further tests of a sky, trial-corrected with the same background skies."""
    tests = ensemble_of(run.spec).further_tests(run.path, sky)
    return {
        name: {region: flux_rows.finite_or_null(row) for region, row in rows.items()} for name, rows in tests.items()
    }


@timed(input_digests.scan)
def post_trial(path: Path) -> None:
    """Post-trial p-value of the hottest spot: whole sky, and each side of the split."""
    run = open_run(path)
    scan = input_digests.result(path, COLLECT_SCAN)
    out: dict[str, Any] = {"sky": scan["sky"], "regions": of_sky(run, scan["regions"])}
    if "all" not in out["regions"]:
        raise InputError(f"{path / layout.SCAN}: no hottest spot of the whole sky; run collect_scan again")
    out["post_trial"] = out["regions"]["all"]
    out["better_hemisphere"] = better_hemisphere({region: row["p"] for region, row in out["regions"].items()})
    out |= further_tests(run, scan)
    store.save_json(path, layout.POST_TRIAL, out)
    post = out["post_trial"]
    print(f"post-trial p = {post['p']:.4g} ({sentence(post)}; sky: {scan['sky']})")
    print(f"-> {layout.POST_TRIAL}")
