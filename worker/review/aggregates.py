"""Everything that is made from trials, made again from them beside the run, and compared file by file."""

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
    """One finding for each kind of result, as soon as it is made; `root` is a scratch directory with all trials."""
    before = set(_made(root))
    for task in dict.fromkeys(node["task"] for node in run.plan["nodes"] if node["file"]):
        if not ROWS[task].recomputed:
            continue
        rounding = compare.Rounding()
        wrong = list(_run_all(run, root, task, bool(holes)))
        made = [rel for rel in _made(root) if rel not in before]
        before.update(made)
        results = [rel for rel in made if not _is_record(root, rel)]
        wrong += [f"{rel}: {text}" for rel in results if (text := _difference(run, root, rel, rounding))]
        records = [rel for rel in made if rel not in results]
        unlike = (*_OF_THE_MACHINE, *(_OF_THE_BYTES if rounding.n else ()))
        wrong += [f"{rel}: {text}" for rel in records if (text := _of_records(run, root, rel, unlike))]
        what, right = f"{task}: made again from all trials", f"{len(results):,} files, the same bytes"
        yield finding.of(what, wrong, right, rounding)


def summary_findings(run: Run, root: Path) -> Iterator[Finding]:
    """Every number of summary.json; the scratch directory keeps a summary with the run's own costs."""
    what = f"every number of {layout.SUMMARY}, costs aside"
    try:
        theirs, measured = store.load_json(run.path, layout.SUMMARY), timing(run)
        mine = json.loads(json.dumps(summary(open_run(root))))
    except InputError as error:
        yield Finding("fault", what, _plain(root, run, error))
        return
    told = theirs.pop("timing", None) if isinstance(theirs, dict) else None
    mine.pop("timing", None)
    rounding = compare.Rounding()
    wrong = [f"{layout.SUMMARY}: {text}" for text in compare.values(theirs, mine, rounding)]
    yield finding.of(what, wrong, f"{compare.count(mine):,} numbers, all equal", rounding)
    of_costs = costs(run)
    yield of_costs
    (root / layout.SUMMARY).parent.mkdir(parents=True, exist_ok=True)
    shown = measured if of_costs.verdict == "fault" else told
    (root / layout.SUMMARY).write_text(json.dumps({**mine, "timing": shown}))


def costs(run: Run) -> Finding:
    """The costs that summary.json tells, against the records of all files."""
    theirs = store.load_json(run.path, layout.SUMMARY)
    return _costs(theirs.get("timing") if isinstance(theirs, dict) else None, timing(run))


def _costs(told: Any, costs: dict[str, dict[str, float]]) -> Finding:
    """Stages, files and counts must be those of the records; times and memory may be of an earlier try."""
    what = f"costs in {layout.SUMMARY}, against the records of all files"
    if told == costs:
        return Finding("same", what, f"{len(costs)} stages")
    if not isinstance(told, dict) or told.keys() != costs.keys():
        return Finding("fault", what, f"{layout.SUMMARY}: timing has not the stages {', '.join(costs)}")
    wrong, others = [], []
    for stage, cost in costs.items():
        row = told[stage]
        kinds = isinstance(row, dict) and row.keys() == cost.keys() and all(is_cost(row[key]) for key in cost)
        if not kinds or any(row[key] != cost[key] for key in ("files", "n")):
            wrong.append(f"{layout.SUMMARY}: timing.{stage} is {json.dumps(row)[:80]}, the records give {cost}")
        elif row != cost:
            others.append(stage)
    if wrong:
        return finding.of(what, wrong, "")
    text = f"time or memory of {', '.join(others)} is not that of the records: perhaps a file was made again since"
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
            yield f"{node['dir']}/{node['file']}: cannot be recomputed: {_plain(root, run, error)}"


def _plain(root: Path, run: Run, error: Exception) -> str:
    """An error's text with the paths of the run, as a reader knows them."""
    return str(error).replace(f"{root}/", "").replace(str(root), str(run.path)).replace("\n", " ")


def _made(root: Path) -> list[PurePosixPath]:
    """Files that were made in the scratch directory: links are not followed."""
    found = []
    for folder in (layout.RESULTS, "collected", "trials"):
        found += [path for path in sorted((root / folder).rglob("*")) if path.is_file() and not path.is_symlink()]
    return [PurePosixPath(path.relative_to(root).as_posix()) for path in found]


def _is_record(root: Path, rel: PurePosixPath) -> bool:
    """Records and costs: they are measured, not computed."""
    if rel.parent == layout.timing_file("x").parent:
        return True
    return rel.suffix == ".json" and any((root / rel.with_suffix(suffix)).exists() for suffix in (".npy", ".npz"))


def _difference(run: Run, root: Path, rel: PurePosixPath, rounding: compare.Rounding) -> str:
    if not (run.path / rel).is_file():
        return "this file is missing"
    if rel.name.endswith(".files.json"):
        theirs, mine = (_without_costs(path / rel) for path in (run.path, root))
        found = list(compare.values(theirs, mine, rounding))
        return "; ".join(found[:3])
    return compare.files(run.path / rel, root / rel, rounding)


def _of_records(run: Run, root: Path, rel: PurePosixPath, unlike: Sequence[str]) -> str:
    """How the record of a result differs from that of its recomputation, but for what depends on the machine."""
    try:
        theirs, mine = (from_json(store.load_json(path, rel)).as_json() for path in (run.path, root))
    except (InputError, ValueError) as error:
        return _plain(root, run, error)
    for record in (theirs, mine):
        for key in unlike:
            record.pop(key, None)
    return "; ".join(list(compare.values(theirs, mine, compare.Rounding()))[:3])


def _without_costs(path: Path) -> Any:
    try:
        rows = json_value(file_bytes(path, MAX_JSON))
        return [{key: value for key, value in row.items() if key not in _MEASURED} for row in rows]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        return f"unreadable ({error})"
