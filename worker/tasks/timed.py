"""Record of a stage with JSON output: its cost and the sha256 of its output."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path, PurePosixPath

from worker.base.task_rows import ROWS
from worker.rundir import input_digests, layout, store
from worker.rundir.ledger import Run, open_run
from worker.rundir.record import measure


def timed(inputs: Callable[[Run], dict[str, str]]) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Measure a stage and write RUN/results/timing/<stage>.json, the record of its output, when it ends well.

    Parameters
    ----------
    inputs : callable
        Sha256 by path of the files that the stage reads. Kept out of the result: it depends on how work was cut.
    """

    def decorate(stage: Callable[[Path], None]) -> Callable[[Path], None]:
        @wraps(stage)
        def measured(path: Path) -> None:
            with measure(stage.__name__, {}) as meter:
                stage(path)
                run = open_run(path)
                output = ROWS[stage.__name__].file
                sha256 = input_digests.hashed(run, [PurePosixPath(output)])[output]
                record = replace(meter.record(1), sha256=sha256, inputs=inputs(run))
            store.save_json(path, layout.timing_file(stage.__name__), record.as_json())

        return measured

    return decorate
