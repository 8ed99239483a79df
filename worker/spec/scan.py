"""The kinds of the section ``scan`` of the spec, and the choice of one."""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, GetCoreSchemaHandler, Tag
from pydantic_core import CoreSchema

from worker.spec.point_scan import PointScan
from worker.spec.scan_section import DECISION, KIND, SCAN, NoPositions, ScanSection, Survival
from worker.spec.sky_scan import HealpixScan
from worker.spec.source_scan import CatalogScan


class NoScan(NoPositions):
    """No sky: trials, sensitivities and discovery potentials only."""

    sky_bands: ClassVar[int] = 1
    bands: ClassVar[int] = 1
    n_skies: ClassVar[int] = 0
    skies_per_file: ClassVar[int] = 1
    dec_min_deg: ClassVar[float] = -90.0
    dec_max_deg: ClassVar[float] = 90.0
    dec_split_deg: ClassVar[float] = 0.0
    interpolation: ClassVar[Literal["linear"]] = "linear"

    affects = SCAN
    kind: Annotated[Literal["none"], KIND]
    survival: Annotated[Survival, DECISION] = "counted"


SCANS: dict[str, type[ScanSection]] = {
    "healpix": HealpixScan,
    "catalog": CatalogScan,
    "points": PointScan,
    "none": NoScan,
}


def _scan_kind(value: Any) -> str | None:
    if isinstance(value, Mapping):
        kind = value.get("kind", "healpix")
        return kind if isinstance(kind, str) else "?"
    return getattr(value, "kind", None)


class _OfTable:
    """The kinds of `SCANS`, as they are when the schema of the spec is built."""

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        kinds = reduce(or_, (Annotated[section, Tag(kind)] for kind, section in SCANS.items()))
        return handler.generate_schema(Annotated[kinds, Discriminator(_scan_kind)])


Scan = Annotated[HealpixScan | CatalogScan | PointScan | NoScan, _OfTable()]
