"""Results of a run as text, from RUN/results/summary.json."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import NormalDist
from typing import Any

from dagmaker.status.display import duration, rate
from worker.base import shell
from worker.base.reading import json_object
from worker.base.task_rows import ROWS
from worker.rundir import layout
from worker.rundir.post_trial_text import sentence

MOST_SOURCES = 10
"""Sources of a list in the terminal; summary.json has all."""


def read(run: Path) -> dict[str, Any] | None:
    """RUN/results/summary.json; None if it cannot be read."""
    try:
        return json_object(run / layout.SUMMARY, {"name": str})
    except (OSError, ValueError):
        return None


def lines(run: Path) -> list[str]:
    """The results of a finished run, or a message if there is no summary."""
    summary = read(run)
    if summary is not None:
        with suppress(KeyError, TypeError, ValueError, AttributeError, IndexError):  # damaged summary
            return _lines(summary, run)
    again = shell.worker("report", f"--run={run}")
    return [f"{run / layout.SUMMARY}: there is no summary, or it cannot be read: `{again}`"]


def _lines(summary: Mapping[str, Any], run: Path) -> list[str]:
    parts = (_head, _fluxes, _sources, _hottest, _limits, _post_trial, _binomial, _sums, _population, _priors, _timing)
    return ["", *(line for part in parts for line in part(_of_shown_sky(summary))), *_result_paths(run)]


def _of_shown_sky(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """The summary with the results of the real sky, once it is open, in the place of those of the scrambled one."""
    real = summary.get("unblinded")
    if not real:
        return summary
    keys = ("post_trial", "better_hemisphere", "binomial", "sums", "population", "prior_tests", "upper_limits")
    return {**summary, "scan": real, **{key: real.get(key) for key in keys}}


def _head(summary: Mapping[str, Any]) -> Iterator[str]:
    data = summary.get("data") or {}
    label = data.get("label", "unknown")
    sky = (
        "no sky"
        if summary.get("labels") and not summary.get("scan")
        else "scrambled sky (the real sky was not touched)"
    )
    if real := summary.get("unblinded"):
        sky = f"{real['sky']} sky"
    if data.get("format") == "engine":
        sky = "the blindness of this engine is its own"
    yield f"{summary.get('name', '?')}: {label} data, {sky}"


def _example_rows(rows: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> list[Mapping[str, Any]]:
    """Rows of a southern, a middle and a northern declination, or of three listed points."""
    in_order = rows if labels else sorted(rows, key=lambda row: float(row["dec_deg"]))
    picks = sorted({round(fraction * (len(in_order) - 1)) for fraction in (1 / 6, 1 / 2, 5 / 6)})
    return [in_order[i] for i in picks]


def _point(row: Mapping[str, Any], labels: Sequence[str]) -> str:
    """A declination, or the labels of a listed point."""
    if not labels:
        return f"{row['dec_deg']:>+8.4g}°"
    values = (row[name] for name in labels if name in row)
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values).rjust(9)


def _fluxes(summary: Mapping[str, Any]) -> Iterator[str]:
    """Sensitivity and discovery potential at three points, for each spectrum."""
    labels = summary.get("labels") or []
    for part in (summary, *(summary.get("more_spectra") or ())):
        yield from _of_spectrum(part, labels)
    if summary.get("sensitivity") and summary.get("acceptance_error"):
        yield f"sensitivities and upper limits contain a relative acceptance error of {summary['acceptance_error']:g}"
    if summary.get("sensitivity") and summary.get("level_note"):
        yield f"level: {summary['level_note']}"


def _of_spectrum(part: Mapping[str, Any], labels: Sequence[str]) -> Iterator[str]:
    rows, discovery = part.get("sensitivity") or (), part.get("discovery") or ()
    if not rows:
        return
    of_point = {_point(row, labels): row for row in discovery}
    unit, gamma = rows[0].get("unit") or "strength of the engine", rows[0].get("gamma")
    spectrum = "" if gamma is None or not rows[0].get("unit") else f", gamma {gamma:g}"
    sensitivity = f"sensitivity, {100 * rows[0]['beta']:g} %" if "beta" in rows[0] else "sensitivity"
    n_sigma = f", {discovery[0]['nsigma']:g} sigma" if discovery and "nsigma" in discovery[0] else ""
    yield ""
    yield (
        f"{', '.join(labels) or 'dec':>9}  {sensitivity:>24}  {'level':>5}  {'discovery' + n_sigma:>24}   "
        f"[{unit}{spectrum}]"
    )
    for row in _example_rows(rows, labels):
        level = f"{row['level']:.2f}" if row.get("level") is not None else "-"
        at = _point(row, labels)
        yield f"{at}  {_flux(row):>24}  {level:>5}  {_flux(of_point.get(at, {})):>24}"


def _flux(row: Mapping[str, Any]) -> str:
    if row.get("n_sig") is None:
        return "-"
    error = row.get("n_sig_error")
    events = f"n_sig {row['n_sig']:.3g} ± {'-' if error is None else f'{error:.2g}'}"
    return events if row.get("flux") is None else f"{row['flux']:.3g} ({events})"


def _hottest(summary: Mapping[str, Any]) -> Iterator[str]:
    scan = summary.get("scan") or {}
    spot = scan.get("hottest")
    if not spot:
        return
    yield ""
    what = f"hottest of {scan['n_sources']:,} sources in" if "n_sources" in scan else "hottest spot of"
    if "n_points" in scan:
        noun = "catalogue" if scan.get("kind") == "stacking" else "point"
        what = f"hottest of {scan['n_points']:,} {noun}{'' if scan['n_points'] == 1 else 's'} in"
    of = f" (nside {scan['nside']})" if "nside" in scan else ""
    name = f"{spot['name']}, " if "name" in spot else ""
    where = f"ra {math.degrees(spot['ra']):.2f}°, dec {math.degrees(spot['dec']):+.2f}°, " if "ra" in spot else ""
    gamma = f"gamma {spot['gamma']:.2f}, " if "gamma" in spot else ""
    ns = f"ns {spot['ns']:.1f}, " if "ns" in spot else ""
    fit = f"TS {spot['ts']:.2f}, {ns}{gamma}-log10 p {spot['mlog10p']:.2f}"
    yield f"{what} the {scan.get('sky', 'scrambled')} sky{of}: {name}{where}{fit}"
    error = spot.get("p_interpolation_error")
    if error:
        yield f"its local p is interpolated between declinations, and off by a factor of about {math.exp(error):.2f}"
    elif error is None and "p_interpolation_error" in spot:
        yield "its local p is interpolated between two declinations: its error is unknown"


def _post_trial(summary: Mapping[str, Any]) -> Iterator[str]:
    post = summary.get("post_trial")
    if not post:
        return
    yield (
        f"post-trial p-value: {post['p']:.3g} [{post['lo']:.3g}, {post['hi']:.3g}]{_significance(post['p'])} "
        f"({sentence(post)})"
    )
    better = summary.get("better_hemisphere")
    if better:
        yield (
            f"better hemisphere: {better['region']}, post-trial p {better['p']:.3g}; quoted as the better of two: "
            f"{better['p_of_two']:.3g}{_significance(better['p_of_two'])}"
        )


def _significance(p: float) -> str:
    """One-sided significance of a p-value; p of 0.5 or more is no excess, not a negative significance."""
    return f", {-NormalDist().inv_cdf(p):.2f} sigma" if 0 < p < 0.5 else ", no excess" if p >= 0.5 else ""


def _sources(summary: Mapping[str, Any]) -> Iterator[str]:
    """The sources of a list, the hottest first."""
    sources = sorted((summary.get("scan") or {}).get("sources") or (), key=lambda row: -float(row["mlog10p"]))
    if not sources:
        return
    width = max(6, *(len(row["name"]) for row in sources[:MOST_SOURCES]))
    yield ""
    yield f"{'source':<{width}}{'ra':>9}{'dec':>9}{'TS':>8}{'ns':>7}{'gamma':>7}{'local p':>10}"
    for row in sources[:MOST_SOURCES]:
        gamma = f"{row['gamma']:.2f}" if row["ns"] > 0 else "-"
        yield (
            f"{row['name']:<{width}}{row['ra_deg']:>8.2f}°{row['dec_deg']:>+8.2f}°{row['ts']:>8.2f}{row['ns']:>7.1f}"
            f"{gamma:>7}{row['p']:>10.3g}"
        )
    if len(sources) > MOST_SOURCES:
        yield f"and {len(sources) - MOST_SOURCES:,} less significant ones: scan.sources in {layout.SUMMARY}"


def _binomial(summary: Mapping[str, Any]) -> Iterator[str]:
    test = (summary.get("binomial") or {}).get("all")
    if test:
        yield (
            f"binomial test: {test['k']} of {test['n_sources']} sources, -log10 p {test['mlog10p']:.2f}, "
            f"trial-corrected p {test['p']:.3g} [{test['lo']:.3g}, {test['hi']:.3g}]{_significance(test['p'])}"
        )


def _sums(summary: Mapping[str, Any]) -> Iterator[str]:
    for length, test in (summary.get("sums") or {}).items():
        yield (
            f"sum of TS over {test['n_sources']} windows of {length}: {test['sum_ts']:.2f}, "
            f"p {test['p']:.3g} [{test['lo']:.3g}, {test['hi']:.3g}]{_significance(test['p'])}"
        )


def _population(summary: Mapping[str, Any]) -> Iterator[str]:
    test = (summary.get("population") or {}).get("all")
    if test and test["n_spots"]:
        yield (
            f"population test: {test['n_spots']} warm spots with -log10 p >= {test['x']:.2f}, {test['expected']:.2f} "
            f"expected, trial-corrected p {test['p']:.3g} [{test['lo']:.3g}, {test['hi']:.3g}]"
            f"{_significance(test['p'])}"
        )
    elif test:
        yield f"population test: no warm spot, trial-corrected p {test['p']:.3g}"


_PRIOR_RESULTS = (("sensitivity", "sensitivity"), ("3 sigma discovery", "discovery"), ("upper limit", "limit"))


def _priors(summary: Mapping[str, Any]) -> Iterator[str]:
    tests = summary.get("prior_tests") or {}
    for name, test in tests.items():
        yield (
            f"spatial prior {name}: TS + 2 ln(P / P max) = {test['prior_ts']:.2f}, p {test['p']:.3g} "
            f"[{test['lo']:.3g}, {test['hi']:.3g}]{_significance(test['p'])}"
        )
        found = [(what, test.get(key), test.get(f"{key}_error")) for what, key in _PRIOR_RESULTS]
        numbers = [f"{what} {n_sig:.1f} ± {error:.1f}" for what, n_sig, error in found if n_sig is not None]
        if numbers:
            yield f"  events of a source drawn from it: {', '.join(numbers)}"
    if len(tests) > 1:
        p = next(iter(tests.values()))["p_of_all"]
        yield f"the best of {len(tests)} spatial priors: corrected p {p:.3g}{_significance(p)}"


def _limits(summary: Mapping[str, Any]) -> Iterator[str]:
    """The upper limit of the hottest source or spot."""
    spot = (summary.get("scan") or {}).get("hottest") or {}
    limits = summary.get("upper_limits") or {}
    for row in limits.get("limits") or ():
        if row["name"] == spot.get("name", "all"):
            for limit in row["limits"]:
                if limit.get("flux") is not None:
                    flux = f"{limit['flux']:.3g} ± {limit['flux_error']:.2g} {limits['unit']}"
                    yield f"its upper limit ({100 * limits['cl']:g} %, gamma {limit['gamma']:g}): {flux}"


def _time_text(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def _timing(summary: Mapping[str, Any]) -> Iterator[str]:
    timing = summary.get("timing") or {}
    if not timing:
        return
    yield ""
    yield f"{'stage':<14}{'files':>8}{'made':>16}{'wall':>10}{'CPU':>10}{'per CPU second':>16}{'memory':>9}"
    for stage in [*filter(timing.__contains__, ROWS), *sorted(timing.keys() - ROWS.keys())]:
        row = timing[stage]
        speed = row["n"] / row["cpu_s"] if row["cpu_s"] > 0 else None
        unit = f" {ROWS[stage].unit}" if stage in ROWS and row["n"] > 1 else ""
        made, wall, cpu = f"{row['n']:,}{unit}", _time_text(row["wall_s"]), _time_text(row["cpu_s"])
        yield (
            f"{stage:<14}{row.get('files', 1):>8,}{made:>16}{wall:>10}{cpu:>10}{rate(speed):>16}"
            f"{row['max_rss_mb']:>6.0f} MB"
        )


def _result_paths(run: Path) -> Iterator[str]:
    yield ""
    yield f"results: {run / layout.SUMMARY}"
    if (run / layout.REPORT).exists():
        yield f"report:  {run / layout.REPORT}"
