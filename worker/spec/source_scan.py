"""The section ``scan`` of an analysis of a list of sources."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import model_validator

from worker.spec import catalog, edges, units
from worker.spec.fields import Affects, Count, DecDeg, refuse
from worker.spec.post_trial import PostTrialTail
from worker.spec.scan_section import CUT, DECISION, KIND, MORE, SCAN, Fault, ScanSection, Survival


class CatalogScan(ScanSection):
    """A list of sources, all in the same scrambled skies."""

    sky_bands: ClassVar[int] = 1
    bands: ClassVar[int] = 1
    folder: ClassVar[str] = "catalog"
    file_stem: ClassVar[str] = "sources"
    fits_per_s: ClassVar[float] = 5000.0  # alone, without the neighbours of a pixel

    affects = SCAN
    kind: Annotated[Literal["catalog"], KIND]
    file: Annotated[str | None, Affects(decides="nothing")] = None  # what was in it is in sources
    sources: Annotated[str | None, Affects("the list of sources: other skies, other files")] = None
    dec_split_deg: DecDeg = -5.0
    n_skies: Annotated[Count, MORE]
    skies_per_file: Annotated[Count, CUT] = 100
    interpolation: Literal["linear", "log"] = "linear"
    survival: Annotated[Survival, DECISION] = "counted"
    post_trial: PostTrialTail = PostTrialTail()

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if self.post_trial.tail != "none":
            text = "found patches, which are pixels around a pixel: a list of sources has none, its post-trial p-value "
            refuse(("post_trial.tail", f"{text}is counted; write tail: none, and raise n_skies"))
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

    @property
    def decs_deg(self) -> tuple[float, ...]:
        """Those of the sources, in their order."""
        return tuple(source.dec_deg for source in self.entries)

    @property
    def nsides(self) -> tuple[int, ...]:
        """No map, one sky."""
        return (0,)

    @property
    def n_targets(self) -> int:
        """Every source."""
        return len(self.entries)

    @property
    def kept_per_sky(self) -> int:
        """Every source."""
        return len(self.entries)

    def positions(self, nside: int) -> int:
        """Every source, at whatever resolution."""
        return len(self.entries)

    def map_bytes(self, nside: int, bands: int) -> float:
        """One row of all sources."""
        return float(len(self.entries) * self.kept_bytes)

    def level(self, nside: int | None = None) -> str:
        """``catalog/TAG``, which names the list by its positions."""
        return f"{self.folder}/{self.tag}"

    def map_node(self, nside: int) -> tuple[str, tuple[tuple[str, int], ...]]:
        """One node for all sources."""
        return "map_sources", ()

    def unit_faults(self, decs: Sequence[float]) -> dict[str, str | None]:
        """Of the positions of the sources."""
        return {"scan.sources" if self.file is None else "scan.file": units.source_fault(self.entries)}

    def unit_note(self) -> str | None:
        """Of a list too short to be sure."""
        return units.source_note(self.entries)

    def beyond(self, decs: Sequence[float], grid: Any) -> Iterator[Fault]:
        """Sources."""
        off = [s for s in self.entries if edges.beyond(decs, [s.dec_deg])]
        if off:
            shown = ", ".join(f"{s.name} ({s.dec_deg:g})" for s in off[:5]) + (", ..." if len(off) > 5 else "")
            radians = " (the grid looks like radians: it is in degrees)" if units.grid_fault(decs) else ""
            text = f"reaches from {decs[0]:g} to {decs[-1]:g}, and {len(off)} of {len(self.entries)} sources lie "
            yield "background.dec_deg", f"{text}outside: {shown}; widen the grid, or write dec_deg: sources{radians}"
