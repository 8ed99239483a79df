"""Where a grid of declinations ends: the one rule for the scan of a spec, for p-values and for upper limits."""

from collections.abc import Iterable, Sequence

EDGE_DEG = 0.001
"""A declination this far beyond the end of the grid still counts as inside: `dec_deg: sources` rounds to 0.001 deg."""


def beyond(grid_deg: Sequence[float], decs_deg: Iterable[float]) -> list[float]:
    """Declinations for which the grid has no neighbour on one side, so that nothing can be interpolated there.

    Parameters
    ----------
    grid_deg : sequence of float, deg
        Background declinations, increasing.
    decs_deg : iterable of float, deg

    Returns
    -------
    list of float, deg
        In the order of `decs_deg`.
    """
    low, high = grid_deg[0] - EDGE_DEG, grid_deg[-1] + EDGE_DEG
    return [dec for dec in decs_deg if not low <= dec <= high]
