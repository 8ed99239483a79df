"""Disk space that a process needs in its HTCondor scratch folder.

With a shared disk a process writes to the run directory, and its scratch folder stays almost empty. Without one it
holds spec, plan, prepared data, compiled code, the output and the saved part of an output.
"""

import math

from dagmaker.plan import rates, sizing
from dagmaker.plan.plan import Node, Plan
from dagmaker.plan.sites import Site
from worker.base.task_rows import PATCH_TRIALS, ROWS
from worker.spec.sections import Spec

MARGIN = 1.4  # asked for, over what is needed
STEP_MB = 50
# Measured, rounded up. Image: a file in the scratch folder if jobs run in containers.
COMPILED_MB, LOGS_MB, IMAGE_MB = 10.0, 2.0, 1000.0
SPEC_MB = 1.0  # a grid of all rings or a long list of sources
EVENT_BYTES, PREPARED_MB = 10.0, 2.0  # compressed events; with the response
TABLES_MB = 3.0  # of the signal density, for the whole sky of a season
TRIAL_BYTES, PATCH_BYTES, RECORD_BYTES = 24, 24, 4000
COPIES = 3  # the saved part of an output, its replacement while it is written, and the final file


def prepared_mb(spec: Spec) -> float:
    """Size of the prepared data: measured by the pilot, else from the number of events, else the disk request."""
    pilot = spec.resources.pilot
    if pilot is not None and pilot.prepared_mb is not None:
        return pilot.prepared_mb
    if spec.data.format in ("numpy", "engine"):  # what a season or a plug-in holds is only in its files
        return float(spec.resources.request_disk_mb)
    n_seasons = len(getattr(spec.data, "seasons", ())) or 1
    return PREPARED_MB + TABLES_MB * n_seasons + EVENT_BYTES * rates.events(spec) / 1e6


def _output_bytes(node: Node, spec: Spec) -> float:
    """Output of the largest process of a node, bytes."""
    most = node.cuts.largest or 1
    if node.task == PATCH_TRIALS:
        return most * 1.3 * spec.healpix.patch_pixels * PATCH_BYTES
    if not ROWS[node.task].scans_skies:
        return most * TRIAL_BYTES
    if ROWS[node.task].is_stream:
        return most * spec.scan.kept_per_sky * spec.scan.kept_bytes
    return spec.scan.map_bytes(int(dict(node.args).get("nside", 0)), node.bands)


def output_mb(plan: Plan, spec: Spec, task: str) -> float:
    """Largest output of a process of a task, with its record."""
    sizes = [_output_bytes(node, spec) for node in plan.nodes if node.task == task]
    return (max(sizes, default=0.0) + RECORD_BYTES) / 1e6


def needed_mb(plan: Plan, spec: Spec, site: Site, task: str) -> float:
    """Disk space that a process of a task needs. Only the head of plan.json is transferred."""
    if not site.transfer or not ROWS[task].has_many_files:
        return LOGS_MB
    image = IMAGE_MB if sizing.of_task(spec, site, task).container_image or site.container_image else 0.0
    return SPEC_MB + prepared_mb(spec) + COMPILED_MB + LOGS_MB + COPIES * output_mb(plan, spec, task) + image


def asked_mb(plan: Plan, spec: Spec, site: Site, task: str) -> int:
    """Disk request: from the spec, or the predicted need with a margin if `target_hours` is set."""
    resources, own = spec.resources, sizing.of_task(spec, site, task).request_disk_mb
    if own is not None:
        return own
    if resources.target_hours is None:
        return resources.request_disk_mb
    return math.ceil(needed_mb(plan, spec, site, task) * MARGIN / STEP_MB) * STEP_MB


def request(plan: Plan, spec: Spec, site: Site, task: str) -> sizing.Request:
    """Memory, disk and time limit that a process of a task requests."""
    return sizing.request(spec, site, task)._replace(disk_mb=asked_mb(plan, spec, site, task))
