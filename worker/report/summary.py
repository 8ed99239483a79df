"""summary.json: the results of a run in one file for programs, with checks and costs."""

from pathlib import PurePosixPath
from typing import Any

from worker.base import task_rows as tasks
from worker.base.errors import InputError
from worker.base.task_rows import ROWS
from worker.blinding import unblinding_checks
from worker.report.points import PointAxis
from worker.rundir import input_digests, layout, rounds, store
from worker.rundir.ledger import Run, each_expected
from worker.rundir.record import is_cost
from worker.spec.numbers import digest_of_numbers
from worker.tasks import context

_COSTS = ("wall_s", "cpu_s", "n", "max_rss_mb")


def summary(run: Run) -> dict[str, Any]:
    """All available results; a missing result is null."""
    results = {row.result: _result(run, task) for task, row in ROWS.items() if row.result and row.keys}
    sensitivity, background = results["sensitivity"] or {}, results["background"] or {}
    labels = PointAxis(run.spec.all_points).names
    return {
        **({"labels": labels} if run.spec.hypothesis.lists_points else {}),
        "name": run.spec.name,
        "digest": digest_of_numbers(run.spec),
        "data": _data(run),
        "background": background.get("background"),
        "sensitivity": sensitivity.get("sensitivity"),
        "level_note": sensitivity.get("level_note"),
        "acceptance_error": sensitivity.get("acceptance_error"),
        "discovery": sensitivity.get("discovery"),
        "discovery_lower": sensitivity.get("discovery_lower"),
        "more_spectra": sensitivity.get("more_spectra"),
        "bias": sensitivity.get("bias"),
        "rounds": _rounds(run),
        "scan": results["scan"],
        "post_trial": (results["post_trial"] or {}).get("post_trial"),
        "post_trial_regions": (results["post_trial"] or {}).get("regions"),
        "better_hemisphere": (results["post_trial"] or {}).get("better_hemisphere"),
        "binomial": (results["post_trial"] or {}).get("binomial"),
        "sums": (results["post_trial"] or {}).get("sums"),
        "population": (results["post_trial"] or {}).get("population"),
        "prior_tests": (results["post_trial"] or {}).get("prior_tests"),
        "upper_limits": results["upper_limits"],
        "checks": unblinding_checks.as_rows(unblinding_checks.verdicts(run)),
        "unblinded": _load(run, layout.UNBLINDED_RESULTS),
        "made_from": _made_from(run),
        "timing": timing(run),
    }


def _rounds(run: Run) -> list[dict[str, Any]] | None:
    """Added trials and results per point of each round; null if the analysis is not adaptive."""
    if not run.spec.adaptive.max_rounds:
        return None
    decisions = [rounds.decision(run.path, n) for n in range(1, run.spec.adaptive.max_rounds + 1)]
    return [{key: row[key] for key in ("round", "added", "background", "points")} for row in decisions if row]


def _made_from(run: Run) -> dict[str, dict[str, str]]:
    """Sha256 by path of what each result was computed from."""
    stages = (tasks.DISTRIBUTIONS, tasks.SENSITIVITY, tasks.COLLECT_SCAN, tasks.POST_TRIAL)
    records = {stage: _load(run, layout.timing_file(stage)) or {} for stage in stages}
    inputs = {stage: record.get("inputs") for stage, record in records.items() if isinstance(record, dict)}
    return {stage: found for stage, found in inputs.items() if found}


def _result(run: Run, task: str) -> Any:
    return input_digests.result(run.path, task) if (run.path / ROWS[task].file).exists() else None


def _load(run: Run, rel: Any) -> Any:
    return store.load_json(run.path, rel) if (run.path / rel).exists() else None


def _data(run: Run) -> dict[str, Any] | None:
    try:
        record = store.load_record(run.path, layout.DATA)
    except InputError:
        return None
    dataset = context.described(run)
    return {
        "label": dataset.label,
        "format": run.spec.data.format,
        "digest": record.digest,
        "seasons": [
            {"name": s.name, "n_events": int(s.events.dec.size), "livetime_days": s.livetime_days, "notes": [*s.notes]}
            for s in dataset.seasons
        ],
    }


def timing(run: Run) -> dict[str, dict[str, float]]:
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
    rows: dict[str, list[dict[str, Any]]] = {tasks.PREPARE: _record_costs(run, layout.DATA)}
    injected = frozenset(run.spec.signal_points)
    for at in run.spec.all_points:
        if run.spec.background.tail == "tilted":
            rows.setdefault(tasks.TAIL_PILOT, []).extend(_record_costs(run, layout.tilts_file(run.spec.name, at)))
        spectra = run.spec.signal.levels if at in injected else ()
        collected = [(tasks.SIG_TRIALS, layout.sig_collected(at, level)) for level in spectra]
        for task, rel in ((tasks.BG_TRIALS, layout.bg_collected(at)), *collected):
            for kind, costs in _by_task(run, task, rel).items():
                rows.setdefault(kind, []).extend(costs)
            rows.setdefault(ROWS[task].collected_by, []).extend(_record_costs(run, rel))
    rows |= _by_task(run, tasks.SCAN_TRIALS, layout.SCAN)
    maps = each_expected(run, tasks.SCAN_MAP) if run.spec.scan.has_skies else ()
    rows[tasks.SCAN_MAP] = [row for file in maps for row in _record_costs(run, file.path)]
    rows[tasks.COLLECT_SCAN] = _record_costs(run, layout.skies_file())
    numbers = range(1, run.spec.adaptive.max_rounds + 1)
    rows[tasks.JUDGE] = [row for n in numbers for row in _costs(run, layout.timing_file(f"{tasks.JUDGE}_{n}"))]
    rows |= {task: _costs(run, layout.timing_file(task)) for task, row in ROWS.items() if row.timed}
    return rows


def _by_task(run: Run, task: str, rel: PurePosixPath) -> dict[str, list[dict[str, Any]]]:
    """Costs of the files that a collected file was made from; tilted trials and patches are kinds of their own."""
    own = {str(layout.tree(run.spec.name, kind)) + "/": kind for kind in (tasks.TAIL_TRIALS, tasks.PATCH_TRIALS)}
    by_task: dict[str, list[dict[str, Any]]] = {task: []}
    for row in _costs(run, layout.files_of(rel)):
        kind = next((kind for root, kind in own.items() if str(row.get("path", "")).startswith(root)), task)
        by_task.setdefault(kind, []).append(row)
    return by_task


def _costs(run: Run, rel: PurePosixPath) -> list[dict[str, Any]]:
    """Costs in a file (a list of rows or one record); empty if it does not exist."""
    content = _load(run, rel)
    rows = content if isinstance(content, list) else [] if content is None else [content]
    for row in rows:
        if not isinstance(row, dict) or not all(is_cost(row.get(key)) for key in _COSTS):
            raise InputError(
                f"{run.path / rel}: is not what a task writes of its cost ({', '.join(_COSTS)}); run the task that "
                "makes it again, or restore this file"
            )
    return rows


def _record_costs(run: Run, rel: Any) -> list[dict[str, Any]]:
    try:
        record = store.load_record(run.path, rel)
    except InputError:
        return []
    return [{k: getattr(record, k) for k in _COSTS}]
