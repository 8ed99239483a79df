"""Expected columns and digest of files of trials, skies and maps, by task."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from worker.base.task_rows import BG_TRIALS, PATCH_TRIALS, SCAN_MAP, SCAN_TRIALS, SIG_TRIALS, TAIL_TRIALS
from worker.engines.protocol import PATCH_DTYPE
from worker.rundir.ledger import Expected, Run
from worker.tasks import context, patches, scans, tail


class Kind(NamedTuple):
    """``dtype(run)`` and ``digest(run, file)`` of a planned file."""

    dtype: Callable[[Run], np.dtype[np.void]]
    digest: Callable[[Run, Expected], str]


def _map_digest(run: Run, file: Expected) -> str:
    return scans.map_digest(run, int(file.point.get("nside", 0)), *(file.band or (0, 1)))


KINDS = {
    BG_TRIALS: Kind(context.columns, lambda run, _: context.trial_digest(run, BG_TRIALS)),
    TAIL_TRIALS: Kind(tail.columns, lambda run, file: tail.digest_at(run, run.spec.point_of(file.point))),
    SIG_TRIALS: Kind(context.columns, lambda run, file: context.signal_digest(run, file.point.get("gamma"))),
    SCAN_TRIALS: Kind(scans.sky_dtype, lambda run, _: scans.scan_digest(run)),
    PATCH_TRIALS: Kind(lambda _: PATCH_DTYPE, lambda run, _: patches.digest(run)),
    SCAN_MAP: Kind(scans.map_dtype, _map_digest),
}
