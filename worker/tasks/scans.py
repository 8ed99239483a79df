"""scan_trials, scan_map: background skies and the observed sky, ring by ring.

At one declination p falls with TS, so the hottest pixel of a ring is the one with the largest TS, whatever
the background distributions say. A background sky is therefore kept as the largest TS of each ring: a few
kilobytes from which hottest spots of any hemisphere are computed, and computed again when more background
trials arrive, without a new scan.
"""

from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError, SpecError
from worker.base.task_rows import SCAN_MAP, SCAN_TRIALS
from worker.engines.builtin import scan as engine
from worker.rundir import address, layout, store
from worker.rundir.layout import parse_band
from worker.rundir.ledger import Run, open_run
from worker.rundir.record import measure
from worker.tasks import catalog, context, device, hottest_spots
from worker.tasks.resume import Output, Work, produce

RING_DTYPE = np.dtype([("pixel", "<i8"), ("ts", "<f8"), ("ns", "<f8"), ("gamma", "<f8")])
MAP_DTYPE = np.dtype([("ts", "<f8"), ("ns", "<f8"), ("gamma", "<f8")])
KEEP_BELOW = 128
"""Scans of many skies keep the events of every ring in memory up to this nside."""


def rings(run: Run, nside: int) -> engine.Rings:
    """Rings of the spec's declination range."""
    scan = run.spec.healpix
    return engine.rings_of(nside, float(np.radians(scan.dec_min_deg)), float(np.radians(scan.dec_max_deg)))


def sky_key(run: Run, seed: int) -> tuple[int, int]:
    """Address of a stream of background skies."""
    return address.scan_trials(run.spec, seed)


def observed_key(run: Run) -> tuple[int, int]:
    """Address of the sky that plays the observed one until unblinding: one more scrambled sky."""
    return address.observed(run.spec)


def scan_digest(run: Run) -> str:
    """Digest of a file of background skies."""
    if catalog.is_catalog(run):
        return catalog.digest(run, SCAN_TRIALS)
    return context.trial_digest(run, SCAN_TRIALS, area=_area(run, run.spec.healpix.nside))


def sky_dtype(run: Run) -> np.dtype[np.void]:
    """Columns of a file of background skies."""
    return catalog.SOURCE_DTYPE if catalog.is_catalog(run) else RING_DTYPE


def map_digest(run: Run, nside: int, band: int, bands: int) -> str:
    """Digest of a band of the observed sky; `nside` is of no meaning for a list of sources."""
    if catalog.is_catalog(run):
        return catalog.digest(run, SCAN_MAP)
    return context.trial_digest(run, SCAN_MAP, area={**_area(run, nside), "band": [band, bands]})


def _area(run: Run, nside: int) -> dict[str, float]:
    scan = run.spec.healpix
    return {"nside": nside, "dec_min_deg": scan.dec_min_deg, "dec_max_deg": scan.dec_max_deg}


def scan_trials(path: Path, n: int, seed: int, first: int, band: str | None, part: int = 0) -> None:
    """Background skies [first, first + n): the largest TS of every ring, or all sources."""
    run = open_run(path)
    if catalog.is_catalog(run):
        if band is not None:
            raise SpecError(f"--band={band}: a list of sources has no bands; leave it out")
        catalog.scan_trials(run, n, seed, first, part)
        return
    nside = run.spec.healpix.nside
    chosen_band = parse_band(band) if band else None
    folder = layout.part_dir(layout.scan_dir(run.spec.name, nside), part)
    rel = folder / layout.rings_name(n, seed, first, chosen_band)
    args = {"nside": nside, "seed": seed, "first": first, "band": band} | layout.part_address(part)

    def set_up() -> Work:
        analysis = context.analysis(run)
        chosen = rings(run, nside) if chosen_band is None else engine.band(rings(run, nside), *chosen_band)
        scanner = device.scanner(run, analysis, chosen, keep=nside < KEEP_BELOW)
        key = sky_key(run, seed)

        def skies(start: int, count: int) -> NDArray[np.void]:
            out = np.empty((count, len(chosen.dec)), RING_DTYPE)
            for i in range(count):
                turn = engine.right_ascensions(analysis, key, first + start + i)
                out[i] = maxima(scanner, chosen, turn)
            return out

        return Work(n, 1, skies)

    produce(run, Output(SCAN_TRIALS, rel, args, scan_digest(run), n, RING_DTYPE), set_up)
    if chosen_band is None and not _is_planned(run, n, seed, first):
        _write_spots(run, rel, n, seed, first)


