"""Tables of the page: headings and rows of text."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from worker.report import formats
from worker.report.results import Results
from worker.report.style import dec_text
from worker.report.timing import duration, stages
from worker.stats.distributions import N_JOINT
from worker.stats.posttrial import better_hemisphere

Row = Mapping[str, Any]


class Table(NamedTuple):
    """A table; every row has the length of `head`."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def background(results: Results) -> Table:
    """One row per point."""
    points = results.points
    of_tail = results.run.spec.background.tail == "tilted"
    thresholds = ("TS at 3σ", "TS at 4σ", "TS at 5σ", "effective trials") if of_tail else ("TS at 3σ", "TS at 5σ")
    return Table(
        (points.title, "trials", "η", "ndof", "loc", "scale", "median TS", *thresholds),
        [
            (
                points.text(points.of(row)), formats.plain(row["n"]), formats.plain(row["eta"], 4),
                formats.with_error(row["ndof"], row.get("ndof_error")), formats.plain(row["loc"]),
                formats.plain(row["scale"]), formats.plain(row["median"]), *_thresholds(row, of_tail),
            )
            for row in in_order(results, "background")
        ],
    )  # fmt: skip


def _thresholds(row: Row, of_tail: bool) -> tuple[str, ...]:
    """Thresholds of a background distribution: with errors, and effective trials at 5 sigma, if they are counted."""
    if not of_tail:
        return formats.signed(row.get("ts_3sigma")), formats.signed(row.get("ts_5sigma"))
    found = row["tail"]["thresholds"]
    effective = found[-1]["n_effective"]
    cells = (formats.with_error(one["ts"], one["ts_error"]) for one in found)
    return (*cells, formats.NONE if effective is None else f"{effective:,.0f}")


def sensitivity(results: Results) -> Table:
    """One row per spectrum and point: level, events and flux of every quantity, and how they were found."""
    settings, gammas = results.run.spec.sensitivity, results.run.spec.signal.gammas
    strength = formats.strength(results.run.spec)
    flux = f"{strength.noun} [{strength.unit}]"
    points = results.points
    head = [points.title, "level", "sensitivity n_sig", flux]
    for n_sigma in reversed(settings.nsigmas):
        head += [f"discovery n_sig, {n_sigma:g}σ", flux]
    head.append("found by")
    rows = []
    for part in results.spectra:
        discovery = {(points.of(row), row.get("nsigma")): row for row in _discovery_rows(part)}
        for row in points.sort(part.get("sensitivity")):
            cells = [points.text(points.of(row)), formats.plain(row.get("level"), 2)]
            every = [row, *(discovery.get((points.of(row), n_sigma), {}) for n_sigma in reversed(settings.nsigmas))]
            cells += [cell for one in every for cell in _quantity_cells(one)]
            cells.append(_methods(every))
            rows.append((*cells[:1], f"{row['gamma']:g}", *cells[1:]) if len(gammas) > 1 else tuple(cells))
    return Table((head[0], "γ", *head[1:]) if len(gammas) > 1 else tuple(head), rows)


def _discovery_rows(part: Row) -> list[Row]:
    return [*(part.get("discovery") or []), *(part.get("discovery_lower") or [])]


def _quantity_cells(row: Row) -> tuple[str, str]:
    if row.get("n_sig") is None:
        return "not bracketed", formats.NONE
    return formats.with_error(row["n_sig"], row.get("n_sig_error")), formats.power(row["flux"], row.get("flux_error"))


def _methods(rows: list[Row]) -> str:
    """How the quantities of a row were found: once if all agree; strata with the largest number of events."""
    found = [row for row in rows if row.get("n_sig") is not None]
    if found and all(row.get("method") == "strata" for row in found):
        return _method(max(found, key=lambda row: float(row["k_max"])))
    return "; ".join(dict.fromkeys(_method(row) for row in found)) or formats.NONE


def _method(row: Row) -> str:
    """Strata with the largest number of injected events, or the curve with its chi2."""
    if row.get("method") == "strata":
        exact = "" if row["n_sig_is"] == "poisson mean" else ", exact numbers"
        return f"strata, k ≤ {row['k_max']:g}{exact}"
    fit = "curve" if row.get("chi2") is None else f"curve, χ²/dof {row['chi2']:.1f} / {row['dof']}"
    return fit + (" (spline used)" if row.get("curve") != "chi2" else "")


def not_bracketed(results: Results) -> list[str]:
    """Why sensitivities or discovery potentials are missing, and which trials to add."""
    several = len(results.run.spec.signal.gammas) > 1
    out = []
    for part in results.spectra:
        named = [("sensitivity", row) for row in results.points.sort(part.get("sensitivity"))]
        named += [("discovery", row) for row in results.points.sort(_discovery_rows(part))]
        for kind, row in named:
            if row.get("reason"):
                which = f" and γ = {row['gamma']:g}" if several else ""
                out.append(f"{kind} at {results.points.phrase(results.points.of(row))}{which}: {row['reason']}")
    return out


