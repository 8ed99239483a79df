"""`resources.target_hours`: split the work of each point so that processes take the same time.

The split does not change the trials or their values.
"""

import math
from operator import attrgetter
from typing import NamedTuple

from dagmaker.plan import rates
from dagmaker.plan.sites import Site
from worker.base.task_rows import PATCH_TRIALS, ROWS, SCAN_MAP, SCAN_TRIALS
from worker.rundir.cuts import Cut, Cuts, cuts, even
from worker.spec.point import Point
from worker.spec.sections import Spec
from worker.spec.task_resources import TaskResources

MOST_BANDS = 512
RING_PIXELS = 400
"""The geometry of a ring of patches takes as long as so many of their pixels."""
MEMORY_MARGIN = 1.4  # requested over measured memory
LIMIT_MARGIN = 5.0  # a process hangs if it takes this many times its predicted time
LEAST_LIMIT_S = 3600
STEP_MB = 50


def _target_s(spec: Spec) -> float | None:
    hours = spec.resources.target_hours
    return None if hours is None else hours * 3600


def _pieces(work_s: float, start_s: float, target_s: float) -> int:
    """Number of processes so that each, with its start, takes at most the target time."""
    return max(1, math.ceil(work_s / max(target_s - start_s, 0.5 * target_s) - 1e-9))


def trials(spec: Spec, task: str, at: Point, n_sig: float | None = None, more: Cut | None = None) -> Cuts:
    """Pieces of the trials of a point, of the spec or of the part `more` of their stream."""
    row = ROWS[task]
    first, n = (0, attrgetter(row.n_trials)(spec)) if more is None else more
    target = _target_s(spec)
    if target is None:
        return cuts(n, attrgetter(row.per_file)(spec), first)
    kind = rates.of(spec, task)
    return even(n, _pieces(n * kind.unit_s(at.dec_deg, n_sig), kind.start_s, target), first)


def sky_s(spec: Spec, task: str, nside: int) -> tuple[float, float]:
    """CPU seconds of a whole scan at this nside, and of the set-up proportional to its pixels."""
    n = spec.scan.positions(nside)
    kind = rates.of(spec, task)
    return n * kind.unit_s(nside=nside or None), n * kind.start_unit_s


def _bands(spec: Spec, nside: int, work_s: float, start_s: float, target_s: float) -> int:
    if nside == 0:
        return 1  # a list of sources is not split
    rings = max(1, spec.scan.positions(nside) // (4 * nside))  # lower limit of their number
    return min(_pieces(work_s, start_s, target_s), rings, MOST_BANDS)


def skies(spec: Spec) -> tuple[Cuts, int]:
    """Pieces of the background skies, and the number of bands of each."""
    scan, nside = spec.scan, spec.scan.main_nside
    target = _target_s(spec)
    if target is None:
        return cuts(scan.n_skies, scan.skies_per_file), scan.sky_bands
    start_s = rates.of(spec, SCAN_TRIALS).start_s
    one_s, set_up_s = sky_s(spec, SCAN_TRIALS, nside)
    bands = _bands(spec, nside, one_s + set_up_s, start_s, target)
    return even(scan.n_skies, _pieces(scan.n_skies * one_s / bands, start_s + set_up_s / bands, target)), bands


def patch_s(spec: Spec) -> tuple[float, float]:
    """CPU seconds of a patch, and of the set-up of a process: the geometry of each ring."""
    scan, kind = spec.healpix, rates.of(spec, PATCH_TRIALS)
    return scan.patch_pixels * kind.unit_s(), kind.start_unit_s or 4 * scan.nside * RING_PIXELS * kind.unit_s()


def patches(spec: Spec) -> Cuts:
    """Pieces of the patches."""
    tail, target = spec.scan.post_trial, _target_s(spec)
    if target is None:
        return cuts(tail.n_patches, tail.patches_per_file)
    one_s, set_up_s = patch_s(spec)
    start_s = rates.of(spec, PATCH_TRIALS).start_s + set_up_s
    return even(tail.n_patches, _pieces(tail.n_patches * one_s, start_s, target))


def map_bands(spec: Spec, nside: int) -> int:
    """Number of bands of a map of the observed sky."""
    target = _target_s(spec)
    if target is None:
        return spec.scan.bands
    work_s, set_up_s = sky_s(spec, SCAN_MAP, nside)
    return _bands(spec, nside, work_s + set_up_s, rates.of(spec, SCAN_MAP).start_s, target)


class Request(NamedTuple):
    """Resources that a process of a task requests.

    Attributes
    ----------
    memory_mb, disk_mb : int
    limit_s : int or None, s
        Time limit of the process; None: no limit.
    """

    memory_mb: int
    disk_mb: int
    limit_s: int | None


def of_task(spec: Spec, site: Site, task: str) -> TaskResources:
    """Settings of a task from spec and site; the spec overrides the site."""
    tables = (site.tasks.get(task), spec.resources.tasks.get(task))
    values = {key: value for own in tables if own is not None for key, value in own if value is not None}
    return TaskResources(**values)


def request(spec: Spec, site: Site, task: str) -> Request:
    """Resources of a task; the disk request is that of the spec."""
    own, resources = of_task(spec, site, task), spec.resources
    hours = resources.target_hours
    limit = (
        None
        if hours is None or not ROWS[task].has_many_files
        else max(LEAST_LIMIT_S, math.ceil(LIMIT_MARGIN * hours * 3600))
    )
    return Request(own.request_memory_mb or _memory_mb(spec, task), resources.request_disk_mb, limit)


def _memory_mb(spec: Spec, task: str) -> int:
    """Memory request: from the spec if it suffices and `target_hours` is not set, else the need with a margin."""
    resources, needed = spec.resources, rates.memory_mb(spec, task)
    if resources.target_hours is None and needed <= resources.request_memory_mb:
        return resources.request_memory_mb
    memory = math.ceil(needed * MEMORY_MARGIN / STEP_MB) * STEP_MB
    if spec.data.format in ("numpy", "engine") and resources.pilot is None:  # what they hold is only in their files
        memory = max(memory, resources.request_memory_mb)
    return memory if resources.max_memory_mb is None else min(memory, resources.max_memory_mb)
