"""How large a scan is."""

import math


def pixels(nside: int, dec_min_deg: float, dec_max_deg: float) -> int:
    """Healpix pixels between two declinations, from their share of the sphere."""
    low, high = math.sin(math.radians(dec_min_deg)), math.sin(math.radians(dec_max_deg))
    return round(12 * nside**2 * (high - low) / 2)
