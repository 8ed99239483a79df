"""judge: before each round of an adaptive analysis, which points are short of the goal and what is added to them.

A decision is a pure function of what was asked for (the spec) and of the files of all earlier trials: it can be made
again from them, and `worker rounds` does.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from worker.base.errors import InputError, SpecError
from worker.base.task_rows import BG_TRIALS, JUDGE, SIG_TRIALS
from worker.rundir import input_digests, layout, store
from worker.rundir.ledger import Run, before, each_expected, open_run
from worker.rundir.record import measure
from worker.spec import effects, goals, levels
from worker.spec.sections import Adaptive, Goal, Spec
from worker.stats import adaptive
from worker.stats.adaptive import Quantity, Verdict
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.distributions import TSD
from worker.stats.sensitivity import NotBracketedError
from worker.tasks import collect, context, flux_rows

DIGITS = 6
"""Of numbers that a decision shows; its counts are rounded to two, so that they are the same on every machine."""


def judge(path: Path, number: int) -> dict[str, Any]:
    """Decide what round `number` adds, and return it; a decision that stands is kept."""
    run = at_round(open_run(path), number)
    with measure(JUDGE, {"round": number}) as meter:
        kept = standing(run, number)
        if kept is not None:
            how = "decided already" if kept["asked"] == asked(run) else "decided for another goal, kept"
            print(f"{how}: {_told(kept)}")
            return kept
        found = decide(run, number)
        rel = layout.decision(number)
        store.save_json(path, rel, found)
        record = replace(meter.record(1), sha256=input_digests.hashed(run, [rel])[str(rel)])
        store.save_json(path, layout.timing_file(f"{JUDGE}_{number}"), record.as_json())
    print(f"{_told(found)}\n-> {rel}")
    return found


def at_round(run: Run, number: int) -> Run:
    """The run as the judge of a round sees it.

    Raises
    ------
    SpecError
        The spec has no such round.
    """
    most = run.spec.adaptive.max_rounds
    if not 1 <= number <= most:
        raise SpecError(f"--round={number}: adaptive.max_rounds is {most}; choose one of 1 to {most}, or raise it")
    return before(run, number)


def _told(found: Mapping[str, Any]) -> str:
    added = found["added"]
    what = " and ".join(f"{added[key]:,} {key} trials" for key in ("signal", "background") if added[key])
    return f"round {found['round']} adds {what or 'nothing'}"


def asked(run: Run) -> dict[str, Any]:
    """The part of the spec that a decision follows from."""
    spec = run.spec.model_dump(mode="json", include=effects.keys("decision"))
    sections = {section: spec[section] for section in ("goal", "adaptive", "sensitivity")}
    return {"rule": adaptive.RULE, **sections, **spec["background"], **spec["scan"]}


def as_asked(run: Run, then: Mapping[str, Any]) -> Run:
    """The run with the goals that a decision was made for, which may have been others.

    Raises
    ------
    ValueError, TypeError, KeyError
        `then` is not what `asked` gives.
    """
    spec: Spec = run.spec
    sensitivity = dict(then["sensitivity"])
    if isinstance(sensitivity["discovery_nsigma"], list):
        sensitivity["discovery_nsigma"] = tuple(sensitivity["discovery_nsigma"])
    spec = spec.model_copy(
        update={
            "goal": Goal(**then["goal"]),
            "adaptive": Adaptive(max_rounds=spec.adaptive.max_rounds, **then["adaptive"]),
            "sensitivity": spec.sensitivity.model_copy(update=sensitivity),
            "background": spec.background.model_copy(update={"fit": then["fit"]}),
            "scan": spec.scan.model_copy(update={"survival": then["survival"]}),
        }
    )
    return replace(run, spec=spec)


def standing(run: Run, number: int) -> dict[str, Any] | None:
    """The decision that is there, if it still holds: made from the files that are there, for the goals of now.

    One for other goals stands as well if it has added something: its trials are there, and the next round goes on.
    """
    try:
        found: dict[str, Any] = store.load_json(run.path, layout.decision(number))
        if found["round"] != number or found["inputs"] != inputs(run):
            return None
        added = found["added"]["signal"] + found["added"]["background"]
    except (InputError, KeyError, TypeError):
        return None
    return found if found["asked"] == asked(run) or added else None


def inputs(run: Run) -> dict[str, Any]:
    """What a decision rests on: one digest of all files of trials, by their records."""
    files = [file.path for task in (BG_TRIALS, SIG_TRIALS) for file in each_expected(run, task)]
    listed = [{"path": str(rel), "sha256": store.load_record(run.path, rel).sha256} for rel in files]
    return {"files": len(files), "sha256": input_digests.listing_digest(listed)}


def decide(run: Run, number: int) -> dict[str, Any]:
    """The decision of a round, from the files before it."""
    points, backgrounds = [], []
    for dec in run.spec.background.decs:
        background = _background(run, dec)
        wanted = 1.0
        for level in run.spec.signal.levels:
            found, factor = _point(run, dec, level, background)
            points.append(found)
            wanted = max(wanted, factor)
        backgrounds.append(_more_background(run, dec, background.n, wanted))
    return {
        "round": number,
        "asked": asked(run),
        "inputs": inputs(run),
        "added": {
            "signal": sum(add["n"] for point in points for add in point["add"]),
            "background": sum(add["n"] for point in backgrounds for add in point["add"]),
        },
        "background": backgrounds,
        "points": points,
    }


def _background(run: Run, dec: float) -> TSD:
    files, _ = collect.present(run, BG_TRIALS, False, dec=dec)
    digest = context.trial_digest(run, BG_TRIALS)
    ts = np.concatenate([collect.load(run, file, context.columns(run), digest)["ts"] for file in files])
    return TSD(len(ts), np.sort(ts[ts > 0]), run.spec.background.fit)


def _point(run: Run, dec: float, level: float | None, background: TSD) -> tuple[dict[str, Any], float]:
    """What is found and added at a declination and spectrum, and the factor that background trials should grow by."""
    at = _trials(run, dec, level, background)
    places = max(levels.decimals(run.spec.signal.n_sig), 1)
    judged = [(what, known, adaptive.verdict(known, places)) for what, known in _quantities(run, at)]
    wanted, factor = adaptive.together(verdict for _, _, verdict in judged)
    there = {n_sig: len(trials) for n_sig, trials in at.trials.items()}
    n_trials = sum(there.values())
    add = adaptive.bounded(wanted, max(run.spec.adaptive.max_signal_trials - n_trials, 0))
    found = {
        "dec_deg": dec,
        "gamma": at.gamma,
        "n_trials": n_trials,
        "quantities": [_row(what, known, verdict) for what, known, verdict in judged],
        "bounded": add != wanted,
        "add": [{"n_sig": n_sig, "first": there.get(n_sig, 0), "n": n} for n_sig, n in add.items()],
    }
    return found, factor


def _trials(run: Run, dec: float, level: float | None, background: TSD) -> flux_rows.At:
    point = {"dec": dec} | ({} if level is None else {"gamma": level})
    files, _ = collect.present(run, SIG_TRIALS, False, **point)
    digest = context.signal_digest(run, level)
    by_n_sig: dict[float, list[Any]] = {}
    for file in files:
        by_n_sig.setdefault(file.point["n_sig"], []).append(collect.load(run, file, context.columns(run), digest))
    trials = {n_sig: np.concatenate(by_n_sig[n_sig]) for n_sig in sorted(by_n_sig)}
    return flux_rows.At(dec, context.gamma_of(run.spec.signal, level), background, trials)


class _Asked(NamedTuple):
    what: str
    kind: str
    goal: float
    n_sigma: float | None


def _asked_of(spec: Spec) -> Iterator[_Asked]:
    if spec.goal.sensitivity_error is not None:
        yield _Asked("sensitivity", "sensitivity", spec.goal.sensitivity_error, None)
    if spec.goal.discovery_error is not None:
        for n_sigma in spec.sensitivity.nsigmas:
            yield _Asked(f"discovery ({n_sigma:g} sigma)", "discovery", spec.goal.discovery_error, n_sigma)


def _quantities(run: Run, at: flux_rows.At) -> Iterator[tuple[str, Quantity]]:
    for wanted in _asked_of(run.spec):
        yield wanted.what, _known(run, at, wanted)


def _known(run: Run, at: flux_rows.At, wanted: _Asked) -> Quantity:
    beta = flux_rows.beta_of(run, wanted.kind)
    try:
        threshold, moved = flux_rows.threshold_of(run, at, wanted.n_sigma)
    except TooFewTrialsError as error:
        return Quantity(wanted.goal, beta, None, None, None, 0.0, (), str(error))
    try:
        found = flux_rows.crossing(run, wanted.kind, at, threshold, moved, wanted.n_sigma or 0.0)
        exact = flux_rows.crossing(run, wanted.kind, at, threshold, None, wanted.n_sigma or 0.0)
    except NotBracketedError as error:
        return Quantity(wanted.goal, beta, None, None, None, 0.0, flux_rows.points_of(at, threshold), str(error))
    return adaptive.quantity(wanted.goal, beta, found, exact)


def _row(what: str, known: Quantity, found: Verdict) -> dict[str, Any]:
    """A quantity as the decision shows it: its relative error, and the part of it that is the signal trials'."""
    row: dict[str, Any] = {"what": what, "state": found.state, "goal": known.goal}
    if known.n_sig is None or known.error is None or known.error_signal is None:
        return row | {"n_sig": None, "error": None, "error_signal": None, "reason": known.reason}
    errors = {"error": known.error / known.n_sig, "error_signal": known.error_signal / known.n_sig}
    return row | flux_rows.finite(
        {key: float(f"{v:.{DIGITS}g}") for key, v in {"n_sig": known.n_sig, **errors}.items()}
    )


