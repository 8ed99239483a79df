"""judge: before each round of an adaptive analysis, decide which points miss the goal and how many trials to add.

A decision depends only on the spec and on the files of earlier trials; `worker rounds` recomputes and compares it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from worker.base.compare import Rounding, value_differences
from worker.base.errors import InputError, SpecError
from worker.base.task_rows import BG_TRIALS, JUDGE, SIG_TRIALS, TAIL_TRIALS
from worker.rundir import input_digests, layout, store
from worker.rundir import rounds as round_files
from worker.rundir.ledger import Expected, Run, each_expected, open_run, run_before_round
from worker.rundir.record import measure
from worker.spec import effects, goals, levels
from worker.spec.point import Point
from worker.spec.run_sections import Adaptive, Goal
from worker.spec.sections import Spec
from worker.stats import adaptive
from worker.stats.adaptive import Quantity, Verdict
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.distributions import TSD
from worker.stats.sensitivity import NotBracketedError
from worker.stats.tail import Tilted
from worker.tasks import collect, context, flux_rows, trials

DIGITS = 6
"""Significant digits in a decision; counts are rounded to two digits, to be the same on every machine."""


def judge(path: Path, number: int) -> dict[str, Any]:
    """Decide what round `number` adds, and return it; an existing valid decision is kept."""
    run = at_round(open_run(path), number)
    with measure(JUDGE, {"round": number}) as meter:
        decision = valid_decision(run, number)
        if decision is not None:
            how = "decided already" if decision["asked"] == decision_spec(run) else "decided for another goal, kept"
            print(f"{how}: {_summary(decision)}")
            return decision
        new = decide(run, number)
        rel = layout.decision(number)
        store.save_json(path, rel, new)
        record = replace(meter.record(1), sha256=input_digests.hashed(run, [rel])[str(rel)])
        store.save_json(path, layout.timing_file(f"{JUDGE}_{number}"), record.as_json())
    print(f"{_summary(new)}\n-> {rel}")
    return new


def at_round(run: Run, number: int) -> Run:
    """The run before round `number`.

    Raises
    ------
    SpecError
        The spec has no such round.
    """
    most = run.spec.adaptive.max_rounds
    if not 1 <= number <= most:
        raise SpecError(f"--round={number}: adaptive.max_rounds is {most}; choose one of 1 to {most}, or raise it")
    return run_before_round(run, number)


def _summary(decision: Mapping[str, Any]) -> str:
    added = decision["added"]
    what = " and ".join(f"{added[key]:,} {key} trials" for key in ("signal", "background") if added[key])
    return f"round {decision['round']} adds {what or 'nothing'}"


def decision_spec(run: Run) -> dict[str, Any]:
    """The part of the spec that determines a decision."""
    spec = run.spec.model_dump(mode="json", include=effects.keys("decision"))
    sections = {section: spec[section] for section in ("goal", "adaptive", "sensitivity")}
    return {"rule": adaptive.RULE, **sections, **spec["background"], **spec["scan"]}


def with_decision_spec(run: Run, old_spec: Mapping[str, Any]) -> Run:
    """The run with the goals that were valid when a decision was made.

    Raises
    ------
    ValueError, TypeError, KeyError
        `old_spec` does not have the form of `decision_spec`.
    """
    spec: Spec = run.spec
    sensitivity = dict(old_spec["sensitivity"])
    if isinstance(sensitivity["discovery_nsigma"], list):
        sensitivity["discovery_nsigma"] = tuple(sensitivity["discovery_nsigma"])
    spec = spec.model_copy(
        update={
            "goal": Goal(**old_spec["goal"]),
            "adaptive": Adaptive(max_rounds=spec.adaptive.max_rounds, **old_spec["adaptive"]),
            "sensitivity": spec.sensitivity.model_copy(update=sensitivity),
            "background": spec.background.model_copy(update={"fit": old_spec["fit"]}),
            "scan": spec.scan.model_copy(update={"survival": old_spec["survival"]}),
        }
    )
    return replace(run, spec=spec)


def valid_decision(run: Run, number: int) -> dict[str, Any] | None:
    """The existing decision, if it was made from the present files and for the present goals.

    A decision for other goals is valid too if it added trials: these exist, and the next round continues from them.
    """
    try:
        decided = round_files.decision(run.path, number)
        decision = {key: value for key, value in (decided or {}).items() if key != "sha256"}  # as the file has it
        if decision["round"] != number or decision["inputs"] != inputs(run):
            return None
        added = decision["added"]["signal"] + decision["added"]["background"]
    except (InputError, KeyError, TypeError):
        return None
    return decision if decision["asked"] == decision_spec(run) or added else None


def inputs(run: Run) -> dict[str, Any]:
    """Number and digest of all files of trials, from their records."""
    of_tail = (TAIL_TRIALS,) if run.spec.background.tail == "tilted" else ()
    files = [file.path for task in (BG_TRIALS, *of_tail, SIG_TRIALS) for file in each_expected(run, task)]
    listed = [{"path": str(rel), "sha256": store.load_record(run.path, rel).sha256} for rel in files]
    return {"files": len(files), "sha256": input_digests.listing_digest(listed)}


def decide(run: Run, number: int) -> dict[str, Any]:
    """The decision of a round, from the files before it."""
    points, backgrounds, injected = [], [], frozenset(run.spec.signal_points)
    for at in run.spec.all_points:
        background = _background(run, at)
        factor_needed = 1.0
        for level in run.spec.signal.levels if at in injected else ():
            decided, factor = _point(run, at, level, background)
            points.append(decided)
            factor_needed = max(factor_needed, factor)
        backgrounds.append(_more_background(run, at, background.n, factor_needed))
    return {
        "round": number,
        "asked": decision_spec(run),
        "inputs": inputs(run),
        "added": {
            "signal": sum(add["n"] for point in points for add in point["add"]),
            "background": sum(add["n"] for point in backgrounds for add in point["add"]),
        },
        "background": backgrounds,
        "points": points,
    }


def _background(run: Run, at: Point) -> TSD:
    files, _ = collect.present_files(run, BG_TRIALS, False, **at.args)
    digest = context.trial_digest(run, BG_TRIALS)
    ts = np.concatenate([collect.load(run, file, context.columns(run), digest)["ts"] for file in files])
    tilted = collect.tail_arrays(run, False, at)[0] if run.spec.background.tail == "tilted" else {}
    return TSD(len(ts), np.sort(ts[ts > 0]), run.spec.background.fit, Tilted.from_arrays(tilted))


def _point(run: Run, at: Point, level: float | None, background: TSD) -> tuple[dict[str, Any], float]:
    """Decision of a point and spectrum, and the factor by which background trials should grow."""
    trials_at = _trials(run, at, level, background)
    places = 0 if run.spec.signal.strata else max(levels.decimals(run.spec.signal.n_sig), 1)
    judged = [(what, quantity, adaptive.verdict(quantity, places)) for what, quantity in _quantities(run, trials_at)]
    needed, factor = adaptive.merged_requests(verdict for _, _, verdict in judged)
    present = {n_sig: len(trials) for n_sig, trials in trials_at.trials.items()}
    n_trials = sum(present.values())
    add = adaptive.bounded(needed, max(run.spec.adaptive.max_signal_trials - n_trials, 0))
    row = {
        **at.labels,
        "gamma": trials_at.gamma,
        "n_trials": n_trials,
        "quantities": [_row(what, quantity, verdict) for what, quantity, verdict in judged],
        "bounded": add != needed,
        "add": [{"n_sig": n_sig, "first": present.get(n_sig, 0), "n": n} for n_sig, n in add.items()],
    }
    return row, factor


def _trials(run: Run, at: Point, level: float | None, background: TSD) -> flux_rows.PointTrials:
    files, _ = collect.present_files(run, SIG_TRIALS, False, **at.signal_args(level))
    digest = context.signal_digest(run, level)
    by_n_sig: dict[float, list[Expected]] = {}
    for file in files:
        by_n_sig.setdefault(file.point["n_sig"], []).append(file)
    loaded, counts = {}, {}
    for n_sig in sorted(by_n_sig):
        loaded[n_sig] = np.concatenate([collect.load(run, f, context.columns(run), digest) for f in by_n_sig[n_sig]])
        injected = trials.injected_counts(run, by_n_sig[n_sig])
        if injected is not None:
            counts[n_sig] = injected
    return flux_rows.PointTrials(at, context.gamma_of(run.spec.signal, level), background, loaded, counts or None)


class _Goal(NamedTuple):
    what: str
    kind: str
    goal: float
    n_sigma: float | None


def _goals(spec: Spec) -> Iterator[_Goal]:
    if spec.goal.sensitivity_error is not None:
        yield _Goal("sensitivity", "sensitivity", spec.goal.sensitivity_error, None)
    if spec.goal.discovery_error is not None:
        for n_sigma in spec.sensitivity.nsigmas:
            yield _Goal(f"discovery ({n_sigma:g} sigma)", "discovery", spec.goal.discovery_error, n_sigma)


def _quantities(run: Run, trials_at: flux_rows.PointTrials) -> Iterator[tuple[str, Quantity]]:
    for goal in _goals(run.spec):
        yield goal.what, _quantity(run, trials_at, goal)


def _quantity(run: Run, trials_at: flux_rows.PointTrials, goal: _Goal) -> Quantity:
    beta = flux_rows.beta_of(run, goal.kind)
    try:
        threshold = flux_rows.threshold_of(run, trials_at, goal.n_sigma)
    except TooFewTrialsError as error:
        return Quantity(goal.goal, beta, None, None, None, 0.0, (), str(error))
    try:
        n_sig = flux_rows.crossing(run, goal.kind, trials_at, threshold, goal.n_sigma or 0.0)
        exact = flux_rows.crossing(run, goal.kind, trials_at, threshold.exact, goal.n_sigma or 0.0)
    except NotBracketedError as error:
        return Quantity(goal.goal, beta, None, None, None, 0.0, flux_rows.points_of(trials_at, threshold), str(error))
    return adaptive.quantity(goal.goal, beta, n_sig, exact, run.spec.signal.strata)


def _row(what: str, quantity: Quantity, verdict: Verdict) -> dict[str, Any]:
    """A quantity in a decision: its relative error, and the part of the error from signal trials."""
    row: dict[str, Any] = {"what": what, "state": verdict.state, "goal": quantity.goal}
    if quantity.n_sig is None or quantity.error is None or quantity.error_signal is None:
        return row | {"n_sig": None, "error": None, "error_signal": None, "reason": quantity.reason}
    errors = {"error": quantity.error / quantity.n_sig, "error_signal": quantity.error_signal / quantity.n_sig}
    return row | flux_rows.finite_or_null(
        {key: float(f"{v:.{DIGITS}g}") for key, v in {"n_sig": quantity.n_sig, **errors}.items()}
    )


def _more_background(run: Run, at: Point, n: int, factor: float) -> dict[str, Any]:
    """Background trials that thresholds and the quoted local significance still need."""
    spec = run.spec
    needed = goals.two_digits(factor * n) if factor > 1.0 else n
    if spec.goal.local_sigma is not None:
        needed = max(needed, goals.background_trials(spec.goal.local_sigma, spec.scan.survival))
    most = max(min(needed, spec.adaptive.max_background_trials), n)
    add = [{"first": n, "n": most - n}] if most > n else []
    return {**at.labels, "n_trials": n, "wanted": needed, "bounded": most < needed, "add": add}


def rounds(path: Path) -> dict[str, Any]:
    """Print {"rounds", "faults"} as a line of JSON; returns it."""
    run = open_run(path)
    answer = {"rounds": len(run.rounds), "faults": list(faults(run))}
    print(json.dumps(answer))
    return answer


def faults(run: Run) -> Iterator[str]:
    """Recompute every existing decision; yields differences as text."""
    for number in range(1, run.spec.adaptive.max_rounds + 1):
        rel = layout.decision(number)
        if not (run.path / rel).exists():
            return
        yield from (f"{rel}: {text}" for text in _differences(run, number, rel))


def _differences(run: Run, number: int, rel: PurePosixPath) -> Iterator[str]:
    try:
        run_before = run_before_round(run, number)
        stored = store.load_json(run.path, rel)
        if stored["inputs"] != inputs(run_before):
            yield "was made from other files than those that are there"
            return
        if stored["asked"]["rule"] != adaptive.RULE:
            rule = stored["asked"]["rule"]
            yield f"was decided by rule {rule}, this program has rule {adaptive.RULE}: not comparable"
            return
        recomputed = decide(with_decision_spec(run_before, stored["asked"]), number)
    except InputError as error:
        yield str(error).partition(";")[0]
        return
    except (KeyError, TypeError, ValueError) as error:
        yield f"is not a decision ({type(error).__name__}: {error})"
        return
    yield from list(value_differences(stored, recomputed, Rounding()))[:3]
