"""Faults of a spec's angles: they do not fit together, or seem not to be in degrees."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from worker.spec import units
from worker.spec.scan_section import Fault

if TYPE_CHECKING:
    from worker.spec.sections import Spec


def faults(spec: "Spec") -> list[Fault]:
    """Return key and sentence of each fault; units are not checked if the spec has ``small_angles: true``."""
    unit_faults = [] if spec.small_angles else [*_units(spec)]
    decs = spec.background.decs
    if unit_faults or not decs:  # a range in radians is not to be widened
        return unit_faults
    return [*spec.scan.beyond(decs, spec.background.dec_deg)]


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
