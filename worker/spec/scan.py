"""What is scanned: the kinds of the section ``scan`` of the spec, and how one is chosen."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from worker.spec.scan_section import ScanSection
from worker.spec.sky_scan import HealpixScan
from worker.spec.source_scan import CatalogScan

SCANS: dict[str, type[ScanSection]] = {"healpix": HealpixScan, "catalog": CatalogScan}


def _scan_kind(value: Any) -> str | None:
    if isinstance(value, Mapping):
        kind = value.get("kind", "healpix")
        return kind if isinstance(kind, str) else "?"
    return getattr(value, "kind", None)


Scan = Annotated[
    Annotated[HealpixScan, Tag("healpix")] | Annotated[CatalogScan, Tag("catalog")], Discriminator(_scan_kind)
]
