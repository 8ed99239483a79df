"""Maps of the observed sky: bands put together, p-values added, hottest spots named.

Until unblinding, the observed sky is one more scrambled sky with an address of its own.
"""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.task_rows import SCAN_MAP
from worker.engines.builtin.scan import Rings
from worker.rundir import input_digests, layout, store
from worker.rundir.ledger import Run, expected
from worker.stats.distributions import TSD
from worker.tasks import hottest_spots, scans

F64 = NDArray[np.float64]
SKY = "scrambled"
COLUMNS = ("MLOG10P", "TS", "NS", "GAMMA")


class Sky(NamedTuple):
    """Which sky is shown, and where its maps go.

    Attributes
    ----------
    name : str
        scrambled, or unblinded with the label of its data.
    remark : str
        For the header of FITS files.
    values : callable
        ``values(nside)``: TS, ns, gamma of all pixels in range.
    file : callable
        ``file(nside, suffix)``: where a map goes.
    """

    name: str
    remark: str
    values: Callable[[int], NDArray[np.void]]
    file: Callable[[int, str], PurePosixPath]


def observed(run: Run, tsds: Mapping[float, TSD]) -> dict[str, Any]:
    """Write the maps of the scrambled sky and give what scan.json says of them."""
    remark = "scrambled: right ascensions are not real"
    return written(run, tsds, run.path, Sky(SKY, remark, lambda nside: _merged(run, nside), layout.map_file))


def written(run: Run, tsds: Mapping[float, TSD], root: Path, sky: Sky) -> dict[str, Any]:
    """Write the maps of a sky below `root`; its hottest spots, by region and map."""
    scan = run.spec.healpix
    hot, maps = {}, {}
    for nside in nsides(run):
        rings = scans.rings(run, nside)
        values = sky.values(nside)
        dec = np.repeat(rings.dec, rings.n_pix)
        heat = hottest_spots.p_map(run, tsds, dec, values["ts"])
        _write(root, nside, rings, np.array([heat, values["ts"], values["ns"], values["gamma"]]), sky)
        maps[str(nside)] = _hottest_pixels(run, rings, heat, values)
        if nside == scan.nside:
            hot = maps[str(nside)]
    return {"sky": sky.name, "nside": scan.nside, "map_nside": scan.map_nside, "hottest": hot.get("all"),
            "regions": hot, "maps": maps}  # fmt: skip


def bands_of(run: Run) -> dict[str, str]:
    """Sha256 of every band of every map, by path."""
    return input_digests.recorded(run, [e.path for e in expected(run, SCAN_MAP)])


def files_of(run: Run) -> list[PurePosixPath]:
    """The maps that `observed` writes."""
    return [layout.map_file(nside, suffix) for nside in nsides(run) for suffix in (".npy", ".fits")]


def nsides(run: Run) -> list[int]:
    """Resolutions of the maps."""
    scan = run.spec.healpix
    return sorted({scan.nside, scan.map_nside or scan.nside})


def _merged(run: Run, nside: int) -> NDArray[np.void]:
    """TS, ns, gamma of all pixels in range; every band must be there."""
    parts = []
    for e in expected(run, SCAN_MAP, nside=nside):
        band = e.band or (0, 1)
        digest = scans.map_digest(run, nside, *band)
        parts.append(store.load_array(run.path, e.path, None, scans.MAP_DTYPE, digest))
    return np.concatenate(parts)


def _hottest_pixels(run: Run, rings: Rings, heat: F64, values: NDArray[np.void]) -> dict[str, dict[str, float]]:
    """The hottest pixel of each region (ties: the lowest pixel), radians and degrees."""
    dec = np.repeat(rings.dec, rings.n_pix)
    ra = np.concatenate([(np.arange(c) + s) * (2 * np.pi / c) for c, s in zip(rings.n_pix, rings.shift, strict=True)])
    out = {}
    for region in hottest_spots.REGIONS:
        use = np.flatnonzero(hottest_spots.in_region(run, region, dec))
        if len(use) == 0:
            continue
        p = use[np.argmax(heat[use])]
        spot = {name: float(values[name][p]) for name in ("ts", "ns", "gamma")}
        spot |= {"ra": float(ra[p]), "dec": float(dec[p]), "mlog10p": float(heat[p])}
        spot |= {"ra_deg": float(np.degrees(ra[p])), "dec_deg": float(np.degrees(dec[p]))}
        out[region] = spot
    return out


def _write(root: Path, nside: int, rings: Rings, values: F64, sky: Sky) -> None:
    """(4, npix) with NaN outside the range as .npy, UNSEEN in FITS."""
    full = np.full((4, 12 * nside * nside), np.nan)
    if len(rings.first):
        full[:, rings.first[0] : rings.first[0] + values.shape[1]] = values
    store.save_file(root, sky.file(nside, ".npy"), lambda path: _npy(path, full))
    store.save_file(root, sky.file(nside, ".fits"), lambda path: _fits(path, full, sky))


def _npy(path: Path, full: F64) -> None:
    with path.open("wb") as file:
        np.save(file, full)


def _fits(path: Path, full: F64, sky: Sky) -> None:
    import healpy

    seen = np.where(np.isnan(full), healpy.UNSEEN, full)
    header = [("SKY", sky.name, sky.remark)]
    healpy.write_map(path, seen, coord="C", column_names=COLUMNS, dtype=np.float64, overwrite=True, extra_header=header)
