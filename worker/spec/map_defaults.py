"""Keys of an analysis that scans a map which follow from the rings of its pixels, if the spec leaves them out.

Without interpolation every pixel needs background trials at its own declination, which all pixels of a ring share. So
the background grid is the rings, with few plain and few tilted trials at each (without tilted ones the smallest number
that counts the quoted significance), and signal trials, which no pixel needs, are made at few of the rings.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from worker.spec import goals, tilts
from worker.spec.grid import RINGS, DecRange, ring_grid

SIGNAL_STEP_DEG = 10.0
"""Largest distance of declinations with signal trials, if the spec does not say."""
LEAST_TRIALS = 5000
"""Fewest background trials of a declination, if the spec does not say: eta is then known to 1.4 % of itself."""
QUOTED = 3.0
"""Default of `unblind.quote_nsigma`."""
N_TAIL_TRIALS = 8192
"""Tilted trials of a ring, if the spec does not say: 3 to 6 % of p at 3 sigma, 4 to 9 % at 5."""
N_TRIALS = 7500
"""Background trials of a declination for that significance."""

Rings = tuple[tuple[int, ...], float, float]
"""Resolutions of the maps, and range (deg)."""


def fill(document: Any, rings_of: Callable[[Any], Rings | None]) -> Any:
    """Return the document of a spec with `background`, `signal.dec_deg` and `scan.interpolation` written out.

    Parameters
    ----------
    rings_of : callable
        Returns resolutions and range of the raw scan section; None if it is no map, or wrong (which is told elsewhere).
    """
    sections = {key: document.get(key) for key in ("background", "signal", "scan")} if _is(document) else {}
    if not sections or not all(map(_is, sections.values())):
        return document
    background, signal, scan = (dict(section) for section in sections.values())
    rings, tilted = rings_of(scan), background.get("tail") == "tilted"
    on_rings = rings is not None and background.setdefault("dec_deg", RINGS) == RINGS
    if tilted:
        background.setdefault("n_trials", LEAST_TRIALS if on_rings else goals.COUNTED_TRIALS)
        background.setdefault("n_tail_trials", N_TAIL_TRIALS if on_rings else tilts.N_TRIALS)
    else:
        background.setdefault("n_trials", _trials(document.get("unblind")))
    filled = {**document, "background": background}
    if rings is None:
        return filled
    scan.setdefault("interpolation", "ring" if on_rings else "linear")
    grid = ring_grid(*rings)
    if signal.get("dec_deg") == RINGS:
        signal["dec_deg"] = grid
    elif on_rings and signal.get("dec_deg") is None:
        signal["dec_deg"] = spaced(grid, SIGNAL_STEP_DEG)
    if on_rings:
        background["dec_deg"] = tuple(sorted({*grid, *_declinations(signal["dec_deg"])}))
    return filled | {"signal": signal, "scan": scan}


def _is(section: Any) -> bool:
    return isinstance(section, Mapping)


def _trials(unblind: Any) -> int:
    """Background trials of a declination: so many that the significance to be quoted can be counted."""
    quoted = unblind.get("quote_nsigma", QUOTED) if _is(unblind) else QUOTED
    if isinstance(quoted, bool) or not isinstance(quoted, int | float) or not 0 < quoted <= 6:
        return N_TRIALS  # the key has its own message
    return max(goals.two_digits(goals.TAIL / goals.tail(quoted)), LEAST_TRIALS)


def spaced(grid: Sequence[float], step: float) -> tuple[float, ...]:
    """Return values of an increasing grid, both ends included, about `step` apart where the grid is dense enough."""
    n = max(-int(-(grid[-1] - grid[0]) // step), 1)
    targets = [grid[0] + (grid[-1] - grid[0]) * i / n for i in range(n + 1)]
    return tuple(sorted({min(grid, key=lambda dec: (abs(dec - target), dec)) for target in targets}))


def _declinations(grid: Any) -> tuple[float, ...]:
    """Declinations of a raw grid; none if it is wrong, which has its own message."""
    try:
        return tuple(float(dec) for dec in (DecRange.model_validate(grid).values() if _is(grid) else grid))
    except (TypeError, ValueError):
        return ()
