"""Faults of a spec's angles: they do not fit together, or seem not to be in degrees."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from worker.spec import edges, units
from worker.spec.scan_section import Fault

if TYPE_CHECKING:
    from worker.spec.sections import Spec


def grid_faults(spec: "Spec") -> list[Fault]:
    """Return key and sentence of each fault of the declinations with trials, other than units and range."""
    decs = spec.background.decs
    if spec.background.dec_deg == "rings":
        text = (
            f"found rings, but scan.kind is {spec.scan.kind}: there is no map with rings of pixels; write a range, a "
        )
        return [("background.dec_deg", f"{text}list of degrees or sources")]
    known = set(decs) or {at.dec_deg for at in spec.all_points if at.dec_deg is not None}
    alone = [dec for dec in spec.signal_decs if dec not in known]
    if alone:
        grid = "background.dec_deg" if decs else "points"
        text = f"found {alone[0]:g}{f' and {len(alone) - 1} more' if alone[1:] else ''} without background trials, "
        text += f"which give the thresholds; choose declinations of {grid}, or add these there"
        return [("signal.dec_deg", text)]
    return [*spec.scan.faults(decs)]


def faults(spec: "Spec") -> list[Fault]:
    """Return key and sentence of each fault; units are not checked if the spec has ``small_angles: true``."""
    unit_faults = [] if spec.small_angles else [*_units(spec)]
    decs = spec.background.decs
    if unit_faults or not decs:  # a range in radians is not to be widened
        return unit_faults
    beyond = [*spec.scan.beyond(decs, spec.background.dec_deg)]
    return beyond or [*_without_limits(spec)]


def _without_limits(spec: "Spec") -> Iterator[Fault]:
    """Tested positions beyond the signal trials: they would have no upper limit."""
    decs, tested = spec.signal_decs, sorted(spec.scan.decs_deg)
    if spec.scan.has_skies and edges.beyond(decs, tested):
        text = f"reaches from {decs[0]:g} to {decs[-1]:g}, and the scan from {tested[0]:g} to {tested[-1]:g} deg: "
        yield "signal.dec_deg", text + "beyond the grid there is no upper limit; widen it, or leave it out"


def _units(spec: "Spec") -> Iterator[Fault]:
    scan, likelihood = spec.scan, spec.likelihood
    faults = scan.unit_faults(spec.background.decs)
    for place, value, below in (
        ("scan.dec_split_deg", scan.dec_split_deg, units.RADIANS),
        ("signal.extension_deg", spec.signal.extension_deg, units.LEAST_EXTENSION_DEG),
        ("likelihood.extension_deg", likelihood.extension_deg, units.LEAST_EXTENSION_DEG),
        ("likelihood.sigma_floor_deg", likelihood.sigma_floor_deg, units.LEAST_FLOOR_DEG),
        ("likelihood.sigma_max_deg", likelihood.sigma_max_deg, units.LEAST_SIGMA_MAX_DEG),
    ):
        faults[place] = units.angle_fault(value, below)
    yield from ((place, text) for place, text in faults.items() if text is not None)
