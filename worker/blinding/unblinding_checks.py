"""Checks before unblinding of a run directory: value, limit, verdict, figure and waiver.

The report and unblinding use `verdicts`. A failed check that is not waived blocks unblinding.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from worker.base.errors import InputError
from worker.base.task_rows import BG_TRIALS, SIG_TRIALS, TAIL_TRIALS, multi_file_tasks
from worker.blinding import patch_checks, tail_checks
from worker.hypotheses import hottest_spots
from worker.hypotheses.table import hypothesis_of
from worker.rundir import layout, store
from worker.rundir.ledger import Run, each_expected, missing
from worker.spec.checklist import FIGURES, NAMES
from worker.spec.point import Point, Value
from worker.spec.sections import Spec
from worker.stats import bias, checks
from worker.stats.checks import Check
from worker.stats.distributions import TSD
from worker.stats.significance import How
from worker.tasks import context

_RESULTS = (layout.BACKGROUND, layout.SENSITIVITY, layout.SCAN, layout.POST_TRIAL)


class Verdict(NamedTuple):
    """One check of a run.

    Attributes
    ----------
    name : str
        One of `worker.spec.checklist.NAMES`, which is what ``unblind.waive`` takes.
    value, limit : float or None
        Measured value and its limit; None if it could not be measured.
    passed : bool
    waived : bool
        Failed, and named in the spec's ``unblind.waive``.
    sentence : str
        The result and, if the check failed, what to do.
    figure : str
        The figure of the report that shows it, RUN/report/figures/FIGURE.png.
    """

    name: str
    value: float | None
    limit: float | None
    passed: bool
    waived: bool
    sentence: str
    figure: str

    @property
    def blocks(self) -> bool:
        """Whether it forbids unblinding."""
        return not (self.passed or self.waived)


def verdicts(run: Run) -> tuple[Verdict, ...]:
    """Every check before unblinding, in the order of `worker.spec.checklist.NAMES`; each name exactly once.

    A check fails if its inputs are missing or damaged. Reads results and collected files; takes some seconds for a
    large analysis. Unblinding is allowed if ``not any(v.blocks for v in verdicts(run))``.
    """
    return tuple(_verdict(run, name) for name in NAMES)


def blocking(checked: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Verdicts that forbid unblinding: failed and not waived."""
    return tuple(verdict for verdict in checked if verdict.blocks)


def as_rows(checked: Iterable[Verdict]) -> list[dict[str, Any]]:
    """Verdicts as rows of summary.json."""
    return [{**verdict._asdict(), "blocks": verdict.blocks} for verdict in checked]


def _verdict(run: Run, name: str) -> Verdict:
    try:
        of_skies: dict[str, Callable[[Run], Check]] = {}
        if not run.spec.scan.has_skies:
            of_skies = {key: partial(_no_skies, key) for key in OF_SKIES}
        check = {**of_skies, **hypothesis_of(run.spec).checks(), **_CHECKS}[name](run)
    except InputError as error:
        check = Check(name, float("nan"), float("nan"), False, f"cannot be made: {error}")
    waived = not check.passed and name in run.spec.unblind.waive
    value, limit = (float(v) if np.isfinite(v) else None for v in (check.value, check.limit))
    return Verdict(name, value, limit, bool(check.passed), waived, check.sentence, FIGURES[name])


def _files_complete(run: Run) -> Check:
    """All planned files and results exist, and collections were made from all trials."""
    skies = run.spec.scan.has_skies
    makes = {node["task"] for node in run.plan["nodes"]}
    absent = [str(e.path) for task in multi_file_tasks() if task in makes for e in missing(run, task)]
    absent += [str(rel) for rel in (_RESULTS if skies else _RESULTS[:2]) if not (run.path / rel).exists()]
    absent += list(_incomplete(run))
    absent += [str(rel) for rel in _rounds(run) if not (run.path / rel).exists()]
    return checks.complete(run.n_processes, absent)


def _rounds(run: Run) -> Iterator[PurePosixPath]:
    """Decision and plan of every round."""
    for number in range(1, run.spec.adaptive.max_rounds + 1):
        yield from (layout.decision(number), layout.round_plan(number))