def hottest(results: Results) -> Table:
    """Hottest spot of each region of the shown sky, a column each: position, local and post-trial p-value."""
    regions = (results.of_sky["scan"] or {}).get("regions") or {}
    post_trial, limits = results.of_sky["post_trial_regions"] or {}, results.of_sky["upper_limits"] or {}
    better = better_hemisphere({region: row["p"] for region, row in post_trial.items() if row})
    columns = [
        _spot(results, spot, post_trial.get(region) or {})
        | _of_two(better, region)
        | _limit(results, limits, spot.get("name", region))
        for region, spot in regions.items()
    ]
    if not columns:
        return Table(("",), [])
    split = dec_text(results.run.spec.scan.dec_split_deg)
    names = {"all": "whole sky", "north": f"north (dec ≥ {split})", "south": f"south (dec < {split})"}
    nside = results.run.spec.scan.main_nside
    head = (f"map of nside {nside}" if nside else "", *(names.get(region, region) for region in regions))
    return Table(head, [(name, *(column.get(name, formats.NONE) for column in columns)) for name in columns[0]])


def _of_two(better: Row | None, region: str) -> dict[str, str]:
    """Post-trial p of the better hemisphere, corrected for the choice; an empty cell in other columns."""
    if better is None:
        return {}
    value = formats.p_value(better["p_of_two"]) if better["region"] == region else formats.NONE
    return {"post-trial p, as the better of two hemispheres": value}


def _limit(results: Results, limits: Row, name: str) -> dict[str, str]:
    """Upper limit on the flux of a hottest spot, for each spectrum."""
    rows_by_target = limits.get("limits") or []
    rows: list[Row] = next((row["limits"] for row in rows_by_target if row["name"] == name), [])
    settings = results.run.spec.sensitivity
    name = f"upper limit ({100 * settings.beta:g} %), γ = {{:g}} [{formats.strength(results.run.spec).unit}]"
    return {name.format(row["gamma"]): formats.power(row.get("flux"), row.get("flux_error")) for row in rows}


def _valid(spot: Row) -> dict[str, str]:
    """Local p-value of the real sky that counts with its own weight; empty for a scrambled sky."""
    if "p_valid" not in spot:
        return {}
    way = {"empirical": "counted", "tilted": "counted, by tilted trials"}[spot["p_valid"]["way"]]
    return {"p (local), with the weight of the observed sky": f"{formats.p_value(spot['p_valid']['p'])} ({way})"}


def _patches(post: Row) -> dict[str, str]:
    """Post-trial p-value from patches beside the counted one, and the error of N_eff in the tail; empty without."""
    if "patches" not in post:
        return {}
    found, ratio = post["patches"], post.get("n_eff_ratio")
    error = f"± {found['error'] / found['p']:.0%} ({found['n_effective']:,.0f} effective patches)"
    return {
        "post-trial p is": {"counted": "counted", "patches": "from patches"}[post["way"]],
        "counted post-trial p": formats.p_value(post["counted"]["p"]),
        "post-trial p from patches": f"{formats.p_value(found['p'])} {error}",
        "post-trial p from N_eff over that from patches": formats.NONE if ratio is None else f"{ratio:.2f}",
    }


def _spot(results: Results, spot: Row, post: Row) -> dict[str, str]:
    likelihood = results.run.spec.likelihood
    at_bound = " (bound of the fit)" if spot.get("gamma") in (likelihood.gamma_min, likelihood.gamma_max) else ""
    coverage = f"{100 * post.get('level', 0.6827):.0f} % interval"
    noun = "source" if "ra" in spot else results.points.what[:-1]
    name = {noun: spot["name"]} if "name" in spot else {}
    place, fitted_gamma = {}, {}
    if "ra" in spot:
        degrees = formats.degrees(float(np.degrees(spot["dec"])))
        place = {"right ascension": f"{np.degrees(spot['ra']):.2f}°", "declination": degrees}
    fitted_ns = {"fitted ns": formats.signed(spot["ns"])} if "ns" in spot else {}
    if "gamma" in spot:
        fitted_gamma = {"fitted γ": formats.signed(spot["gamma"]) + at_bound}
    return name | {
        **place,
        "−log₁₀ p (local)": formats.signed(spot["mlog10p"]) + _p_value_method(results, spot),
        **_valid(spot),
        "68 % interval of p (local)": interval({"lo": spot.get("p_lo"), "hi": spot.get("p_hi")}),
        "interpolation error of p (local)": interpolation_error(spot),
        "TS": formats.signed(spot["ts"]),
        **fitted_ns,
        **fitted_gamma,
        "post-trial p": formats.p_value(post.get("p")),
        coverage: interval(post),
        "skies at least as hot": f"{post['k']:,} of {post['n']:,}" if post else formats.NONE,
        **_patches(post),
        "N_eff": _n_eff(post),
        "post-trial p from N_eff": formats.p_value(post.get("p_eff")),
        "KS p of the N_eff curve": formats.p_value(post.get("ks_p")),
    }


def interpolation_error(spot: Row) -> str:
    """Factor by which a local p-value may be off between declinations; in no interval."""
    if "p_interpolation_error" not in spot:
        return formats.NONE
    error = spot["p_interpolation_error"]
    if error is None:
        return "unknown: fewer than three declinations"
    return f"× or ÷ {np.exp(error):.2f}" if error else "none: own background trials"


