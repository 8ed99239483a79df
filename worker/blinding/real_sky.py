"""The real sky, scanned as the scrambled one was: the same resolutions, range, and distributions of p-values."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base import healpix
from worker.base.pools import mapped
from worker.blinding import clearance
from worker.rundir import input_digests, layout, store
from worker.rundir.ledger import Run, open_run
from worker.stats.posttrial import post_trial
from worker.tasks import catalog, context, fluxes, hottest_spots, limits, results, scans, skymap

F64 = NDArray[np.float64]


def scanned(run: Run, turn: F64, jobs: int, root: Path) -> dict[str, Any]:
    """Maps or sources, hottest spots, post-trial p-values and upper limits of the real sky."""
    tsds, label = hottest_spots.load_tsds(run), context.dataset_of(run).label
    if catalog.is_catalog(run):
        found = catalog.told(run, _sources(run, turn), tsds, f"unblinded {label}")
    else:
        remark = f"real positions of {label} data"
        values = partial(_pixels, run, turn, jobs)
        found = skymap.written(run, tsds, root, skymap.Sky(f"unblinded {label}", remark, values, layout.unblinded_map))
    found["post_trial_regions"] = {
        region: fluxes.finite(post_trial(spot["mlog10p"], _skies(run, region)["mlog10p"])._asdict())
        for region, spot in found["regions"].items()
    }
    found["post_trial"] = found["post_trial_regions"]["all"]
    if "binomial" in found:
        found["binomial"] = {name: results.binomial(run.path, name, test) for name, test in found["binomial"].items()}
    found["upper_limits"] = limits.told(run, found)
    return {**found, "label": label, "made_from": clearance.background_set(run) | input_digests.data(run)}


def _sources(run: Run, turn: F64) -> NDArray[np.void]:
    """TS, ns and gamma of every source of the list."""
    scanner = context.skies(run).source_scanner(catalog.positions(run))
    out = np.empty((1, len(scanner.sources.dec), 3))
    scanner.at(turn[None, :], out)
    return out.view(catalog.SOURCE_DTYPE)[0, :, 0]


def _skies(run: Run, region: str) -> Any:
    return store.load_array(run.path, layout.skies_file(region), None, hottest_spots.SPOT_DTYPE)


def _pixels(run: Run, turn: F64, jobs: int, nside: int) -> NDArray[np.void]:
    """TS, ns, gamma of all pixels in range, band by band, as the scrambled sky was scanned."""
    scan = run.spec.healpix
    bands = max(scan.bands, min(2 * jobs, len(scans.rings(run, nside).dec)))
    work = partial(_band, run.path, turn, nside, bands)
    return np.concatenate(list(mapped(work, range(bands), jobs)))


def _band(path: Path, turn: F64, nside: int, bands: int, band: int) -> NDArray[np.void]:
    run = open_run(path)
    chosen = healpix.band(scans.rings(run, nside), band, bands)
    if not len(chosen.dec):
        return np.empty(0, scans.MAP_DTYPE)
    scanner = context.skies(run).ring_scanner(chosen, keep=False)
    values = np.concatenate([scanner.ring(r, turn) for r in range(len(chosen.dec))])
    return np.ascontiguousarray(values).view(scans.MAP_DTYPE)[:, 0]
