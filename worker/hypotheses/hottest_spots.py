"""Hottest spots of skies: the largest TS of each ring becomes a p-value, and the smallest one is kept."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError
from worker.base.healpix import Rings
from worker.rundir import layout, store
from worker.rundir.ledger import Run
from worker.spec.point import Point
from worker.spec.sections import Spec
from worker.stats import bands, interpolated, pvalues
from worker.stats.checks import Check
from worker.stats.distributions import TSD
from worker.stats.pvalues import mlog10p
from worker.stats.tail import Tilted

SPOT_DTYPE = np.dtype([(name, "<f8") for name in ("dec", "gamma", "mlog10p", "ns", "ra", "ts")])
REGIONS = ("all", "north", "south")


def load_tsds(run: Run) -> dict[Any, TSD]:
    """Background TS distributions from the collected trials: by declination (deg), or by name of a listed point.

    Raises
    ------
    InputError
        If one is not collected yet.
    """
    if run.spec.hypothesis.lists_points:
        return {at.folder.name: load_tsd(run, at) for at in run.spec.all_points}
    return {dec: load_tsd(run, run.spec.at(dec)) for dec in run.spec.background.decs}


def load_tsd(run: Run, at: Point) -> TSD:
    """Background TS distribution of a point; errors as `load_tsds`."""
    return tsd_of(store.load_arrays(run.path, layout.bg_collected(at)), run.spec)


def tsd_of(arrays: Mapping[str, Any], spec: Spec) -> TSD:
    """Background TS distribution from the arrays of a collected file."""
    ts = np.sort(np.concatenate([arrays["ts_even"], arrays["ts_odd"]]))
    return TSD(int(arrays["n"].sum()), ts, spec.background.fit, Tilted.from_arrays(arrays))


def background_spots(run: Run, region: str = "all") -> NDArray[np.void]:
    """Hottest spots of all background skies.

    Raises
    ------
    InputError
        If they are not collected.
    """
    return store.load_array(run.path, layout.skies_file(region), None, SPOT_DTYPE)


def p_map(spec: Spec, tsds: Mapping[float, TSD], dec: NDArray[np.float64], ts: NDArray[np.float64]) -> Any:
    """-log10 p with the interpolation and the survival function of the spec."""
    return mlog10p(tsds, dec, ts, spec.scan.interpolation, spec.scan.survival)


def local_p(spec: Spec, tsds: Mapping[float, TSD], dec: float, ts: float) -> dict[str, float | str | None]:
    """Interval, method and interpolation error of a local p-value (`dec` in rad), by name; null if unknown."""
    found = interpolated.pvalue(tsds, dec, ts, spec.scan.interpolation, spec.scan.survival)
    error = None if np.isnan(found.interpolation_error) else found.interpolation_error
    return {"p_lo": found.lo, "p_hi": found.hi, "p_way": found.way, "p_interpolation_error": error}


def n_eff_bands(
    spec: Spec, tsds: Mapping[float, TSD], dec: NDArray[np.float64], n: NDArray[np.int64], heat: NDArray[np.float64]
) -> tuple[bands.Band, ...]:
    """N_eff of background skies in bands of declination.

    Parameters
    ----------
    dec : ndarray (n_columns,), rad
        Declinations of rings or sources.
    n : ndarray (n_columns,), int
        Number of pixels of each ring, 1 for a source.
    heat : ndarray (n_skies, n_bands)
        From `worker.stats.bands.hottest`.
    """
    index, errors = bands.index_of(dec), []
    for number in np.unique(index):
        inside = index == number
        shares = pvalues.shares(tsds, dec[inside], n[inside].astype(np.float64), spec.scan.interpolation)
        errors.append(bands.p_error(tsds, shares, 1.0 / float(n[inside].sum()), spec.scan.survival))
    return bands.measured(dec, n, heat, errors)


def n_eff_check(run: Run) -> Check:
    """Check of N_eff in bands of declination.

    Raises
    ------
    InputError
        The skies are not collected, or by an earlier version.
    """
    rows = store.load_json(run.path, layout.SCAN).get("n_eff_bands")
    if rows is None:
        raise InputError(f"{run.path / layout.SCAN} has no n_eff_bands: run collect_scan again")
    return bands.check(rows)


def with_local_p(spec: Spec, tsds: Mapping[float, TSD], result: dict[str, Any]) -> dict[str, Any]:
    """The result of a sky whose spots say how well their local p is known, if it is counted with tilted trials.

    ``local`` has a row for each of the declinations between which p is interpolated: p with its way, effective number
    of trials and interval, and the weight of the declination. A listed point has its own p, which says all that.
    """
    if spec.scan.survival != "counted" or spec.hypothesis.lists_points:
        return result
    regions = {region: {**spot, "local": _local_p(spec, tsds, spot)} for region, spot in result["regions"].items()}
    return {**result, "regions": regions}


def _local_p(spec: Spec, tsds: Mapping[float, TSD], spot: Mapping[str, Any]) -> list[dict[str, Any]]:
    weights = pvalues.shares(tsds, np.array([spot["dec"]]), np.ones(1), spec.scan.interpolation)
    rows: list[dict[str, Any]] = []
    for dec_deg, weight in weights.items():
        p = tsds[dec_deg].pvalue(spot["ts"])
        effective = p.n_effective if np.isfinite(p.n_effective) else None
        rows.append({"dec_deg": dec_deg, "weight": weight, "p": p.p, "lo": p.lo, "hi": p.hi, "way": p.way})
        rows[-1]["n_effective"] = effective
    return rows


def in_region(spec: Spec, region: str, dec: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mask of the declinations (rad) in a region: the whole sky, or north or south of the split."""
    if region == "all":
        return np.ones(dec.shape, bool)
    north: NDArray[np.bool_] = dec >= np.radians(spec.scan.dec_split_deg)
    return north if region == "north" else ~north


def spots(
    spec: Spec, rings: Rings, maxima: NDArray[np.void], tsds: Mapping[float, TSD], region: str = "all"
) -> NDArray[np.void]:
    """The hottest spot of each sky.

    Parameters
    ----------
    maxima : ndarray (n_skies, n_rings) of `worker.hypotheses.sky.rings.RING_DTYPE`
    region : 'all', 'north' or 'south'

    Returns
    -------
    ndarray (n_skies,) of `SPOT_DTYPE`; ties: the northernmost ring, hence the lowest pixel.
    """
    use = np.flatnonzero(in_region(spec, region, rings.dec))
    out = np.empty(len(maxima), SPOT_DTYPE)
    if len(use) == 0:
        raise InputError(f"the scan has no pixel in the {region}: change scan.dec_split_deg or the scan's range")
    in_use = maxima[:, use]
    heat = p_map(spec, tsds, np.broadcast_to(rings.dec[use], in_use.shape), in_use["ts"])
    best = np.argmax(heat, axis=1)
    rows = np.arange(len(maxima))
    chosen, ring = in_use[rows, best], use[best]
    out["dec"] = rings.dec[ring]
    place = chosen["pixel"] - rings.first[ring] + rings.shift[ring]
    out["ra"] = place * (2 * np.pi / rings.n_pix[ring])
    out["mlog10p"] = heat[rows, best]
    for name in ("ts", "ns", "gamma"):
        out[name] = chosen[name]
    return out
