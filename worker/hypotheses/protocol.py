"""Interface of a hypothesis: the tested positions, the scan of a sky, and the checks before unblinding.

The parts that a plan needs (no arrays) are in its section of the spec, `worker.spec.scan_section`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from worker.engines.protocol import Engine
from worker.rundir.ledger import Expected, Run
from worker.spec.point import Point
from worker.stats.bands import Band
from worker.stats.checks import Check
from worker.stats.distributions import TSD

F64 = NDArray[np.float64]
Rows = NDArray[np.void]
Tsds = Mapping[Any, TSD]
"""Background distributions by declination (deg), or by name of the point if the hypothesis lists its points."""


class Steps(NamedTuple):
    """``make(first, count)`` returns `count` units of a file; a call makes at most `size` units."""

    size: int
    make: Callable[[int, int], NDArray[Any]]


class SkyFile(NamedTuple):
    """One file of skies, or of the observed sky.

    Attributes
    ----------
    path : PurePosixPath
    args : mapping
        Address of its random numbers, for its record.
    area : mapping
        Scanned positions, for its digest (besides data and likelihood).
    n, units : int
        Number of entries in its record, and number of units (skies or rings) that `begin` makes.
    dtype : dtype
    begin : callable
        ``begin(engine)`` returns the `Steps`; called only if the file has to be made.
    spots : PurePosixPath or None
        File for hottest spots, if these skies are not in the plan.
    """

    path: PurePosixPath
    args: Mapping[str, Any]
    area: Mapping[str, Any]
    n: int
    units: int
    dtype: np.dtype[np.void]
    begin: Callable[[Engine], Steps]
    spots: PurePosixPath | None = None


class Sky(NamedTuple):
    """An observed sky, and the paths of its maps.

    Attributes
    ----------
    name : str
        scrambled, or unblinded with the label of its data.
    remark : str
        For the header of FITS files.
    values : callable
        ``values(nside)``: TS, ns, gamma of all positions, the bands of the sky concatenated.
    root : Path
        Folder of the maps.
    file : callable
        ``file(nside, suffix)``: path of a map below `root`.
    """

    name: str
    remark: str
    values: Callable[[int], Rows]
    root: Path
    file: Callable[[int, str], PurePosixPath]


class BackgroundSkies(NamedTuple):
    """Number of background skies, the arrays that are kept of them, by path, and N_eff by declination."""

    n: int
    files: Mapping[PurePosixPath, Rows]
    bands: tuple[Band, ...]


class Target(NamedTuple):
    """A position with an observed TS, for an upper limit: a declination (deg), or a point with trials of its own."""

    name: str
    dec: float | None
    ts: float
    at: Point | None = None


class Ensemble(Protocol):
    """All positions that are tested in one sky: the scan, and the results computed from it."""

    @property
    def sky_dtype(self) -> np.dtype[np.void]:
        """Columns of a file of background skies."""

    @property
    def map_dtype(self) -> np.dtype[np.void]:
        """Columns of the observed sky."""

    @property
    def rows_by_chance(self) -> int:
        """Number of randomly chosen skies per file that a review recomputes."""

    def skies(self, n: int, seed: int, first: int, band: str | None, part: int) -> SkyFile:
        """Background skies [first, first + n) of the stream of a seed."""

    def observed(self, nside: int | None, band: int, bands: int) -> SkyFile:
        """A band of the observed sky; until unblinding this is one more scrambled sky."""

    def sky_area(self) -> Mapping[str, Any]:
        """Scanned positions, for the digest of background skies."""

    def map_area(self, nside: int, band: int, bands: int) -> Mapping[str, Any]:
        """Scanned positions, for the digest of a band of the observed sky."""

    def warm_up(self, engine: Engine) -> None:
        """Call every compiled function once, so that numba compiles and caches it."""

    def spots(self, skies: Rows, tsds: Tsds, region: str = "all") -> Rows:
        """The hottest spot of each sky in a region."""

    def background(self, files: Sequence[Expected], load: Callable[[Expected], Rows], tsds: Tsds) -> BackgroundSkies:
        """Hottest spots of all background skies, by region, and further results of the same skies."""

    def sky_result(self, sky: Sky, tsds: Tsds) -> dict[str, Any]:
        """Results of a sky, with the hottest spot of each region (``regions``); writes its maps."""

    def maps(self, file: Callable[[int, str], PurePosixPath]) -> list[PurePosixPath]:
        """The maps that `sky_result` writes."""

    def targets(self, result: Mapping[str, Any]) -> Iterable[Target]:
        """Positions for which upper limits are computed."""

    def further_tests(self, path: Path, result: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
        """Further tests of a sky by name and region, trial-corrected with the same background skies."""

    def further_statistics(self, path: Path, result: Mapping[str, Any]) -> Iterator[tuple[F64, float]]:
        """Of each further test, the statistic of every background sky, (n_skies,), and that of a sky with this result.

        Larger is hotter. A review makes the skies again that decide the p-values.
        """

    def real_bands(self, nside: int, jobs: int) -> int:
        """Number of bands of the real sky for `jobs` processes."""

    def scan_real(self, engine: Engine, turn: F64, nside: int, band: int, bands: int) -> Rows:
        """Scan a band of the sky with these right ascensions (turns)."""

    def of_real_sky(self, engine: Engine, turn: F64, result: Mapping[str, Any]) -> dict[str, Any]:
        """Further results of the real sky (right ascensions in turns), of which `result` is that of `sky_result`."""

    def recompute(self, engine: Engine, file: Expected, rows: Sequence[int]) -> Iterator[Rows]:
        """Recompute some skies of a file, one at a time."""

    def refitted(self, engine: Engine, file: Expected, skies: Rows) -> Iterator[Rows] | None:
        """Refit every sky of a file only at the pixels of its largest TS; None if `recompute` does the same.

        Raises
        ------
        InputError
            The file names pixels outside its rings.
        """

    def require_files(self, run: Run, result: Mapping[str, Any]) -> None:
        """Raise an InputError if a file beside scan.json is missing or invalid."""


class Hypothesis(Protocol):
    """What is tested."""

    def ensemble(self) -> Ensemble | None:
        """The positions tested in one sky; None: no scan, and no post-trial p-value."""

    def checks(self) -> Mapping[str, Callable[[Run], Check]]:
        """Checks of background skies and maps before unblinding, by name (see `worker.spec.checklist`)."""
