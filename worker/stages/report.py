"""report: summary.json from the results, then figures and the page; as a FINAL node, the DAG's own verdict."""

from pathlib import Path

from worker import layout, store
from worker.errors import RefusedError
from worker.ledger import open_run
from worker.stages.summary import summary


def report(path: Path, dag_status: int | None, failed_count: int | None) -> None:
    """Write RUN/results/summary.json and RUN/report/index.html from whatever results there are."""
    run = open_run(path)
    store.save_json(path, layout.SUMMARY, summary(run))
    print(f"-> {layout.SUMMARY}")
    from worker.report import page

    page.write(run)
    print(f"-> {layout.REPORT}")
    if dag_status or failed_count:
        raise RefusedError(
            f"the DAG did not succeed (DAG_STATUS {dag_status}, {failed_count} failed nodes): the report shows what "
            f"there is; see `dagmaker status {path}`"
        )
