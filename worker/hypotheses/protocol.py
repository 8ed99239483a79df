"""What a hypothesis is: what is tested, what is looked at together in one sky, and which checks that takes.

What a plan needs of it without an array stands at its section of the spec, `worker.spec.scan_section`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from worker.engines.protocol import Engine
from worker.rundir.ledger import Expected, Run
from worker.stats.checks import Check
from worker.stats.distributions import TSD

F64 = NDArray[np.float64]
Rows = NDArray[np.void]
Tsds = Mapping[float, TSD]
"""Background distributions by declination (deg)."""


class Steps(NamedTuple):
    """How a file is made: ``make(first, count)`` gives some of its units, at most `size` of them at once."""

    size: int
    make: Callable[[int, int], NDArray[Any]]


class SkyFile(NamedTuple):
    """One file of skies, or of the observed sky.

    Attributes
    ----------
    path : PurePosixPath
    args : mapping
        The address in its record.
    area : mapping
        What its digest holds besides data and likelihood: positions.
    n, units : int
        Entries, as its record counts them, and what they are made in: skies, or rings.
    dtype : dtype
    begin : callable
        ``begin(engine)``, once the file is known to be wanted.
    spots : PurePosixPath or None
        Where hottest spots go, if these skies are made by hand and some are kept.
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
    """Which sky is shown, and where its maps go.

    Attributes
    ----------
    name : str
        scrambled, or unblinded with the label of its data.
    remark : str
        For the header of FITS files.
    values : callable
        ``values(nside)``: TS, ns, gamma of all positions, as the files of the observed sky have them, end to end.
    root : Path
        Maps lie below it.
    file : callable
        ``file(nside, suffix)``: where a map goes.
    """

    name: str
    remark: str
    values: Callable[[int], Rows]
    root: Path
    file: Callable[[int, str], PurePosixPath]


class Kept(NamedTuple):
    """What is kept of background skies: their number, and files by path."""

    n: int
    files: Mapping[PurePosixPath, Rows]


class Target(NamedTuple):
    """A position with an observed TS, for an upper limit; `dec` in degrees."""

    name: str
    dec: float
    ts: float


class Ensemble(Protocol):
    """What is looked at together in one sky: how skies are scanned, and what becomes of them."""

    @property
    def sky_dtype(self) -> np.dtype[np.void]:
        """Columns of a file of background skies."""

    @property
    def map_dtype(self) -> np.dtype[np.void]:
        """Columns of the observed sky."""

    @property
    def rows_by_chance(self) -> int:
        """Skies of each file that a review makes again by chance."""

    def skies(self, n: int, seed: int, first: int, band: str | None, part: int) -> SkyFile:
        """Background skies [first, first + n) of the stream of a seed."""

    def observed(self, nside: int | None, band: int, bands: int) -> SkyFile:
        """A band of the sky that plays the observed one until unblinding: one more scrambled sky."""

    def sky_area(self) -> Mapping[str, Any]:
        """What the digest of background skies holds of positions."""

    def map_area(self, nside: int, band: int, bands: int) -> Mapping[str, Any]:
        """The same of a band of the observed sky."""

    def warm_up(self, engine: Engine) -> None:
        """Call everything compiled once."""

    def spots(self, skies: Rows, tsds: Tsds, region: str = "all") -> Rows:
        """The hottest spot of each sky in a region."""

    def background(self, files: Sequence[Expected], load: Callable[[Expected], Rows], tsds: Tsds) -> Kept:
        """Hottest spots of all background skies, by region, and what else is kept of them."""

    def told(self, sky: Sky, tsds: Tsds) -> dict[str, Any]:
        """What is said of a sky: the hottest spot of each region (``regions``) and more; writes its maps."""

    def maps(self, file: Callable[[int, str], PurePosixPath]) -> list[PurePosixPath]:
        """The maps that `told` writes."""

    def targets(self, told: Mapping[str, Any]) -> Iterable[Target]:
        """What gets an upper limit."""

    def further_tests(self, path: Path, told: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
        """Tests of a sky besides its hottest spots, by name and region, corrected with the same background skies."""

    def real_bands(self, nside: int, jobs: int) -> int:
        """Bands in which so many processes scan the real sky."""

    def real(self, engine: Engine, turn: F64, nside: int, band: int, bands: int) -> Rows:
        """A band of the sky with these right ascensions (turns)."""

    def again(self, engine: Engine, file: Expected, rows: Sequence[int]) -> Iterator[Rows]:
        """Some skies of a file, each made again alone."""

    def refitted(self, engine: Engine, file: Expected, skies: Rows) -> Iterator[Rows] | None:
        """Every sky of a file, fitted again only where it says its TS is; None where that is nothing else than `again`.

        Raises
        ------
        InputError
            The file names places that it cannot hold.
        """

    def require_files(self, run: Run, told: Mapping[str, Any]) -> None:
        """Raise an InputError if a file beside scan.json is missing or is not what it must be."""


class Hypothesis(Protocol):
    """What is tested."""

    def ensemble(self) -> Ensemble | None:
        """What is looked at together in one sky; None: no scan, and no post-trial p-value."""

    def checks(self) -> Mapping[str, Callable[[Run], Check]]:
        """Checks of the background skies and of the map before unblinding, by their name in `worker.spec.checklist`."""
