"""The tilts of every declination, chosen again."""

from collections.abc import Iterator

from worker.base import finding
from worker.base.errors import InputError, SpecError
from worker.base.finding import Finding
from worker.base.task_rows import TAIL_PILOT
from worker.rundir.ledger import Run
from worker.tasks import context, tail


def findings(run: Run) -> Iterator[Finding]:
    """Compare the tilts of the run with those that the pilot chooses now; nothing without tilted trials.

    A p-value is right for any tilts, but tilts that somebody chose after a look at results would be a hidden choice.
    """
    if run.spec.background.tail == "none":
        return
    wrong, points = [], run.spec.all_points
    with context.no_device():
        for at in points:
            rel = tail.tilts_file(run, at)
            try:
                if not (run.path / rel).exists():
                    wrong.append(f"{rel}: this file is missing")
                elif tail.load(run, at) != tail.choose(run, at):
                    wrong.append(f"{rel}: the pilot chooses other tilts")
            except (InputError, SpecError) as error:
                wrong.append(str(error))
    yield finding.of(f"{TAIL_PILOT}: tilts chosen again", wrong, f"the same at {len(points):,} points")