def _more_background(run: Run, dec: float, n: int, factor: float) -> dict[str, Any]:
    """Background trials that thresholds, and the local significance to be quoted, still need."""
    spec = run.spec
    wanted = adaptive.two_digits(factor * n) if factor > 1.0 else n
    if spec.goal.local_sigma is not None:
        wanted = max(wanted, goals.background_trials(spec.goal.local_sigma, spec.scan.survival))
    most = max(min(wanted, spec.adaptive.max_background_trials), n)
    add = [{"first": n, "n": most - n}] if most > n else []
    return {"dec_deg": dec, "n_trials": n, "wanted": wanted, "bounded": most < wanted, "add": add}


def rounds(path: Path) -> dict[str, Any]:
    """Print {"rounds", "faults"} as a line of JSON; returns it."""
    run = open_run(path)
    found = {"rounds": len(run.rounds), "faults": list(faults(run))}
    print(json.dumps(found))
    return found


def faults(run: Run) -> Iterator[str]:
    """Decide every round again that has been decided: what differs, in words."""
    for number in range(1, run.spec.adaptive.max_rounds + 1):
        rel = layout.decision(number)
        if not (run.path / rel).exists():
            return
        yield from (f"{rel}: {text}" for text in _differences(run, number, rel))


def _differences(run: Run, number: int, rel: PurePosixPath) -> Iterator[str]:
    from worker.base.compare import Rounding, values

    try:
        seen = before(run, number)
        there = store.load_json(run.path, rel)
        if there["inputs"] != inputs(seen):
            yield "was made from other files than those that are there"
            return
        if there["asked"]["rule"] != adaptive.RULE:
            yield f"was decided by rule {there['asked']['rule']}, this program has rule {adaptive.RULE}: not comparable"
            return
        mine = decide(as_asked(seen, there["asked"]), number)
    except InputError as error:
        yield str(error).partition(";")[0]
        return
    except (KeyError, TypeError, ValueError) as error:
        yield f"is not a decision ({type(error).__name__}: {error})"
        return
    yield from list(values(there, mine, Rounding()))[:3]
