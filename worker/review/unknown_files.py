"""Files in the folders of a run that belong neither to its plan nor to its results."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from worker.base.finding import SHOWN, Finding
from worker.base.task_rows import TAIL_PILOT
from worker.hypotheses.table import hypothesis_of
from worker.rundir import layout
from worker.rundir.ledger import Run, each_expected
from worker.tasks import plugin_files

_FOLDERS = (
    "prepared", "sealed", "openings", "trials", "collected", "results", "report", "rounds", "unblinded", "review",
)  # fmt: skip
_CERTIFICATES = tuple(layout.CERTIFICATE.with_suffix(suffix) for suffix in (".json", ".md", ".html"))


def finding(run: Run, root: Path) -> Finding:
    """List unknown files; `root` is a scratch directory with all results and pages made again."""
    known = {*_plan_files(run), *_unblinding_files(run), *map(str, _CERTIFICATES), *_files_below(root, root)}
    unknown = [name for folder in _FOLDERS for name in _files_below(run.path, run.path / folder) if name not in known]
    what = "files that neither the plan nor a result knows"
    if not unknown:
        return Finding("same", what, "none")
    shown = ", ".join(unknown[:SHOWN]) + (", ..." if len(unknown) > SHOWN else "")
    return Finding("note", what, f"{len(unknown):,}, which no part of this review looked at: {shown}")


def _plan_files(run: Run) -> Iterator[str]:
    files = [layout.DATA, layout.TABLES, layout.SEALED]
    yield from map(str, plugin_files.paths(run))
    for task in dict.fromkeys(node["task"] for node in run.plan["nodes"] if not node["file"]):
        files += [file.path for file in each_expected(run, task)]
    yield from map(str, files)
    yield from (str(layout.record_name(rel)) for rel in files)
    for node in run.plan["nodes"]:
        if node["file"]:
            yield f"{node['dir']}/{node['file']}"
            if node["task"] == TAIL_PILOT:  # a review makes no file of it again
                yield str(layout.record_name(PurePosixPath(node["dir"]) / node["file"]))
    for number in range(1, run.spec.adaptive.max_rounds + 1):
        rounds = (layout.decision(number), layout.round_plan(number), layout.round_dag(number))
        yield from map(str, (*rounds, layout.timing_file(f"judge_{number}")))
    yield from map(str, (layout.SUMMARY, layout.REPORT_RECORD))


def _unblinding_files(run: Run) -> Iterator[str]:
    yield from map(str, (layout.UNBLINDING_LOG, layout.OPENED, layout.UNBLINDED_RESULTS))
    ensemble = hypothesis_of(run.spec).ensemble()
    if ensemble is not None:
        yield from map(str, ensemble.maps(layout.unblinded_map))


def _files_below(root: Path, folder: Path) -> list[str]:
    """All files below a folder, relative to `root`; links are not followed."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir()]
    return [path.relative_to(root).as_posix() for path in paths]
