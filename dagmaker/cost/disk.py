"""Disk space of a process: what lies in the folder that HTCondor starts it in, from its inputs to its outputs.

Where a disk is shared a process writes to the run directory, and its own folder stays almost empty. Without one,
everything travels: spec, plan, prepared data, what is compiled, the output, and the saved part of an output.
"""

import math
from collections.abc import Iterator

from dagmaker.plan import rates, sizing
from dagmaker.plan.plan import Node, Plan
from dagmaker.plan.sites import Site
from worker.base.task_rows import ROWS
from worker.spec.sections import Spec

MARGIN = 1.4  # asked for, over what is needed
STEP_MB = 50
# Measured, rounded up. Image: as a file in the folder of the job, where a site runs jobs in containers.
COMPILED_MB, LOGS_MB, IMAGE_MB = 10.0, 2.0, 1000.0
SPEC_MB = 1.0  # a grid of all rings, or a long list of sources, stands in it
EVENT_BYTES, PREPARED_MB = 10.0, 2.0  # compressed events; with the response
TRIAL_BYTES, RECORD_BYTES = 24, 4000
COPIES = 3  # an output as it is saved at a stop, that part as it is replaced, and the file that it becomes


def prepared_mb(spec: Spec) -> float:
    """Size of the prepared data: as the pilot found it, else from the events; else what the spec leaves room for."""
    pilot = spec.resources.pilot
    if pilot is not None and pilot.prepared_mb is not None:
        return pilot.prepared_mb
    if spec.data.format == "numpy":  # how many simulated events there are, only the files say
        return float(spec.resources.request_disk_mb)
    return PREPARED_MB + EVENT_BYTES * rates.events(spec) / 1e6


def _units(node: Node, spec: Spec) -> Iterator[float]:
    """Bytes of the output of the largest process of a node."""
    most = node.cuts.largest or 1
    if not ROWS[node.task].scans_skies:
        yield most * TRIAL_BYTES
    elif ROWS[node.task].is_stream:
        yield most * spec.scan.kept_per_sky * spec.scan.kept_bytes
    else:
        yield spec.scan.map_bytes(int(dict(node.args).get("nside", 0)), node.bands)


def output_mb(made: Plan, spec: Spec, task: str) -> float:
    """Largest output of a process of a kind, with its record."""
    sizes = [size for node in made.nodes if node.task == task for size in _units(node, spec)]
    return (max(sizes, default=0.0) + RECORD_BYTES) / 1e6


def needed_mb(made: Plan, spec: Spec, site: Site, task: str) -> float:
    """Disk space that a process of a kind takes in its own folder. Of the plan only its head travels."""
    if not site.transfer or not ROWS[task].has_many_files:
        return LOGS_MB
    image = IMAGE_MB if sizing.of_task(spec, site, task).container_image or site.container_image else 0.0
    return SPEC_MB + prepared_mb(spec) + COMPILED_MB + LOGS_MB + COPIES * output_mb(made, spec, task) + image


def asked_mb(made: Plan, spec: Spec, site: Site, task: str) -> int:
    """As the spec says; where the plan cuts the work itself, what is needed with a margin."""
    resources, own = spec.resources, sizing.of_task(spec, site, task).request_disk_mb
    if own is not None:
        return own
    if resources.target_hours is None:
        return resources.request_disk_mb
    return math.ceil(needed_mb(made, spec, site, task) * MARGIN / STEP_MB) * STEP_MB


def request(made: Plan, spec: Spec, site: Site, task: str) -> sizing.Request:
    """All that a process of one kind asks for."""
    return sizing.request(spec, site, task)._replace(disk_mb=asked_mb(made, spec, site, task))
