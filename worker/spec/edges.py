"""Ends of a grid of declinations: one rule for scans, p-values and upper limits."""

from collections.abc import Iterable, Sequence

EDGE_DEG = 0.001
"""A declination this far beyond the end of the grid still counts as inside: `dec_deg: sources` rounds to 0.001 deg."""


def beyond(grid_deg: Sequence[float], decs_deg: Iterable[float]) -> list[float]:
    """Return the declinations (deg) outside the increasing background grid, where no p-value can be interpolated."""
    low, high = grid_deg[0] - EDGE_DEG, grid_deg[-1] + EDGE_DEG
    return [dec for dec in decs_deg if not low <= dec <= high]
