"""A fixed list of tests that are all fitted in the same scrambled skies: what sources of a list and points share.

A sky is scrambled once and every test of the list is made in it, so the p-values of one sky have the same correlations
as in the real sky.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Self

import numpy as np

from worker.base.errors import SpecError
from worker.engines.protocol import Engine, PointScanner
from worker.hypotheses.protocol import F64, Rows, SkyFile, Steps
from worker.rundir import address, layout
from worker.rundir.ledger import Expected
from worker.spec.sections import Spec


@dataclass(frozen=True)
class Together:
    """The scan of a list; a subclass says what is in the list (`dtype`, `scanner`, `sky_area`) and what results."""

    spec: Spec
    rows_by_chance: ClassVar[int] = 1

    @property
    def sky_dtype(self) -> np.dtype[np.void]:
        """Columns of a fit."""
        raise NotImplementedError

    @property
    def map_dtype(self) -> np.dtype[np.void]:
        """The same."""
        return self.sky_dtype

    def scanner(self, engine: Engine) -> PointScanner:
        """Fits of the whole list."""
        raise NotImplementedError

    def sky_area(self) -> Mapping[str, Any]:
        """The list, for digests."""
        raise NotImplementedError

    def ensemble(self) -> Self:
        """All tests in a sky."""
        return self

    def skies(self, n: int, seed: int, first: int, band: str | None, part: int) -> SkyFile:
        """A fit of every test of the list in every sky."""
        if band is not None:
            raise SpecError(f"--band={band}: a list has no bands; leave it out")
        folder = layout.part_dir(layout.scan_dir(self.spec.name, self.spec.scan.level()), part)
        path = folder / layout.sky_name(folder, n, seed, first)
        args = {"seed": seed, "first": first} | layout.part_address(part)
        return self._work(path, args, (address.scan_trials(self.spec, seed), first, n))

    def observed(self, nside: int | None, band: int, bands: int) -> SkyFile:
        """The same of one sky, as one row."""
        if nside is not None or bands > 1:
            raise SpecError("--nside, --band and --bands belong to a map; a list has none: leave them out")
        path = layout.map_dir(self.spec.name, self.spec.scan.level()) / layout.band_name(0, 1)
        return self._work(path, {}, (address.observed(self.spec), 0, 1))

    def _work(self, path: PurePosixPath, args: Mapping[str, Any], skies: tuple[tuple[int, int], int, int]) -> SkyFile:
        """All tests in skies (key, first, n), as (n, n_tests)."""
        key, first, n = skies
        return SkyFile(path, args, self.sky_area(), n, n, self.sky_dtype, partial(self._begin, key, first))

    def _begin(self, key: tuple[int, int], first: int, engine: Engine) -> Steps:
        fits = self.scanner(engine)
        return Steps(fits.block, lambda start, count: fits.skies(key, first + start, count))

    def map_area(self, nside: int, band: int, bands: int) -> Mapping[str, Any]:
        """The list: there is no map."""
        return self.sky_area()

    def warm_up(self, engine: Engine) -> None:
        """Fit one sky."""
        self.scanner(engine).skies((0, 0), 0, 1)

    def maps(self, file: Callable[[int, str], PurePosixPath]) -> list[PurePosixPath]:
        """None."""
        return []

    def further_statistics(self, path: Path, result: Mapping[str, Any]) -> Iterator[tuple[F64, float]]:
        """None."""
        yield from ()

    def real_bands(self, nside: int, jobs: int) -> int:
        """1: all tests together."""
        return 1

    def scan_real(self, engine: Engine, turn: F64, nside: int, band: int, bands: int) -> Rows:
        """A fit of every test, as one row."""
        return self.scanner(engine).at(turn[None, :])

    def of_real_sky(self, engine: Engine, turn: F64, result: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing."""
        return {}

    def recompute(self, engine: Engine, file: Expected, rows: Sequence[int]) -> Iterator[Rows]:
        """The skies of these rows."""
        scanner, key = self.scanner(engine), address.scan_trials(self.spec, file.seed)
        return (scanner.skies(key, file.first + row, 1) for row in rows)

    def refitted(self, engine: Engine, file: Expected, skies: Rows) -> None:
        """None: every test has a fixed position."""
