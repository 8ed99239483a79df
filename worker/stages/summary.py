"""summary.json: the results of a run in one file for programs, with checks and costs."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from worker import layout, store
from worker.data.prepared import unpack
from worker.errors import InputError
from worker.ledger import Run
from worker.specfile import digest as digest_of
from worker.stages import hottest, scans
from worker.stats import checks
from worker.stats.distributions import TSD

BIAS_LIMIT = 0.25
"""Fitted against injected events. With published responses ns is 5 to 35 % high, as the likelihood does not know that
signal has smaller sigma than background of the same energy, and low where events fall outside the cut on psi / sigma
(near the poles): docs/engine.md. Beyond this, look closer before quoting a fitted ns. Fluxes do not rest on it."""


def summary(run: Run) -> dict[str, Any]:
    """Whatever results there are; keys as in the design: an absent result is null."""
    found = {
        "background": _load(run, layout.BACKGROUND),
        "sensitivity": _load(run, layout.SENSITIVITY),
        "scan": _load(run, layout.SCAN),
        "post_trial": _load(run, layout.POST_TRIAL),
    }
    sensitivity, background = found["sensitivity"] or {}, found["background"] or {}
    return {
        "name": run.spec.name,
        "digest": digest_of(run.spec.model_dump(mode="json")),
        "data": _data(run),
        "background": background.get("background"),
        "sensitivity": sensitivity.get("sensitivity"),
        "discovery": sensitivity.get("discovery"),
        "bias": sensitivity.get("bias"),
        "scan": found["scan"],
        "post_trial": (found["post_trial"] or {}).get("post_trial"),
        "post_trial_regions": (found["post_trial"] or {}).get("regions"),
        "checks": list(_checks(run)),
        "timing": _timing(run),
    }


def _load(run: Run, rel: Any) -> Any:
    return store.load_json(run.path, rel) if (run.path / rel).exists() else None


def _data(run: Run) -> dict[str, Any] | None:
    try:
        record = store.load_record(run.path, layout.DATA)
    except InputError:
        return None
    dataset = unpack(store.load_arrays(run.path, layout.DATA, record.digest))
    return {
        "label": dataset.label,
        "format": run.spec.data.format,
        "digest": record.digest,
        "seasons": [
            {
                "name": s.name,
                "n_events": int(s.events.dec.size),
                "livetime_days": s.livetime_days,
                "notes": list(s.notes),
            }
            for s in dataset.seasons
        ],
    }


def _checks(run: Run) -> Iterable[dict[str, Any]]:
    """What is known of the checks before unblinding; they report, and nothing can be unblinded yet."""
    found: list[checks.Check] = []
    try:
        found += _background_checks(run)
        found += _sky_checks(run)
    except InputError as error:
        found.append(checks.Check("complete", 0.0, 1.0, False, f"not all results are there: {error}"))
    for check in found:
        row = check._asdict()
        yield {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}


def _background_checks(run: Run) -> Iterable[checks.Check]:
    """Even trials make the p-values that odd trials are tested with, at every declination; folded into one check."""
    uniform = list(_uniformity(run))
    if uniform:
        yield checks.combined("p_uniform", uniform)
    yield max(_bias(run), key=lambda check: check.value)


def _bias(run: Run) -> Iterable[checks.Check]:
    """Fitted against injected events, at every declination: opposite signs must not cancel."""
    decs = run.spec.background.decs
    for dec in decs:
        arrays = store.load_arrays(run.path, layout.sig_collected(dec, layout.decimals(decs)))
        fitted = {float(n): arrays[f"trials_{i}"]["ns"] for i, n in enumerate(arrays["n_sig"])}
        check = checks.n_sig_bias(fitted, limit=BIAS_LIMIT, name="n_sig_bias")
        value = check.value if np.isfinite(check.value) else 1.0
        yield check._replace(value=value, sentence=f"worst declination, {dec:g} deg: {check.sentence}")


def _uniformity(run: Run) -> Iterable[checks.Check]:
    decs = run.spec.background.decs
    places = layout.decimals(decs)
    for dec in decs:
        arrays = store.load_arrays(run.path, layout.bg_collected(dec, places))
        if arrays["n"].min() < 1:
            continue
        even = TSD(int(arrays["n"][0]), arrays["ts_even"])
        odd = np.concatenate([np.zeros(int(arrays["n"][1]) - len(arrays["ts_odd"])), arrays["ts_odd"]])
        if even.eta > 0:
            yield checks.p_uniform(
                even.sf(odd), even.eta, even.n, name=f"p_uniform_dec_{layout.dec_level(dec, places)}"
            )


def _sky_checks(run: Run) -> Iterable[checks.Check]:
    scan = run.spec.scan
    skies = store.load_array(run.path, layout.skies_file(), None, hottest.SPOT_DTYPE)
    rings = scans.rings(run, scan.nside)
    yield checks.sin_dec_uniform(
        skies["dec"], np.radians(scan.dec_min_deg), np.radians(scan.dec_max_deg), np.repeat(rings.dec, rings.n_pix)
    )
    yield checks.ra_uniform(skies["ra"])
    yield checks.enough_trials(
        run.spec.background.n_trials, run.spec.sensitivity.discovery_nsigma, name="enough_background_trials"
    )


def _timing(run: Run) -> dict[str, dict[str, float]]:
    """Wall and CPU time, counts and peak memory of each stage, from the records of all files."""
    out: dict[str, dict[str, float]] = {}
    for stage, rows in _records(run).items():
        if rows:
            out[stage] = {
                "wall_s": round(sum(r["wall_s"] for r in rows), 3),
                "cpu_s": round(sum(r["cpu_s"] for r in rows), 3),
                "n": sum(r["n"] for r in rows),
                "files": len(rows),
                "max_rss_mb": max(r["max_rss_mb"] for r in rows),
            }
    return out


def _records(run: Run) -> dict[str, list[dict[str, Any]]]:
    decs = run.spec.background.decs
    places = layout.decimals(decs)
    rows: dict[str, list[dict[str, Any]]] = {"prepare": _own(run, layout.DATA)}
    for dec in decs:
        for task, rel in (("bg", layout.bg_collected(dec, places)), ("sig", layout.sig_collected(dec, places))):
            rows.setdefault(f"{task}_trials", []).extend(_load(run, layout.files_of(rel)) or [])
            rows.setdefault(f"collect_{task}", []).extend(_own(run, rel))
    rows["scan_trials"] = _load(run, layout.files_of(layout.SCAN)) or []
    scan = run.spec.scan
    rows["scan_map"] = [
        row
        for nside in sorted({scan.nside, scan.map_nside or scan.nside})
        for band in range(scan.bands)
        for row in _own(run, layout.map_dir(run.spec.name, nside) / layout.band_name(band, scan.bands))
    ]
    rows["collect_scan"] = _own(run, layout.skies_file())
    for stage in ("distributions", "sensitivity", "post_trial"):
        cost = _load(run, layout.timing_file(stage))
        rows[stage] = [cost] if cost else []
    return rows


def _own(run: Run, rel: Any) -> list[dict[str, Any]]:
    try:
        record = store.load_record(run.path, rel)
    except InputError:
        return []
    return [{k: getattr(record, k) for k in ("wall_s", "cpu_s", "n", "max_rss_mb")}]
