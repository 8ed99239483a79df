"""Maps of the observed sky: bands put together, p-values added, hottest spots named.

Until unblinding, the observed sky is one more scrambled sky with an address of its own.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker import layout, store
from worker.engine.scan import Rings
from worker.ledger import Run, expected
from worker.stages import hottest, lineage, scans
from worker.stats.distributions import TSD

F64 = NDArray[np.float64]
SKY = "scrambled"
COLUMNS = ("MLOG10P", "TS", "NS", "GAMMA")


def observed(run: Run, tsds: Mapping[float, TSD]) -> dict[str, Any]:
    """Write the maps and give what scan.json says of them."""
    scan = run.spec.healpix
    hot, maps = {}, {}
    for nside in sorted({scan.nside, scan.map_nside or scan.nside}):
        rings = scans.rings(run, nside)
        values = _merged(run, nside)
        dec = np.repeat(rings.dec, rings.n_pix)
        heat = hottest.p_map(run, tsds, dec, values["ts"])
        _write(run, nside, rings, np.array([heat, values["ts"], values["ns"], values["gamma"]]))
        maps[str(nside)] = _hottest_pixels(run, rings, heat, values)
        if nside == scan.nside:
            hot = maps[str(nside)]
    return {"sky": SKY, "nside": scan.nside, "map_nside": scan.map_nside, "hottest": hot.get("all"), "regions": hot,
            "maps": maps}  # fmt: skip


def bands_of(run: Run) -> dict[str, str]:
    """Sha256 of every band of every map, by path."""
    return lineage.recorded(run, [e.path for e in expected(run, "scan_map")])


def files_of(run: Run) -> list[PurePosixPath]:
    """The maps that `observed` writes."""
    scan = run.spec.healpix
    nsides = sorted({scan.nside, scan.map_nside or scan.nside})
    return [layout.map_file(nside, suffix) for nside in nsides for suffix in (".npy", ".fits")]


def _merged(run: Run, nside: int) -> NDArray[np.void]:
    """TS, ns, gamma of all pixels in range; every band must be there."""
    parts = []
    for e in expected(run, "scan_map", nside=nside):
        band = e.band or (0, 1)
        digest = scans.map_digest(run, nside, *band)
        parts.append(store.load_array(run.path, e.path, None, scans.MAP_DTYPE, digest))
    return np.concatenate(parts)


def _hottest_pixels(run: Run, rings: Rings, heat: F64, values: NDArray[np.void]) -> dict[str, dict[str, float]]:
    """The hottest pixel of each region (ties: the lowest pixel), radians and degrees."""
    dec = np.repeat(rings.dec, rings.n_pix)
    ra = np.concatenate([(np.arange(c) + s) * (2 * np.pi / c) for c, s in zip(rings.n_pix, rings.shift, strict=True)])
    out = {}
    for region in hottest.REGIONS:
        use = np.flatnonzero(hottest.in_region(run, region, dec))
        if len(use) == 0:
            continue
        p = use[np.argmax(heat[use])]
        spot = {name: float(values[name][p]) for name in ("ts", "ns", "gamma")}
        spot |= {"ra": float(ra[p]), "dec": float(dec[p]), "mlog10p": float(heat[p])}
        spot |= {"ra_deg": float(np.degrees(ra[p])), "dec_deg": float(np.degrees(dec[p]))}
        out[region] = spot
    return out


def _write(run: Run, nside: int, rings: Rings, values: F64) -> None:
    """(4, npix) with NaN outside the range as .npy, UNSEEN in FITS."""
    full = np.full((4, 12 * nside * nside), np.nan)
    if len(rings.first):
        full[:, rings.first[0] : rings.first[0] + values.shape[1]] = values
    rel = layout.map_file(nside)
    store.save_file(run.path, rel, lambda path: _npy(path, full))
    store.save_file(run.path, layout.map_file(nside, ".fits"), lambda path: _fits(path, full))


def _npy(path: Path, full: F64) -> None:
    with path.open("wb") as file:
        np.save(file, full)


def _fits(path: Path, full: F64) -> None:
    import healpy

    seen = np.where(np.isnan(full), healpy.UNSEEN, full)
    header = [("SKY", SKY, "scrambled: right ascensions are not real")]
    healpy.write_map(path, seen, coord="C", column_names=COLUMNS, dtype=np.float64, overwrite=True, extra_header=header)
