"""patch_trials: patches of tilted skies, for the tail of the hottest spot's p-value."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import SpecError
from worker.base.task_rows import PATCH_TRIALS
from worker.engines.protocol import PATCH_DTYPE, Patches
from worker.engines.table import engine_of, require
from worker.hypotheses.sky.rings import rings
from worker.rundir import address, layout
from worker.rundir.ledger import Run, open_run
from worker.tasks import context
from worker.tasks.resume import Output, Work, produce


def patch_trials(path: Path, n: int, seed: int, first: int, part: int = 0) -> None:
    """Patches [first, first + n) of the stream of a seed."""
    run = open_run(path)
    if run.spec.scan.post_trial.tail == "none":
        raise SpecError("this analysis has no patches: scan.post_trial.tail is none; write post_trial: {tail: patches}")
    scan = run.spec.healpix
    folder = layout.part_dir(layout.patches_dir(run.spec.name, scan.level()), part)
    args = {"seed": seed, "first": first} | layout.part_address(part)
    output = Output(PATCH_TRIALS, folder / layout.patches_name(n, seed, first), args, digest(run), n, PATCH_DTYPE)

    def set_up() -> Work:
        maker = patches(run)
        return Work(n, maker.block, lambda start, count: rows(run, maker, seed, first + start, count))

    produce(run, output, set_up)


def patches(run: Run) -> Patches:
    """What makes the patches of a run, on this core.

    Raises
    ------
    SpecError
        The engine has no patches.
    """
    scan = run.spec.healpix
    engine = require(context.engine(run), "patches")
    tail = scan.post_trial
    return engine.patches(
        rings(scan, scan.nside), float(np.radians(tail.radius_deg)), float(np.radians(tail.separation_deg))
    )


def rows(run: Run, maker: Patches, seed: int, first: int, n: int) -> NDArray[np.void]:
    """Patches [first, first + n) of the stream of a seed, (n, most)."""
    return maker.rows(address.patches(run.spec, seed), first, n)


def digest(run: Run) -> str:
    """Digest of a file of patches."""
    tail, version = run.spec.scan.post_trial, require(engine_of(run.spec), "patches").patches_version
    geometry = {"radius_deg": tail.radius_deg, "separation_deg": tail.separation_deg}
    return context.trial_digest(run, PATCH_TRIALS, area={**area(run), **geometry}, patches=version)


def area(run: Run) -> Mapping[str, Any]:
    """Resolution and range of the scan."""
    scan = run.spec.healpix
    return {"nside": scan.nside, "dec_min_deg": scan.dec_min_deg, "dec_max_deg": scan.dec_max_deg}


def recompute(run: Run, seed: int, first: int) -> Callable[[int], NDArray[np.void]]:
    """Return a function that makes row i of a file again, (1, most)."""
    maker = patches(run)
    return lambda i: rows(run, maker, seed, first + i, 1)
