"""The section ``scan`` of an analysis whose listed points are all fitted in the same scrambled skies."""

import hashlib
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import PrivateAttr

from worker.spec.fields import Count
from worker.spec.scan_section import CUT, DECISION, KIND, MORE, SCAN, NoPositions, Survival


class PointScan(NoPositions):
    """Every point of the hypothesis in every sky; the post-trial p-value is that of the hottest point."""

    folder: ClassVar[str] = "points"
    file_stem: ClassVar[str] = "points"
    fits_per_s: ClassVar[float] = 5000.0
    needs: ClassVar[str] = "point_skies"

    affects = SCAN
    kind: Annotated[Literal["points"], KIND]
    n_skies: Annotated[Count, MORE]
    skies_per_file: Annotated[Count, CUT] = 100
    survival: Annotated[Survival, DECISION] = "counted"
    _names: tuple[str, ...] = PrivateAttr(default=())

    def fill(self, names: Callable[[], tuple[str, ...]]) -> None:
        """Set the names of the points, which the spec knows when it is read."""
        self._names = names()

    @property
    def nsides(self) -> tuple[int, ...]:
        """No map, one sky."""
        return (0,)

    @property
    def n_targets(self) -> int:
        """Every point."""
        return len(self._names)

    @property
    def kept_per_sky(self) -> int:
        """Every point."""
        return len(self._names)

    def positions(self, nside: int) -> int:
        """Every point."""
        return len(self._names)

    def map_bytes(self, nside: int, bands: int) -> float:
        """One row of all points."""
        return float(len(self._names) * self.kept_bytes)

    def level(self, nside: int | None = None) -> str:
        """``points/TAG``, with eight hex digits of the names of the points."""
        return f"{self.folder}/{hashlib.sha256(chr(10).join(self._names).encode()).hexdigest()[:8]}"

    def map_node(self, nside: int) -> tuple[str, tuple[tuple[str, int], ...]]:
        """One node for all points."""
        return "map_points", ()