def _incomplete(run: Run) -> Iterator[str]:
    """Collections that are missing, or were made from fewer or more trials than the plan has."""
    spec = run.spec
    for at in spec.all_points:
        rel = layout.bg_collected(at)
        planned = _n_planned(run, BG_TRIALS, **at.args)
        yield from _count_problem(run, rel, lambda arrays: int(arrays["n"].sum()), planned)
        if spec.background.tail == "tilted":
            planned = _n_planned(run, TAIL_TRIALS, **at.args)
            yield from _count_problem(run, rel, lambda arrays: len(arrays["tail_ts"]), planned)
    for at in spec.signal_points:
        for level in spec.signal.levels:
            rel = layout.sig_collected(at, level)
            yield from _count_problem(run, rel, _n_signal, _n_planned(run, SIG_TRIALS, **at.signal_args(level)))
    if (run.path / layout.SCAN).exists():
        n_skies = store.load_json(run.path, layout.SCAN)["n_skies"]
        tail = spec.scan.post_trial
        n_patches = store.load_json(run.path, layout.SCAN)["patches"]["n"] if tail.tail == "patches" else tail.n_patches
        if n_patches != tail.n_patches:
            yield f"{layout.SCAN} (made from {n_patches:,} of {tail.n_patches:,} patches)"
        if n_skies != spec.scan.n_skies:
            yield f"{layout.SCAN} (made from {n_skies:,} of {spec.scan.n_skies:,} skies)"


def _n_planned(run: Run, task: str, **point: Value) -> int:
    return sum(file.n for file in each_expected(run, task, **point))


def _n_signal(arrays: Mapping[str, Any]) -> int:
    return sum(len(arrays[f"trials_{i}"]) for i in range(len(arrays["n_sig"])))


def _count_problem(run: Run, rel: Any, count: Any, planned: int) -> Iterator[str]:
    if not (run.path / rel).exists():
        yield str(rel)
        return
    actual = count(store.load_arrays(run.path, rel))
    if actual != planned:
        yield f"{rel} (made from {actual:,} of {planned:,} trials)"


def _p_uniform(run: Run) -> Check:
    """Odd trials must have uniform p-values in the distribution of the even ones; all points in one check."""
    per_point = []
    for at in run.spec.all_points:
        even, odd = halves(run, at)
        if even.eta > 0:
            per_point.append(
                checks.p_uniform(even.sf(odd, way_of_half(run.spec, even)), even.eta, even.n, name=str(at))
            )
    return checks.combined("p_uniform", per_point)


def way_of_half(spec: Spec, even: TSD) -> How:
    """The spec's way to a p-value in a half of the plain trials, without the tilted ones that count their tail."""
    counts = even.chi2 is None or spec.scan.survival == "counted"
    return "empirical" if counts else spec.scan.survival


def halves(run: Run, at: Point) -> tuple[TSD, np.ndarray]:
    """Distribution of the even background trials of a point, and the TS of the odd ones."""
    arrays = store.load_arrays(run.path, layout.bg_collected(at))
    if arrays["n"].min() < 1:
        raise InputError(f"{at} has {int(arrays['n'].sum())} background trials: two are the least")
    even = TSD(int(arrays["n"][0]), arrays["ts_even"], run.spec.background.fit)
    zeros = np.zeros(int(arrays["n"][1]) - len(arrays["ts_odd"]))
    return even, np.concatenate([zeros, arrays["ts_odd"]])


def _n_sig_bias(run: Run) -> Check:
    """The hardest and the softest spectrum, or the only one."""
    if "ns" not in (context.columns(run).names or ()):
        return Check("n_sig_bias", float("nan"), float("nan"), True, "the engine fits no ns: nothing to compare.")
    signal = run.spec.signal
    ends = {signal.gammas[i]: signal.levels[i] for i in (0, -1)}
    return bias.of_spectra({gamma: _bias_of(run, level) for gamma, level in ends.items()})