def _n_eff(post: Row) -> str:
    """Effective number of positions, or why there is none."""
    if post and post.get("n_eff") is None:
        return "none: every sky has p = 1" if post.get("ks_p") is None else "none: the skies do not follow its curve"
    return formats.with_error(post.get("n_eff"), post.get("n_eff_error"))


def _counted(local: Sequence[Row]) -> str:
    """How a counted p-value was obtained, and how well it is known at the worst declination that it comes from."""
    if not local or all(row["p"] == 1.0 for row in local):
        return ""
    worst = min((row for row in local if row["p"] < 1.0), key=lambda row: row["n_effective"])
    way = "tilted trials" if any(row["way"] == "tilted" for row in local) else "plain trials"
    if worst["lo"] == 0.0:
        return f" (counted with {way}: beyond the last of them, p is smaller)"
    return f" (counted with {way}: as well as {worst['n_effective']:,.0f} plain ones beyond it would)"


def _p_value_method(results: Results, spot: Row) -> str:
    """Whether a p-value is counted, and by what trials, or fitted (fewer than `N_JOINT` of the nearest dec above)."""
    if "p_way" in spot:
        return {"empirical": " (counted)", "tilted": " (counted, by tilted trials)"}.get(spot["p_way"], " (by the fit)")
    dec_deg, survival = float(np.degrees(spot["dec"])), results.run.spec.scan.survival
    near = min(in_order(results, "background"), key=lambda row: abs(row["dec_deg"] - dec_deg), default=None)
    counted = near is not None and 10.0 ** -spot["mlog10p"] * near["n"] >= N_JOINT
    if survival == "counted":
        return _counted(spot.get("local") or ())
    return " (counted)" if survival == "empirical" or (survival == "hybrid" and counted) else " (by the fit)"


def interval(post: Row) -> str:
    """[low, high] of a post-trial p-value."""
    if post.get("lo") is None:
        return formats.NONE
    return f"[{formats.p_value(post['lo'])}, {formats.p_value(post['hi'])}]"


def skies(results: Results, n: int = 10) -> Table:
    """Hottest spots of the first background skies."""
    head = ("sky", "dec [rad]", "γ", "−log₁₀ p", "ns", "ra [rad]", "TS")
    spots = results.skies("all")
    if spots is None:
        return Table(head, [])
    keys = ("dec", "gamma", "mlog10p", "ns", "ra", "ts")
    return Table(
        head,
        [(str(i), *(f"{float(spot[key]):.6f}".replace("-", "−") for key in keys)) for i, spot in enumerate(spots[:n])],
    )


def timing(results: Results) -> Table:
    """One row per stage, and the total."""
    head = ("stage", "processes", "wall", "CPU", "n", "n per CPU second", "peak memory")
    rows = [
        (
            name, formats.plain(row.get("files")), duration(row["wall_s"]), duration(row["cpu_s"]),
            formats.plain(row["n"]), _speed(row), f"{row['max_rss_mb']:.0f} MB",
        )
        for name, row in stages(results)
    ]  # fmt: skip
    if rows:
        all_rows = [row for _, row in stages(results)]
        wall, cpu = (sum(row[key] for row in all_rows) for key in ("wall_s", "cpu_s"))
        files = sum(row.get("files", 0) for row in all_rows)
        peak = max(row["max_rss_mb"] for row in all_rows)
        rows.append(
            ("total", formats.plain(files), duration(wall), duration(cpu), formats.NONE, formats.NONE, f"{peak:.0f} MB")
        )
    return Table(head, rows)


def processes(results: Results) -> str:
    """Sentence with the number of processes in the table of costs."""
    counted = sum(row.get("files", 0) for _, row in stages(results))
    return (
        f"The table holds the {counted:,} processes whose files have a record of their cost, of "
        f"{results.run.n_processes:,} in the plan; that of this report is not among them."
    )


def _speed(row: Row) -> str:
    """Output per CPU second; none for a stage with a single output."""
    return formats.plain(row["n"] / row["cpu_s"]) if row["cpu_s"] and row["n"] > 1 else formats.NONE


class Verdict(NamedTuple):
    """One check before unblinding as text; `good` sets the colour of its verdict."""

    name: str
    verdict: str
    good: bool
    value: str
    limit: str
    figure: str
    sentence: str


def checks(results: Results) -> list[Verdict]:
    """One row per check: verdict, value, limit, and figure."""
    return [
        Verdict(
            row["name"],
            "passed" if row["passed"] else "failed, waived" if row.get("waived") else "failed",
            bool(row["passed"]),
            formats.plain(row.get("value")), formats.plain(row.get("limit")),
            row.get("figure", ""), row["sentence"],
        )
        for row in results.summary.get("checks") or []
    ]  # fmt: skip


def in_order(results: Results, key: str) -> list[Row]:
    """Rows of the summary in the order of the points; empty if missing."""
    return results.points.sort(results.summary.get(key))
