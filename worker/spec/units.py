"""Angles of a spec that are probably in another unit than degrees: noticed from their size, as event files are.

Degrees of a real analysis rarely crowd near zero, radians always do. Where they do, nothing is guessed: the value is
refused with both readings, and `small_angles: true` says that degrees are meant.
"""

import math
from collections.abc import Sequence

from worker.spec.catalog import Source

RADIANS = math.pi / 2 + 0.01
"""No declination in radians is larger (with rounding)."""
TURN = 2 * math.pi + 0.01
HOURS = 24.0
ENOUGH_SOURCES = 3
"""Fewer sources may by chance lie within 24 degrees of right ascension, or within 1.6 degrees of the equator."""
LEAST_EXTENSION_DEG = 0.05
"""No track detector tells a smaller source from a point; 3 degrees are 0.052 radians."""
LEAST_FLOOR_DEG = 0.02
"""No track is reconstructed better than that; 1 degree is 0.017 radians."""
LEAST_SIGMA_MAX_DEG = 0.27
"""Nearly every track has a larger angular error; the largest that a spec may ask for, 15 degrees, is 0.26 radians."""
INSIST = "or, if degrees are meant, small_angles: true at the top of the spec"


def grid_fault(decs: Sequence[float]) -> str | None:
    """What to say of a background grid of a map that is in radians as it seems; None where it is not."""
    if len(decs) < 2 or max(map(abs, decs)) > RADIANS:
        return None
    return (
        f"found {len(decs)} declinations from {decs[0]:g} to {decs[-1]:g}; all are within pi/2, as radians are: write "
        f"degrees ({_degrees(decs[0])} to {_degrees(decs[-1])}), {INSIST}"
    )


def range_fault(low: float, high: float) -> str | None:
    """The same of the ends of a scan."""
    if max(abs(low), abs(high)) > RADIANS:
        return None
    return (
        f"found a scan from {low:g} to {high:g}; both ends are within pi/2, as radians are: write degrees "
        f"({_degrees(low)} to {_degrees(high)}), {INSIST}"
    )


def angle_fault(value: float, below: float) -> str | None:
    """The same of one angle, if it lies between zero and `below` degrees (either sign) and is no whole number."""
    if not 0 < abs(value) < below or value == round(value):
        return None
    return f"found {value:g}; this small it looks like radians: write degrees ({_degrees(value)}), {INSIST}"


def dec_note(dec: float) -> str | None:
    """What to say of one declination (deg) off the grid that may be in radians; None where it is not.

    Sources do lie that near the equator, so this is no reason to refuse it.
    """
    if not LEAST_EXTENSION_DEG < abs(dec) < RADIANS or dec == round(dec):
        return None
    return f"{dec:g} is taken as degrees; if it is in radians, write {_degrees(dec)}"


def source_fault(sources: Sequence[Source]) -> str | None:
    """What to say of a list of sources whose angles are in hours or radians, as it seems; None where they are not."""
    guess = _guess(sources)
    return guess if guess and len(sources) >= ENOUGH_SOURCES else None


def source_note(sources: Sequence[Source]) -> str | None:
    """The same where there are too few sources to be sure."""
    guess = _guess(sources)
    return guess if guess and len(sources) < ENOUGH_SOURCES else None


def _guess(sources: Sequence[Source]) -> str | None:
    if not sources:
        return None
    ra, dec = [source.ra_deg for source in sources], [source.dec_deg for source in sources]
    text = f"found {len(sources)} source{'s' if len(sources) > 1 else ''} with ra_deg from {min(ra):g} to {max(ra):g} "
    text += f"and dec_deg from {min(dec):g} to {max(dec):g}"
    flat = max(map(abs, dec)) <= RADIANS
    if flat and max(ra) <= TURN:
        return f"{text}; these look like radians: name the columns ra_rad and dec_rad, {INSIST}"
    if flat and len(sources) >= ENOUGH_SOURCES:
        return f"{text}; the declinations look like radians: name the column dec_rad, {INSIST}"
    if max(ra) <= HOURS and len(sources) > 1:
        unit, column = ("radians or hours", "ra_rad or ra_hours") if max(ra) <= TURN else ("hours", "ra_hours")
        return f"{text}; the right ascensions look like {unit}: name the column {column}, {INSIST}"
    return None


def _degrees(radians: float) -> str:
    """Radians in degrees, as one writes them."""
    return f"{round(math.degrees(radians), 1):g}"
