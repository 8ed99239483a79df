"""Base class of the kinds of scan: all that is needed to check a spec, and to plan and cost its work."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Literal

from worker.base.task_rows import COLLECT_SCAN, SCAN_MAP, SCAN_TRIALS
from worker.spec.fields import Affects, Model
from worker.spec.point import Point, declinations
from worker.spec.post_trial import PostTrialTail

Survival = Literal["counted", "hybrid", "fit", "empirical"]
"""How a TS becomes a local p-value; counted needs tilted trials."""

Fault = tuple[str, str]
"""Key of the spec, and a sentence."""

SCAN = Affects("hottest spots and post-trial p-values: made again from the same skies", again=(COLLECT_SCAN,))
KIND = Affects("what is scanned: other skies, other files")
RANGE = Affects(
    "the range of all scans: finished skies and maps are of another analysis", trials=(SCAN_TRIALS, SCAN_MAP)
)
MORE = Affects("more or fewer skies of the same stream")
CUT = Affects("how skies are cut into files: the skies are the same, the files are not", decides="nothing")
CUT_MAPS = Affects("how maps are cut into files: the maps are the same, the files are not", decides="nothing")
DECISION = Affects(decision=True)


class ScanSection(Model):
    """The section ``scan`` of a spec, one subclass for each kind.

    The defaults are those of a kind without skies. Every kind has dec_min_deg, dec_max_deg, dec_split_deg, n_skies,
    skies_per_file, interpolation, survival, post_trial; and sky_bands and bands, the declination bands of a background
    sky and of a map of the observed one.

    Attributes
    ----------
    fits_per_s : float
        Positions fitted per second on one core, for the built-in model of costs.
    kept_bytes : int
        Bytes of one entry of a file of background skies.
    folder, file_stem : str
        Folder of its skies below that of all skies, and beginning of their file names; no two kinds share a folder.
    needs : str
        What an engine must support to scan its skies.
    """

    fits_per_s: ClassVar[float] = math.inf
    kept_bytes: ClassVar[int] = 24
    folder: ClassVar[str] = ""
    file_stem: ClassVar[str] = ""
    needs: ClassVar[str] = "skies"

    @property
    def has_skies(self) -> bool:
        """Whether skies are scanned: without them there is no post-trial p-value."""
        return bool(self.nsides)

    @property
    def decs_deg(self) -> tuple[float, ...]:
        """Declinations of all tested positions."""
        return ()

    @property
    def main_nside(self) -> int:
        """Resolution of the background skies; 0 if they have none."""
        return 0

    @property
    def nsides(self) -> tuple[int, ...]:
        """Resolutions of the observed sky, increasing; (0,) if it is no map, () if there is no sky."""
        return ()

    @property
    def n_targets(self) -> int:
        """Positions that get an upper limit."""
        return 0

    @property
    def kept_per_sky(self) -> int:
        """Stored entries of a background sky."""
        return 0

    @property
    def nsides_in_memory(self) -> float:
        """Rings whose events are kept in memory while skies are scanned, as a nside of the whole sky."""
        return 0.0

    def fill(self, names: Callable[[], tuple[str, ...]]) -> None:
        """Take the names of the points of the spec, if this kind of scan needs them."""

    def points(self, decs: Sequence[float], extension_deg: float) -> tuple[Point, ...]:
        """Points with background and signal trials: the declinations `decs` (deg) of the background section."""
        return declinations(decs, extension_deg)

    def positions(self, nside: int) -> int:
        """Number of fitted positions in a sky of this resolution."""
        return 0

    def map_bytes(self, nside: int, bands: int) -> float:
        """Size of a file of the observed sky, if it is split into `bands` files."""
        return 0.0

    def level(self, nside: int | None = None) -> str:
        """Folder of skies, or of a map of another `nside`, below that of all."""
        raise NotImplementedError

    def map_node(self, nside: int) -> tuple[str, tuple[tuple[str, int], ...]]:
        """Name and arguments of the node that scans the observed sky."""
        raise NotImplementedError

    def faults(self, decs: Sequence[float]) -> list[Fault]:
        """Faults with respect to the declinations of the background trials (deg)."""
        return []

    def unit_faults(self, decs: Sequence[float]) -> dict[str, str | None]:
        """Messages, by key, about angles that seem not to be in degrees."""
        return {}

    def unit_note(self) -> str | None:
        """The same, if it is not certain enough to refuse the spec."""
        return None

    def beyond(self, decs: Sequence[float], grid: Any) -> Iterator[Fault]:
        """Faults of positions without a p-value, outside the declinations `decs` (deg), `grid` in the spec."""
        yield from ()


class NoPositions(ScanSection):
    """Base class of the kinds that scan no positions on the sky: nothing to cut by declination."""

    sky_bands: ClassVar[int] = 1
    bands: ClassVar[int] = 1
    dec_min_deg: ClassVar[float] = -90.0
    dec_max_deg: ClassVar[float] = 90.0
    dec_split_deg: ClassVar[float] = 0.0
    interpolation: ClassVar[Literal["linear"]] = "linear"
    post_trial: ClassVar[PostTrialTail] = PostTrialTail()
