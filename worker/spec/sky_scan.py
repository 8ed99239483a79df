"""The section ``scan`` of an analysis of the whole sky."""

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from worker.spec import edges, units
from worker.spec.fields import Affects, Count, DecDeg, Name, Nside, Whole, refuse, ring_decs_deg
from worker.spec.grid import NSigList, ring_grid
from worker.spec.post_trial import PostTrialTail
from worker.spec.scan_section import CUT, CUT_MAPS, DECISION, KIND, MORE, RANGE, SCAN, Fault, ScanSection, Survival
from worker.spec.warm_spots import SKIES, TEST, Population, WarmSpots

REGIONS = 3
"""Hottest spots of a map: whole sky, north, south."""
OPTIONAL = ("warm_spots", "population", "priors", "prior_maps", "prior_n_sig")
"""Keys that a resolved spec has only if they are set."""
KEEP_BELOW = 128
"""Scans of many skies keep the events of every ring in memory up to this nside."""


def pixels(nside: int, dec_min_deg: float, dec_max_deg: float) -> int:
    """Healpix pixels between two declinations, from their share of the sphere."""
    low, high = math.sin(math.radians(dec_min_deg)), math.sin(math.radians(dec_max_deg))
    return round(12 * nside**2 * (high - low) / 2)


class HealpixScan(ScanSection):
    """All-sky scan of scrambled skies on healpix pixels (RING)."""

    fits_per_s: ClassVar[float] = math.inf  # as the tasks say
    kept_bytes: ClassVar[int] = 32
    folder: ClassVar[str] = "nside"
    file_stem: ClassVar[str] = "rings"

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
    survival: Annotated[Survival, DECISION] = "counted"
    post_trial: PostTrialTail = PostTrialTail()
    warm_spots: Annotated[WarmSpots | None, SKIES] = None
    population: Annotated[Population | None, TEST] = None
    priors: Annotated[dict[Name, str] | None, Affects(decides="nothing")] = None  # what was in them is in prior_maps
    prior_maps: Annotated[dict[Name, str] | None, SKIES] = None
    prior_n_sig: Annotated[NSigList | None, SKIES] = None

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The values, without optional tests that the spec does not have: its resolved text is that of before."""
        return {key: value for key, value in handler(self).items() if value is not None or key not in OPTIONAL}

    @model_validator(mode="before")
    @classmethod
    def _spots_to_count(cls, section: Any) -> Any:
        """A population test has warm spots, with defaults if the spec does not say which."""
        if isinstance(section, dict) and section.get("population") is not None and section.get("warm_spots") is None:
            return {**section, "warm_spots": {}}
        return section

    @model_validator(mode="after")
    def _maps_of_priors(self) -> Self:
        if self.prior_n_sig is not None and self.priors is None and self.prior_maps is None:
            refuse(("prior_n_sig", "found sources of spatial priors, and there is none: write priors, or leave it out"))
        if self.priors is not None and self.prior_maps is None:
            refuse(("priors", "found files that were not read; write the spec as a file, and build it"))
        for name, text in (self.prior_maps or {}).items():
            from worker.spec import prior_map  # numpy: not for every spec

            fault = prior_map.fault(text, self.nside)
            if fault:
                refuse(("prior_maps", f"{name}: {fault}; remove prior_maps, and write the file in priors"))
        return self

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

    @property
    def decs_deg(self) -> tuple[float, ...]:
        """Declinations of the rings of all maps, increasing: the background grid that needs no interpolation."""
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

    @property
    def main_nside(self) -> int:
        """Resolution of the background skies."""
        return self.nside

    @property
    def nsides(self) -> tuple[int, ...]:
        """Resolutions of the maps, increasing."""
        return tuple(sorted({self.nside, self.map_nside or self.nside}))

    @property
    def n_targets(self) -> int:
        """The hottest spots."""
        return REGIONS

    @property
    def kept_per_sky(self) -> int:
        """Rings, each with its largest TS, the hottest pixel with each prior, and places for warm spots."""
        n_priors = len(self.prior_maps or {}) * (1 + len(self.prior_n_sig or ()))
        return 4 * self.nside + n_priors + self.warm_places(self.positions(self.nside))

    def warm_places(self, n_pix: int) -> int:
        """Places for the warm spots of a sky, or a band of it, with `n_pix` pixels."""
        return 0 if self.warm_spots is None else self.warm_spots.places(n_pix)

    @property
    def scans_per_sky(self) -> float:
        """A scan, and one of the rings with probability for each source drawn from a prior."""
        if not self.prior_n_sig or not self.prior_maps:
            return 1.0
        from worker.spec import prior_map  # numpy: not for every spec

        return 1.0 + len(self.prior_n_sig) * sum(map(prior_map.share_of_rings, self.prior_maps.values()))

    @property
    def further_tests(self) -> tuple[str, ...]:
        """Population test, and spatial priors."""
        population = ("population of warm spots",) if self.population is not None else ()
        return population + tuple(f"spatial prior {name}" for name in self.prior_maps or ())

    @property
    def notes(self) -> tuple[str, ...]:
        """On priors that this scan sees badly."""
        if not self.prior_maps:
            return ()
        from worker.spec import prior_map  # numpy: not for every spec

        found = [
            (name, prior_map.note(text, self.dec_min_deg, self.dec_max_deg)) for name, text in self.prior_maps.items()
        ]
        return tuple(f"priors.{name}: {text}" for name, text in found if text)

    @property
    def nsides_in_memory(self) -> float:
        """Of the rings between the ends of the scan, and again of those where sources are drawn from a prior."""
        again = self.nside * (self.scans_per_sky - 1.0) / max(len(self.prior_n_sig or ()), 1)
        if self.nside >= KEEP_BELOW:
            return again
        return self.nside * (self.positions(self.nside) / (12 * self.nside**2)) + again

    def positions(self, nside: int) -> int:
        """Pixels of the range."""
        return pixels(nside, self.dec_min_deg, self.dec_max_deg)

    @property
    def patch_pixels(self) -> int:
        """Pixels of a patch, about."""
        angle = math.radians(min(self.post_trial.radius_deg + self.post_trial.separation_deg, 180.0))
        return max(1, round(12 * self.nside**2 * (1.0 - math.cos(angle)) / 2))

    def map_bytes(self, nside: int, bands: int) -> float:
        """Bands have equal areas, to a ring."""
        return (12 * nside**2 / bands + 4 * nside) * 24

    def level(self, nside: int | None = None) -> str:
        """``nside/064``."""
        return f"{self.folder}/{nside or self.nside:03d}"

    def map_node(self, nside: int) -> tuple[str, tuple[tuple[str, int], ...]]:
        """One node for each resolution."""
        return f"map_nside{nside:03d}", (("nside", nside),)

    def faults(self, decs: Sequence[float]) -> list[Fault]:
        """Rings without background trials, if each pixel takes those of its own ring."""
        lacking = [dec for dec in self.decs_deg if dec not in set(decs)] if self.interpolation == "ring" else []
        if not lacking:
            return []
        text = (
            f"found {len(decs)} declinations; scan.interpolation: ring takes the background of each pixel's own ring, "
            f"and {len(lacking)} rings have none (the first at {lacking[0]:g} deg): write dec_deg: rings"
        )
        return [("background.dec_deg", text)]

    def unit_faults(self, decs: Sequence[float]) -> dict[str, str | None]:
        """Of the background grid and of the ends of the scan."""
        return {
            "background.dec_deg": units.grid_fault(decs),
            "scan.dec_min_deg": units.range_fault(self.dec_min_deg, self.dec_max_deg),
        }

    def beyond(self, decs: Sequence[float], grid: Any) -> Iterator[Fault]:
        """Rings of pixels."""
        rings = self.decs_deg
        if edges.beyond(decs, rings):
            text = f"reaches from {decs[0]:g} to {decs[-1]:g}, and the pixels of the scan from {rings[0]:g} to "
            text += f"{rings[-1]:g} deg: beyond the grid a p-value would be that of its end; "
            yield "background.dec_deg", text + self._cure(grid, decs)

    def _cure(self, grid: Any, decs: Sequence[float]) -> str:
        """What to write so that the rings of a scan lie inside the grid."""
        rings = self.decs_deg
        low = max(5 * math.floor(min(rings[0], decs[0]) / 5), -90)
        high = min(5 * math.ceil(max(rings[-1], decs[-1]) / 5), 90)
        step = getattr(grid, "step", 5.0)
        steps = (high - low) / step
        step = step if abs(steps - round(steps)) < 1e-6 else 5.0
        text = f"write background.dec_deg: {{start: {low:g}, stop: {high:g}, step: {step:g}}}"
        if len(decs) > 1 and len(rings) > len(edges.beyond(decs, rings)):
            ends = max(decs[0], self.dec_min_deg), min(decs[-1], self.dec_max_deg)
            text += f", or scan.dec_min_deg: {ends[0]:g} and scan.dec_max_deg: {ends[1]:g}"
        return text
