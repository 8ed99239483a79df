"""Angles of a spec that are probably not in degrees, recognised by their size.

Radians are always near zero, degrees of a real analysis rarely are. Such a value is refused with both readings, unless
the spec has `small_angles: true`.
"""

import math
from collections.abc import Sequence

from worker.spec.catalog import Source

RADIANS = math.pi / 2 + 0.01
"""No declination in radians is larger (with rounding)."""
TURN = 2 * math.pi + 0.01
HOURS = 24.0
ENOUGH_SOURCES = 3
"""Fewer sources may be within 24 deg of right ascension, or within 1.6 deg of the equator, by chance."""
LEAST_EXTENSION_DEG = 0.05
"""No track detector resolves a smaller source; 3 degrees are 0.052 radians."""
LEAST_FLOOR_DEG = 0.02
"""No track is reconstructed better than that; 1 degree is 0.017 radians."""
LEAST_SIGMA_MAX_DEG = 0.27
"""Nearly every track has a larger angular error; the largest that a spec may ask for, 15 degrees, is 0.26 radians."""
INSIST = "or, if degrees are meant, small_angles: true at the top of the spec"


def grid_fault(decs: Sequence[float]) -> str | None:
    """Return a message if the background grid of a map seems to be in radians; else None."""
    if len(decs) < 2 or max(map(abs, decs)) > RADIANS:
        return None
    return (
        f"found {len(decs)} declinations from {decs[0]:g} to {decs[-1]:g}; all are within pi/2, as radians are: write "
        f"degrees ({_degrees(decs[0])} to {_degrees(decs[-1])}), {INSIST}"
    )


def range_fault(low: float, high: float) -> str | None:
    """Return a message if the ends of a scan seem to be in radians; else None."""
    if max(abs(low), abs(high)) > RADIANS:
        return None
    return (
        f"found a scan from {low:g} to {high:g}; both ends are within pi/2, as radians are: write degrees "
        f"({_degrees(low)} to {_degrees(high)}), {INSIST}"
    )


def angle_fault(value: float, below: float) -> str | None:
    """Return a message if an angle is between zero and `below` degrees (either sign) and not whole; else None."""
    if not 0 < abs(value) < below or value == round(value):
        return None
    return f"found {value:g}; this small it looks like radians: write degrees ({_degrees(value)}), {INSIST}"


def dec_note(dec: float) -> str | None:
    """Return a note if a declination (deg) may be in radians; no error, since sources can be near the equator."""
    if not LEAST_EXTENSION_DEG < abs(dec) < RADIANS or dec == round(dec):
        return None
    return f"{dec:g} is taken as degrees; if it is in radians, write {_degrees(dec)}"


def source_fault(sources: Sequence[Source]) -> str | None:
    """Return a message if the angles of a list of sources seem to be in hours or radians; else None."""
    guess = _guess(sources)
    return guess if guess and len(sources) >= ENOUGH_SOURCES else None


def source_note(sources: Sequence[Source]) -> str | None:
    """As `source_fault`, if there are too few sources to be sure."""
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
    """Return radians as text in degrees."""
    return f"{round(math.degrees(radians), 1):g}"
