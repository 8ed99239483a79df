"""scan_trials, scan_map: background skies and the observed sky, scanned as the hypothesis defines."""

from pathlib import Path

import numpy as np

from worker.base.errors import InputError
from worker.base.task_rows import SCAN_MAP, SCAN_TRIALS
from worker.hypotheses import hottest_spots
from worker.hypotheses.protocol import SkyFile
from worker.rundir import store
from worker.rundir.ledger import Run, open_run
from worker.rundir.record import measure
from worker.tasks import context
from worker.tasks.resume import Output, Work, produce


def scan_digest(run: Run) -> str:
    """Digest of a file of background skies."""
    return context.trial_digest(run, SCAN_TRIALS, area=context.ensemble(run).sky_area())


def sky_dtype(run: Run) -> np.dtype[np.void]:
    """Columns of a file of background skies."""
    return context.ensemble(run).sky_dtype


def map_dtype(run: Run) -> np.dtype[np.void]:
    """Columns of the observed sky."""
    return context.ensemble(run).map_dtype


def map_digest(run: Run, nside: int, band: int, bands: int) -> str:
    """Digest of a band of the observed sky; a list of sources ignores `nside`."""
    return context.trial_digest(run, SCAN_MAP, area=context.ensemble(run).map_area(nside, band, bands))


def scan_trials(path: Path, n: int, seed: int, first: int, band: str | None, part: int = 0) -> None:
    """Background skies [first, first + n)."""
    run = open_run(path)
    file = context.ensemble(run).skies(n, seed, first, band, part)
    _make(run, SCAN_TRIALS, file)
    if file.spots is not None and not _is_planned(run, n, seed, first):
        _write_spots(run, file, seed, first)


def scan_map(path: Path, nside: int | None, band: int, bands: int) -> None:
    """The observed (scrambled) sky, or a band of it."""
    run = open_run(path)
    _make(run, SCAN_MAP, context.ensemble(run).observed(nside, band, bands))


def _make(run: Run, task: str, file: SkyFile) -> None:
    """Write a file unless it exists."""

    def set_up() -> Work:
        steps = file.begin(context.skies(run, device=True))
        return Work(file.units, steps.size, steps.make)

    digest = context.trial_digest(run, task, area=file.area)
    produce(run, Output(task, file.path, dict(file.args), digest, file.n, file.dtype), set_up)


def _is_planned(run: Run, n: int, seed: int, first: int) -> bool:
    """Whether the plan has these skies (then collect_scan makes their hottest spots)."""
    return any(
        node["task"] == SCAN_TRIALS and node["seed"] == seed and (first, n) in node["cuts"]
        for node in run.plan["nodes"]
    )


def _write_spots(run: Run, file: SkyFile, seed: int, first: int) -> None:
    """Write the hottest spots of a file of skies that is not in the plan."""
    assert file.spots is not None
    with measure("hottest_spots", {"seed": seed, "first": first}, "") as meter:
        try:
            tsds = hottest_spots.load_tsds(run)
        except InputError:
            print("the hottest spots need background distributions: run collect_bg, then this task again")
            return
        skies = store.load_array(run.path, file.path, file.n, file.dtype)
        spots = context.ensemble(run).spots(skies, tsds)
        store.save_array(run.path, file.spots, spots, meter.record(file.n))
    print(f"-> {file.spots}")
