"""What is scanned: the whole sky on healpix pixels, or a list of sources. Sections of the spec."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from worker.base.task_rows import COLLECT_SCAN, SCAN_MAP, SCAN_TRIALS
from worker.spec import catalog
from worker.spec.fields import Affects, Count, DecDeg, Model, Nside, Whole, refuse, ring_decs_deg
from worker.spec.grid import ring_grid

SCAN = Affects("hottest spots and post-trial p-values: made again from the same skies", again=(COLLECT_SCAN,))
KIND = Affects("what is scanned: other skies, other files")
RANGE = Affects(
    "the range of all scans: finished skies and maps are of another analysis", trials=(SCAN_TRIALS, SCAN_MAP)
)
MORE = Affects("more or fewer skies of the same stream")
CUT = Affects("how skies are cut into files: the skies are the same, the files are not", decides="nothing")
CUT_MAPS = Affects("how maps are cut into files: the maps are the same, the files are not", decides="nothing")
DECISION = Affects(decision=True)


class HealpixScan(Model):
    """All-sky scan of scrambled skies on healpix pixels (RING)."""

    affects = SCAN
    kind: Annotated[Literal["healpix"], KIND] = "healpix"
    nside: Annotated[Nside, Affects("the resolution of all skies: other files")] = 64
    map_nside: Annotated[Nside | None, Affects("the finer map of one sky")] = None
    dec_min_deg: Annotated[DecDeg, RANGE] = -85.0
    dec_max_deg: Annotated[DecDeg, RANGE] = 85.0
    dec_split_deg: DecDeg = -5.0
    n_skies: Annotated[Count, MORE]
    skies_per_file: Annotated[Count, CUT] = 10
    sky_bands: Annotated[int, Field(ge=1, le=512), CUT] = 1
    bands: Annotated[Whole, Field(ge=1, le=512), CUT_MAPS] = 1
    interpolation: Literal["linear", "log", "ring"] = "linear"
    survival: Annotated[Literal["hybrid", "fit", "empirical"], DECISION] = "hybrid"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        maps = [(key, n) for key, n in (("nside", self.nside), ("map_nside", self.map_nside)) if n is not None]
        faults = [
            (key, f"found {n}; must be a power of 2: write {key}: {2 ** round(math.log2(n))}")
            for key, n in maps
            if n & (n - 1)
        ]
        low, high = self.dec_min_deg, self.dec_max_deg
        if high <= low:
            faults.append(("dec_max_deg", f"found {high:g}; must be larger than dec_min_deg = {low:g}"))
        if not faults:
            faults = [fault for key, n in maps for fault in self._ring_faults(key, n)]
        refuse(*faults)
        return self

    def ring_decs(self) -> tuple[float, ...]:
        """Declinations of the rings of all maps, deg, increasing: the background grid that needs no interpolation."""
        return ring_grid((self.nside, self.map_nside or self.nside), self.dec_min_deg, self.dec_max_deg)

    def _ring_faults(self, key: str, nside: int) -> list[tuple[str, str]]:
        """Every map must have a ring of pixels for each of its bands."""
        low, high = self.dec_min_deg, self.dec_max_deg
        n_rings = sum(low <= dec <= high for dec in ring_decs_deg(nside))
        if n_rings == 0:
            between = f"between dec_min_deg = {low:g} and dec_max_deg = {high:g}"
            return [(key, f"found {nside}; there is no pixel {between}: use a larger {key} or range")]
        if n_rings < self.bands:
            text = f"found {self.bands}; {key} = {nside} has only {n_rings} rings of pixels: write at most that many"
            return [("bands", text)]
        return []


class CatalogScan(Model):
    """A list of sources, all in the same scrambled skies."""

    affects = SCAN
    kind: Annotated[Literal["catalog"], KIND]
    file: Annotated[str | None, Affects(decides="nothing")] = None  # what was in it is in sources
    sources: Annotated[str | None, Affects("the list of sources: other skies, other files")] = None
    dec_split_deg: DecDeg = -5.0
    n_skies: Annotated[Count, MORE]
    skies_per_file: Annotated[Count, CUT] = 100
    interpolation: Literal["linear", "log"] = "linear"
    survival: Annotated[Literal["hybrid", "fit", "empirical"], DECISION] = "hybrid"

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if self.sources is None:
            refuse(("file", "missing; write e.g. file: sources.csv (columns name, ra_deg, dec_deg)"))
        faults = catalog.parse(self.sources or "")[1]
        refuse(*(("sources", f"line {fault.line}: {fault.text}") for fault in faults[:10]))
        return self

    @cached_property
    def entries(self) -> tuple[catalog.Source, ...]:
        """The sources, in the order of the file."""
        return catalog.parse(self.sources or "")[0]

    @property
    def tag(self) -> str:
        """Names the folder of these sources' skies."""
        return catalog.tag(self.entries)

    @property
    def dec_min_deg(self) -> float:
        """The southernmost source, deg."""
        return min(source.dec_deg for source in self.entries)

    @property
    def dec_max_deg(self) -> float:
        """The northernmost source, deg."""
        return max(source.dec_deg for source in self.entries)


SCANS: dict[str, type[Model]] = {"healpix": HealpixScan, "catalog": CatalogScan}


def _scan_kind(value: Any) -> str | None:
    if isinstance(value, Mapping):
        kind = value.get("kind", "healpix")
        return kind if isinstance(kind, str) else "?"
    return getattr(value, "kind", None)


Scan = Annotated[
    Annotated[HealpixScan, Tag("healpix")] | Annotated[CatalogScan, Tag("catalog")], Discriminator(_scan_kind)
]