def _bias_of(run: Run, level: float | None) -> Check:
    responses = {}
    for at in run.spec.signal_points:
        arrays = store.load_arrays(run.path, layout.sig_collected(at, level))
        fitted = {float(n): arrays[f"trials_{i}"]["ns"] for i, n in enumerate(arrays["n_sig"])}
        responses[at] = bias.response(bias.bias_table(fitted))
    decs = run.spec.signal_decs
    if not decs:
        return _n_sig_bias_of_points(responses)
    of_decs = dict(zip(decs, responses.values(), strict=True))
    return bias.n_sig_bias(of_decs, run.spec.scan.dec_min_deg, run.spec.scan.dec_max_deg)


def _n_sig_bias_of_points(responses: Mapping[Point, bias.Response | None]) -> Check:
    """As `bias.n_sig_bias`, with the share of the points in place of that of the sky."""
    bad = [str(at) for at, response in responses.items() if response is None or not response.good]
    share = len(bad) / len(responses)
    where = f": {'; '.join(bad[:6])}{' ...' if len(bad) > 6 else ''}" if bad else ""
    sentence = (
        f"one more injected event adds one fitted event, within the limits, at {len(responses) - len(bad)} of "
        f"{len(responses)} points; not (or without signal trials that show it) at {len(bad)}{where}."
    )
    return Check("n_sig_bias", share, bias.MAX_AREA, share <= bias.MAX_AREA, sentence)


def _enough_background(run: Run) -> Check:
    if run.spec.background.tail == "tilted":
        return tail_checks.enough(run)
    n_sigma = run.spec.sensitivity.top_nsigma
    reached = [_threshold_shift(hottest_spots.load_tsd(run, at), n_sigma) for at in run.spec.all_points]
    check = checks.enough_trials(
        min(n for n, _ in reached),
        run.spec.unblind.quote_nsigma,
        "enough_background_trials",
        "a local p-value of that size is not counted: raise background.n_trials, or lower unblind.quote_nsigma",
    )
    spread = [shift for _, shift in reached if shift is not None]
    if not spread:
        return check
    text = f" With the other chi2 fit the {n_sigma:g} sigma threshold is {min(spread):+.0%} to {max(spread):+.0%} off."
    return check._replace(sentence=check.sentence + text)


def _threshold_shift(tsd: TSD, n_sigma: float) -> tuple[int, float | None]:
    """Number of trials, and relative shift of a threshold with the other chi2 fit; None without a fit."""
    other = TSD(tsd.n, tsd.ts, "free" if tsd.fit == "scale1" else "scale1")
    if tsd.chi2 is None or other.chi2 is None:
        return tsd.n, None
    threshold = float(tsd.isf_nsigma(n_sigma))
    return tsd.n, float(other.isf_nsigma(n_sigma)) / threshold - 1.0 if threshold > 0 else None


def _enough_skies(run: Run) -> Check:
    if not run.spec.scan.has_skies:
        return _no_skies("enough_skies", run)
    if run.spec.scan.post_trial.tail == "patches":
        return patch_checks.enough(run)
    more = "a post-trial p-value of that size is not counted: raise scan.n_skies, or lower unblind.quote_nsigma"
    return checks.enough_trials(
        len(hottest_spots.background_spots(run)), run.spec.unblind.quote_nsigma, "enough_skies", more
    )


OF_SKIES = ("n_eff_bands", "ra_uniform", "smooth_map")
"""Checks that a hypothesis makes of its skies; without skies they pass."""


def _no_skies(name: str, run: Run) -> Check:
    """Passed check of skies for an analysis that scans none."""
    kind = run.spec.scan.kind
    return Check(name, float("nan"), float("nan"), True, f"a hypothesis of kind {kind} has no skies: nothing to check.")


_CHECKS: Mapping[str, Callable[[Run], Check]] = {
    "files_complete": _files_complete,
    "p_uniform": _p_uniform,
    "n_sig_bias": _n_sig_bias,
    "enough_background_trials": _enough_background,
    "enough_skies": _enough_skies,
    "pixel_sum": patch_checks.pixel_sum,
    **{name: partial(tail_checks.check, name=name) for name in tail_checks.NAMES},
}
