"""What a stage cost, for stages whose outputs are JSON and carry no record."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path

from worker import layout, store
from worker.record import measure


def timed(stage: Callable[[Path], None]) -> Callable[[Path], None]:
    """Measure a stage and write RUN/results/timing/<stage>.json when it ends well."""

    @wraps(stage)
    def measured(path: Path) -> None:
        with measure(stage.__name__, {}) as meter:
            stage(path)
        store.save_json(path, layout.timing_file(stage.__name__), meter.record(1).as_json())

    return measured
