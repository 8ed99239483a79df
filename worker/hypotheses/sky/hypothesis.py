"""All-sky scan: implements `worker.hypotheses.protocol`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Self

import numpy as np

from worker.base import healpix
from worker.base.errors import InputError, SpecError
from worker.engines.protocol import Engine
from worker.hypotheses import hottest_spots
from worker.hypotheses.protocol import F64, BackgroundSkies, Rows, Sky, SkyFile, Steps, Target, Tsds
from worker.hypotheses.sky import checks, further, kept, maps, refit
from worker.hypotheses.sky.prior_signal import PriorSignal
from worker.hypotheses.sky.rings import MAP_DTYPE, RING_DTYPE, maxima, rings, values
from worker.rundir import address, layout, store
from worker.rundir.ledger import Expected, Run
from worker.spec.sections import Spec
from worker.spec.sky_scan import KEEP_BELOW, HealpixScan
from worker.stats import bands
from worker.stats.checks import Check


class WholeSky(NamedTuple):
    """The scan of a range of declinations."""

    spec: Spec
    sky_dtype: np.dtype[np.void] = RING_DTYPE
    map_dtype: np.dtype[np.void] = MAP_DTYPE
    rows_by_chance: int = 0

    @property
    def scan(self) -> HealpixScan:
        """Section `scan` of the spec."""
        return self.spec.healpix

    def ensemble(self) -> Self:
        """All pixels of a sky."""
        return self

    def checks(self) -> Mapping[str, Callable[[Run], Check]]:
        """Whether hottest spots are distributed like the pixels, and whether a map is smooth."""
        return checks.CHECKS

    def skies(self, n: int, seed: int, first: int, band: str | None, part: int) -> SkyFile:
        """The largest TS of every ring, and warm spots."""
        folder = layout.part_dir(layout.scan_dir(self.spec.name, self.scan.level()), part)
        chosen_band = layout.parse_band(band) if band else None
        args = {"nside": self.scan.nside, "seed": seed, "first": first, "band": band} | layout.part_address(part)
        path = folder / layout.sky_name(folder, n, seed, first, chosen_band)
        begin = partial(self._skies, seed, first, chosen_band)
        spots = None if chosen_band else self._spots_file(n, seed, first)
        return SkyFile(path, args, self.sky_area(), n, n, RING_DTYPE, begin, spots)

    def _spots_file(self, n: int, seed: int, first: int = 0) -> PurePosixPath:
        return layout.scan_dir(self.spec.name, self.scan.level()) / layout.trials_name(n, seed, first)

    def _skies(self, seed: int, begin: int, band: tuple[int, int] | None, engine: Engine) -> Steps:
        row = self._row(seed, engine, band, self.scan.nside < KEEP_BELOW)
        return Steps(1, lambda start, count: np.stack([row(begin + start + i) for i in range(count)]))

    def _row(self, seed: int, engine: Engine, band: tuple[int, int] | None, keep: bool) -> Callable[[int], Rows]:
        """What is kept of a sky, or of a band of it: a function of its number."""
        key, chosen = address.scan_trials(self.spec, seed), self._rings(band)
        if not kept.is_more(self.scan):
            scanner = engine.ring_scanner(chosen, keep)
            return lambda sky: maxima(scanner, chosen, engine.scrambled(key, sky))
        around, _ = kept.with_margin(self._rings(None), chosen)
        scan = kept.Scan(self.scan, chosen, engine.ring_scanner(around, keep))
        signal = PriorSignal(self.spec, chosen, engine, seed)

        def row(sky: int) -> Rows:
            turn = engine.scrambled(key, sky)
            return np.concatenate([scan.row(turn), signal.row(sky, turn)])

        return row

    def _rings(self, band: tuple[int, int] | None) -> healpix.Rings:
        whole = rings(self.scan, self.scan.nside)
        return whole if band is None else healpix.band(whole, *band)

    def observed(self, nside: int | None, band: int, bands: int) -> SkyFile:
        """TS, ns and gamma of every pixel."""
        if nside is None:
            raise SpecError(f"--nside is missing; write e.g. --nside={self.scan.nside}")
        chosen = healpix.band(rings(self.scan, nside), band, bands)
        path = layout.map_dir(self.spec.name, self.scan.level(nside)) / layout.band_name(band, bands)
        n, args = int(chosen.n_pix.sum()), {"nside": nside, "band": band, "bands": bands}
        begin = partial(self._map, chosen)
        return SkyFile(path, args, self.map_area(nside, band, bands), n, len(chosen.dec), MAP_DTYPE, begin)

    def _map(self, chosen: healpix.Rings, engine: Engine) -> Steps:
        turn = engine.scrambled(address.observed(self.spec), 0)
        return Steps(1, partial(values, engine.ring_scanner(chosen, False), turn))

    def sky_area(self) -> Mapping[str, Any]:
        """Resolution and range, and what else is kept."""
        return {**self._area(self.scan.nside), **kept.area(self.scan)}

    def map_area(self, nside: int, band: int, bands: int) -> Mapping[str, Any]:
        """Resolution, range and band."""
        return {**self._area(nside), "band": [band, bands]}

    def _area(self, nside: int) -> dict[str, Any]:
        return {"nside": nside, "dec_min_deg": self.scan.dec_min_deg, "dec_max_deg": self.scan.dec_max_deg}

    def warm_up(self, engine: Engine) -> None:
        """Scan a ring."""
        engine.ring_scanner(healpix.rings_of(1), keep=False).ring(0, engine.scrambled((0, 0), 0))

    def spots(self, skies: Rows, tsds: Tsds, region: str = "all") -> Rows:
        """Hottest spot of each sky."""
        scanned = rings(self.scan, self.scan.nside)
        return hottest_spots.spots(self.spec, scanned, skies[:, : len(scanned.dec)], tsds, region)

    def background(self, files: Sequence[Expected], load: Callable[[Expected], Rows], tsds: Tsds) -> BackgroundSkies:
        """Hottest spots by region, hottest pixels with priors, and warm spots; bands of the same skies are joined."""
        scanned, parts = rings(self.scan, self.scan.nside), []
        for first in sorted({file.first for file in files}):
            of_sky = sorted((file for file in files if file.first == first), key=lambda file: file.band or (0, 1))
            cut = [kept.columns(self.scan, load(file), self._rings(file.band)) for file in of_sky]
            parts.append(kept.joined(self.scan, cut))
        skies, decs = np.concatenate([part.rings for part in parts]), scanned.dec
        regions = [name for name in hottest_spots.REGIONS if hottest_spots.in_region(self.spec, name, decs).any()]
        spot_files = {layout.skies_file(name): self.spots(skies, tsds, name) for name in regions}
        spot_files[self._spots_file(len(skies), 0)] = spot_files[layout.skies_file()]
        spot_files |= further.collected(self.spec, parts, tsds)
        heat = hottest_spots.p_map(self.spec, tsds, np.broadcast_to(decs, skies.shape), skies["ts"])
        n_eff = hottest_spots.n_eff_bands(self.spec, tsds, decs, scanned.n_pix, bands.hottest(decs, heat))
        return BackgroundSkies(len(skies), spot_files, n_eff)

    def sky_result(self, sky: Sky, tsds: Tsds) -> dict[str, Any]:
        """Hottest spots, by region and map."""
        return maps.write_maps(self.spec, tsds, sky)

    def maps(self, file: Callable[[int, str], PurePosixPath]) -> list[PurePosixPath]:
        """A map of each resolution, as .npy and .fits."""
        return [file(nside, suffix) for nside in self.scan.nsides for suffix in (".npy", ".fits")]

    def targets(self, result: Mapping[str, Any]) -> Iterable[Target]:
        """The hottest spot of each region."""
        for region, spot in result["regions"].items():
            yield Target(region, float(np.degrees(spot["dec"])), spot["ts"])

    def further_tests(self, path: Path, result: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
        """The population test and those with spatial priors, if the spec has them."""
        return further.tests(self.spec, path, result)

    def further_statistics(self, path: Path, result: Mapping[str, Any]) -> Iterator[tuple[F64, float]]:
        """Those of the population test, and with each prior."""
        return further.statistics(self.spec, path, result)

    def real_bands(self, nside: int, jobs: int) -> int:
        """Two bands per process, but not more than rings."""
        return max(self.scan.bands, min(2 * jobs, len(rings(self.scan, nside).dec)))

    def scan_real(self, engine: Engine, turn: F64, nside: int, band: int, bands: int) -> Rows:
        """TS, ns, gamma of all pixels of a band, as the scrambled sky was scanned."""
        chosen = healpix.band(rings(self.scan, nside), band, bands)
        if not len(chosen.dec):
            return np.empty(0, MAP_DTYPE)
        return values(engine.ring_scanner(chosen, keep=False), turn, 0, len(chosen.dec))

    def of_real_sky(self, engine: Engine, turn: F64, result: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing."""
        return {}

    def recompute(self, engine: Engine, file: Expected, rows: Sequence[int]) -> Iterator[Rows]:
        """The largest TS of every ring, and the warm spots."""
        row = self._row(file.seed, engine, file.band, True)
        return (row(file.first + i)[None] for i in rows)

    def refitted(self, engine: Engine, file: Expected, skies: Rows) -> Iterator[Rows]:
        """Each ring of each sky, and each warm spot, fitted at the pixel named in the file: the same bits as the scan.

        That no warm spot is missing is seen where the whole sky is made again (`recompute`).
        """
        return refit.refitted(self.spec, self._rings(file.band), engine, file, skies)

    def require_files(self, run: Run, result: Mapping[str, Any]) -> None:
        """Maps as .npy and .fits, warm spots, and hottest pixels with priors."""
        for rel, dtype in further.files(self.spec).items():
            store.load_array(run.path, rel, None, dtype)
        for nside in self.scan.nsides:
            store.load_array(run.path, layout.map_file(nside))
            picture = run.path / layout.map_file(nside, ".fits")
            if not picture.is_file() or not picture.stat().st_size:
                raise InputError(f"{picture}: this file is missing")
