"""Maps of a sky with p-values, and their hottest spots."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.healpix import Rings
from worker.hypotheses import hottest_spots
from worker.hypotheses.protocol import Sky, Tsds
from worker.hypotheses.sky import further
from worker.hypotheses.sky.rings import rings
from worker.rundir import store
from worker.spec.sections import Spec

F64 = NDArray[np.float64]
COLUMNS = ("MLOG10P", "TS", "NS", "GAMMA")


def write_maps(spec: Spec, tsds: Tsds, sky: Sky) -> dict[str, Any]:
    """Write the maps of a sky; returns its hottest spots by region and map."""
    scan = spec.healpix
    hot, maps, more = {}, {}, {}
    for nside in scan.nsides:
        scanned = rings(scan, nside)
        values = sky.values(nside)
        dec = np.repeat(scanned.dec, scanned.n_pix)
        heat = hottest_spots.p_map(spec, tsds, dec, values["ts"])
        _write(nside, scanned, np.array([heat, values["ts"], values["ns"], values["gamma"]]), sky)
        maps[str(nside)] = {
            region: {**spot, **hottest_spots.local_p(spec, tsds, spot["dec"], spot["ts"])}
            for region, spot in _hottest_pixels(spec, scanned, heat, values).items()
        }
        if nside == scan.nside:
            hot = maps[str(nside)]
            more = further.of_map(spec, scanned, tsds, heat, values)
    return {"sky": sky.name, "nside": scan.nside, "map_nside": scan.map_nside, "hottest": hot.get("all"),
            "regions": hot, "maps": maps, **more}  # fmt: skip


def _hottest_pixels(spec: Spec, rings: Rings, heat: F64, values: NDArray[np.void]) -> dict[str, dict[str, float]]:
    """The hottest pixel of each region (ties: the lowest pixel), radians and degrees."""
    dec = np.repeat(rings.dec, rings.n_pix)
    ra = np.concatenate([(np.arange(c) + s) * (2 * np.pi / c) for c, s in zip(rings.n_pix, rings.shift, strict=True)])
    out = {}
    for region in hottest_spots.REGIONS:
        use = np.flatnonzero(hottest_spots.in_region(spec, region, dec))
        if len(use) == 0:
            continue
        p = use[np.argmax(heat[use])]
        out[region] = {name: float(values[name][p]) for name in ("ts", "ns", "gamma")}
        out[region] |= {"ra": float(ra[p]), "dec": float(dec[p]), "mlog10p": float(heat[p])}
        out[region] |= {"ra_deg": float(np.degrees(ra[p])), "dec_deg": float(np.degrees(dec[p]))}
    return out


def _write(nside: int, rings: Rings, values: F64, sky: Sky) -> None:
    """Write (4, npix) values: NaN outside the range in .npy, UNSEEN in .fits."""
    full = np.full((4, 12 * nside * nside), np.nan)
    if len(rings.first):
        full[:, rings.first[0] : rings.first[0] + values.shape[1]] = values
    store.save_file(sky.root, sky.file(nside, ".npy"), lambda path: _npy(path, full))
    store.save_file(sky.root, sky.file(nside, ".fits"), lambda path: _fits(path, full, sky))


def _npy(path: Path, full: F64) -> None:
    with path.open("wb") as file:
        np.save(file, full)


def _fits(path: Path, full: F64, sky: Sky) -> None:
    import healpy

    seen = np.where(np.isnan(full), healpy.UNSEEN, full)
    header = [("SKY", sky.name, sky.remark)]
    healpy.write_map(path, seen, coord="C", column_names=COLUMNS, dtype=np.float64, overwrite=True, extra_header=header)
