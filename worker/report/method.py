"""The method in one paragraph, with the values of the spec."""

from worker.engines.protocol import Method
from worker.report.formats import enumeration
from worker.report.hypotheses.table import part_of
from worker.report.results import Results
from worker.spec.sections import Spec
from worker.tasks import context
from worker.tasks.post_trial import LEAST_SKIES


def paragraphs(results: Results) -> list[str]:
    """Likelihood and trials, then the scan and the post-trial p-value."""
    spec = results.run.spec
    method, part = context.engine_facts(results.run).method(), part_of(spec)
    scan = [_scan(spec, part.method(spec), results.sky)] if part else []
    return [method.test_statistic, f"{_trials(results, method)} {_n_sig(results)}", *scan]


def _trials(results: Results, method: Method) -> str:
    spec, points = results.run.spec, results.points
    signal, sens = spec.signal, spec.sensitivity
    strength = "flux" if results.has_flux else "n_sig"
    ends = (points.text(points.points[i]) for i in (0, -1))
    between = f" from {' to '.join(ends)}" if points.on_sky else ""
    n_injected = len(spec.signal_points)
    where = "each" if n_injected == len(points.points) else f"{n_injected}"
    return (
        f"{method.background}: {spec.background.n_trials:,} at each of {len(points.points)} {points.what}{between}. "
        f"Signal trials add {method.signal}: "
        f"{signal.n_trials:,} for each of {len(signal.n_sig)} n_sig between {signal.n_sig[0]:g} and "
        f"{signal.n_sig[-1]:g}, at {where} of them. {_rounds(spec)}"
        f"The sensitivity is the {strength} at which {100 * sens.beta:g} % of the trials lie above "
        f"the background median{_level(sens.threshold)}; the discovery potential that at which "
        f"{100 * sens.discovery_beta:g} % lie above "
        f"{enumeration(sens.nsigmas, 'or')}σ (one-sided). Their errors contain those of the thresholds. An upper limit "
        f"is the {strength} at which {100 * sens.beta:g} % of the trials exceed the TS that was fitted, or the "
        f"background median where that is larger.{_acceptance(sens.flux_error)}"
    )


def _n_sig(results: Results) -> str:
    """How n_sig was found, and why in another way than the spec asks for."""
    rows = [row for part in results.spectra for kind in ("sensitivity", "discovery") for row in part.get(kind) or ()]
    methods = {row.get("method", "curve") for row in rows} or {results.run.spec.sensitivity.method}
    what = "the mean of a Poisson number of events" if results.run.spec.signal.poisson else "an exact number of events"
    ways = {
        "strata": "from trials sorted by their number k of injected events: the passing fractions of all k, "
        "non-decreasing in k and weighted with the probabilities of k, give the passing fraction at any n_sig",
        "curve": "from a curve through the passing fractions at the n_sig of the trials",
    }
    found = " or ".join(ways[method] for method in sorted(methods))
    reasons = sorted({row["method_reason"] for row in rows if row.get("method_reason")})
    return f"n_sig, {what}, is found {found}" + "".join(f" ({reason})" for reason in reasons) + "."


def _acceptance(error: float) -> str:
    """Sentence on the error of the acceptance; empty without one."""
    if not error:
        return ""
    return (
        f" Sensitivity and limits are averaged over an acceptance that is uncertain by {100 * error:g} % (Cousins and "
        "Highland 1992)."
    )


def _level(threshold: str) -> str:
    """The level of a randomised sensitivity."""
    if threshold == "median":
        return ""
    return " (randomised: of the trials with TS equal to the median, so many count that the background passes with 1/2)"


def _rounds(spec: Spec) -> str:
    """Sentence on adaptive rounds; empty without them."""
    if not spec.adaptive.max_rounds:
        return ""
    goals = [
        f"{100 * error:g} % on {what}"
        for what, error in (
            ("the sensitivity", spec.goal.sensitivity_error),
            ("the discovery potential", spec.goal.discovery_error),
        )
        if error is not None
    ]
    goals += [f"a local significance of {spec.goal.local_sigma:g}σ"] if spec.goal.local_sigma is not None else []
    return (
        f"In up to {spec.adaptive.max_rounds} rounds, trials were added where {' or '.join(goals)} was not reached "
        "yet, at n_sig around the crossing; trials of all rounds count. "
    )


def _patches(spec: Spec) -> str:
    tail = spec.scan.post_trial
    if tail.tail == "none":
        return ""
    return (
        f"With fewer than {LEAST_SKIES} such skies, p = 1 - exp(-lambda) with the expected number lambda of hot spots "
        f"at least as hot (each the hottest pixel within {tail.separation_deg:g}°), from {tail.n_patches:,} patches of "
        "skies drawn from tilted distributions, with exact weights. "
    )


def _scan(spec: Spec, what: str, sky: str) -> str:
    scan = spec.scan
    fit = {"scale1": "a chi2 fit (loc 0, scale 1)", "free": "a chi2 fit (loc 0, scale free)"}[spec.background.fit]
    ways = {
        "counted": "by counting background trials: plain ones, and beyond the last hundred "
        f"{spec.background.n_tail_trials:,} trials drawn from tilted distributions, with exact weights",
        "hybrid": f"by counting trials, and by {fit} beyond the last hundred",
        "fit": f"by {fit}",
        "empirical": "by counting trials",
    }
    between = {
        "linear": "interpolated linearly in p between the declinations of the grid",
        "log": "interpolated linearly in ln p between the declinations of the grid",
        "ring": "from the background trials of the pixel's own ring, without interpolation",
    }[scan.interpolation]
    if spec.hypothesis.lists_points:
        between = "each from the background trials of its own point"
    return (
        f"{what} A TS becomes a local p-value {ways[scan.survival]}, {between}. The hottest spot of the "
        f"{sky} sky is compared with those of {scan.n_skies:,} background skies: post-trial p = (k + 1)/(n + 1), with "
        f"k of n at least as hot, and a Clopper-Pearson interval. {_patches(spec)}"
        f"Every random number is a function of the seed "
        f"({spec.seed}) and of its own address, so nothing depends on how the work was cut."
    )
