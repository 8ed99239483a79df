"""How large a scan is."""

import math

from worker.spec.scan import CatalogScan
from worker.spec.sections import Spec

REGIONS = 3  # hottest spots of a map: whole sky, north, south


def pixels(nside: int, dec_min_deg: float, dec_max_deg: float) -> int:
    """Healpix pixels between two declinations, from their share of the sphere."""
    low, high = math.sin(math.radians(dec_min_deg)), math.sin(math.radians(dec_max_deg))
    return round(12 * nside**2 * (high - low) / 2)


def main_nside(spec: Spec) -> int:
    """Resolution of the background skies; 0 for a list of sources."""
    return 0 if isinstance(spec.scan, CatalogScan) else spec.scan.nside


def nsides(spec: Spec) -> tuple[int, ...]:
    """Resolutions of the observed sky, increasing; 0 for a list of sources."""
    scan = spec.scan
    return (0,) if isinstance(scan, CatalogScan) else tuple(sorted({scan.nside, scan.map_nside or scan.nside}))


def positions(spec: Spec, nside: int) -> int:
    """Positions that a sky is fitted at: pixels of the range, or sources."""
    scan = spec.scan
    if isinstance(scan, CatalogScan):
        return len(scan.entries)
    return pixels(nside, scan.dec_min_deg, scan.dec_max_deg)


def targets(spec: Spec) -> int:
    """Positions that get an upper limit."""
    return len(spec.scan.entries) if isinstance(spec.scan, CatalogScan) else REGIONS
