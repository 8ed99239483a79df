"""report: write summary.json, figures and the page; as a FINAL node, fail if the DAG failed."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

from worker.base import shell, startup
from worker.base.errors import RefusedError
from worker.report.summary import summary
from worker.rundir import input_digests, layout, store
from worker.rundir.ledger import Run, open_run
from worker.rundir.record import measure


def report(path: Path, dag_status: int | None, failed_count: int | None) -> None:
    """Write RUN/results/summary.json and RUN/report/index.html from the available results."""
    run = open_run(path)
    with measure("report", {}) as meter:
        store.save_json(path, layout.SUMMARY, summary(run))
        print(f"-> {layout.SUMMARY}")
        write_pages(run)
        print(f"-> {layout.REPORT}")
        outputs = input_digests.hashed(run, [layout.SUMMARY, *_pages(path)])
        store.save_json(path, layout.REPORT_RECORD, replace(meter.record(1), outputs=outputs).as_json())
    from worker.report import crate

    crate.write(run)
    if dag_status or failed_count:
        raise RefusedError(
            f"the DAG did not succeed (DAG_STATUS {dag_status}, {failed_count} failed nodes): the report shows what "
            f"there is; see `{shell.dagmaker('status', path)}`"
        )


def write_pages(run: Run, place: Path | None = None) -> None:
    """Write RUN/report/ from results/summary.json and other results; pages show `place` as path of the run."""
    from worker.report import data_summary, page

    with startup.only_new_garbage():  # reference cycles of figures take 60 MB
        if (run.path / layout.DATA).exists() and run.spec.data.format != "engine":
            data_summary.write_of(run)
            print(f"-> {layout.DATA_PAGE}")
        page.write(run, place)


def _pages(path: Path) -> list[PurePosixPath]:
    """Files of the report, except its record."""
    folder = path / layout.REPORT.parent
    names = sorted(file.relative_to(path).as_posix() for file in folder.rglob("*") if file.is_file())
    return [PurePosixPath(name) for name in names if not PurePosixPath(name).match("report/record.json")]
