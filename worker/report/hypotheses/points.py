"""Listed points in the same skies, in the report: fit, p-value and limit of each."""

from collections.abc import Callable, Mapping
from typing import Any

from worker.report import formats, scan
from worker.report.hypotheses.part import Part, Section
from worker.report.plot import Plot
from worker.report.results import Results
from worker.report.tables import Table
from worker.spec.sections import Spec


def _searched(spec: Spec) -> str:
    return f"A search at {len(spec.all_points):,} listed point" + ("s" if len(spec.all_points) > 1 else "")


def _hottest(results: Results, spot: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return "point", (spot["name"], formats.fit_text(spot))


def _method(spec: Spec) -> str:
    return (
        f"{len(spec.all_points):,} listed points are fitted, all of them in the same skies: each sky is scrambled once "
        "and every point is fitted in it, so that the p-values of a sky are correlated as in reality."
    )


def _label(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}".replace("-", "−")


def table(results: Results, fit: Callable[[Mapping[str, Any]], str] = formats.fit_text) -> Table:
    """One row per point, the hottest first; a limit in events and as a flux for each spectrum."""
    found, points = results.of_sky["scan"] or {}, results.points
    every = (results.of_sky["upper_limits"] or {}).get("limits") or []
    limits = {row["name"]: row["limits"] for row in every}
    gammas = results.run.spec.signal.gammas
    head = [*points.names, "fit", "−log₁₀ p", "p (local)"]
    for gamma in gammas:
        which = f", γ = {gamma:g}" if len(gammas) > 1 else ""
        head += [f"n_sig limit{which}", f"{formats.strength(results.run.spec).noun} limit{which}"]
    rows = []
    for point in sorted(found.get("points") or [], key=lambda row: -float(row["mlog10p"])):
        cells = [_label(point.get(name, formats.NONE)) for name in points.names]
        cells += [fit(point), formats.signed(point["mlog10p"]), formats.p_value(point["p"])]
        for row in limits.get(point["name"]) or [{}] * len(gammas):
            cells += [formats.with_error(row.get("n_sig"), row.get("n_sig_error"))]
            cells += [formats.power(row.get("flux"), row.get("flux_error"))]
        rows.append(tuple(cells))
    return Table(tuple(head), rows)


def _section(results: Results) -> Section:
    return Section("Points", table(results))


PART = Part(
    (Plot("post_trial", "post_trial", "Hottest-point distribution", scan.post_trial),),
    _searched,
    _hottest,
    _method,
    _section,
)
