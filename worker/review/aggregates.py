"""All results that are made from trials: recomputed in a scratch directory and compared file by file."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from worker.base import compare, finding
from worker.base.errors import InputError, RefusedError, SpecError
from worker.base.finding import Finding
from worker.base.reading import MAX_JSON, file_bytes, json_value
from worker.base.task_rows import ROWS
from worker.report.summary import summary, timing
from worker.rundir import layout, store
from worker.rundir.ledger import Run, open_run
from worker.rundir.record import from_json, is_cost
from worker.tasks import scratch_run

_MEASURED = ("wall_s", "cpu_s", "max_rss_mb", "host")
_OF_THE_MACHINE = (*_MEASURED, "cpu", "versions", "code")
_OF_THE_BYTES = ("sha256", "inputs", "outputs")


def findings(run: Run, root: Path, holes: set[str]) -> Iterator[Finding]:
    """One finding per kind of result, as soon as it is known; `root` is a scratch directory with all trials."""
    before = set(_new_files(root))
    for task in dict.fromkeys(node["task"] for node in run.plan["nodes"] if node["file"]):
        if not ROWS[task].recomputed:
            continue
        rounding = compare.Rounding()
        wrong = list(_run_all(run, root, task, bool(holes)))
        made = [rel for rel in _new_files(root) if rel not in before]
        before.update(made)
        results = [rel for rel in made if not _is_record(root, rel)]
        wrong += [f"{rel}: {text}" for rel in results if (text := _difference(run, root, rel, rounding))]
        records = [rel for rel in made if rel not in results]
        unlike = (*_OF_THE_MACHINE, *(_OF_THE_BYTES if rounding.n else ()))
        wrong += [f"{rel}: {text}" for rel in records if (text := _record_difference(run, root, rel, unlike))]
        what, right = f"{task}: made again from all trials", f"{len(results):,} files, the same bytes"
        yield finding.of(what, wrong, right, rounding)


def summary_findings(run: Run, root: Path) -> Iterator[Finding]:
    """Compare every number of summary.json; writes a summary with the costs of the run to the scratch directory."""
    what = f"every number of {layout.SUMMARY}, costs aside"
    try:
        stored, measured = store.load_json(run.path, layout.SUMMARY), timing(run)
        remade = json.loads(json.dumps(summary(open_run(root))))
    except InputError as error:
        yield Finding("fault", what, _error_text(root, run, error))
        return
    stored_costs = stored.pop("timing", None) if isinstance(stored, dict) else None
    remade.pop("timing", None)
    if isinstance(stored, dict) and isinstance(stored.get("made_from"), dict):
        for stage, inputs in remade["made_from"].items():
            _take_digests(run, root, stored["made_from"].get(stage), inputs)
    rounding = compare.Rounding()
    wrong = [f"{layout.SUMMARY}: {text}" for text in compare.value_differences(stored, remade, rounding)]
    yield finding.of(what, wrong, f"{compare.count_numbers(remade):,} numbers, all equal", rounding)
    of_costs = costs(run)
    yield of_costs
    (root / layout.SUMMARY).parent.mkdir(parents=True, exist_ok=True)
    timings = measured if of_costs.verdict == "fault" else stored_costs
    (root / layout.SUMMARY).write_text(json.dumps({**remade, "timing": timings}))


def costs(run: Run) -> Finding:
    """Compare the costs in summary.json with the records of all files."""
    stored = store.load_json(run.path, layout.SUMMARY)
    return _costs(stored.get("timing") if isinstance(stored, dict) else None, timing(run))


def _costs(stored: Any, costs: dict[str, dict[str, float]]) -> Finding:
    """Stages, files and counts must match the records; times and memory may be those of an earlier try."""
    what = f"costs in {layout.SUMMARY}, against the records of all files"
    if stored == costs:
        return Finding("same", what, f"{len(costs)} stages")
    if not isinstance(stored, dict) or stored.keys() != costs.keys():
        return Finding("fault", what, f"{layout.SUMMARY}: timing has not the stages {', '.join(costs)}")
    wrong, changed = [], []
    for stage, cost in costs.items():
        row = stored[stage]
        kinds = isinstance(row, dict) and row.keys() == cost.keys() and all(is_cost(row[key]) for key in cost)
        if not kinds or any(row[key] != cost[key] for key in ("files", "n")):
            wrong.append(f"{layout.SUMMARY}: timing.{stage} is {json.dumps(row)[:80]}, the records give {cost}")
        elif row != cost:
            changed.append(stage)
    if wrong:
        return finding.of(what, wrong, "")
    text = f"time or memory of {', '.join(changed)} is not that of the records: perhaps a file was made again since"
    return Finding("note", what, text)


def _run_all(run: Run, root: Path, task: str, allow_missing: bool) -> Iterator[str]:
    for node in run.plan["nodes"]:
        if node["task"] != task or not node["file"]:
            continue
        _, args = scratch_run.task_and_arguments(run, PurePosixPath(node["dir"]) / node["file"])
        if allow_missing and task.startswith("collect"):
            args["allow_missing"] = True
        try:
            scratch_run.run_task(root, task, **args)
        except (InputError, RefusedError, SpecError) as error:
            yield f"{node['dir']}/{node['file']}: cannot be recomputed: {_error_text(root, run, error)}"


def _error_text(root: Path, run: Run, error: Exception) -> str:
    """Text of an error, with paths of the run instead of the scratch directory."""
    return str(error).replace(f"{root}/", "").replace(str(root), str(run.path)).replace("\n", " ")


def _new_files(root: Path) -> list[PurePosixPath]:
    """Files written in the scratch directory; links are not followed."""
    paths = []
    for folder in (layout.RESULTS, "collected", "trials"):
        paths += [path for path in sorted((root / folder).rglob("*")) if path.is_file() and not path.is_symlink()]
    return [PurePosixPath(path.relative_to(root).as_posix()) for path in paths]


def _is_record(root: Path, rel: PurePosixPath) -> bool:
    """Whether a file is a record or a cost, which are measured and not computed."""
    if rel.parent == layout.timing_file("x").parent:
        return True
    return rel.suffix == ".json" and any((root / rel.with_suffix(suffix)).exists() for suffix in (".npy", ".npz"))


def _difference(run: Run, root: Path, rel: PurePosixPath, rounding: compare.Rounding) -> str:
    if not (run.path / rel).is_file():
        return "this file is missing"
    if rel.name.endswith(".files.json"):
        stored, remade = (_without_costs(path / rel) for path in (run.path, root))
        texts = list(compare.value_differences(stored, remade, rounding))
        return "; ".join(texts[:3])
    return compare.file_difference(run.path / rel, root / rel, rounding)


def _record_difference(run: Run, root: Path, rel: PurePosixPath, unlike: Sequence[str]) -> str:
    """How the record of a result differs from that of its recomputation, except for keys in `unlike`."""
    try:
        stored, remade = (from_json(store.load_json(path, rel)).as_json() for path in (run.path, root))
    except (InputError, ValueError) as error:
        return _error_text(root, run, error)
    _take_digests(run, root, stored.get("inputs"), remade.get("inputs"))
    for record in (stored, remade):
        for key in unlike:
            record.pop(key, None)
    return "; ".join(list(compare.value_differences(stored, remade, compare.Rounding()))[:3])


def _take_digests(run: Run, root: Path, stored: Any, remade: Any) -> None:
    """Copy digests of inputs from `stored` to `remade` where each is that of its own file.

    The two files are compared by themselves, and on another processor their last digits may differ.
    """
    if not isinstance(stored, dict) or not isinstance(remade, dict):
        return
    for path, digest in remade.items():
        if stored.get(path) not in (None, digest) and (stored[path], digest) == (
            _sha(run.path / path),
            _sha(root / path),
        ):
            remade[path] = stored[path]


def _sha(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _without_costs(path: Path) -> Any:
    try:
        rows = json_value(file_bytes(path, MAX_JSON))
        return [{key: value for key, value in row.items() if key not in _MEASURED} for row in rows]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        return f"unreadable ({error})"
