"""Everything that is made from trials, made again from them beside the run, and compared file by file."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from worker import layout
from worker.audit import compare, finding
from worker.audit.finding import Finding
from worker.errors import DagmakerError
from worker.ledger import Run, open_run
from worker.stages import scratch
from worker.stages.summary import summary

_NOT_HERE = ("prepare", "judge", "report")  # rounds are decided again by `worker rounds`
_MEASURED = ("wall_s", "cpu_s", "max_rss_mb", "host")


def findings(run: Run, root: Path, holes: set[str]) -> Iterator[Finding]:
    """One finding for each kind of result, as soon as it is made; `root` is a scratch directory with all trials."""
    before = set(_made(root))
    for task in dict.fromkeys(node["task"] for node in run.plan["nodes"] if node["file"]):
        if task in _NOT_HERE:
            continue
        rounding = compare.Rounding()
        wrong = list(_run_all(run, root, task, bool(holes)))
        made = [rel for rel in _made(root) if rel not in before]
        before.update(made)
        results = [rel for rel in made if not _is_record(root, rel)]
        wrong += [f"{rel}: {text}" for rel in results if (text := _difference(run, root, rel, rounding))]
        what, right = f"{task}: made again from all trials", f"{len(results):,} files, the same bytes"
        yield finding.of(what, wrong, right, rounding)


def summary_findings(run: Run, root: Path) -> Iterator[Finding]:
    """Every number of summary.json except costs; the scratch directory keeps a summary with the run's own costs."""
    what = f"every number of {layout.SUMMARY}, costs aside"
    try:
        theirs = json.loads((run.path / layout.SUMMARY).read_bytes())
    except (OSError, ValueError) as error:
        yield Finding("fault", what, f"{layout.SUMMARY} cannot be read ({error})")
        return
    try:
        mine = json.loads(json.dumps(summary(open_run(root))))
    except DagmakerError as error:
        yield Finding("fault", what, f"cannot be recomputed: {_plain(root, run, error)}")
        return
    timing = theirs.pop("timing", None)
    mine.pop("timing", None)
    rounding = compare.Rounding()
    wrong = [f"{layout.SUMMARY}: {text}" for text in compare.values(theirs, mine, rounding)]
    yield finding.of(what, wrong, f"{compare.count(mine):,} numbers, all equal", rounding)
    (root / layout.SUMMARY).parent.mkdir(parents=True, exist_ok=True)
    (root / layout.SUMMARY).write_text(json.dumps({**mine, "timing": timing}))


def _run_all(run: Run, root: Path, task: str, allow_missing: bool) -> Iterator[str]:
    for node in run.plan["nodes"]:
        if node["task"] != task or not node["file"]:
            continue
        _, args = scratch.address_of(run, PurePosixPath(node["dir"]) / node["file"])
        if allow_missing and task.startswith("collect"):
            args["allow_missing"] = True
        try:
            scratch.again(root, task, **args)
        except DagmakerError as error:
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


def _without_costs(path: Path) -> Any:
    try:
        rows = json.loads(path.read_bytes())
        return [{key: value for key, value in row.items() if key not in _MEASURED} for row in rows]
    except (OSError, ValueError, AttributeError) as error:
        return f"unreadable ({error})"
