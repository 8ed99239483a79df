"""Angles of a spec that do not fit together, or are in another unit than degrees as it seems."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from worker.spec import edges, units
from worker.spec.scan import CatalogScan, HealpixScan

if TYPE_CHECKING:
    from worker.spec.sections import Spec

Fault = tuple[str, str]


def faults(spec: "Spec") -> list[Fault]:
    """Key and sentence of everything that is wrong; units are left alone where the spec says ``small_angles``."""
    found = [] if spec.small_angles else [*_units(spec)]
    return found or [*_beyond(spec)]  # a range in radians is not to be widened


def _units(spec: "Spec") -> Iterator[Fault]:
    scan, likelihood = spec.scan, spec.likelihood
    if isinstance(scan, CatalogScan):
        found = {"scan.sources" if scan.file is None else "scan.file": units.source_fault(scan.entries)}
    else:
        found = {
            "background.dec_deg": units.grid_fault(spec.background.decs),
            "scan.dec_min_deg": units.range_fault(scan.dec_min_deg, scan.dec_max_deg),
        }
    for place, value, below in (
        ("scan.dec_split_deg", scan.dec_split_deg, units.RADIANS),
        ("signal.extension_deg", spec.signal.extension_deg, units.LEAST_EXTENSION_DEG),
        ("likelihood.extension_deg", likelihood.extension_deg, units.LEAST_EXTENSION_DEG),
        ("likelihood.sigma_floor_deg", likelihood.sigma_floor_deg, units.LEAST_FLOOR_DEG),
        ("likelihood.sigma_max_deg", likelihood.sigma_max_deg, units.LEAST_SIGMA_MAX_DEG),
    ):
        found[place] = units.angle_fault(value, below)
    yield from ((place, text) for place, text in found.items() if text is not None)


def _beyond(spec: "Spec") -> Iterator[Fault]:
    """What lies outside the background grid, sources or rings of pixels: there would be no p-value for it."""
    decs, scan, place = spec.background.decs, spec.scan, "background.dec_deg"
    if not decs:
        return
    reach = f"reaches from {decs[0]:g} to {decs[-1]:g}, and "
    if isinstance(scan, CatalogScan):
        off = [s for s in scan.entries if edges.beyond(decs, [s.dec_deg])]
        if off:
            shown = ", ".join(f"{s.name} ({s.dec_deg:g})" for s in off[:5]) + (", ..." if len(off) > 5 else "")
            radians = " (the grid looks like radians: it is in degrees)" if units.grid_fault(decs) else ""
            text = f"{reach}{len(off)} of {len(scan.entries)} sources lie outside: {shown}; widen the grid, or write "
            yield place, f"{text}dec_deg: sources{radians}"
        return
    rings = scan.ring_decs()
    if edges.beyond(decs, rings):
        text = f"{reach}the pixels of the scan from {rings[0]:g} to {rings[-1]:g} deg: beyond the grid a p-value would "
        yield place, f"{text}be that of its end; {_cure(spec.background.dec_deg, decs, scan)}"


def _cure(grid: Any, decs: Sequence[float], scan: HealpixScan) -> str:
    """What to write so that the rings of a scan lie inside the grid."""
    rings = scan.ring_decs()
    low = max(5 * math.floor(min(rings[0], decs[0]) / 5), -90)
    high = min(5 * math.ceil(max(rings[-1], decs[-1]) / 5), 90)
    step = getattr(grid, "step", 5.0)
    steps = (high - low) / step
    step = step if abs(steps - round(steps)) < 1e-6 else 5.0
    text = f"write background.dec_deg: {{start: {low:g}, stop: {high:g}, step: {step:g}}}"
    if len(decs) > 1 and len(rings) > len(edges.beyond(decs, rings)):
        ends = max(decs[0], scan.dec_min_deg), min(decs[-1], scan.dec_max_deg)
        text += f", or scan.dec_min_deg: {ends[0]:g} and scan.dec_max_deg: {ends[1]:g}"
    return text