def maxima(scanner: engine.Scanner, chosen: engine.Rings, turn: NDArray[np.float64]) -> NDArray[np.void]:
    """The largest TS of every ring of a sky, (n_rings,) of `RING_DTYPE`; `turn` from `engine.right_ascensions`."""
    out = np.empty(len(chosen.dec), RING_DTYPE)
    for r in range(len(chosen.dec)):
        out[r] = _largest(scanner.ring(r, turn), int(chosen.first[r]))
    return out


def _largest(ring: NDArray[np.float64], first: int) -> tuple[int, float, float, float]:
    """The pixel with the largest TS (ties: the lowest pixel)."""
    p = int(np.argmax(ring[:, 0]))
    return first + p, ring[p, 0], ring[p, 1], ring[p, 2]


def _is_planned(run: Run, n: int, seed: int, first: int) -> bool:
    """Whether collect_scan will turn these skies into hottest spots."""
    return any(
        node["task"] == SCAN_TRIALS and node["seed"] == seed and (first, n) in node["cuts"]
        for node in run.plan["nodes"]
    )


def _write_spots(run: Run, source: PurePosixPath, n: int, seed: int, first: int) -> None:
    """Hottest spots of one file of skies that was run by hand, in the tutorial's columns."""
    rel = layout.scan_dir(run.spec.name, run.spec.healpix.nside) / layout.trials_name(n, seed, first)
    with measure("hottest_spots", {"seed": seed, "first": first}, "") as meter:
        try:
            tsds = hottest_spots.load_tsds(run)
        except InputError:
            print("the hottest spots need background distributions: run collect_bg, then this task again")
            return
        maxima = store.load_array(run.path, source, n, RING_DTYPE)
        store.save_array(
            run.path, rel, hottest_spots.spots(run, rings(run, run.spec.healpix.nside), maxima, tsds), meter.record(n)
        )
    print(f"-> {rel}")


def scan_map(path: Path, nside: int | None, band: int, bands: int) -> None:
    """One declination band of the observed (scrambled) sky, or all sources in it."""
    run = open_run(path)
    if catalog.is_catalog(run):
        if nside is not None or bands > 1:
            raise SpecError("--nside, --band and --bands belong to a map; a list of sources has none: leave them out")
        catalog.scan_map(run)
        return
    if nside is None:
        raise SpecError(f"--nside is missing; write e.g. --nside={run.spec.healpix.nside}")
    rel = layout.map_dir(run.spec.name, nside) / layout.band_name(band, bands)
    chosen = engine.band(rings(run, nside), band, bands)
    n, digest = int(chosen.n_pix.sum()), map_digest(run, nside, band, bands)

    def set_up() -> Work:
        analysis = context.analysis(run)
        scanner = device.scanner(run, analysis, chosen, keep=False)
        turn = engine.right_ascensions(analysis, observed_key(run), 0)

        def some_rings(start: int, count: int) -> NDArray[np.void]:
            values = np.concatenate([scanner.ring(r, turn) for r in range(start, start + count)])
            return np.ascontiguousarray(values).view(MAP_DTYPE)[:, 0]

        return Work(len(chosen.dec), 1, some_rings)

    args = {"nside": nside, "band": band, "bands": bands}
    produce(run, Output(SCAN_MAP, rel, args, digest, n, MAP_DTYPE), set_up)
